"""Plugins that raise, return nonsense or end the process: their asker is told, the log says why, the server goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Server
from watching import install_plugin, make_slow_pictures, metric, wait_until

BAD = """
    import asyncio, os, sys
    from pathlib import Path
    from iiifkit.blob import FileBlob
    from iiifkit import BadRequest, Animation, BrokenImage, Offer, Raster, hookimpl

    def fail(text):
        raise OSError(f"/secret/path of {text}")

    class Bad:
        def __init__(self, check, apply):
            self._check, self._apply = check, apply

        def check(self, text):
            self._check(text)

        def apply(self, raster, request):
            return self._apply(raster)

    def fine(_):
        return None

    def ends(_):
        sys.exit(3)

    def stops(_):
        raise StopIteration

    def cancels(_):
        raise asyncio.CancelledError

    def interrupts(_):
        raise KeyboardInterrupt

    def says(_):
        raise BrokenImage("This picture is too dark for me.")

    def refuses(_):
        raise BadRequest("Ask for something else.")

    class Liar(list):
        pass

    KINDS = {
        "raises": (fine, fail),
        "exits": (fine, ends),
        "stops": (fine, stops),
        "cancels": (fine, cancels),
        "interrupts": (fine, interrupts),
        "nothing": (fine, fine),
        "text": (fine, lambda raster: "a picture"),
        "list": (fine, lambda raster: Liar()),
        "short": (fine, lambda raster: Raster(10, 10, 3, b"short")),
        "empty": (fine, lambda raster: Animation(())),
        "says": (fine, says),
        "checkraises": (fail, fine),
        "checkexits": (ends, fine),
        "checkrefuses": (refuses, fine),
        "good": (fine, lambda raster: raster),
    }

    @hookimpl
    def iiifkit_qualities():
        return {name: Offer(lambda o, e, pair=pair: Bad(*pair)) for name, pair in KINDS.items()}

    class Source:
        location = None
        revalidate = 0.0
        opened = set()

        def version(self, identifier):
            if identifier in self.opened:
                if identifier == "later-exits":
                    sys.exit(3)
                raise ValueError("/secret/path")
            if identifier == "version-exits":
                sys.exit(3)
            if identifier == "version-raises":
                raise ValueError("/secret/path")
            return "1"

        def open(self, identifier):
            if identifier.startswith("later"):
                self.opened.add(identifier)
                return FileBlob(Path(os.environ["GOOD_PICTURE"]))
            if identifier == "stops":
                raise StopIteration
            if identifier == "exits":
                sys.exit(3)
            raise ValueError("/secret/path")

        def identifiers(self):
            return ()

        def close(self):
            raise ValueError("not even this")

    @hookimpl
    def iiifkit_sources():
        return {"Bad": Offer(lambda options, environment: Source())}
"""
NAMES = (
    *("raises", "exits", "stops", "cancels", "interrupts", "nothing", "text", "list", "short", "empty", "says"),
    *("checkraises", "checkexits", "checkrefuses", "good"),
)
FEATURES = {
    "append": {
        "quality": {
            name: {"syntax": name, "required": False, "supported": True, "match": f"^{name}$"} for name in NAMES
        }
    }
}


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return install_plugin(tmp_path_factory.mktemp("plugins") / "bad", "bad-plugin", BAD)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, environ: dict[str, str]) -> Iterator[Server]:
    folder = make_slow_pictures(tmp_path_factory.mktemp("slow"))
    with Server(tmp_path_factory.mktemp("server"), folder, {"features": FEATURES}, **environ) as running:
        yield running


def path(quality: str) -> str:
    return f"/iiif/3/small.jpg/full/20,/0/{quality}.jpg"


@pytest.mark.parametrize(
    "quality",
    [
        *("raises", "exits", "stops", "cancels", "interrupts", "nothing", "text", "list", "short", "empty"),
        *("checkraises", "checkexits"),
    ],
)
def test_a_quality_that_misbehaves_is_500_with_a_plain_sentence(server: Server, quality: str) -> None:
    before = len(server.log)
    for _ in range(2):
        answer = server.get(path(quality), timeout=10)
        assert answer.status == 500
        assert answer.header("Access-Control-Allow-Origin") == "*"
        assert answer.sentence.endswith(".")
        assert not any(word in answer.text for word in ("secret", "Error", "Traceback", "Exit"))
    assert len(server.log) > before, "the log says why"
    assert server.alive
    wait_until(lambda: metric(server, "renders_running") == 0)
    assert server.get(path("good")).status == 200


def test_the_log_has_the_traceback(server: Server) -> None:
    server.get(path("raises"))
    assert "/secret/path of raises" not in server.get(path("raises")).text
    assert "Traceback" in server.log
    assert "the quality raises failed" in server.log


def test_a_plugin_may_speak_for_itself(server: Server) -> None:
    said = server.get(path("says"))
    assert (said.status, said.sentence) == (422, "This picture is too dark for me.")
    refused = server.get(path("checkrefuses"))
    assert (refused.status, refused.sentence) == (400, "Ask for something else.")


def test_a_source_that_misbehaves_is_500_at_once(tmp_path: Path, environ: dict[str, str]) -> None:
    picture = make_slow_pictures(tmp_path / "pictures") / "small.jpg"
    config = {"images": {"source": {"name": "Bad"}}}
    with Server(tmp_path / "server", None, config, **environ, GOOD_PICTURE=str(picture)) as running:
        for name in ("later-raises", "later-exits"):
            running.get(f"/iiif/3/{name}/info.json")
        for name in ("raises", "stops", "exits", "version-raises", "version-exits", "later-raises", "later-exits"):
            for rest in ("/info.json", "/full/max/0/default.jpg", ""):
                answer = running.get(f"/iiif/3/{name}{rest}", timeout=10)
                assert answer.status == 500, name
                assert "secret" not in answer.text
                assert answer.header("Access-Control-Allow-Origin") == "*"
        assert running.alive
        assert "Traceback" in running.log
        assert running.stop() == 0
