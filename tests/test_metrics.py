"""Counters that are right across processes, and what they are called."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from iiifkit.server.metrics import COUNTERS, HOWS, ROWS, Metrics, prometheus
from iiifkit.server.pages import variables

COUNT = """
import os, signal, sys
from pathlib import Path
from iiifkit.server.metrics import Metrics
metrics = Metrics(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    metrics.add("transforms")
    metrics.answered("render", 200, 10, 0.001)
metrics.renders(1, 2)
print("counted", flush=True)
if sys.argv[3] == "wait":
    sys.stdin.readline()
else:
    os.kill(os.getpid(), signal.SIGKILL)
"""


def counting(file: Path, number: int, end: str = "wait") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", COUNT, str(file), str(number), end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_counts_of_several_processes_add_up(tmp_path: Path) -> None:
    shared = tmp_path / "metrics"
    shared.touch()
    workers = [counting(shared, number) for number in (100, 20, 3)]
    try:
        assert [said(worker) for worker in workers] == ["counted\n"] * 3
        totals = Metrics(shared).totals()
        assert totals["transforms"] == totals["status_2xx"] == totals["answers_render"] == 123
        assert totals["bytes"] == 1230
        assert (totals["renders_running"], totals["renders_waiting"]) == (3, 6)
    finally:
        for worker in workers:
            worker.communicate("\n", timeout=20)


def test_a_killed_workers_counts_stay_and_its_successor_adds_to_them(tmp_path: Path) -> None:
    shared = tmp_path / "metrics"
    shared.touch()
    killed = counting(shared, 7, "die")
    killed.communicate(timeout=20)
    assert killed.returncode == -9
    successor = counting(shared, 5)
    try:
        assert said(successor) == "counted\n"
        totals = Metrics(shared).totals()
        assert totals["transforms"] == 12
        assert (totals["renders_running"], totals["renders_waiting"]) == (1, 2), "the dead one's renders run no more"
    finally:
        successor.communicate("\n", timeout=20)


def test_every_way_of_answering_can_be_counted() -> None:
    metrics = Metrics()
    for how in HOWS:
        for status in (200, 304, 404, 503):
            metrics.answered(how, status, 1, 0.5)
    totals = metrics.totals()
    assert all(totals[f"answers_{how}"] == 4 for how in HOWS)
    assert totals["status_2xx"] == totals["status_5xx"] == len(HOWS)
    assert totals["microseconds"] == 4 * len(HOWS) * 500_000
    assert len(COUNTERS) * ROWS * 8 < 1_000_000


def test_the_prometheus_text_is_well_formed() -> None:
    metrics = Metrics()
    metrics.answered("render", 200, 1234, 0.25)
    lines = "\n".join(prometheus(metrics)).split("\n")
    families, samples = {}, {}
    for line in lines:
        if line.startswith("# "):
            parts = re.fullmatch(r"# (HELP|TYPE) ([a-z_]+) (.+)", line)
            assert parts, line
            if parts[1] == "TYPE":
                assert parts[2] not in families, "a family comes once"
                families[parts[2]] = parts[3]
        else:
            sample = re.fullmatch(r'([a-z_]+)(\{[a-z]+="[a-z0-9]+"\})? ([0-9.]+)', line)
            assert sample, line
            assert sample[1] in families, "the type comes before the samples"
            assert sample[0] not in samples
            samples[sample[1] + (sample[2] or "")] = float(sample[3])
    assert all(name.endswith("_total") for name, kind in families.items() if kind == "counter")
    assert samples['iiifkit_requests_total{status="2xx"}'] == 1
    assert samples['iiifkit_answers_total{how="render"}'] == 1
    assert samples["iiifkit_response_bytes_total"] == 1234
    assert samples["iiifkit_request_seconds_total"] == 0.25


def test_go_iiifs_five_counters_have_their_names_and_meaning() -> None:
    metrics = Metrics()
    assert variables(metrics)["TransformsAvgTimeMS"] == 0
    metrics.add("cache_hits", 4)
    metrics.add("cache_misses", 16)
    metrics.add("cache_sets", 16)
    metrics.add("transforms", 16)
    metrics.add("transform_microseconds", 16 * 1_833_875)
    shown = json.loads(json.dumps(variables(metrics)))
    assert shown["CacheHit"] == 4
    assert shown["CacheMiss"] == shown["CacheSet"] == shown["TransformsCount"] == 16
    assert shown["TransformsAvgTimeMS"] == 1833.875
    assert shown["cmdline"] == sys.argv
    assert shown["memstats"]["Sys"] > 1_000_000


@pytest.mark.parametrize("counter", ["renders_running", "renders_waiting"])
def test_gauges_go_up_and_down(counter: str) -> None:
    metrics = Metrics()
    metrics.renders(3, 3)
    assert metrics.totals()[counter] == 3
    metrics.renders(0, 0)
    assert metrics.totals()[counter] == 0
