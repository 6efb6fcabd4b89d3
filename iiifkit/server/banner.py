"""What the server says when it starts: what is served, what it skips, and one address to click."""

from collections.abc import Iterator
from urllib.parse import quote

from ..assembly import Assembly
from ..config import Choice
from ..contracts import Source
from ..sources.example import IDENTIFIER
from .site import offers_gallery


def banner(assembly: Assembly, port: int, example: bool) -> Iterator[str]:
    """Yield the lines."""
    config, registry = assembly.config, assembly.registry
    server, service = config.server, assembly.service
    place = getattr(config.source.options, "path", "")
    for warning in assembly.warnings:
        yield f"iiifkit: warning: {warning}"
    for plugin in registry.broken:
        yield f"iiifkit: warning: the plugin {plugin.distribution} {plugin.version} is not loaded: {plugin.reason}"
    levels = f"2.1 (level {service.features.level(2)}) and 3.0 (level {service.features.level(3)})"
    yield f"iiifkit serves {config.source.entry.name} {place} over the IIIF Image API {levels}"
    qualities = ", ".join(name for name in service.features.names("quality") if name != "default")
    yield f"  qualities {qualities}; formats {', '.join(service.features.names('format'))}"
    caches = (("images", config.images_cache), ("derivatives", config.derivatives_cache))
    yield "  caches    " + "; ".join(f"{role}: {_cache(choice, server.workers)}" for role, choice in caches)
    yield f"  opens     {', '.join(config.formats.read)}; skips all other files, and hidden ones"
    address = f"{'https' if server.tls_cert else 'http'}://{_host(server.host)}:{port}"
    if config.api.base_url:
        yield f"  listens on {address}"
        address = config.api.base_url
    if example or offers_gallery(server):
        yield f"  open      {address}/{'example/' if example else ''}"
    yield f"  try       {address}/iiif/3/{_identifier(service.originals.source, example)}/info.json"


def _identifier(source: Source, example: bool) -> str:
    """Return an identifier to try; places that take time to list are not asked."""
    first = None if source.revalidate else next(iter(source.identifiers()), None)
    return quote(IDENTIFIER if example else first or "{identifier}", safe="{}")


def _cache(choice: Choice, workers: int) -> str:
    entry, options = choice.entry, choice.options
    limit = getattr(options, "limit", 0)
    if entry.name == "Memory" and workers > 1 and limit:
        return f"Memory, {workers} workers x {limit:.10g} MB"
    return " ".join(
        str(part) for part in (entry.name, getattr(options, "path", ""), f"{limit:.10g} MB" if limit else "") if part
    )


def _host(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):
        return "localhost"
    return f"[{host}]" if ":" in host else host
