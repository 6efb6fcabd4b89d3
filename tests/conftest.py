"""What tests share: a folder of pictures, and real servers on it, one for each config that is asked for."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pictures
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image
from serving import Server

import iiifkit

# How long an example takes says more about the machine than about the code: none of these tests is about time.
settings.register_profile("iiifkit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("iiifkit")


def pytest_report_header() -> str:
    return f"iiifkit: {Path(iiifkit.__file__).parent}"


Serve = Callable[..., Server]

SQUARE = "a-square-1000x1000.jpg"
"""An identifier with a hyphen, which clients may send encoded."""

RAW_SLASHES = "2019/museum/series/box/photo.jpg"
"""An identifier that looks like an image request."""


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of the sizes that the specification, the validators and go-iiif's README speak of."""
    folder = tmp_path_factory.mktemp("pictures")
    for width, height in ((6000, 4000), (3073, 2049), (3897, 4096), (1000, 800), (300, 200), (50, 40)):
        photograph = pictures.photograph("coffee.png", width, height)
        Image.fromarray(photograph).save(folder / f"{width}x{height}.jpg", quality=90)
    Image.fromarray(pictures.photograph("astronaut.png", 1000, 1000)).save(folder / SQUARE, quality=90)
    Image.fromarray(pictures.photograph("rocket.jpg")).convert("L").save(folder / "gray.jpg")
    nested = folder / RAW_SLASHES
    nested.parent.mkdir(parents=True)
    Image.fromarray(pictures.photograph("chelsea.png")).save(nested)
    return folder


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory, picture_folder: Path) -> Iterator[Serve]:
    """``serve(config)`` is a running server on the shared pictures; equal configs share one. Leave it as it was."""
    servers: dict[str, Server] = {}

    def running(config: Mapping[str, Any] | None = None) -> Server:
        key = json.dumps(config or {}, sort_keys=True)
        if key not in servers:
            servers[key] = Server(tmp_path_factory.mktemp("server"), picture_folder, config)
        return servers[key]

    yield running
    for server in servers.values():
        server.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Serve]:
    """``start(folder, config, *arguments)`` is a server of the test's own, which it may wreck."""
    servers: list[Server] = []

    def running(
        folder: Path | None, config: Mapping[str, Any] | None = None, *arguments: str, **environ: str
    ) -> Server:
        servers.append(Server(tmp_path / f"server-{len(servers)}", folder, config, *arguments, **environ))
        return servers[-1]

    yield running
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def server(serve: Serve) -> Server:
    """A server with the default config on the shared pictures."""
    return serve()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where browser tests keep screenshots: the folder that IIIFKIT_SCREENSHOTS names, or one that goes away."""
    named = os.environ.get("IIIFKIT_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
