"""All checks of the project, from a bare checkout: lint, types, tests, wheels. Run it as ``python3 tests/run.py``.

It needs Python 3.11 or newer and nothing else. It builds the wheels of all distributions, installs them into the new
virtual environment .venv-wheels and tests them there, from a folder where the checkout cannot be imported by mistake.
With --fast the checkout itself is tested, as an editable install in .venv-tests. Debian packages are installed through
apt-get where it may.
"""

import argparse
import ctypes.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
EDITABLE = CHECKOUT / ".venv-tests"
CLEAN = CHECKOUT / ".venv-wheels"
WHEELS = CHECKOUT / "build" / "wheels"
ELSEWHERE = CHECKOUT / "build" / "elsewhere"
"""The folder that tests of wheels are run in."""

PREZI = ("--no-deps", "iiif-prezi3>=2")
"""It asks for an older Pillow than iiifkit's, and does without one for what the tests use of it."""

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
        if fast:
            install(plugins)
        else:
            install_wheels(plugins)
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
    """Make the environment with the checkout, its plugins and the tools for the checks, and build the pages."""
    if not EDITABLE.exists():
        run([sys.executable, "-m", "venv", str(EDITABLE)])
    editable = [argument for folder in (CHECKOUT, *plugins) for argument in ("--editable", str(folder))]
    install_tools(EDITABLE, plugins, editable)
    run([*pip(EDITABLE), *PREZI])
    run([python(EDITABLE), "-m", "iiifkit.viewer.build"])


def install_wheels(plugins: Sequence[Path]) -> None:
    """Build all wheels, and make a new environment with them and the tools for the checks."""
    for folder in (CLEAN, WHEELS, ELSEWHERE):
        shutil.rmtree(folder, ignore_errors=True)
    ELSEWHERE.mkdir(parents=True)
    run([sys.executable, "-m", "venv", str(CLEAN)])
    install_tools(CLEAN, plugins)
    build = [python(CLEAN), "-m", "build", "--no-isolation", "--outdir", str(WHEELS)]
    run([*build, "--wheel", str(CHECKOUT)], ELSEWHERE)
    for plugin in plugins:  # from their source distributions, which are so seen to be whole
        run([*build, str(plugin)], ELSEWHERE)
    run([*pip(CLEAN), *map(str, sorted(WHEELS.glob("*.whl")))], ELSEWHERE)
    run([python(CLEAN), "-m", "pip", "check"], ELSEWHERE)
    run([python(CLEAN), "-m", "iiifkit", "plugins", "list"], ELSEWHERE)
    run([*pip(CLEAN), *PREZI])


def install_tools(environment: Path, plugins: Sequence[Path], editable: Sequence[str] = ()) -> None:
    """Install what the checks use."""
    run([*pip(environment), "--upgrade", "pip>=25.1"])
    groups = [f"{folder / 'pyproject.toml'}:dev" for folder in (CHECKOUT, *plugins) if has_group(folder)]
    run([*pip(environment), *editable, *(argument for group in groups for argument in ("--group", group))])


def python(environment: Path) -> str:
    """Return an environment's interpreter."""
    return str(environment / ("Scripts" if os.name == "nt" else "bin") / "python")


def pip(environment: Path) -> list[str]:
    """Return the beginning of a command that installs."""
    return [python(environment), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]


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
    chosen, environment = (["-m", "not slow"], EDITABLE) if fast else ([], CLEAN)
    tool = [python(environment), "-m"]
    found: list[tuple[list[str], Path]] = [
        ([*tool, "ruff", "format", "--check", "."], CHECKOUT),
        ([*tool, "ruff", "check", "."], CHECKOUT),
        ([*tool, "mypy"], CHECKOUT),
    ]
    found += [([*tool, "mypy"], plugin) for plugin in plugins]
    for plugin in plugins:
        if not fast:
            lowest = [*pip(environment), "--find-links", str(WHEELS), f"iiifkit=={lowest_core(plugin)}"]
            found.append((lowest, ELSEWHERE))
        found.append(tests(environment, plugin, chosen))
    if plugins:
        # The core's tests look at what is said where the plugins are not installed.
        names = [plugin.name for plugin in plugins]
        found.append(([*tool, "pip", "uninstall", "--quiet", "--yes", *names], CHECKOUT))
    if not fast:
        found.append(([*pip(environment), *map(str, WHEELS.glob("iiifkit-*.whl"))], ELSEWHERE))
    return [*found, tests(environment, CHECKOUT, ["--durations=10", *chosen])]


def tests(environment: Path, project: Path, options: Sequence[str]) -> tuple[list[str], Path]:
    """Return the command that tests a project, and the folder to run it in."""
    command = [python(environment), "-m", "pytest"]
    if environment == EDITABLE:
        return [*command, *options], project
    place = ["-c", str(project / "pyproject.toml"), "--rootdir", str(project), str(project / "tests")]
    return [*command, *options, *place], ELSEWHERE


def lowest_core(plugin: Path) -> str:
    """Return the lowest version of iiifkit that a plugin claims to work with. Raises `RuntimeError` if it says none."""
    found = re.search(r'"iiifkit>=([\d.]+)"', (plugin / "pyproject.toml").read_text(encoding="utf-8"))
    if found is None:
        raise RuntimeError(f"{plugin.name} does not say which iiifkit it needs; its pyproject.toml wants iiifkit>=X.Y.")
    return found[1]


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
