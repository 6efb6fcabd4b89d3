"""Builds the scripts and styles of the pages with npm: ``python -m iiifkit.viewer.build``.

It imports nothing of iiifkit, because the wheel's build runs it, too.
"""

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
COMMAND = "python -m iiifkit.viewer.build"
NO_NPM = "npm is not installed. It comes with Node.js (https://nodejs.org/); version 20 or newer will do."


class BuildFailed(Exception):
    """The pages could not be built; the text says why."""


def build(folder: Path = FOLDER) -> None:
    """Install the libraries that the lock file names below ``folder``, and bundle the pages. Raises `BuildFailed`."""
    npm = shutil.which("npm")
    if npm is None:
        raise BuildFailed(NO_NPM)
    # Nothing that is installed has to run scripts of its own; without a network it is soon over.
    install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    install += ["--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    for arguments in (install, ["run", "--silent", "build"]):
        done = subprocess.run([npm, *arguments], cwd=folder, stdin=subprocess.DEVNULL, check=False, stdout=sys.stderr)
        if done.returncode:
            raise BuildFailed(f"npm {' '.join(arguments)} failed with exit code {done.returncode}.")


def main() -> int:
    """Build; return the exit code."""
    try:
        build()
    except BuildFailed as error:
        sys.stderr.write(f"iiifkit: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
