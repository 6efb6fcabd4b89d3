"""The installed version of iiifkit."""


def version() -> str:
    """Return the version, such as ``0.1.0``."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as of

    try:
        return of("iiifkit")
    except PackageNotFoundError:
        return "0"
