"""The whole way: an HTTP request to ``iiifkit serve``, with the README's config, and the picture that comes back."""

import io
import json
import os
import re
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import skimage
from iiifkit import Raster
from PIL import Image

from iiifkit_primitive.painting import rehearse
from serving import Server

README = Path(__file__).parent.parent / "README.md"


def config(deadline=60, **primitive):
    """The README's block, and a folder of photographs; nothing is cached."""
    block = json.loads(re.search(r"```json\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[1])
    return {
        **block,
        "images": {
            "source": {"name": "Disk", "path": str(Path(skimage.__file__).parent / "data")},
            "cache": {"name": "Null"},
        },
        "derivatives": {"cache": {"name": "Null"}},
        "features": {**block["features"], "enable": {"format": ["gif", "webp"]}},
        "limits": {"deadline": deadline},
        "primitive": {**block["primitive"], **primitive},
    }


def path(wish, format="png", width=160):
    return f"/iiif/3/coffee.png/full/{width},/0/primitive:{wish}.{format}"


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """The servers only load the code."""
    rehearse()


@pytest.fixture(scope="module")
def server(tmp_path_factory, compiled):
    with Server(tmp_path_factory.mktemp("served") / "home", config()) as running:
        yield running


def picture(server, wish, format):
    status, media_type, body = server.get(path(wish, format))
    assert status == 200, body
    assert media_type == f"image/{'jpeg' if format == 'jpg' else format}"
    return Image.open(io.BytesIO(body))


def far(one, other):
    difference = np.asarray(one.convert("RGB")).astype(int) - np.asarray(other.convert("RGB"))
    return float((difference**2).mean() ** 0.5)


def durations(image):
    found = []
    for place in range(image.n_frames):
        image.seek(place)
        image.load()
        found.append(image.info["duration"])
    return found


@pytest.mark.parametrize("format", ["jpg", "png", "webp"])
def test_the_last_picture(server, format):
    shown, plain = picture(server, "1,30,0", format), picture(server, "1,1,0", format)
    assert getattr(shown, "n_frames", 1) == 1
    assert shown.size == (160, 107)
    photograph = Image.open(io.BytesIO(server.get("/iiif/3/coffee.png/full/160,/0/default.png")[2]))
    assert far(shown, photograph) < 0.7 * far(plain, photograph)


def test_gif_shows_how_it_comes_about(server):
    animation, last = picture(server, "3,30,0", "gif"), picture(server, "3,30,0", "png")
    times = durations(animation)
    assert 10 < len(times) <= 31
    assert times == [250] * (len(times) - 1) + [2500]
    assert animation.info["loop"] == 0
    frames = []
    for place in range(animation.n_frames):
        animation.seek(place)
        frames.append(animation.convert("RGB"))
    assert len(frames[0].getcolors()) == 1
    assert far(frames[-1], last) < 8
    distances = [far(frame, last) for frame in frames]
    assert sum(after < before for before, after in pairwise(distances)) > 0.9 * (len(distances) - 1)


@pytest.mark.skipif(sys.platform != "linux", reason="processors cannot be taken away elsewhere")
def test_on_one_processor_it_is_the_same_picture_and_webp_may_move(server, tmp_path):
    with Server(tmp_path / "home", config(animate_webp=True), processors=1) as other:
        for wish in ("0,20,0", "5,20,200"):
            assert other.get(path(wish)) == server.get(path(wish))
            assert other.get(path(wish, "gif")) == server.get(path(wish, "gif"))
        animation = picture(other, "1,10,0", "webp")
        times = durations(animation)
        assert times == [250] * (len(times) - 1) + [2500]
        assert 5 < len(times) <= 11
        assert animation.info["loop"] == 0


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ("5,101,0", "was asked for 101 iterations; this server allows 100"),
        ("5,100000000,0", "was asked for 100000000 iterations; this server allows 100"),
        (f"5,{'9' * 40},0", "at most nine digits"),
        ("5,0,0", "at least 1 iteration"),
        ("5,1,999", "was asked for alpha 999; it is 1 to 255, or 0"),
        ("9,1,0", "primitive:mode,iterations,alpha"),
        ("5,-1,0", "primitive:mode,iterations,alpha"),
        ("5,1", "primitive:mode,iterations,alpha"),
        ("%D9%A5,1,1", "primitive:mode,iterations,alpha"),
        ("5,%D9%A1,1", "primitive:mode,iterations,alpha"),
        ("5,1,%D9%A1", "primitive:mode,iterations,alpha"),
        ("5,1,1%0A", "control characters"),
    ],
)
def test_what_cannot_be_served_is_400_with_a_reason(server, wish, says):
    started = time.monotonic()
    status, media_type, body = server.get(path(wish))
    assert (status, media_type.partition(";")[0]) == (400, "text/plain")
    assert says in body.decode()
    assert time.monotonic() - started < 2


@pytest.mark.skipif(not hasattr(os, "sysconf") or sys.platform != "linux", reason="processor time is read from /proc")
def test_the_deadline_ends_the_work(tmp_path):
    with Server(tmp_path / "home", config(deadline=2, max_iterations=10_000)) as server:
        assert 200 in (server.get(path("1,1,0"))[0] for _ in range(10))
        started = time.monotonic()
        status, _, body = server.get(path("1,10000,0"))
        assert (status, body) == (503, b"The picture was not ready within 2 seconds; try again.\n")
        assert time.monotonic() - started < 5
        time.sleep(1)
        before = seconds_of(server.process.pid)
        time.sleep(1)
        assert seconds_of(server.process.pid) - before < 0.3
        assert server.get(path("1,1,0"))[0] == 200


def seconds_of(process):
    """The processor time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_picture_served_is_the_picture_made(server):
    """What the server adds to the quality is only encoding."""
    from iiifkit import QualityRequest

    from iiifkit_primitive.options import PrimitiveOptions
    from iiifkit_primitive.quality import PrimitiveQuality

    photograph = Image.open(io.BytesIO(server.get("/iiif/3/coffee.png/full/160,/0/default.png")[2])).convert("RGB")
    made = PrimitiveQuality(PrimitiveOptions()).apply(Raster.from_pillow(photograph), QualityRequest("primitive:2,9,0"))
    assert (np.asarray(picture(server, "2,9,0", "png")) == np.asarray(made)).all()
