import threading
import time

import pytest
from iiifkit import Stopped, Work

from iiifkit_primitive.warming import Warming


def test_all_wait_for_one_warm_up():
    calls, go = [], threading.Event()

    def warm_up():
        calls.append(threading.current_thread())
        go.wait(5)

    warming = Warming(warm_up)
    waiters = [threading.Thread(target=warming.wait, args=(Work(),)) for _ in range(4)]
    for waiter in waiters:
        waiter.start()
    time.sleep(0.1)
    assert all(waiter.is_alive() for waiter in waiters)
    go.set()
    for waiter in waiters:
        waiter.join(2)
        assert not waiter.is_alive()
    warming.wait(Work(stopped=lambda: True))
    assert len(calls) == 1
    assert calls[0].daemon


def test_who_waits_can_stop_and_the_warm_up_goes_on():
    go, done, stopped = threading.Event(), threading.Event(), threading.Event()

    def warm_up():
        go.wait(5)
        done.set()

    warming = Warming(warm_up)
    threading.Timer(0.1, stopped.set).start()
    started = time.monotonic()
    with pytest.raises(Stopped):
        warming.wait(Work(stopped=stopped.is_set))
    assert time.monotonic() - started < 1
    go.set()
    warming.wait(Work())
    assert done.is_set()


def test_a_warm_up_that_failed_is_tried_again_for_the_next():
    calls = []

    def warm_up():
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("no compiler today")

    warming = Warming(warm_up)
    with pytest.raises(RuntimeError, match="no compiler today"):
        warming.wait(Work())
    warming.wait(Work())
    warming.wait(Work())
    assert len(calls) == 2
