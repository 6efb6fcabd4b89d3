"""Running the server: in this process, or in several workers."""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
import uvicorn
from uvicorn.supervisors import Multiprocess

from ..assembly import Assembly, assemble
from ..config import Config
from ..processors import processors
from ..sources.example import WithExample
from .access import AccessLog
from .addresses import Addresses
from .app import Application, Gate
from .banner import banner
from .lanes import Lane
from .listening import check_tls, listen
from .messages import start_messages
from .metrics import Metrics
from .pictures import Pictures
from .protocol import BoundedProtocol
from .site import Site

SETTINGS = "IIIFKIT_SETTINGS"
METRICS = "IIIFKIT_METRICS"
READING_THREADS = 32


def build(assembly: Assembly, metrics: Metrics | None = None, example: bool = False) -> Application:
    """Return the ASGI application of an assembled service; ``example`` adds the example page."""
    config = assembly.config
    metrics = metrics or Metrics()
    renders = Lane("render", processors(), config.limits.queue, config.limits.memory * 1_000_000, watch=metrics.renders)
    reads = Lane("read", READING_THREADS, 1000 + config.limits.queue)
    builds = Lane("build", max(1, processors() // 2), config.limits.queue, config.limits.memory * 1_000_000)
    pictures = Pictures(assembly.service, renders, reads, builds, metrics, config.server.cache_control)
    access = AccessLog(sys.stdout)
    addresses = Addresses(config.api.base_url, config.api.proxies)
    site = Site(assembly.service, config.server, addresses.prefix, example)
    gate = Gate(
        pictures,
        metrics,
        addresses,
        config.limits.deadline,
        access if config.server.access_log else None,
        site,
    )
    lanes = (renders, reads, builds)
    return Application(
        gate, [pictures.stop, site.close, *(lane.close for lane in lanes), assembly.service.close, access.close]
    )


def run(raw: Mapping[str, Any], overrides: Mapping[str, Any], example: bool = False) -> None:
    """Serve until told to stop: in this process, or in several workers. Raises a `SetupError`."""
    start_messages()
    assembly = _assembled(raw, overrides, example)
    config = assembly.config
    check_tls(config.server.tls_cert, config.server.tls_key)
    sockets = listen(config.server.host, config.server.port)
    for line in banner(assembly, sockets[0].getsockname()[1], example):
        click.echo(line, err=True)
    # uvicorn raises the signal that ended it once more; to be told to end, and to have ended, is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if config.server.workers == 1:
        uvicorn.Server(_settings(config, _bounded_app(assembly, Metrics(), example))).run(sockets=sockets)
        return
    assembly.service.close()
    with tempfile.NamedTemporaryFile(prefix="iiifkit-metrics-") as shared:
        os.environ[METRICS] = shared.name
        os.environ[SETTINGS] = msgspec.json.encode({"raw": raw, "overrides": overrides, "example": example}).decode()
        Multiprocess(_settings(config, "iiifkit.server.run:worker"), sockets).run()


def worker() -> Application:
    """Return the application of a worker process, from the settings that its parent left in the environment."""
    start_messages()
    threading.Thread(target=_end_with_parent, name="iiifkit-parent", daemon=True).start()
    settings = msgspec.json.decode(os.environ[SETTINGS])
    return _bounded_app(_assembled(**settings), Metrics(Path(os.environ[METRICS])), settings["example"])


def _end_with_parent() -> None:
    """Wait until the process that started this worker is gone, killed perhaps, and end too: the port becomes free."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _assembled(raw: Mapping[str, Any], overrides: Mapping[str, Any], example: bool) -> Assembly:
    return assemble(raw, overrides, wrap=WithExample if example else None)


def _bounded_app(assembly: Assembly, metrics: Metrics, example: bool) -> Application:
    BoundedProtocol.max_head_bytes = assembly.config.server.max_header_bytes
    BoundedProtocol.head_seconds = assembly.config.server.header_timeout
    BoundedProtocol.stalled_seconds = assembly.config.limits.deadline
    return build(assembly, metrics, example)


def _settings(config: Config, app: Application | str) -> uvicorn.Config:
    """Return how uvicorn runs. What proxies say in headers is this server's own business, not uvicorn's."""
    server = config.server
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=server.workers,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(config.limits.deadline) + 1,
        ssl_certfile=server.tls_cert,
        ssl_keyfile=server.tls_key,
    )
