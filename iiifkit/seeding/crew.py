"""Several worker processes that seed a list of images together."""

import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator

from ..errors import BadRequest, SetupError
from .inputs import Job
from .protocol import Orders, Pictures, Ready, Refused, receive, send
from .settings import Outcome, Settings

TICK = 0.2
GRACE = 15.0
"""Seconds that a worker gets to end by itself."""

Found = tuple[int, Outcome] | Ready | BaseException


class Processes:
    """``count`` worker processes, each of which seeds one image after the other."""

    def __init__(self, config: str | None, settings: Settings, jobs: list[Job], count: int, threads: int) -> None:
        self._orders = Orders(config, settings, threads)
        self._waiting = deque(enumerate(jobs))
        self._total = len(jobs)
        self.warnings: list[str] = []
        self._warned = False
        self._events: queue.SimpleQueue[Found] = queue.SimpleQueue()
        self._workers = [_Worker(self._orders, self._waiting, self._events) for _ in range(count)]

    def outcomes(self) -> Generator[Outcome | None]:
        """Yield what became of every image, in order; None when there is only progress to be shown.

        Raises a `SetupError` or `BadRequest` if the workers refuse their orders.
        """
        for worker in self._workers:
            worker.start()
        early: dict[int, Outcome] = {}
        for number in range(self._total):
            while number not in early:
                try:
                    found = self._events.get(timeout=TICK)
                except queue.Empty:
                    yield None
                    continue
                if isinstance(found, BaseException):
                    raise found
                if isinstance(found, Ready):
                    self.warnings += [] if self._warned else found.warnings
                    self._warned = True
                    yield None
                    continue
                early[found[0]] = found[1]
            yield early.pop(number)

    @property
    def pictures(self) -> int:
        """The number of pictures that are there so far."""
        return sum(worker.pictures for worker in self._workers)

    @property
    def share(self) -> float:
        """How many images the work on those that are not done amounts to."""
        return sum(worker.share for worker in self._workers)

    def close(self) -> None:
        """End the processes; work that is not done leaves nothing behind."""
        self._waiting.clear()
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            if worker.ident is not None:
                worker.join()


class _Worker(threading.Thread):
    """A thread that holds the other end of one worker process, and starts another if that dies."""

    def __init__(self, orders: Orders, waiting: "deque[tuple[int, Job]]", events: "queue.SimpleQueue[Found]") -> None:
        super().__init__(name="iiifkit-seed-worker", daemon=True)
        self._orders = orders
        self._waiting = waiting
        self._events = events
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._lock = threading.Lock()
        self._before = self._now = 0
        self.share = 0.0

    @property
    def pictures(self) -> int:
        return self._before + self._now

    def run(self) -> None:
        try:
            while not self._stopping:
                try:
                    number, job = self._waiting.popleft()
                except IndexError:
                    break
                self._events.put((number, self._seed(job)))
        except BaseException as error:
            self._events.put(error)
        finally:
            self._end()

    def stop(self) -> None:
        """Tell the process to stop; its standard input ends."""
        with self._lock:
            self._stopping = True
            process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()

    def _seed(self, job: Job) -> Outcome:
        process = self._process or self._start()
        assert process.stdin and process.stdout
        try:
            send(process.stdin, job)
            while (event := receive(process.stdout)) is not None:
                if isinstance(event, Outcome):
                    self._before, self._now, self.share = self._before + event.made + event.skipped, 0, 0.0
                    return event
                if isinstance(event, Pictures):
                    self._now, self.share = event.count, event.share
        except (OSError, ValueError):
            pass
        status = self._end()
        how = f"was killed by signal {-status}" if status < 0 else f"ended with the exit status {status}"
        reason = f"The process that seeded it {how}."
        return Outcome(source=job.source, identifier=job.identifier, made=self._now, failed=reason)

    def _start(self) -> "subprocess.Popen[bytes]":
        """Start a process. Raises a `SetupError` or `BadRequest` if it refuses its orders."""
        command = [sys.executable, "-m", f"{__package__}.worker"]
        with self._lock:
            if self._stopping:
                raise SetupError("Seeding was stopped.")
            process = self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin and process.stdout
        send(process.stdin, self._orders)
        answer = receive(process.stdout)
        if isinstance(answer, Refused):
            raise SetupError(answer.message) if answer.setup else BadRequest(answer.message)
        if not isinstance(answer, Ready):
            raise SetupError("A worker process could not be started.")
        self._events.put(answer)
        return process

    def _end(self) -> int:
        """Wait until the process has ended, and return its exit status."""
        process = self._process
        if process is None:
            return 0
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
        self._process = None
        return process.returncode
