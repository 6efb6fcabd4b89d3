"""Doing many pieces of work in a few threads."""

import threading
from collections.abc import Callable, Iterator, Sequence

Piece = Callable[[], None]


def in_threads(kinds: Sequence[Iterator[Piece]], threads: int) -> None:
    """Call every piece, in ``threads`` threads of which this is one; pieces are asked for one at a time.

    Each thread begins with another kind, and goes on to the others when there are no more of it. After the first error
    nothing new is begun; it is raised when all threads are done.
    """
    errors: list[BaseException] = []
    lock = threading.Lock()

    def run(number: int) -> None:
        mine = [kinds[(number + offset) % len(kinds)] for offset in range(len(kinds))]
        try:
            while not errors:
                with lock:
                    piece = next((piece for kind in mine for piece in kind), None)
                if piece is None:
                    return
                piece()
        except BaseException as error:
            errors.append(error)

    others = [
        threading.Thread(target=run, args=(number,), name="iiifkit-seed", daemon=True) for number in range(1, threads)
    ]
    for thread in others:
        thread.start()
    run(0)
    for thread in others:
        thread.join()
    if errors:
        raise errors[0]
