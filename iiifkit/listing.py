"""What ``iiifkit plugins list`` says: every plugin and what it offers, and which of it the config uses."""

from typing import Any

from .config import Config
from .registry import Registry
from .wording import clean


def plugin_rows(registry: Registry, config: Config | None) -> list[dict[str, Any]]:
    """Return a row for each thing on offer, then for each plugin that is broken or not allowed.

    The keys are always ``name``, ``kind``, ``distribution``, ``version``, ``used``, ``summary`` and ``broken``. Broken
    plugins have their entry point as name, None as kind, and the reason under ``broken``. ``used`` is None if there
    is no config to tell by.
    """
    chosen = {(choice.entry.kind, choice.entry.name) for choice in config.choices()} if config else set()
    rows = [
        _row(
            entry.name,
            entry.kind,
            entry.distribution,
            entry.version,
            used=(entry.kind, entry.name) in chosen if config else None,
            summary=clean(entry.offer.summary, 200),
        )
        for entry in registry.entries()
    ]
    rows += [
        _row(plugin.entry_point, None, plugin.distribution, plugin.version, broken=plugin.reason)
        for plugin in registry.broken
    ]
    rows += [
        _row(plugin.entry_point, None, plugin.distribution, plugin.version, broken="plugins.allow does not list it")
        for plugin in registry.barred
    ]
    return rows


def _row(
    name: str,
    kind: str | None,
    distribution: str,
    version: str,
    used: bool | None = False,
    summary: str = "",
    broken: str | None = None,
) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "distribution": distribution,
        "version": version,
        "used": used,
        "summary": summary,
        "broken": broken,
    }
