"""The pages that are not IIIF: health, metrics, and go-iiif's debugging counters."""

import gc
import sys
from ipaddress import ip_address
from typing import Any

import msgspec

from .addresses import is_forwarded, names_loopback
from .asked import Asked
from .metrics import Metrics, prometheus
from .replies import Reply, text


def health() -> Reply:
    """Return that the event loop turns."""
    return text(200, "ok", how="page")


def measurements(metrics: Metrics) -> Reply:
    """Return the counters in the Prometheus text format."""
    body = ("\n".join(prometheus(metrics)) + "\n").encode()
    headers = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8"), (b"cache-control", b"no-store")]
    return Reply(200, headers, body, "page")


def debug(asked: Asked, metrics: Metrics) -> Reply:
    """Return go-iiif's ``/debug/vars`` to clients on this machine, never through a proxy."""
    if not is_local(asked):
        return text(403, "This page is for clients on the server's own machine, without a proxy.", how="page")
    body = msgspec.json.encode(variables(metrics))
    headers = [(b"content-type", b"application/json; charset=utf-8"), (b"cache-control", b"no-store")]
    return Reply(200, headers, body, "page")


def is_local(asked: Asked) -> bool:
    """Return whether a client is on this machine, and means this machine.

    Behind a local proxy all clients seem to be here, so a header that proxies add says no. So does a Host header with
    another name: a proxy passed it on, or a page of that name was made to lead here in somebody's browser.
    """
    if asked.peer is None or is_forwarded(asked.headers) or not names_loopback(asked.header(b"host")):
        return False
    try:
        return ip_address(asked.peer).is_loopback
    except ValueError:
        return False


def variables(metrics: Metrics) -> dict[str, Any]:
    """Return go-iiif's five counters with their meaning, and what Go's expvar adds of the process."""
    totals = metrics.totals()
    renders = totals["transforms"]
    return {
        "CacheHit": totals["cache_hits"],
        "CacheMiss": totals["cache_misses"],
        "CacheSet": totals["cache_sets"],
        "TransformsCount": renders,
        "TransformsAvgTimeMS": totals["transform_microseconds"] / 1000 / renders if renders else 0,
        "cmdline": sys.argv,
        "memstats": memory(),
    }


def memory() -> dict[str, int]:
    """Return the process's memory in bytes under expvar's names: ``Sys`` is the peak, ``Alloc`` the present."""
    statistics = {"NumGC": sum(generation["collections"] for generation in gc.get_stats())}
    try:
        import resource
    except ImportError:
        return statistics
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    statistics["Sys"] = peak if sys.platform == "darwin" else peak * 1024
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123
            statistics["Alloc"] = int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        statistics["Alloc"] = statistics["Sys"]
    return statistics
