"""A real ``iiifkit serve`` in a subprocess."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

STARTING = 60.0

WITHOUT = """
from importlib import metadata
found = metadata.distributions
metadata.distributions = lambda **more: (one for one in found(**more) if one.name != 'iiifkit-flickr')
"""
"""Python that leaves the plugin out, as if it were not installed."""


class Server:
    """A server process, in which some Python runs ``first``; use it as a context manager."""

    def __init__(self, home: Path, config: dict[str, Any], first: str = "") -> None:
        self._log = home / "log"
        (home / "config.json").write_text(json.dumps(config))
        command = command_line(home, first)
        with self._log.open("wb") as log:
            environment = {**os.environ, "XDG_CACHE_HOME": str(home)}
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=home, env=environment)
        until = time.monotonic() + STARTING
        while (found := re.search(r"http://127\.0\.0\.1:(\d+)/", self.log)) is None:
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise AssertionError(f"the server does not start:\n{self.log}")
            time.sleep(0.02)
        self.url = f"http://127.0.0.1:{found[1]}"

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def command_line(home: Path, first: str) -> list[str]:
    code = f"{first}\nimport sys\nfrom iiifkit.cli import main\nsys.exit(main())"
    config = str(home / "config.json")
    return [sys.executable, "-c", code, "serve", "--config", config, "--host", "127.0.0.1", "--port", "0"]


def refusal(home: Path, config: dict[str, Any], first: str = "") -> str:
    """What start-up says when it refuses a config."""
    (home / "config.json").write_text(json.dumps(config))
    ended = subprocess.run(command_line(home, first), cwd=home, capture_output=True, text=True, timeout=STARTING)
    assert ended.returncode != 0
    return ended.stderr
