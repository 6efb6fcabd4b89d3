"""TIFF files, read without an image library: their directories, pictures, and which of them are smaller copies."""

from .copies import copies_of_first, find, first_page, scale_factor
from .directory import Directory, Tiff
from .info import probe
from .page import Page
from .plane import Plane

__all__ = ["Directory", "Page", "Plane", "Tiff", "copies_of_first", "find", "first_page", "probe", "scale_factor"]
