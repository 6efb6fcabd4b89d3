"""Lanes: bounded threads, queue and memory, whatever the callers do meanwhile."""

import asyncio
import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iiifkit.errors import Overloaded
from iiifkit.server.lanes import Lane


class Hold:
    """A blocking function that runs until it is let go."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.go = threading.Event()

    def __call__(self) -> str:
        self.started.set()
        assert self.go.wait(20)
        return "done"


@contextlib.contextmanager
def holds(number: int) -> Iterator[list[Hold]]:
    made = [Hold() for _ in range(number)]
    try:
        yield made
    finally:
        for hold in made:
            hold.go.set()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


def together(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 30))


def test_results_and_errors_come_back() -> None:
    async def main() -> None:
        lane = Lane("test", 1, 10)
        assert await lane.run(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await lane.run(lambda: 1 // 0)
        assert (lane.running, lane.waiting) == (0, 0)
        lane.close()

    together(main)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration(), asyncio.CancelledError()])
def test_what_a_future_cannot_hold_is_an_error_like_any_other(error: BaseException) -> None:
    def raises() -> None:
        raise error

    async def main() -> None:
        lane = Lane("test", 1, 10)
        async with asyncio.timeout(5):
            with pytest.raises(RuntimeError, match=type(error).__name__):
                await lane.run(raises)
        assert await lane.run(lambda: "goes on") == "goes on"
        lane.close()

    together(main)


def test_no_more_threads_run_than_the_lane_has() -> None:
    async def main() -> None:
        lane = Lane("test", 2, 100)
        at_once, most, lock = 0, 0, threading.Lock()

        def work() -> int:
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            threading.Event().wait(0.005)
            with lock:
                at_once -= 1
            return threading.get_ident()

        threads = await asyncio.gather(*(lane.run(work) for _ in range(40)))
        assert most == 2
        assert len(set(threads)) <= 2
        assert (lane.running, lane.waiting) == (0, 0)
        lane.close()

    together(main)


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    async def main() -> None:
        with holds(3) as (first, second, third):
            lane = Lane("test", 1, 2)
            tasks = [asyncio.ensure_future(lane.run(hold)) for hold in (first, second, third)]
            await until(lambda: lane.waiting == 2)
            with pytest.raises(Overloaded) as refused:
                await lane.run(lambda: None)
            assert refused.value.retry_after >= 1
            assert str(refused.value).endswith(".")
            for hold in (first, second, third):
                hold.go.set()
            assert await asyncio.gather(*tasks) == ["done"] * 3
            lane.close()

    together(main)


def test_a_lane_without_a_queue_runs_what_fits() -> None:
    async def main() -> None:
        with holds(1) as (hold,):
            lane = Lane("test", 1, 0)
            task = asyncio.ensure_future(lane.run(hold))
            await until(hold.started.is_set)
            with pytest.raises(Overloaded):
                await lane.run(lambda: None)
            hold.go.set()
            await task
            lane.close()

    together(main)


def test_a_slot_comes_back_when_its_thread_ends_and_not_when_its_waiter_goes() -> None:
    async def main() -> None:
        with holds(2) as (first, second):
            lane = Lane("test", 1, 10)
            gone = asyncio.ensure_future(lane.run(first))
            await until(first.started.is_set)
            after = asyncio.ensure_future(lane.run(second))
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            await asyncio.sleep(0.05)
            assert lane.running == 1
            assert not second.started.is_set()
            first.go.set()
            await until(second.started.is_set)
            second.go.set()
            assert await after == "done"
            lane.close()

    together(main)


def test_queued_work_whose_waiter_went_is_never_started() -> None:
    async def main() -> None:
        with holds(3) as (first, second, third):
            lane = Lane("test", 1, 10)
            running = asyncio.ensure_future(lane.run(first))
            await until(first.started.is_set)
            gone = asyncio.ensure_future(lane.run(second))
            stays = asyncio.ensure_future(lane.run(third))
            await until(lambda: lane.waiting == 2)
            gone.cancel()
            third.go.set()
            first.go.set()
            assert await running == "done"
            assert await stays == "done"
            assert not second.started.is_set()
            assert (lane.running, lane.waiting) == (0, 0)
            lane.close()

    together(main)


@pytest.mark.parametrize("order", ["hang-up first", "turn first"])
def test_a_turn_that_comes_in_the_moment_of_the_hang_up_is_not_lost(order: str) -> None:
    async def main() -> None:
        with holds(2) as (first, second):
            lane = Lane("test", 1, 10)
            running = asyncio.ensure_future(lane.run(first))
            await until(first.started.is_set)
            gone = asyncio.ensure_future(lane.run(lambda: "never"))
            stays = asyncio.ensure_future(lane.run(second))
            await until(lambda: lane.waiting == 2)
            first.go.set()
            time.sleep(0.05)  # the end of the first call now waits for the event loop
            if order == "hang-up first":
                gone.cancel()
            else:
                asyncio.get_running_loop().call_soon(gone.cancel)
            await until(second.started.is_set)
            second.go.set()
            assert await running == await stays == "done"
            with pytest.raises(asyncio.CancelledError):
                await gone
            assert (lane.running, lane.waiting, lane._used) == (0, 0, 0)
            lane.close()

    together(main)


def test_large_calls_run_alone_and_in_their_turn() -> None:
    async def main() -> None:
        with holds(4) as (small, large, second_small, third_small):
            lane = Lane("test", 3, 10, memory=100)
            tasks = [asyncio.ensure_future(lane.run(small, 60))]
            await until(small.started.is_set)
            tasks.append(asyncio.ensure_future(lane.run(large, 1000)))
            tasks.append(asyncio.ensure_future(lane.run(second_small, 10)))
            tasks.append(asyncio.ensure_future(lane.run(third_small, 10)))
            await asyncio.sleep(0.02)
            assert not second_small.started.is_set(), "the small calls would starve the large one"
            small.go.set()
            await until(large.started.is_set)
            await asyncio.sleep(0.02)
            assert not second_small.started.is_set(), "a call beyond the budget is not alone"
            large.go.set()
            await until(lambda: second_small.started.is_set() and third_small.started.is_set())
            second_small.go.set()
            third_small.go.set()
            assert await asyncio.gather(*tasks) == ["done"] * 4
            assert lane._used == 0
            lane.close()

    together(main)


def test_when_a_large_call_hangs_up_those_behind_it_go_on() -> None:
    async def main() -> None:
        with holds(3) as (small, large, behind):
            lane = Lane("test", 3, 10, memory=100)
            first = asyncio.ensure_future(lane.run(small, 60))
            await until(small.started.is_set)
            gone = asyncio.ensure_future(lane.run(large, 90))
            last = asyncio.ensure_future(lane.run(behind, 10))
            await until(lambda: lane.waiting == 2)
            gone.cancel()
            await until(behind.started.is_set)
            assert not large.started.is_set()
            small.go.set()
            behind.go.set()
            assert await first == await last == "done"
            lane.close()

    together(main)


@settings(max_examples=25, deadline=None)
@given(
    calls=st.lists(st.tuples(st.integers(0, 150), st.sampled_from(["stays", "goes", "fails"])), max_size=30),
    threads=st.integers(1, 4),
)
def test_slots_and_memory_are_as_before_whatever_the_callers_do(calls: list[tuple[int, str]], threads: int) -> None:
    lock = threading.Lock()
    used: list[int] = []
    broken: list[list[int]] = []

    def work(cost: int, fails: bool) -> None:
        with lock:
            used.append(cost)
            if len(used) > threads or (len(used) > 1 and sum(used) > 100):
                broken.append(list(used))
        threading.Event().wait(0.0005)
        with lock:
            used.remove(cost)
        if fails:
            raise ValueError

    async def main() -> None:
        lane = Lane("test", threads, 1000, memory=100)
        tasks = []
        for cost, fate in calls:
            task = asyncio.ensure_future(lane.run(lambda c=cost, f=fate: work(c, f == "fails"), cost))
            tasks.append(task)
            if fate == "goes":
                asyncio.get_running_loop().call_later(0.0005 * (cost % 7), task.cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: not lane.running)
        assert (lane.waiting, lane._used) == (0, 0)
        lane.close()

    together(main)
    assert not broken


def test_the_watch_sees_every_change() -> None:
    async def main() -> None:
        seen: list[tuple[int, int]] = []
        with holds(2) as (first, second):
            lane = Lane("test", 1, 10, watch=lambda running, waiting: seen.append((running, waiting)))
            tasks = [asyncio.ensure_future(lane.run(hold)) for hold in (first, second)]
            await until(lambda: lane.waiting == 1)
            assert seen[-1] == (1, 1)
            first.go.set()
            second.go.set()
            await asyncio.gather(*tasks)
            assert seen[-1] == (0, 0)
            assert (1, 0) in seen
            lane.close()

    together(main)


def test_threads_end_with_the_lane() -> None:
    async def main() -> None:
        lane = Lane("closing", 3, 10)
        await asyncio.gather(*(lane.run(lambda: threading.Event().wait(0.01)) for _ in range(3)))
        lane.close()
        await until(lambda: not any(thread.name.startswith("iiifkit-closing") for thread in threading.enumerate()))

    together(main)


def test_a_function_that_never_returns_does_not_hold_up_the_end_of_the_process() -> None:
    program = (
        "import asyncio, time\n"
        "from iiifkit.server.lanes import Lane\n"
        "async def main():\n"
        "    lane = Lane('stuck', 1, 10)\n"
        "    work = asyncio.ensure_future(lane.run(lambda: time.sleep(600)))\n"
        "    await asyncio.sleep(0.05)\n"
        "    work.cancel()\n"
        "    lane.close()\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], timeout=20, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
