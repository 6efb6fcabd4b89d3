"""How the server starts and how it ends: ports, certificates, many files, signals, nothing left behind."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import Serve
from serving import Answer, Server
from watching import children, install_plugin, lives, make_slow_pictures, metric, processor_seconds, wait_until

SLOW = "/iiif/3/slow.png/full/{},/0/default.jpg"

SLEEPY = """
    import time
    from iiifkit import Offer, hookimpl

    class Sleepy:
        def check(self, text):
            pass

        def apply(self, raster, request):
            time.sleep(600)

    @hookimpl
    def iiifkit_qualities():
        return {"sleepy": Offer(lambda options, environment: Sleepy())}
"""
SLEEPY_FEATURES = {
    "append": {"quality": {"sleepy": {"syntax": "sleepy", "required": False, "supported": True, "match": "^sleepy$"}}}
}


@pytest.fixture(scope="module")
def slow_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_slow_pictures(tmp_path_factory.mktemp("slow"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for localhost, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    names = str(folder / "cert.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", names[0], "-keyout", names[1]]
    subprocess.run(command, check=True, capture_output=True)
    return names


def serve_once(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``iiifkit serve`` where it is expected to end by itself."""
    (home / "pictures").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "iiifkit.cli", "serve", *arguments]
    environ = {**os.environ, "XDG_CACHE_HOME": str(home / "cache")}
    return subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=home, env=environ, check=False)


def fails_in_one_line(ended: "subprocess.CompletedProcess[str]") -> str:
    assert ended.returncode == 3, ended.stderr
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, ended.stderr
    assert lines[0].startswith("iiifkit: ")
    return lines[0]


def test_a_port_in_use_is_one_line_and_exit_code_3(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = fails_in_one_line(serve_once(tmp_path, "--host", "127.0.0.1", "--port", port, "pictures"))
    assert port in line
    assert "in use" in line


@pytest.mark.parametrize("host", ["no-such-host.invalid", "999.1.1.1", "192.0.2.1", "a" * 300, "bad host"])
def test_a_host_that_is_not_this_machine_is_one_line_and_exit_code_3(tmp_path: Path, host: str) -> None:
    fails_in_one_line(serve_once(tmp_path, "--host", host, "--port", "0", "pictures"))


def test_a_folder_that_is_not_there_is_one_line_and_exit_code_3(tmp_path: Path) -> None:
    line = fails_in_one_line(serve_once(tmp_path, "--port", "0", "nowhere"))
    assert "nowhere" in line


def test_certificates_that_do_not_work_are_one_line_and_exit_code_3(
    tmp_path: Path, certificate: tuple[str, str]
) -> None:
    good, key = certificate
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "genrsa", "-out", str(other), "2048"], check=True, capture_output=True)
    for one, two in ((str(bad), key), (good, str(bad)), ("missing.pem", key), (good, str(other))):
        line = fails_in_one_line(serve_once(tmp_path, "--port", "0", "--tls-cert", one, "--tls-key", two, "pictures"))
        assert "TLS" in line
    line = fails_in_one_line(serve_once(tmp_path, "--port", "0", "--tls-cert", good, "pictures"))
    assert "tls_key" in line


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_https_with_a_certificate_of_ones_own(
    start: Serve, picture_folder: Path, certificate: tuple[str, str], workers: str
) -> None:
    cert, key = certificate
    server = start(picture_folder, {}, "--tls-cert", cert, "--tls-key", key, "--workers", workers)
    assert server.scheme == "https"
    trusting = ssl.create_default_context(cafile=cert)
    address = f"https://localhost:{server.port}/iiif/3/300x200.jpg"
    end = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"{address}/info.json", context=trusting, timeout=20) as answer:
                document = json.load(answer)
            break
        except ConnectionError:
            assert time.monotonic() < end
    assert document["id"] == address
    with urllib.request.urlopen(f"{address}/full/100,/0/default.jpg", context=trusting, timeout=20) as answer:
        assert answer.headers["Link"].startswith(f"<{address}/full/100,67/0/default.jpg>")
        assert len(answer.read()) > 500
    assert server.stop() == 0


@pytest.mark.slow
def test_a_server_on_a_hundred_thousand_files_answers_within_two_seconds(tmp_path: Path, start: Serve) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(100_000):
        os.close(os.open(folder / f"{number:06}.jpg", os.O_CREAT | os.O_WRONLY))
    server = start(folder)
    assert server.get("/healthz").status == 200
    # The processor's time, because the clock's depends on what else the machine does.
    assert processor_seconds(server) < 2


def in_background(server: Server, path: str) -> "tuple[threading.Thread, list[Answer | Exception]]":
    answers: list[Answer | Exception] = []

    def ask() -> None:
        try:
            answers.append(server.get(path, timeout=60))
        except Exception as error:
            answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, answers


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, None)])
def test_a_running_answer_is_finished_before_the_end(
    start: Serve, slow_pictures: Path, tmp_path: Path, workers: str, how: signal.Signals, code: int | None
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    server = start(slow_pictures, {"limits": {"deadline": 20}}, "--workers", workers, TMPDIR=str(temporary))
    thread, answers = in_background(server, SLOW.format(500))
    wait_until(lambda: metric(server, "renders_running") == 1)
    helpers = children(server.process.pid)
    ended = server.stop(how)
    thread.join()
    assert isinstance(answers[0], Answer), answers
    assert answers[0].status == 200
    assert answers[0].size == (500, 500)
    expected = (130 if workers == "1" else 0) if code is None else code
    assert ended == expected, server.log
    assert "Traceback" not in server.log
    wait_until(lambda: not any(lives(pid) for pid in helpers), 5)
    assert list(temporary.iterdir()) == []


def test_an_idle_server_ends_at_once_whoever_is_connected(start: Serve, slow_pictures: Path) -> None:
    server = start(slow_pictures)
    with server.connect() as idle, server.connect() as begun:
        begun.sendall(b"GET /healthz HT")
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(1000)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_work_that_never_ends_does_not_hold_up_the_end(
    start: Serve, slow_pictures: Path, tmp_path: Path, workers: str
) -> None:
    environ = install_plugin(tmp_path / "plugin", "sleepy-plugin", SLEEPY)
    config = {"features": SLEEPY_FEATURES, "limits": {"deadline": 1}}
    server = start(slow_pictures, config, "--workers", workers, **environ)
    thread, answers = in_background(server, "/iiif/3/small.jpg/full/max/0/sleepy.jpg")
    wait_until(lambda: metric(server, "renders_running") == 1)
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 5
    thread.join()
    assert isinstance(answers[0], Answer)
    assert answers[0].status == 503


def test_the_end_comes_even_if_it_is_asked_for_before_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "iiifkit.cli", "serve", str(folder), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("iiifkit serves")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode in (0, -signal.SIGTERM)


def test_port_0_takes_a_free_port_and_says_which(server: Server) -> None:
    said = re.search(r"try +(http://127\.0\.0\.1:(\d+)/iiif/3/\S+)", server.log)
    assert said
    assert int(said[2]) == server.port > 0
    assert server.get(said[1].removeprefix(server.base)).json["type"] == "ImageService3"
