"""Builds the pages into the wheel, if npm is there; the wheel works without them."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PagesHook(BuildHookInterface[Any]):
    """Runs npm before a wheel is put together, but not for an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages, or say on standard error why the wheel is without them."""
        if version == "editable":
            return
        spec = spec_from_file_location("pages", Path(self.root) / "iiifkit" / "viewer" / "build.py")
        if spec is None or spec.loader is None:
            return
        pages = module_from_spec(spec)
        spec.loader.exec_module(pages)
        try:
            pages.build()
        except pages.BuildFailed as error:
            sys.stderr.write(f"iiifkit is built without its gallery and viewer: {error}\n")
