"""What tile-seed is told to seed: arguments, lines and CSV files, sound and broken ones."""

import io
import sys
from pathlib import Path

import pytest

from iiifkit.errors import IIIFKitError
from iiifkit.seeding.inputs import LONGEST_LINE, Job, jobs


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> "list[bytes]":
    """``standard_input.append(b"...")`` is what standard input holds when it is read."""
    held: list[bytes] = []

    class Stream(io.TextIOWrapper):
        def __init__(self) -> None:
            super().__init__(io.BytesIO(), encoding="ascii")

        def reconfigure(self, **options: object) -> None:
            self.buffer.write(b"".join(held))
            self.buffer.seek(0)
            super().reconfigure(**options)  # type: ignore[arg-type]

    monkeypatch.setattr(sys, "stdin", Stream())
    return held


def test_arguments_are_identifiers_or_pairs() -> None:
    found = jobs(["a.jpg", "b.jpg,2019/b", " c.jpg , c ", "d.jpg,"], "-")
    assert found == [Job("a.jpg", "a.jpg"), Job("b.jpg", "2019/b"), Job("c.jpg", "c"), Job("d.jpg", "d.jpg")]


def test_an_image_is_seeded_once() -> None:
    assert jobs(["a", "a,b", "a", "a,a"], "-") == [Job("a", "a"), Job("a", "b")]


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_lines_of_standard_input(arguments: list[str], standard_input: list[bytes]) -> None:
    standard_input.append("\ufeffa.jpg\r\n\n  b é.jpg ,b\nlast".encode())
    assert jobs(arguments, "-") == [Job("a.jpg", "a.jpg"), Job("b é.jpg", "b"), Job("last", "last")]


@pytest.mark.parametrize("argument", ["a,b,c", ",b", ""])
def test_what_is_neither_is_refused(argument: str) -> None:
    with pytest.raises(IIIFKitError, match="neither an identifier nor source,alternate"):
        jobs([argument], "-")


def test_a_bad_line_is_told_by_its_number(standard_input: list[bytes]) -> None:
    standard_input.append(b"a\nb,c,d\n")
    with pytest.raises(IIIFKitError, match=r"^Line 2 \('b,c,d'\)"):
        jobs([], "-")


def test_endless_lines_are_refused(standard_input: list[bytes]) -> None:
    standard_input.append(b"a\n" + b"x" * (LONGEST_LINE + 1))
    with pytest.raises(IIIFKitError, match="Line 2 has more than"):
        jobs([], "-")


def test_lines_that_are_no_text_are_refused(standard_input: list[bytes]) -> None:
    standard_input.append(b"\xff\xfe")
    with pytest.raises(IIIFKitError, match="not UTF-8"):
        jobs([], "-")


def csv_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8-sig")
    return str(path)


def test_csv(tmp_path: Path) -> None:
    text = 'source_id,alternate_id\na.jpg,\n"b,1.jpg","b 1"\n\nc.jpg\n'
    assert jobs([csv_file(tmp_path, text)], "csv") == [
        Job("a.jpg", "a.jpg"),
        Job("b,1.jpg", "b 1"),
        Job("c.jpg", "c.jpg"),
    ]


def test_csv_columns_may_stand_in_any_order_among_others(tmp_path: Path) -> None:
    text = "title, alternate_id ,source_id\r\nA cup,cup,a.jpg\r\n"
    assert jobs([csv_file(tmp_path, text)], "csv") == [Job("a.jpg", "cup")]


def test_csv_of_standard_input(standard_input: list[bytes]) -> None:
    standard_input.append(b"source_id,alternate_id\na,b\n")
    assert jobs([], "csv") == [Job("a", "b")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no header"),
        ("source_id\na\n", "no header with the columns source_id and alternate_id"),
        ("a.jpg,b\n", "no header"),
        ("source_id,alternate_id\n,b\n", "Line 2 of .* has no source_id"),
    ],
)
def test_broken_csv(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(IIIFKitError, match=sentence):
        jobs([csv_file(tmp_path, text)], "csv")


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(IIIFKitError, match="cannot be read: No such file"):
        jobs([str(tmp_path / "none.csv")], "csv")
    with pytest.raises(IIIFKitError, match="cannot be read: Is a directory"):
        jobs([str(tmp_path)], "csv")
