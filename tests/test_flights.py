"""Single flight: one piece of work for all, as long as anyone waits for it."""

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Awaitable, Callable

import pytest

from iiifkit.contracts import Work
from iiifkit.errors import BrokenImage
from iiifkit.server.flights import Flights
from iiifkit.server.lanes import Lane


def together(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 30))


class Counted:
    """Work that counts how often it began, and waits to be let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self.began = 0
        self.go = asyncio.Event()
        self.work: Work | None = None
        self.error = error

    async def __call__(self, work: Work) -> int:
        self.began += 1
        self.work = work
        await self.go.wait()
        if self.error:
            raise self.error
        return 42


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def test_all_who_ask_at_once_share_one_piece_of_work() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        start = Counted()
        askers = [asyncio.ensure_future(flights.join("key", start)) for _ in range(100)]
        await turns()
        assert (start.began, len(flights)) == (1, 1)
        start.go.set()
        assert await asyncio.gather(*askers) == [42] * 100
        assert len(flights) == 0
        assert await flights.join("key", start) == 42
        assert start.began == 2, "what is done is not kept"

    together(main)


def test_other_keys_are_other_work() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        one, two = Counted(), Counted()
        askers = [asyncio.ensure_future(flights.join("one", one)), asyncio.ensure_future(flights.join("two", two))]
        await turns()
        assert (one.began, two.began, len(flights)) == (1, 1, 2)
        one.go.set()
        two.go.set()
        await asyncio.gather(*askers)

    together(main)


def test_an_error_is_everybodys_and_is_not_kept() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        start = Counted(BrokenImage("The image file is damaged."))
        askers = [asyncio.ensure_future(flights.join("key", start)) for _ in range(3)]
        await turns()
        start.go.set()
        results = await asyncio.gather(*askers, return_exceptions=True)
        assert all(isinstance(result, BrokenImage) for result in results)
        assert len(flights) == 0
        start.error = None
        assert await flights.join("key", start) == 42

    together(main)


def test_the_first_askers_hang_up_does_not_fail_the_others() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        start = Counted()
        leader, *others = (asyncio.ensure_future(flights.join("key", start)) for _ in range(3))
        await turns()
        leader.cancel()
        await turns()
        assert start.work is not None
        assert not start.work.stopped()
        start.go.set()
        assert await asyncio.gather(*others) == [42, 42]
        assert leader.cancelled()
        assert start.began == 1

    together(main)


def test_the_last_hang_up_stops_the_work() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        start = Counted()
        stopped: list[str] = []
        askers = [asyncio.ensure_future(flights.join("key", start)) for _ in range(3)]
        await turns()
        assert start.work is not None
        start.work.on_stop(lambda: stopped.append("now"))
        for asker in askers[:2]:
            asker.cancel()
        await turns()
        assert not stopped
        askers[2].cancel()
        await turns()
        assert stopped == ["now"]
        assert start.work.stopped()
        assert len(flights) == 0
        start.work.on_stop(lambda: stopped.append("late"))
        assert stopped == ["now", "late"], "what begins after the stop is stopped at once"

    together(main)


def test_who_asks_after_the_last_hang_up_gets_work_of_their_own() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        given_up, wanted = Counted(), Counted()
        gone = asyncio.ensure_future(flights.join("key", given_up))
        await turns()
        gone.cancel()
        asker = asyncio.ensure_future(flights.join("key", wanted))
        await turns()
        wanted.go.set()
        assert await asker == 42
        assert wanted.work is not None
        assert not wanted.work.stopped()
        assert len(flights) == 0

    together(main)


def test_a_stopper_that_fails_does_not_keep_the_others_from_being_called(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise OSError("no")

    async def main() -> None:
        flights: Flights[int] = Flights()
        start = Counted()
        stopped: list[str] = []
        asker = asyncio.ensure_future(flights.join("key", start))
        await turns()
        assert start.work is not None
        start.work.on_stop(fails)
        start.work.on_stop(lambda: stopped.append("now"))
        asker.cancel()
        await turns()
        assert stopped == ["now"]

    with caplog.at_level(logging.ERROR, "iiifkit"):
        together(main)
    assert "could not be told to stop" in caplog.text


def test_a_stop_reaches_work_that_runs_in_a_thread_and_frees_its_slot_when_the_thread_ends() -> None:
    async def main() -> None:
        flights: Flights[str] = Flights()
        lane = Lane("test", 1, 10)
        began, told, end = threading.Event(), threading.Event(), threading.Event()

        def work_of(work: Work) -> str:
            work.on_stop(told.set)
            began.set()
            assert told.wait(10)
            assert end.wait(10)
            return "too late"

        asker = asyncio.ensure_future(flights.join("key", lambda work: lane.run(lambda: work_of(work))))
        while not began.is_set():
            await asyncio.sleep(0.001)
        asker.cancel()
        while not told.is_set():
            await asyncio.sleep(0.001)
        await turns()
        assert lane.running == 1
        end.set()
        while lane.running:
            await asyncio.sleep(0.001)
        assert await lane.run(lambda: "next") == "next"
        lane.close()

    together(main)


def test_nothing_is_said_about_errors_that_nobody_waits_for(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        lane = Lane("test", 1, 10)
        began, end = threading.Event(), threading.Event()

        def fails() -> int:
            began.set()
            assert end.wait(10)
            raise BrokenImage("Nobody hears this.")

        asker = asyncio.ensure_future(flights.join("key", lambda _: lane.run(fails)))
        while not began.is_set():
            await asyncio.sleep(0.001)
        asker.cancel()
        await turns()
        end.set()
        while lane.running:
            await asyncio.sleep(0.001)
        lane.close()

    together(main)
    assert not caplog.records


def test_what_could_be_stopped_is_let_go_when_the_work_is_done() -> None:
    class Picture:
        def kill(self) -> None:
            raise AssertionError("the work was not stopped")

    async def main() -> None:
        flights: Flights[int] = Flights()
        picture = Picture()
        watched = weakref.ref(picture)

        async def start(work: Work) -> int:
            nonlocal picture
            held = [work, picture]
            work.on_stop(lambda: held[1].kill())  # type: ignore[attr-defined]
            del picture
            return 42

        gc.disable()
        try:
            assert await flights.join("key", start) == 42
            await turns()
            assert watched() is None, "the picture waits for the garbage collector"
        finally:
            gc.enable()

    together(main)


def test_work_that_is_kept_goes_on_without_anyone_and_serves_those_who_come_back() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        start = Counted()
        gone = asyncio.ensure_future(flights.join("key", start, keep=True))
        await turns()
        gone.cancel()
        await turns()
        assert start.work is not None
        assert not start.work.stopped()
        back = asyncio.ensure_future(flights.join("key", start, keep=True))
        await turns()
        start.go.set()
        assert await back == 42
        assert start.began == 1

    together(main)


def test_an_error_of_work_that_was_kept_for_nobody_is_not_reported_as_forgotten() -> None:
    complaints: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        flights: Flights[int] = Flights()
        start = Counted(BrokenImage("The image file is damaged."))
        gone = asyncio.ensure_future(flights.join("key", start, keep=True))
        await turns()
        gone.cancel()
        await turns()
        start.go.set()
        await turns()
        assert len(flights) == 0
        gc.collect()

    together(main)
    assert not complaints


def test_all_work_can_be_stopped_at_the_end() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        kept, waited_for = Counted(), Counted()
        gone = asyncio.ensure_future(flights.join("kept", kept, keep=True))
        asker = asyncio.ensure_future(flights.join("waited for", waited_for))
        await turns()
        gone.cancel()
        await turns()
        flights.stop()
        await turns()
        assert kept.work is not None
        assert kept.work.stopped()
        assert asker.cancelled()
        assert len(flights) == 0

    together(main)
