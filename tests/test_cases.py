"""The black-box cases of cases/iiif.json over real HTTP, byte for byte, with both engines."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import SQUARE, Serve
from serving import Answer, Server

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "cases" / "iiif.json").read_text())

CONFIGS: dict[str, dict[str, Any]] = {
    "std": {"limits": {"max_width": 7500, "max_area": None}},
    "tight": {"limits": {"max_width": 3000, "max_height": 2000, "max_area": 4_000_000}},
    "noup": {"limits": {"max_area": None}, "features": {"disable": {"size": ["sizeUpscaling"]}}},
}

IMAGES = {"6000x4000": "6000x4000.jpg", "3073x2049": "3073x2049.jpg", "1000x1000": SQUARE}


def marked(case: dict[str, Any], engine: str) -> Any:
    slow = case.get("heavy") or engine == "Pillow" or (case["width"] or 0) * (case["height"] or 0) > 10_000_000
    name = f"{case['n']}-{case['api']}-{case['path'][:60]}-{engine}"
    return pytest.param(case, engine, id=name, marks=[pytest.mark.slow] if slow else [])


OTHER_ANSWERS = {426: 404}
"""Cases where another of the allowed answers is ours: an identifier with raw brackets is one that no image has."""

CHOSEN = [marked(case, engine) for case in CASES for engine in ("VIPS", "Pillow") if engine == "VIPS" or case["width"]]


def ask(server: Server, case: dict[str, Any]) -> Answer:
    identifier = IMAGES[case["image"]]
    path = case["path"].replace("{id-with-%2D}", identifier.replace("-", "%2D")).replace("{id}", identifier)
    headers = dict(case.get("request_headers") or {})
    dropped = {name.lower() for name in case.get("drop_headers") or ()}
    assert not dropped & {name.lower() for name in headers}
    return server.request(f"/iiif/{case['api']}/{path}", case.get("method") or "GET", headers)


@pytest.mark.parametrize(("case", "engine"), CHOSEN)
def test_case(serve: Serve, case: dict[str, Any], engine: str) -> None:
    server = serve({**CONFIGS[case["config"]], "graphics": {"source": {"name": engine}}})
    answer = ask(server, case)
    status = OTHER_ANSWERS.get(case["n"], case["status"])
    assert answer.status == status, answer.text[:300] if answer.status >= 400 else ""
    assert status == case["status"] or {"status": status} in case["also_ok"]
    if case["width"] is not None:
        width, height = answer.size
        assert abs(width - case["width"]) <= case["tolerance"], (width, height)
        assert abs(height - case["height"]) <= case["tolerance"], (width, height)
    if case["canonical"] is not None:
        root = f"{server.base}/iiif/{case['api']}/"
        canonical = case["canonical"].replace("{id}", IMAGES[case["image"]])
        assert answer.links["canonical"] == root + canonical
    if case.get("content_type"):
        assert answer.header("Content-Type") == case["content_type"]
    if case.get("body_empty"):
        assert answer.body == b""
    for name, value in (case.get("headers") or {}).items():
        assert describes(value, answer.header(name)), (name, value, answer.header(name))
    assert answer.header("Access-Control-Allow-Origin") == "*"


def describes(value: str, found: str) -> bool:
    """Compare a header; values in parentheses say what it must name."""
    if described := re.fullmatch(r"\((?:allows|contains) (.*)\)", value):
        return described[1].lower() in [item.strip().lower() for item in found.split(",")]
    return found == value


def test_every_case_is_here() -> None:
    assert len(CASES) == 218
    assert len({case["n"] for case in CASES}) == len(CASES)
    assert {case["config"] for case in CASES} <= CONFIGS.keys()
