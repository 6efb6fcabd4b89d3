"""A real browser: pages that note what they ask for and what they complain about, and other sites to open them from."""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

HARNESS = Path(__file__).resolve().parent / "browser"
LIBRARIES = Path(__file__).resolve().parent.parent / "iiifkit" / "viewer" / "node_modules"
SECONDS = 30_000.0
"""Milliseconds until a step in the browser has failed; the machine may be busy."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser, without a window. Root may run it without its sandbox only."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[*options, "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One visit of a page: what it asked for, what came, and what it complained about."""

    def __init__(self, browser: Browser, screenshots: Path, **options: Any) -> None:
        options.setdefault("viewport", {"width": 1280, "height": 800})
        self._screenshots = screenshots
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(SECONDS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.came: dict[str, int] = {}
        self._open = 0
        self._last = 0.0
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._on_request)
        self.page.on("requestfinished", lambda _: self._on_end())
        self.page.on("requestfailed", lambda _: self._on_end())
        self.page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        self.asked.append(request.url)
        self._open += 1
        self._last = time.monotonic()

    def _on_end(self) -> None:
        self._open -= 1
        self._last = time.monotonic()

    def _on_response(self, response: Response) -> None:
        self.came[response.url] = response.status

    def open(self, address: str) -> Page:
        self.page.goto(address, wait_until="load")
        return self.page

    def settle(self, quiet: float = 0.5) -> None:
        """Wait until everything has come and nothing more was asked for, for ``quiet`` seconds."""
        end = time.monotonic() + SECONDS / 1000
        started = time.monotonic()
        while self._open > 0 or time.monotonic() - max(self._last, started) < quiet:
            assert time.monotonic() < end, f"{self._open} requests are not answered"
            self.page.wait_for_timeout(50)

    def keep(self, name: str) -> Path:
        """Keep a screenshot, for people to look at."""
        path = self._screenshots / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def check(self, *origins: str) -> None:
        """Nothing was complained about, everything came, and nothing was asked of another host."""
        assert self.complaints == [], self.complaints
        assert {address: status for address, status in self.came.items() if status >= 400} == {}
        elsewhere = [address for address in self.asked if not address.startswith((*origins, "blob:", "data:"))]
        assert elsewhere == []

    def tiles(self) -> list[dict[str, Any]]:
        """The picture requests that came, in their order."""
        return [found for address in self.asked if address in self.came and (found := parts(address))]


def parts(address: str) -> dict[str, Any] | None:
    """An image request taken apart: identifier, version, region (or None for full), size text, and the scale."""
    found = re.search(r"/iiif/([23])/([^/]+)/(full|[\d,]+)/([^/]+)/([^/]+)/([^/]+)$", urlsplit(address).path)
    if found is None:
        return None
    region = [int(number) for number in found[3].split(",")] if found[3] != "full" else None
    width = re.match(r"\d+", found[4])
    return {
        "version": int(found[1]),
        "identifier": unquote(found[2]),
        "region": region,
        "scale": region[2] / int(width[0])
        if region and width
        else 1.0
        if region and found[4] in ("max", "full")
        else None,
        "quality": found[6],
    }


class OtherSite:
    """A server of static files, one folder for each name: a site that is not iiifkit's."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self.folders = folders
        handler = partial(_Files, folders)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Files(SimpleHTTPRequestHandler):
    def __init__(self, folders: Mapping[str, Path], *arguments: Any) -> None:
        self.folders = folders
        super().__init__(*arguments)

    def translate_path(self, path: str) -> str:
        name, _, rest = unquote(urlsplit(path).path).lstrip("/").partition("/")
        return str(self.folders[name] / rest) if name in self.folders else str(HARNESS / name)

    def log_message(self, *_: object) -> None:
        pass


Visits = Callable[..., Visit]
