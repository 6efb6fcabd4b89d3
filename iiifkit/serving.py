"""Serving from a Python program: what ``iiifkit serve`` does, as a function."""

from os import PathLike
from typing import Any

from .assembly import changes
from .config import read_config


def serve(
    config: str | PathLike[str] | None = None,
    folder: str | PathLike[str] | None = None,
    example: bool = False,
    **overrides: Any,
) -> None:
    """Serve a config file, or a folder of images, or both, until the process is told to stop.

    ``example`` serves the example picture too. ``overrides`` replace values of the config by path, with ``__`` for
    the dots: ``server__port=8000``. Runs in the main thread, and sends the access log to standard output.
    Raises a `SetupError`.
    """
    from .server.run import run

    run(read_config(config), changes(folder, overrides), example)
