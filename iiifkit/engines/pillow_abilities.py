"""What the installed Pillow can do, told without loading its plugins: those take a twentieth of a second."""

from functools import cache
from importlib.util import find_spec
from typing import Any

from ..errors import SetupError

_CODECS = {"jpg": "jpeg_encoder", "zlib": "zip_encoder", "jpg_2000": "jpeg2k_encoder", "libtiff": "libtiff_encoder"}
_MODULES = {"webp": "PIL._webp", "avif": "PIL._avif", "littlecms2": "PIL._imagingcms"}
_VERSIONS = ("jpeglib", "libjpeg_turbo", "zlib", "zlib_ng", "jp2klib", "libtiff")


def has(library: str) -> bool:
    """Return whether Pillow was built with a library, by the name that `PIL.features` has for it."""
    if library in _MODULES:
        return find_spec(_MODULES[library]) is not None
    return hasattr(_core(), _CODECS[library])


def fingerprint() -> str:
    """Return Pillow's version and those of its libraries; where they are modules of their own, that they are there.

    Raises `SetupError` if Pillow is not installed.
    """
    core = _core()
    versions = {name: getattr(core, f"{name}_version", None) for name in _VERSIONS}
    names = [f"{name} {version}" for name, version in versions.items() if version]
    return ", ".join((f"Pillow {core.PILLOW_VERSION}", *names, *(name for name in _MODULES if has(name))))


@cache
def load_common() -> None:
    """Load Pillow and its plugins for JPEG, PNG and GIF, before several threads do.

    Its own limit of pixels is switched off for the process.
    """
    import warnings

    from PIL import Image

    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # about each damaged tag of a file
    Image.MAX_IMAGE_PIXELS = None
    Image.preinit()


@cache
def load() -> None:
    """Load all of Pillow's plugins; that takes twice as long as `load_common`."""
    from PIL import Image

    load_common()
    Image.init()


def _core() -> Any:
    try:
        from PIL import _imaging
    except ImportError as error:
        raise SetupError("The engine Pillow needs Pillow, which is not installed.") from error
    return _imaging
