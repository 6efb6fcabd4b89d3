"""The ASGI application: which room answers which path, and what happens around every answer."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from ..errors import DeadlineExceeded, IIIFKitError, Overloaded, Stopped
from . import pages
from .access import AccessLog, escaped
from .addresses import Addresses
from .asked import Asked, asked
from .metrics import Metrics
from .pictures import Begun, Pictures, Target
from .replies import METHODS, Reply, failed, preflight, text
from .site import Site

log = logging.getLogger("iiifkit")

_LOOKED = "iiifkit.looked"
"""Where a scope keeps what came of the look for an answer at once."""


class Gate:
    """Every request comes through here: it is answered within the deadline, counted and logged."""

    def __init__(
        self,
        pictures: Pictures,
        metrics: Metrics,
        addresses: Addresses,
        deadline: float,
        access_log: AccessLog | None = None,
        site: Site | None = None,
    ) -> None:
        self._pictures = pictures
        self._site = site
        self._metrics = metrics
        self._addresses = addresses
        self._deadline = deadline
        self._access_log = access_log
        self._pages: dict[str, Callable[[Asked], Reply]] = {
            "/healthz": lambda _: pages.health(),
            "/metrics": lambda _: pages.measurements(metrics),
            "/debug/vars": lambda request: pages.debug(request, metrics),
        }

    def at_once(self, scope: Scope) -> Reply | None:
        """Return the answer if it needs no waiting; None if it does, and for every error: a call tells it then."""
        started = time.perf_counter()
        try:
            request = asked(scope, self._addresses)
            reply = self._at_once(request)
        except Exception:
            return None
        if isinstance(reply, Reply) and isinstance(reply.body, bytes):  # a plugin's cache may keep something else
            self._note(request, reply, time.perf_counter() - started)
            return reply
        scope[_LOOKED] = request, reply
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        if _LOOKED in scope:
            request, reply = scope[_LOOKED]
        else:
            request = asked(scope, self._addresses)
            reply = self._at_once(request)
        if not isinstance(reply, Reply):
            reply = await self._watched(self._answer(request, scope["query_string"], reply), receive)
        if reply is None:
            self._metrics.add("hang_ups")
            return
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.all_headers})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else reply.body})
        self._note(request, reply, time.perf_counter() - started)

    def _note(self, request: Asked, reply: Reply, seconds: float) -> None:
        """Count and log an answer."""
        self._metrics.answered(reply.how, reply.status, len(reply.body), seconds)
        if self._access_log is not None:
            self._access_log.write(request, reply, seconds)

    def _at_once(self, request: Asked) -> Reply | Begun | None:
        """Answer what needs no waiting. Health, memory hits and 304s never queue behind renders."""
        if request.method not in ("GET", "HEAD"):
            if request.method == "OPTIONS":
                return preflight()
            return text(405, f"Only {METHODS.decode()} are answered here.", [(b"allow", METHODS)], "error")
        page = self._pages.get(request.path)
        return page(request) if page is not None else self._pictures.at_once(request)

    async def _answer(self, request: Asked, query: bytes, begun: Begun | None) -> Reply:
        target = self._pictures.target(request)
        page = self._site.find(request) if self._site is not None else None
        try:
            async with asyncio.timeout(self._deadline):
                if page is not None:
                    return await page(request, Site.query(query))
                return await self._pictures.reply(request, target, begun)
        except TimeoutError:
            late = DeadlineExceeded(f"The picture was not ready within {self._deadline:g} seconds; try again.", 5)
            return self._failed(late, request, target)
        except IIIFKitError as error:
            return self._failed(error, request, target)
        except (Exception, SystemExit):  # a plugin must not end the server
            log.exception("%s %s failed", escaped(request.method), escaped(request.path))
            return text(500, "The server failed; its log says why.", how="error")

    def _failed(self, error: IIIFKitError, request: Asked, target: Target) -> Reply:
        if isinstance(error, Overloaded | Stopped):
            self._metrics.add("refused")
        return failed(error, target.version)

    async def _watched(self, answer: Coroutine[Any, Any, Reply], receive: Receive) -> Reply | None:
        """Return the answer, or None if the client went away first; then the work for it is given up."""
        work = asyncio.ensure_future(answer)
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else None
        finally:
            gone.cancel()
            work.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Application:
    """The ASGI application: requests go straight to the gate, the rest of ASGI's life to Starlette.

    Starlette's own way to a route costs more than an answer from memory takes.
    """

    def __init__(self, gate: Gate, close: Sequence[Callable[[], None]]) -> None:
        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            yield
            for closing in close:
                closing()

        self.at_once = gate.at_once
        self._gate = gate
        self._rest = Starlette(routes=[Mount("/", app=gate)], lifespan=lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or take part in start-up and shutdown."""
        await (self._gate if scope["type"] == "http" else self._rest)(scope, receive, send)
