"""Doing one thing to many items in a few threads."""

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def in_threads(items: Iterable[Item], do: Callable[[Item], None], threads: int) -> None:
    """Call ``do`` with every item, in ``threads`` threads of which this is one; items are made one at a time.

    After the first error nothing new is begun; it is raised when all threads are done.
    """
    rest = iter(items)
    errors: list[BaseException] = []
    lock = threading.Lock()

    def run() -> None:
        try:
            while not errors:
                with lock:
                    item = next(rest)
                do(item)
        except StopIteration:
            return
        except BaseException as error:
            errors.append(error)

    others = [threading.Thread(target=run, name="iiifkit-seed", daemon=True) for _ in range(threads - 1)]
    for thread in others:
        thread.start()
    run()
    for thread in others:
        thread.join()
    if errors:
        raise errors[0]
