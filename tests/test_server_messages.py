"""What the server says to whoever runs it: each thing once, and how often it happened."""

import logging

from iiifkit.server.messages import REMEMBERED, Repeats


def record(text: str, *arguments: object, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("iiifkit", level, __file__, 1, text, arguments, None)


def test_a_repeated_warning_is_said_once() -> None:
    repeats = Repeats()
    assert repeats.filter(record("the disk is full"))
    assert not any(repeats.filter(record("the disk is full")) for _ in range(100))
    assert repeats.filter(record("the disk is full: %s", "a.jpg"))
    assert repeats.filter(record("the disk is full: %s", "b.jpg"))
    assert repeats.filter(record("the disk is full", level=logging.ERROR))


def test_it_is_said_again_later_with_the_number_of_those_left_out() -> None:
    repeats = Repeats(seconds=0.0)
    repeats._said[logging.WARNING, "it failed 3 times"] = (float("-inf"), 7)
    again = record("it failed %d times", 3)
    assert repeats.filter(again)
    assert again.getMessage() == "it failed 3 times (7 more times since)"


def test_information_is_never_left_out() -> None:
    repeats = Repeats()
    assert all(repeats.filter(record("prepared", level=logging.INFO)) for _ in range(10))


def test_only_so_many_messages_are_remembered() -> None:
    repeats = Repeats()
    for number in range(3 * REMEMBERED):
        assert repeats.filter(record("picture %d is broken", number))
    assert len(repeats._said) == REMEMBERED
