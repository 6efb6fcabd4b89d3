"""Another real S3 server on loopback, and an older one: Ceph's gateway, from Debian's packages.

One monitor, one storage daemon in memory and one gateway, without systemd and without authentication among them.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

from seaweed import CERTIFICATE, KEY, SECRET, end_with_parent

PACKAGES = ("radosgw", "ceph-mon", "ceph-osd")

_STARTING = 90.0
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def missing() -> str:
    """Install what is missing; return why that cannot be done, or nothing."""
    if all(shutil.which(name, path=_PATH) for name in ("radosgw", "ceph-mon", "ceph-osd", "ceph")):
        return ""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return "Ceph is not installed, and apt-get cannot be used to install it"
    # In runlevel 1 packages do not start the services that they bring.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        ended = subprocess.run(["apt-get", "--quiet=2", *command], env=environment, capture_output=True, text=True)
        if ended.returncode:
            return f"apt-get {command[0]} failed: {ended.stderr[-300:]}"
    return ""


class Ceph:
    """Three processes. HTTP at ``url``, HTTPS at ``secure_url``. `stop` ends them."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="ceph-"))
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        monitor, gateway, secure = _free_port(), _free_port(), _free_port()
        self.url, self.secure_url = f"http://127.0.0.1:{gateway}", f"https://127.0.0.1:{secure}"
        name, home = str(uuid.uuid4()), self._home
        for folder in ("mon", "osd", "gateway"):
            (home / folder).mkdir()
        (home / "ceph.conf").write_text(
            f"""[global]
fsid = {name}
mon_host = [v2:127.0.0.1:{monitor}]
public_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 1000
osd_objectstore = memstore
memstore_device_bytes = 1073741824
paxos_propose_interval = 0.05
mon_data = {home}/mon
osd_data = {home}/osd
rgw_data = {home}/gateway
run_dir = {home}
admin_socket = {home}/$name.asok
log_file = {home}/$name.log
mon_cluster_log_file = {home}/cluster.log
rgw_frontends = beast endpoint=127.0.0.1:{gateway} ssl_endpoint=127.0.0.1:{secure} ssl_certificate={CERTIFICATE}
"""
        )
        self._run("monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{monitor}]", "--fsid", name, f"{home}/map")
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", f"{home}/map")
        self._begin("ceph-mon", "-f", "-i", "a")
        disk = str(uuid.uuid4())
        self._run("ceph", "--connect-timeout", "30", "osd", "new", disk)
        self._run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", disk)
        self._begin("ceph-osd", "-f", "-i", "0")
        self._begin("radosgw", "-f", "-n", "client.admin")
        until = time.monotonic() + _STARTING
        while not self._answers():
            assert time.monotonic() < until, f"Ceph does not start:\n{self._logs()}"
            time.sleep(0.1)
        user = ["--uid", "tests", "--display-name", "tests", "--access-key", KEY, "--secret-key", SECRET]
        self._run("radosgw-admin", "user", "create", *user)

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    def _answers(self) -> bool:
        assert all(process.poll() is None for process in self._processes), f"Ceph ended:\n{self._logs()}"
        try:
            urllib.request.urlopen(self.url, timeout=1).close()
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        ended = subprocess.run(self._command(program, arguments), capture_output=True, text=True, timeout=_STARTING)
        assert ended.returncode == 0, f"{program} {arguments[0]}: {ended.stderr[-2000:]}"

    def _begin(self, program: str, *arguments: str) -> None:
        with (self._home / f"{program}.out").open("wb") as out:
            command = self._command(program, arguments)
            self._processes.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=end_with_parent)
            )

    def _command(self, program: str, arguments: tuple[str, ...]) -> list[str]:
        found = shutil.which(program, path=_PATH)
        assert found, f"{program} is not installed"
        if program == "monmaptool":
            return [found, *arguments]
        return [found, "-c", str(self._home / "ceph.conf"), *arguments]

    def _logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-1500:] for path in self._home.glob("*.out"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
