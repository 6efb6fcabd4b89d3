"""All checks of the project, from a bare checkout: lint, types, tests, wheels. Run it as ``python3 tests/run.py``.

It needs Python 3.11 or newer and nothing else: what the checks use is installed into the virtual environment
.venv-tests beside it, and Debian packages through apt-get where it may.
"""

import argparse
import ctypes.util
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ENVIRONMENT = CHECKOUT / ".venv-tests"
BIN = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
PYTHON = str(BIN / "python")
RUFF = str(BIN / "ruff")

DEBIAN: dict[str, Callable[[], object]] = {
    "libmagic1": lambda: ctypes.util.find_library("magic"),
    "nginx-light": lambda: shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin"),
    "chromium": lambda: shutil.which("chromium"),
    "npm": lambda: shutil.which("npm"),
}
"""Debian packages that tests use, and how each is looked for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks one after the other; return the exit code of the first that fails."""
    parser = argparse.ArgumentParser(description="Check everything: lint, types, tests and wheels.")
    parser.add_argument("--fast", action="store_true", help="lint, types and fast tests only: about a minute")
    fast = parser.parse_args(arguments).fast
    if sys.version_info < (3, 11):  # noqa: UP036
        print(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
        return 1
    os.chdir(CHECKOUT)
    os.environ.setdefault("IIIFKIT_SCREENSHOTS", str(CHECKOUT / "build" / "screenshots"))
    plugins = sorted(path.parent for path in CHECKOUT.glob("plugins/*/pyproject.toml"))
    try:
        install_debian_packages(fast)
        install(plugins)
        for command, folder in checks(plugins, fast):
            run(command, folder)
    except subprocess.CalledProcessError as error:
        print(
            f"\nFailed with exit code {error.returncode}: {shlex.join(shown(part) for part in error.cmd)}", flush=True
        )
        return error.returncode if error.returncode > 0 else 1
    except RuntimeError as error:
        print(f"\n{error}", flush=True)
        return 1
    return 0


def install(plugins: Sequence[Path]) -> None:
    """Make the virtual environment with the project, its plugins and the tools for the checks, and build the pages."""
    if not BIN.exists():
        run([sys.executable, "-m", "venv", str(ENVIRONMENT)])
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "--upgrade", "pip>=25.1"])
    editable = [argument for folder in (CHECKOUT, *plugins) for argument in ("--editable", str(folder))]
    groups = [f"{folder / 'pyproject.toml'}:dev" for folder in (CHECKOUT, *plugins) if has_group(folder)]
    run([*pip, *editable, *(argument for group in groups for argument in ("--group", group))])
    # It asks for an older Pillow than iiifkit's, and does without one for what the tests use of it.
    run([*pip, "--no-deps", "iiif-prezi3>=2"])
    run([PYTHON, "-m", "iiifkit.viewer.build"])


def has_group(folder: Path) -> bool:
    """Return whether a project has tools of its own for its checks."""
    return "[dependency-groups]" in (folder / "pyproject.toml").read_text(encoding="utf-8")


def install_debian_packages(fast: bool) -> None:
    """Install what pip cannot, if this machine is a Debian and we are root. Raises `RuntimeError` if tests lack it."""
    missing = [package for package, found in DEBIAN.items() if not found()]
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        missing.append("python3-venv")
    if not missing:
        return
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        # In runlevel 1 packages do not start the services that they bring.
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        run(["apt-get", "update", "--quiet=2"], environment=quiet)
        run(["apt-get", "install", "--quiet=2", "--yes", "--no-install-recommends", *missing], environment=quiet)
    elif fast:
        print(f"Not installed, so that some tests will fail: {', '.join(missing)}.")
    else:
        raise RuntimeError(
            f"These are missing, and only root may install them: {', '.join(missing)}.\n"
            f"On Debian or Ubuntu: sudo apt-get install {' '.join(missing)}\n"
            "Elsewhere install what they stand for: libmagic, nginx, Chromium, npm."
        )


def checks(plugins: Sequence[Path], fast: bool) -> list[tuple[list[str], Path]]:
    """Return every check as a command and the folder that it runs in."""
    chosen = ["-m", "not slow"] if fast else []
    found: list[tuple[list[str], Path]] = [
        ([RUFF, "format", "--check", "."], CHECKOUT),
        ([RUFF, "check", "."], CHECKOUT),
        ([PYTHON, "-m", "mypy"], CHECKOUT),
    ]
    found += [([PYTHON, "-m", "mypy"], plugin) for plugin in plugins]
    found += [([PYTHON, "-m", "pytest", *chosen], plugin) for plugin in plugins]
    if plugins:
        # The core's tests look at what is said where the plugins are not installed.
        names = [plugin.name for plugin in plugins]
        found.append(([PYTHON, "-m", "pip", "uninstall", "--quiet", "--yes", *names], CHECKOUT))
    return [*found, ([PYTHON, "-m", "pytest", "--durations=10", *chosen], CHECKOUT)]


def run(command: Sequence[str], folder: Path = CHECKOUT, environment: dict[str, str] | None = None) -> None:
    """Print and run a command. Raises `subprocess.CalledProcessError` if it fails."""
    where = "" if folder == CHECKOUT else f" (in {folder.relative_to(CHECKOUT)})"
    print(f"\n$ {shlex.join(shown(part) for part in command)}{where}", flush=True)
    started = time.monotonic()
    subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, check=True)
    if "pytest" not in command:
        print(f"  {time.monotonic() - started:.1f} s", flush=True)


def shown(part: str) -> str:
    """Return a part of a command as it reads from the checkout."""
    return "." if part == str(CHECKOUT) else part.replace(f"{CHECKOUT}{os.sep}", "")


if __name__ == "__main__":
    sys.exit(main())
