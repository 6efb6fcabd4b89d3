"""Behind a real nginx, over https and under a prefix: addresses are right, and identifiers survive."""

import json
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

import pytest
from conftest import RAW_SLASHES, Serve
from serving import Server
from watching import wait_until

pytestmark = [pytest.mark.slow]

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
ENCODED = RAW_SLASHES.replace("/", "%2F")
LOOPBACK = {"api": {"trusted_proxies": ["127.0.0.1"]}}

CONFIG = """
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    # The path as the client sent it, without the prefix: nginx's own would have %2F decoded.
    map $request_uri $stripped {{ "~^/pictures(/.*)$" $1; }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {home}/cert.pem;
        ssl_certificate_key {home}/key.pem;
        {location}
    }}
}}
"""
STRIPPED = """
location /pictures/ {{
    proxy_pass http://127.0.0.1:{upstream}$stripped;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Prefix /pictures;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
}}
"""
KEPT = """
location /pictures/ {{
    proxy_pass http://127.0.0.1:{upstream};
}}
"""
NAMED = """
location / {{
    proxy_pass http://127.0.0.1:{upstream};
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
}}
"""
STANDARD = """
location / {{
    proxy_pass http://127.0.0.1:{upstream};
    proxy_set_header Forwarded 'for=192.0.2.1;proto=https;host="$http_host"';
}}
"""

Answered = tuple[int, HTTPMessage, bytes]
Proxy = Callable[[Server, str], "Asking"]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Asking:
    """A client of the proxy that trusts its certificate and follows nothing."""

    def __init__(self, port: int, certificate: Path) -> None:
        self.base = f"https://localhost:{port}"
        trusting = ssl.create_default_context(cafile=str(certificate))
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=trusting), _NoRedirects())

    def get(self, path: str) -> Answered:
        try:
            with self._opener.open(self.base + path, timeout=20) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """``proxy(server, location)`` is nginx in front of a server, over https with a certificate of its own."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    running: list[subprocess.Popen[bytes]] = []
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", "cert.pem", "-keyout", "key.pem"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)

    def start(server: Server, location: str) -> Asking:
        port = free_port()
        file = tmp_path / "nginx.conf"
        file.write_text(CONFIG.format(home=tmp_path, port=port, location=location.format(upstream=server.port)))
        running.append(subprocess.Popen([str(NGINX), "-c", str(file), "-e", str(tmp_path / "error.log")]))
        wait_until(lambda: answers(port), 20)
        return Asking(port, tmp_path / "cert.pem")

    yield start
    for process in running:
        process.terminate()
        process.wait(20)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def check(asking: Asking, base: str) -> None:
    """Everything that names the server's own address, for a plain identifier and one with slashes."""
    under = base.removeprefix(asking.base)
    for name in ("300x200.jpg", ENCODED):
        status, _, body = asking.get(f"{under}/iiif/3/{name}/info.json")
        assert status == 200
        assert json.loads(body)["id"] == f"{base}/iiif/3/{name}"
        status, _, body = asking.get(f"{under}/iiif/2/{name}/info.json")
        assert json.loads(body)["@id"] == f"{base}/iiif/2/{name}"
        status, headers, _ = asking.get(f"{under}/iiif/3/{name}")
        assert (status, headers["Location"]) == (303, f"{base}/iiif/3/{name}/info.json")
        status, headers, body = asking.get(f"{under}/iiif/3/{name}/full/120,80/0/default.jpg")
        assert status == 200
        assert body.startswith(b"\xff\xd8")
        assert headers["Link"].startswith(f'<{base}/iiif/3/{name}/full/120,80/0/default.jpg>;rel="canonical"')
    assert asking.get(f"{under}/iiif/3/missing%2Fpicture.jpg/info.json")[0] == 404
    assert asking.get(f"{under}/debug/vars")[0] == 403, "nobody is local behind a proxy"


def test_a_prefix_that_the_proxy_strips_and_names(start: Serve, picture_folder: Path, proxy: Proxy) -> None:
    asking = proxy(start(picture_folder, LOOPBACK), STRIPPED)
    check(asking, f"{asking.base}/pictures")


def test_a_prefix_that_the_config_names(start: Serve, picture_folder: Path, proxy: Proxy, tmp_path: Path) -> None:
    port = free_port()
    base = f"https://images.example.org:{port}/pictures"
    server = start(picture_folder, {"api": {"base_url": base}}, "--port", str(port))
    wait_until(lambda: answers(port))
    assert f"listens on http://127.0.0.1:{port}" in server.log
    asking = proxy(server, KEPT)
    for name in ("300x200.jpg", ENCODED):
        status, _, body = asking.get(f"/pictures/iiif/3/{name}/info.json")
        assert status == 200
        assert json.loads(body)["id"] == f"{base}/iiif/3/{name}"
        status, headers, _ = asking.get(f"/pictures/iiif/3/{name}")
        assert headers["Location"] == f"{base}/iiif/3/{name}/info.json"
        status, headers, body = asking.get(f"/pictures/iiif/3/{name}/full/120,/0/default.jpg")
        assert status == 200
        assert headers["Link"].startswith(f"<{base}/iiif/3/{name}/full/120,80/0/default.jpg>")


def test_host_and_scheme_in_the_headers_of_a_trusted_proxy(start: Serve, picture_folder: Path, proxy: Proxy) -> None:
    asking = proxy(start(picture_folder, LOOPBACK), NAMED)
    check(asking, asking.base)


def test_the_standard_header_of_a_trusted_proxy(start: Serve, picture_folder: Path, proxy: Proxy) -> None:
    asking = proxy(start(picture_folder, LOOPBACK), STANDARD)
    check(asking, asking.base)


def test_a_proxy_that_is_not_trusted_is_not_believed(start: Serve, picture_folder: Path, proxy: Proxy) -> None:
    server = start(picture_folder)
    asking = proxy(server, NAMED)
    _, _, body = asking.get("/iiif/3/300x200.jpg/info.json")
    assert json.loads(body)["id"] == f"http://127.0.0.1:{server.port}/iiif/3/300x200.jpg"


def test_many_requests_over_connections_that_the_proxy_makes_anew(
    start: Serve, picture_folder: Path, proxy: Proxy
) -> None:
    asking = proxy(start(picture_folder, LOOPBACK), NAMED)
    for width in range(1, 51):
        status, headers, body = asking.get(f"/iiif/3/300x200.jpg/full/{width},/0/default.jpg")
        assert (status, int(headers["Content-Length"])) == (200, len(body))
