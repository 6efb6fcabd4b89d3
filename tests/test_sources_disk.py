"""The Disk source: nothing outside its folder, no waiting, and no work at start."""

import os
import shutil
import socket
import threading
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifkit.blob import FileBlob
from iiifkit.contracts import Location
from iiifkit.errors import ConfigError, ImageNotFound, SourceError
from iiifkit.hookspecs import Environment
from iiifkit.sources import disk
from iiifkit.sources.disk import DiskSource
from iiifkit.sources.identifiers import quoted, segments_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "imgs"
    (root / "sub").mkdir(parents=True)
    (root / "photo.jpg").write_bytes(b"photo")
    (root / "sub" / "map.tif").write_bytes(b"map")
    (tmp_path / "imgs-private").mkdir()
    (tmp_path / "imgs-private" / "secret.jpg").write_bytes(b"secret")
    return root


@pytest.fixture
def source(root: Path) -> DiskSource:
    return DiskSource(root)


def refused(source: DiskSource, identifier: str) -> None:
    with pytest.raises(ImageNotFound):
        source.version(identifier)
    with pytest.raises(ImageNotFound):
        source.open(identifier)


def test_the_blob_is_the_file(source: DiskSource, root: Path) -> None:
    with source.open("sub/map.tif") as blob, FileBlob(root / "sub" / "map.tif") as file:
        assert blob.path == root / "sub" / "map.tif"
        assert (blob.size, blob.version, blob.modified) == (file.size, file.version, file.modified)
        assert not blob.remote
    assert source.location == Location("file", root.resolve().as_posix(), hides=True)
    assert source.revalidate == 0


class TestLinks:
    def test_inside_the_root(self, source: DiskSource, root: Path) -> None:
        (root / "link.jpg").symlink_to("photo.jpg")
        (root / "absolute.jpg").symlink_to(root / "sub" / "map.tif")
        (root / "folder").symlink_to("sub")
        (root / "twice.jpg").symlink_to("folder/map.tif")
        for identifier, data in (
            ("link.jpg", b"photo"),
            ("absolute.jpg", b"map"),
            ("folder/map.tif", b"map"),
            ("twice.jpg", b"map"),
        ):
            with source.open(identifier) as blob:
                assert blob.read_all() == data
                assert blob.version == source.version(identifier)

    def test_out_of_the_root(self, source: DiskSource, root: Path) -> None:
        (root / "link.jpg").symlink_to("../imgs-private/secret.jpg")
        (root / "absolute.jpg").symlink_to(root.parent / "imgs-private" / "secret.jpg")
        (root / "folder").symlink_to("../imgs-private")
        (root / "sub" / "up").symlink_to("..")
        (root / "sub" / "further").symlink_to("../..")
        (root / "slash").symlink_to("/")
        (root / "loop.jpg").symlink_to("loop.jpg")
        (root / "broken.jpg").symlink_to("missing.jpg")
        for identifier in (
            "link.jpg",
            "absolute.jpg",
            "folder/secret.jpg",
            "sub/further/imgs-private/secret.jpg",
            "slash/etc/passwd",
            "loop.jpg",
            "broken.jpg",
            "sub/up",
        ):
            refused(source, identifier)
        with source.open("sub/up/photo.jpg") as blob:
            assert blob.read_all() == b"photo"

    def test_a_root_that_is_a_link_may_be_switched(self, tmp_path: Path) -> None:
        for release in ("one", "two"):
            (tmp_path / release).mkdir()
            (tmp_path / release / "photo.jpg").write_text(release)
            (tmp_path / release / "link.jpg").symlink_to("photo.jpg")
        (tmp_path / "current").symlink_to("one")
        source = DiskSource(tmp_path / "current")
        before = source.version("photo.jpg")
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").replace(tmp_path / "current")
        for identifier in ("photo.jpg", "link.jpg"):
            with source.open(identifier) as blob:
                assert blob.read_all() == b"two"
                assert blob.version == source.version(identifier) != before

    def test_slipped_in_after_the_check(self, source: DiskSource, root: Path) -> None:
        """A thread swaps a folder for a link to a private one; no reader ever gets what is private."""
        (root / "sub" / "secret.jpg").write_bytes(b"public")
        (root / "swap").symlink_to("../imgs-private")
        stop = threading.Event()
        seen: set[bytes] = set()

        def swap() -> None:
            names = [root / "sub", root / "swap", root / "aside"]
            while not stop.is_set():
                for first, second in ((0, 2), (1, 0), (0, 1), (2, 0)):
                    names[first].rename(names[second])

        thread = threading.Thread(target=swap)
        thread.start()
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            try:
                with source.open("sub/secret.jpg") as blob:
                    seen.add(blob.read_all())
            except (ImageNotFound, SourceError):
                seen.add(b"refused")
        stop.set()
        thread.join()
        assert seen == {b"public", b"refused"}


class TestSpecialFiles:
    def test_a_fifo_is_not_waited_for(self, source: DiskSource, root: Path) -> None:
        os.mkfifo(root / "fifo.jpg")
        started = time.monotonic()
        refused(source, "fifo.jpg")
        assert time.monotonic() - started < 1

    def test_a_fifo_that_comes_after_the_check(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = DiskSource(root)
        found = source._find("photo.jpg")
        (root / "photo.jpg").unlink()
        os.mkfifo(root / "photo.jpg")
        monkeypatch.setattr(source, "_find", lambda _: found)
        with pytest.raises(ImageNotFound):
            source.open("photo.jpg")

    def test_sockets_and_folders(self, source: DiskSource, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(root)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket.jpg")
            refused(source, "socket.jpg")
        refused(source, "sub")

    def test_devices(self) -> None:
        refused(DiskSource(Path("/dev")), "zero")


@pytest.mark.parametrize(
    "identifier",
    [
        ".hidden.jpg",
        "sub/.hidden/a.jpg",
        ".git/config",
        "..",
        "../imgs-private/secret.jpg",
        "c:photo.jpg",
        "photo.jpg/",
    ],
)
def test_hidden_and_leading_out(source: DiskSource, root: Path, identifier: str) -> None:
    for name in (".hidden.jpg", "sub/.hidden/a.jpg", ".git/config"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"hidden")
    refused(source, identifier)


@given(st.text(st.sampled_from("./\\ab\0:~%é"), max_size=12))
def test_segments_never_lead_out(identifier: str) -> None:
    try:
        segments = segments_of(identifier)
    except ImageNotFound:
        return
    root = Path("/root/of/images")
    assert Path(os.path.normpath(root.joinpath(*segments))).is_relative_to(root)
    assert "/".join(segments) == identifier


@pytest.mark.parametrize("where", ["descend", "open and check"])
def test_both_ways_of_opening(source: DiskSource, root: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setattr(disk, "_CAN_DESCEND", where == "descend")
    (root / "link.jpg").symlink_to("sub/map.tif")
    for identifier, data in (("photo.jpg", b"photo"), ("sub/map.tif", b"map"), ("link.jpg", b"map")):
        with source.open(identifier) as blob:
            assert blob.read_all() == data
    found = source._find("sub/map.tif")
    shutil.rmtree(root / "sub")
    (root / "sub").symlink_to("../imgs-private")
    (root.parent / "imgs-private" / "map.tif").write_bytes(b"secret")
    monkeypatch.setattr(source, "_find", lambda _: found)
    with pytest.raises(ImageNotFound):
        source.open("sub/map.tif")


def test_a_file_that_may_not_be_read(source: DiskSource, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    opened = os.open

    def refuse(path: str, flags: int, **named: int) -> int:
        if path == "photo.jpg":
            raise PermissionError(13, "Permission denied", path)
        return opened(path, flags, **named)

    (root / "photo.jpg").chmod(0)
    if os.geteuid() == 0:  # who may read everything
        monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SourceError, match="may not be read") as caught:
        source.open("photo.jpg")
    assert str(root) not in str(caught.value)


def test_a_folder_that_went_away_is_not_a_missing_image(source: DiskSource, root: Path) -> None:
    root.rename(root.parent / "unmounted")
    with pytest.raises(SourceError):
        source.version("photo.jpg")


class TestListing:
    def test_images_sorted_within_each_folder(self, source: DiskSource, root: Path) -> None:
        for name in ("b.JPG", "a.jpeg", "c.txt", "d", ".e.jpg", "sub/z.png", "sub/.git/a.jpg", "tar/x.webp"):
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_bytes(b"bytes")
        (root / "folder.jpg").mkdir()
        os.mkfifo(root / "fifo.jpg")
        assert list(source.identifiers()) == [
            "a.jpeg",
            "b.JPG",
            "photo.jpg",
            "sub/map.tif",
            "sub/z.png",
            "tar/x.webp",
        ]

    def test_links(self, source: DiskSource, root: Path) -> None:
        (root / "inside.jpg").symlink_to("sub/map.tif")
        (root / "outside.jpg").symlink_to("../imgs-private/secret.jpg")
        (root / "private").symlink_to("../imgs-private")
        (root / "sub" / "loop").symlink_to("..")
        assert list(source.identifiers()) == ["inside.jpg", "photo.jpg", "sub/map.tif"]

    def test_depth_is_bounded(self, source: DiskSource, root: Path) -> None:
        folder = root
        for _ in range(disk.DEEPEST + 3):
            folder /= "d"
            folder.mkdir()
            (folder / "a.jpg").touch()
        depths = [identifier.count("/") for identifier in source.identifiers()]
        assert max(depths) == disk.DEEPEST

    def test_is_lazy(self, source: DiskSource, root: Path) -> None:
        images = iter(source.identifiers())
        assert next(images) == "photo.jpg"
        shutil.rmtree(root / "sub")
        assert list(images) == []

    def test_a_missing_root_is_an_error(self, source: DiskSource, root: Path) -> None:
        shutil.rmtree(root)
        with pytest.raises(SourceError):
            list(source.identifiers())


class TestBuild:
    def build(self, **options: object) -> DiskSource:
        return disk.build(msgspec.convert(options, disk.DiskSourceOptions), Environment("source"))

    def test_default_is_the_current_folder(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(root)
        source = self.build()
        monkeypatch.chdir(root.parent)
        assert source.version("photo.jpg")

    def test_prefix(self, root: Path) -> None:
        source = self.build(path=str(root), prefix="sub/", revalidate=5)
        assert source.version("map.tif")
        assert source.revalidate == 5
        refused(source, "photo.jpg")

    @pytest.mark.parametrize(
        ("options", "where"),
        [
            ({"path": "missing"}, "images.source.path"),
            ({"path": ""}, "images.source.path"),
            ({"path": "imgs/photo.jpg"}, "images.source.path"),
            ({"path": "imgs", "prefix": "missing"}, "images.source.prefix"),
            ({"path": "imgs", "prefix": "../imgs-private"}, "images.source.prefix"),
            ({"path": "imgs", "prefix": "sub/../../imgs-private"}, "images.source.prefix"),
        ],
    )
    def test_wrong_options(
        self, root: Path, options: dict[str, str], where: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(root.parent)
        with pytest.raises(ConfigError) as caught:
            self.build(**options)
        assert caught.value.path == where

    def test_unknown_options(self) -> None:
        for wrong in ({"bucket": "x"}, {"revalidate": -1}, {"path": 3}):
            with pytest.raises(msgspec.ValidationError):
                self.build(**wrong)


def test_messages_are_bounded() -> None:
    assert len(quoted("x" * 5000)) < 100
    assert "\n" not in quoted("a\nb")


@pytest.mark.slow
def test_a_hundred_thousand_files_do_not_slow_the_start(tmp_path: Path) -> None:
    for number in range(100_000):
        os.close(os.open(tmp_path / f"{number}.jpg", os.O_CREAT | os.O_WRONLY))
    started = time.monotonic()
    source = DiskSource(tmp_path)
    assert source.version("99999.jpg")
    assert time.monotonic() - started < 0.1
    started = time.monotonic()
    assert next(iter(source.identifiers())) == "0.jpg"
    assert time.monotonic() - started < 2
