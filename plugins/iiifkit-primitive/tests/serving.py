"""A real ``iiifkit serve`` in a subprocess."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

STARTING = 60.0


class Server:
    """A server process on so many processors, all if None; use it as a context manager."""

    def __init__(self, home, config, processors=None):
        home.mkdir()
        self._log = home / "log"
        (home / "config.json").write_text(json.dumps(config))
        first = f"import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:{processors}])"
        code = f"{first if processors else ''}\nimport sys\nfrom iiifkit.cli import main\nsys.exit(main())"
        command = [sys.executable, "-c", code, "serve", "--config", "config.json", "--host", "127.0.0.1", "--port", "0"]
        with self._log.open("wb") as log:
            environment = {**os.environ, "XDG_CACHE_HOME": str(home)}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=home, env=environment)
        until = time.monotonic() + STARTING
        while (found := re.search(r"http://127\.0\.0\.1:(\d+)/", self.log)) is None:
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise AssertionError(f"the server does not start:\n{self.log}")
            time.sleep(0.02)
        self.url = f"http://127.0.0.1:{found[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def log(self):
        return self._log.read_text(errors="replace")

    def get(self, path):
        """Status, media type and body."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=120) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
