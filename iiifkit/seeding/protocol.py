"""What a run of seeding and its worker processes tell each other: JSON, one object a line."""

from typing import IO

import msgspec

from .inputs import Job
from .settings import Outcome, Settings


class Orders(msgspec.Struct, frozen=True):
    """The first line to a worker; all others are jobs. ``threads`` is how many it may use for each image."""

    config: str | None
    settings: Settings
    threads: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """A worker's first line: it has read the config."""

    warnings: tuple[str, ...] = ()


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """A worker's first and last line: the config or the settings are wrong. ``setup`` tells which of the two."""

    message: str
    setup: bool


class Pictures(msgspec.Struct, frozen=True, tag="pictures"):
    """How many pictures of the present image are there, and what part of it that is, 0 to 1."""

    count: int
    share: float


Event = Ready | Refused | Pictures | Outcome

_events: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def send(file: IO[bytes], message: msgspec.Struct | Job) -> None:
    """Write a message. Raises `OSError` if the other side is gone."""
    file.write(msgspec.json.encode(message) + b"\n")
    file.flush()


def receive(file: IO[bytes]) -> Event | None:
    """Return the next event of a worker; None if it has ended."""
    line = file.readline()
    return _events.decode(line) if line.endswith(b"\n") else None
