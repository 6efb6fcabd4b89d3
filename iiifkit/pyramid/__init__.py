"""Tiled TIFF pyramids: which levels a file holds, and its stored JPEG tiles as complete pictures."""

from .index import PyramidIndex, read_index, slice_tile
from .level import StoredLevel, StoredTile
from .pyramid import Pyramid

__all__ = ["Pyramid", "PyramidIndex", "StoredLevel", "StoredTile", "read_index", "slice_tile"]
