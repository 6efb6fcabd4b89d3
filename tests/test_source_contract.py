"""The contract of sources rejects sources that are broken, each for the right reason."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from iiifkit.blob import Blob, FileBlob
from iiifkit.contracts import Source
from iiifkit.errors import ImageNotFound
from iiifkit.sources.disk import DiskSource
from iiifkit.testing.sources import SourceContract


class Trusting(DiskSource):
    """Joins the identifier to the root as it is."""

    def version(self, identifier: str) -> str:
        with self.open(identifier) as blob:
            return blob.version

    def open(self, identifier: str) -> Blob:
        try:
            return FileBlob(Path(self._root, identifier))
        except (OSError, ValueError) as error:
            raise ImageNotFound("There is no such image.") from error


class OwnVersions(DiskSource):
    """Has a version of its own that is not the Blob's."""

    def version(self, identifier: str) -> str:
        return "v" + super().version(identifier)


class SizeIsVersion(DiskSource):
    """Takes images of one size for the same."""

    def version(self, identifier: str) -> str:
        with super().open(identifier) as blob:
            return str(blob.size)

    def open(self, identifier: str) -> Blob:
        blob = super().open(identifier)
        blob.version = str(blob.size)
        return blob


class Seeking(FileBlob):
    """Moves a position that all threads share."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = path.open("rb", buffering=0)
        self._turn = threading.Event()

    def read(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0:
            raise ValueError("negative")
        self._file.seek(offset)
        self._turn.wait(0.0001)
        return self._file.read(length)

    def close(self) -> None:
        super().close()
        if hasattr(self, "_file"):
            self._file.close()


class Padding(FileBlob):
    """Fills up what is missing at the end."""

    def read(self, offset: int, length: int) -> bytes:
        return super().read(offset, length).ljust(length, b"\0")


class Positioned(DiskSource):
    blob: type[FileBlob] = Seeking

    def open(self, identifier: str) -> Blob:
        return self.blob(Path(self._root, identifier))


class Padded(Positioned):
    blob = Padding


class Contract(SourceContract):
    def make_source(self, tmp_path: Path, images: Mapping[str, bytes]) -> Source:
        raise NotImplementedError


Contract.__test__ = False  # type: ignore[attr-defined]


def maker(kind: type[DiskSource], folder: Path) -> Callable[[Mapping[str, bytes]], DiskSource]:
    def make(images: Mapping[str, bytes]) -> DiskSource:
        for name, data in images.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return kind(folder)

    return make


def test_rejects_a_source_that_is_led_out(tmp_path: Path) -> None:
    folder = tmp_path / "source" / "images"
    source = maker(Trusting, folder)({"plain.jpg": b"bytes"})
    with pytest.raises(AssertionError, match="was found"):
        Contract().test_a_hostile_identifier_is_not_found(source, tmp_path, "../secret.jpg")
    Contract().test_a_hostile_identifier_is_not_found(DiskSource(folder), tmp_path, "../secret.jpg")


def test_rejects_a_version_that_is_not_the_blobs(tmp_path: Path) -> None:
    names = dict.fromkeys(("plain.jpg",), b"bytes")
    with pytest.raises(AssertionError, match="version said"):
        Contract().test_the_version_is_that_of_the_bytes(maker(OwnVersions, tmp_path)(names))


@pytest.mark.parametrize(
    ("test", "broken", "complaint"),
    [
        ("test_other_bytes_have_another_version", SizeIsVersion, "the version did not"),
        ("test_threads_read_one_blob_at_once", Positioned, "gave other bytes"),
        ("test_reads_are_clipped_at_the_end", Padded, "gave 10 bytes"),
    ],
)
def test_rejects(test: str, broken: type[DiskSource], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=complaint):
        getattr(Contract(), test)(maker(broken, tmp_path))
    getattr(Contract(), test)(maker(DiskSource, tmp_path))
