"""Doing many pieces of work in a few threads."""

import threading
from collections.abc import Callable, Iterable


def in_threads(pieces: Iterable[Callable[[], None]], threads: int) -> None:
    """Call every piece, in ``threads`` threads of which this is one; ``pieces`` is asked for one at a time.

    After the first error nothing new is begun; it is raised when all threads are done.
    """
    rest = iter(pieces)
    errors: list[BaseException] = []
    lock = threading.Lock()

    def run() -> None:
        try:
            while not errors:
                with lock:
                    piece = next(rest)
                piece()
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
