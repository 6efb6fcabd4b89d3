"""go-iiif's JSON config and iiifkit's own blocks, read into frozen values."""

from .loading import Choice, Config, Features, allowed_plugins, default_config, load_config
from .places import check_overlap, default_cache_folder
from .reading import parse_config, read_config

__all__ = [
    "Choice",
    "Config",
    "Features",
    "allowed_plugins",
    "check_overlap",
    "default_cache_folder",
    "default_config",
    "load_config",
    "parse_config",
    "read_config",
]
