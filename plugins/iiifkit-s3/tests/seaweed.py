"""A real S3 server on loopback: SeaweedFS, from its wheel, with fresh data."""

import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

KEY, SECRET = "testaccess", "testsecrettestsecret"
READER, READER_SECRET = "readaccess", "readsecretreadsecret"
PUBLIC = "bucket-for-all"
"""A bucket whose objects anybody may read, once it is made."""
CERTIFICATE = Path(__file__).with_name("localhost.pem")

_STARTING = 60.0
_PR_SET_PDEATHSIG = 1
_IDENTITIES = {
    "identities": [
        {"name": "rw", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]},
        {
            "name": "ro",
            "credentials": [{"accessKey": READER, "secretKey": READER_SECRET}],
            "actions": ["Read", "List"],
        },
        {"name": "anonymous", "actions": [f"Read:{PUBLIC}"]},
    ]
}


class Seaweed:
    """One process. HTTP at ``url``, HTTPS with the tests' own certificate at ``secure_url``. `stop` ends it."""

    def __init__(self) -> None:
        # Sockets have short names, so this cannot lie in pytest's deep folders.
        self._home = Path(tempfile.mkdtemp(prefix="s3-"))
        try:
            for _ in range(5):
                if self._start():
                    return
            raise AssertionError(f"SeaweedFS does not start:\n{self._log()}")
        except BaseException:
            self.stop()
            raise

    def _start(self) -> bool:
        first = _free_ports()
        self.url, self.secure_url = f"http://127.0.0.1:{first}", f"https://127.0.0.1:{first + 5}"
        data = Path(tempfile.mkdtemp(dir=self._home))
        identities = self._home / "s3.json"
        identities.write_text(json.dumps(_IDENTITIES))
        weed = Path(sys.executable).with_name("weed")
        command = [str(weed), "mini", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        command += [f"-{name}.port={first + n}" for n, name in enumerate(("s3", "master", "volume", "filer", "admin"))]
        command += [f"-s3.port.https={first + 5}", f"-s3.cert.file={CERTIFICATE}", f"-s3.key.file={CERTIFICATE}"]
        command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false"]
        command += ["-master.telemetry=false", f"-s3.config={identities}", "-s3.autoCreateBucket=false"]
        command += ["-s3.allowDeleteBucketNotEmpty=false"]
        command += [f"-s3.localSocket={data}/s3.sock", f"-filer.localSocket={data}/filer.sock"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=data,
                env={**environment, "GOMEMLIMIT": "400MiB", "TMPDIR": str(data)},
                preexec_fn=end_with_parent,
            )
        until = time.monotonic() + _STARTING
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/healthz", timeout=1) as answer:
                return answer.status == 200
            time.sleep(0.05)
        self._end()
        return False

    def stop(self) -> None:
        self._end()
        shutil.rmtree(self._home, ignore_errors=True)

    def _end(self) -> None:
        process = getattr(self, "_process", None)
        if process is None or process.poll() is not None:
            return
        process.kill()
        process.wait()

    def _log(self) -> str:
        return (self._home / "log").read_text(errors="replace")[-4000:]


def end_with_parent() -> None:
    """Have Linux end this process when the one that started it is killed, and can end nothing itself."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_ports() -> int:
    """Return the first of six ports in a row that are free; SeaweedFS takes those 10,000 above them, too."""
    for _ in range(100):
        first = random.randrange(20_000, 32_000, 8)
        with contextlib.ExitStack() as stack:
            try:
                for port in (*range(first, first + 6), *range(first + 10_000, first + 10_006)):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")
