"""A project to seed: pictures, a config, and `iiifkit tile-seed` in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pictures
from PIL import Image

from iiifkit.assembly import assemble
from iiifkit.service import Service


class Project:
    """Pictures in ``source``, tiles in ``tiles``. ``settings`` replace values of the config by path."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.home = home
        self.source, self.tiles = home / "source", home / "tiles"
        self.source.mkdir(parents=True, exist_ok=True)
        self.config = home / "config.json"
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """Write the config anew; ``api__default_version`` is the path api.default_version."""
        raw: dict[str, Any] = {
            "images": {
                "source": {"name": "Disk", "path": str(self.source)},
                "cache": {"name": "Disk", "path": str(self.home / "images")},
            },
            "derivatives": {"cache": {"name": "Disk", "path": str(self.tiles)}},
        }
        for path, value in settings.items():
            *blocks, last = path.split("__")
            place = raw
            for block in blocks:
                place = place.setdefault(block, {})
            place[last] = value
        self.config.write_text(json.dumps(raw))

    def picture(self, name: str, width: int, height: int, **options: Any) -> Path:
        """Put a photograph of this size into the source."""
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures.photograph("coffee.png", width, height)).save(path, **options)
        return path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "iiifkit.cli", "tile-seed", "--config", str(self.config), *arguments]

    def seed(self, *arguments: str, status: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run tile-seed to its end, which must have this exit status."""
        done = subprocess.run(
            self.command(*arguments),
            **{"capture_output": True, "text": True, "cwd": self.home, "env": self.environ, "timeout": 120} | options,
        )
        assert done.returncode == status, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "XDG_CACHE_HOME": str(self.home / "user-cache")}

    def report(self, *arguments: str, status: int = 0, **options: Any) -> list[dict[str, Any]]:
        """Run tile-seed and return what it reports of each image."""
        file = self.home / "report.jsonl"
        self.seed("--report", str(file), *arguments, status=status, **options)
        return [json.loads(line) for line in file.read_text().splitlines()]

    def files(self, identifier: str) -> set[str]:
        """The names of an image's files."""
        folder = self.tiles / identifier
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    def document(self, identifier: str) -> dict[str, Any]:
        return json.loads((self.tiles / identifier / "info.json").read_text())

    def leftovers(self) -> list[Path]:
        """Files that are neither originals nor finished."""
        hidden = [path for path in self.home.rglob("*") if ".iiifkit" in path.parts and path.is_file()]
        return hidden + [path for path in self.home.rglob("iiifkit-*") if path.is_file()]

    def service(self) -> Service:
        """A service with the project's config, as a server has it."""
        return assemble(json.loads(self.config.read_text())).service
