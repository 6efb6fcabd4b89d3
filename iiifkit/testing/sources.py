"""What every source must do, as tests that a source's own tests inherit.

::

    class TestMySource(SourceContract):
        def make_source(self, tmp_path, images):
            for name, data in images.items():
                ...
            return MySource(...)

Needs pytest.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from ..blob import Blob
from ..contracts import Location, Source
from ..errors import ImageNotFound

HOSTILE = (
    "",
    ".",
    "..",
    "/",
    "../x",
    "../secret.jpg",
    "/etc/passwd",
    "//etc/passwd",
    "a/../../b",
    "plain.jpg/..",
    "plain.jpg/../plain.jpg",
    "./plain.jpg",
    "sub//photo.jpg",
    "sub/./photo.jpg",
    "sub/../plain.jpg",
    "plain.jpg/",
    "/plain.jpg",
    "sub",
    "sub/",
    "C:\\x",
    "C:/x",
    "\\\\host\\share",
    "..\\secret.jpg",
    "sub\\photo.jpg",
    "a\0b",
    "plain.jpg\0",
    "\0",
    "\ud800",
    "x" * 5000,
    "x/" * 2500 + "x",
    "\uff0e\uff0e/secret.jpg",
    "..%2fsecret.jpg",
    "%2e%2e/secret.jpg",
    "file:///etc/passwd",
    "http://127.0.0.1/",
)
"""Identifiers that no image has, and that careless code follows out of the place or trips over."""

_PATTERN = b"".join(number.to_bytes(4, "big") for number in range(250_000))

NAMES = (
    "plain.jpg",
    "sub/photo.jpg",
    "sub/deeper/photo.jpg",
    "with blank.jpg",
    "Zürich/日本語.jpg",
    "100%.jpg",
    "50%2F50.jpg",
    "a+b&c=d;e,f.jpg",
    "UPPER.JPG",
    "without extension",
    "two..dots.jpg",
)
"""Identifiers that images do have."""


class SourceContract(ABC):
    """Inherit, write `make_source`, and run with pytest."""

    @abstractmethod
    def make_source(self, tmp_path: Path, images: Mapping[str, bytes]) -> Source:
        """Return a source with exactly these images, bytes by identifier.

        It may be called again with the same ``tmp_path`` and other images, which then take the place of the first.
        The bytes are not pictures; identifiers are those of `NAMES`.
        """

    @pytest.fixture
    def make(self, tmp_path: Path) -> Iterator[Callable[[Mapping[str, bytes]], Source]]:
        """Return a function that makes a source with some images; all are closed after the test."""
        folder = tmp_path / "source"
        folder.mkdir()
        with ExitStack() as stack:

            def make(images: Mapping[str, bytes]) -> Source:
                source = self.make_source(folder, images)
                stack.callback(source.close)
                return source

            yield make

    @pytest.fixture
    def source(self, make: Callable[[Mapping[str, bytes]], Source]) -> Source:
        """Make a source with an image for each name, whose bytes are its name."""
        return make({name: name.encode() for name in NAMES})

    def test_says_where_it_is(self, source: Source) -> None:
        """`location` and `revalidate` are there."""
        assert source.location is None or isinstance(source.location, Location)
        assert source.revalidate >= 0

    @pytest.mark.parametrize("name", NAMES)
    def test_gives_the_bytes_of_an_image(self, source: Source, name: str) -> None:
        """Each image has its own bytes."""
        with source.open(name) as blob:
            assert blob.read_all() == name.encode()
            assert blob.size == len(name.encode())

    @pytest.mark.parametrize(
        "identifier", ["missing.jpg", "sub/missing.jpg", "missing/plain.jpg", "plain.jpg/below.jpg"]
    )
    def test_an_unknown_image_is_not_found(self, source: Source, identifier: str) -> None:
        """`ImageNotFound`, from both methods."""
        _refuses(source, identifier)

    @pytest.mark.parametrize("identifier", HOSTILE, ids=lambda identifier: ascii(identifier)[:40])
    def test_a_hostile_identifier_is_not_found(self, source: Source, tmp_path: Path, identifier: str) -> None:
        """`ImageNotFound`, whatever it tries, with a message that names no path of the server."""
        for place in (tmp_path, tmp_path / "source"):
            (place / "secret.jpg").write_bytes(b"secret")
        message = _refuses(source, identifier)
        assert str(tmp_path) not in message
        assert len(message) < 500

    def test_the_version_is_that_of_the_bytes(self, source: Source) -> None:
        """`version` and `open` agree, and stay as they are while nothing changes."""
        for name in NAMES:
            version = source.version(name)
            with source.open(name) as blob:
                assert blob.version == version, f"version said {version!r}, open {blob.version!r}"
            assert source.version(name) == version
            assert version

    def test_other_bytes_have_another_version(self, make: Callable[[Mapping[str, bytes]], Source]) -> None:
        """Even if their number is the same."""
        versions = []
        for data in (b"a" * 1000, b"b" * 1000, b"b" * 1001):
            source = make({"plain.jpg": data})
            versions.append(source.version("plain.jpg"))
            with source.open("plain.jpg") as blob:
                assert blob.read_all() == data
        assert len(set(versions)) == 3, "the bytes changed and the version did not"

    def test_a_removed_image_is_not_found(self, make: Callable[[Mapping[str, bytes]], Source]) -> None:
        """A source forgets what is gone."""
        make({"plain.jpg": b"bytes", "other.jpg": b"bytes"})
        source = make({"other.jpg": b"bytes"})
        _refuses(source, "plain.jpg")

    def test_reads_are_clipped_at_the_end(self, make: Callable[[Mapping[str, bytes]], Source]) -> None:
        """A read gives what there is, never more and never less."""
        with make({"plain.jpg": _PATTERN}).open("plain.jpg") as blob:
            size = len(_PATTERN)
            assert blob.size == size
            for offset, length in ((0, 10), (size - 5, 10), (size, 10), (size + 100, 10), (0, size * 2), (777, 0)):
                expected = _PATTERN[offset : offset + length]
                found = blob.read(offset, length)
                assert found == expected, f"read({offset}, {length}) gave {len(found)} bytes"
            for offset, length in ((-1, 10), (0, -1)):
                with pytest.raises(ValueError, match="negative"):
                    blob.read(offset, length)

    def test_threads_read_one_blob_at_once(self, make: Callable[[Mapping[str, bytes]], Source]) -> None:
        """Reads of several threads do not disturb one another."""
        wrong: list[int] = []

        def read(blob: Blob, first: int) -> None:
            for number in range(first, first + 60):
                offset = number * 7919 % len(_PATTERN)
                if blob.read(offset, 3000) != _PATTERN[offset : offset + 3000]:
                    wrong.append(offset)

        with make({"plain.jpg": _PATTERN}).open("plain.jpg") as blob:
            threads = [threading.Thread(target=partial(read, blob, 100 * number)) for number in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert not wrong, f"{len(wrong)} reads gave other bytes"

    def test_threads_use_one_source_at_once(self, source: Source) -> None:
        """Several threads open several images."""
        wrong: list[str] = []

        def use(name: str) -> None:
            for _ in range(5):
                with source.open(name) as blob:
                    if blob.read_all() != name.encode() or blob.version != source.version(name):
                        wrong.append(name)

        threads = [threading.Thread(target=use, args=(name,)) for name in NAMES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong

    def test_lists_only_what_it_opens(self, source: Source) -> None:
        """A source lists its images, some of them, or none."""
        listed = list(source.identifiers())
        assert len(listed) == len(set(listed))
        assert set(listed) <= set(NAMES)
        for identifier in listed:
            source.open(identifier).close()

    def test_closing_twice_is_harmless(self, source: Source) -> None:
        """For Blobs and for the source."""
        blob = source.open("plain.jpg")
        blob.close()
        blob.close()
        source.close()


def _refuses(source: Source, identifier: str) -> str:
    """Return the message with which both methods refuse the identifier."""
    for method in (source.version, source.open):
        try:
            found = method(identifier)
        except ImageNotFound as error:
            message = str(error)
        else:
            raise AssertionError(f"{identifier[:100]!r} was found: {found!r}")
    return message
