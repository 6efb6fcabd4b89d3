"""Several worker processes: counts add up, a killed worker is replaced, nothing stays behind."""

import os
import re
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Serve
from serving import Server
from watching import children, lives, wait_until


def totals(server: Server) -> dict[str, float]:
    text = server.get("/metrics").text
    return {name: float(value) for name, value in re.findall(r"^iiifkit_(\S+) ([0-9.]+)$", text, re.M)}


def workers_of(server: Server) -> list[int]:
    """The processes that answer: those that listen, without multiprocessing's own helper."""
    found = []
    for pid in children(server.process.pid):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"spawn_main" in command:
            found.append(pid)
    return found


def answered(counts: dict[str, float], how: str) -> int:
    return int(counts[f'answers_total{{how="{how}"}}'])


def test_counts_of_two_workers_add_up_exactly_also_after_one_was_killed(start: Serve, picture_folder: Path) -> None:
    server = start(picture_folder, {}, "--workers", "2")
    wait_until(lambda: len(workers_of(server)) == 2, 20)
    asked: Counter[str] = Counter()
    lock = threading.Lock()

    def ask(number: int) -> None:
        kind, path = (
            ("info", "/iiif/3/300x200.jpg/info.json"),
            ("render", f"/iiif/3/300x200.jpg/full/{number % 100 + 1},/0/default.jpg"),
            ("error", f"/iiif/3/missing-{number}.jpg/info.json"),
            ("redirect", "/iiif/3/300x200.jpg"),
        )[number % 4]
        answer = server.get(path)
        with lock:
            asked[kind] += 1
            asked[f"{answer.status // 100}xx"] += 1
            asked["bytes"] += len(answer.body)

    def round_of_requests() -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(400)))

    def agrees() -> bool:
        counts = totals(server)
        pictures = sum(answered(counts, how) for how in ("render", "memory", "slice", "disk"))
        return (
            answered(counts, "info") == asked["info"]
            and pictures == asked["render"]
            and answered(counts, "error") == asked["error"]
            and answered(counts, "redirect") == asked["redirect"]
            and counts['requests_total{status="4xx"}'] == asked["4xx"]
            and counts['requests_total{status="3xx"}'] == asked["3xx"]
            and counts["renders_total"] <= 2 * 100
        )

    round_of_requests()
    wait_until(agrees, 5)
    victim, survivor = workers_of(server)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not lives(victim))
    wait_until(lambda: len(workers_of(server)) == 2 and victim not in workers_of(server), 20)
    assert survivor in workers_of(server)
    before = totals(server)
    time.sleep(1)
    wait_until(agrees, 5)
    assert before["renders_running"] == before["renders_waiting"] == 0
    round_of_requests()
    wait_until(agrees, 5)
    shown = server.get("/debug/vars").json
    counts = totals(server)
    assert shown["TransformsCount"] == counts["renders_total"]
    assert shown["CacheHit"] == counts["derivative_cache_hits_total"]
    assert shown["CacheMiss"] == counts["derivative_cache_misses_total"]
    assert server.stop() == 0
    assert not any(lives(pid) for pid in (victim, survivor))


def test_both_workers_answer_and_say_so_at_the_start(start: Serve, picture_folder: Path) -> None:
    server = start(picture_folder, {}, "--workers", "2")
    wait_until(lambda: len(workers_of(server)) == 2, 20)
    assert "2 workers x 256 MB" in server.log

    def processor_time(pid: int) -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def work() -> bool:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: server.get("/iiif/3/300x200.jpg/full/50,/0/default.jpg"), range(200)))
        return all(processor_time(pid) > before[pid] for pid in before)

    before = {pid: processor_time(pid) for pid in workers_of(server)}
    wait_until(work, 20)


@pytest.mark.slow
def test_a_worker_that_is_killed_over_and_over_is_replaced_every_time(start: Serve, picture_folder: Path) -> None:
    server = start(picture_folder, {}, "--workers", "2")
    wait_until(lambda: len(workers_of(server)) == 2, 20)
    for _ in range(3):
        victim = workers_of(server)[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in workers_of(server) and len(workers_of(server)) == 2, 20)  # noqa: B023
        wait_until(lambda: server.get("/healthz").status == 200)
    assert server.stop() == 0
