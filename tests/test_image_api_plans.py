"""From requests to plans: what the specification's tables say, and what holds for every request."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from requests_at_random import images, requests

from iiifkit.errors import BadRequest, NotOffered, RequestError, SizeOverLimit
from iiifkit.image_api.canonical import canonical_path, key_identifier, key_path
from iiifkit.image_api.feature_set import FeatureSet
from iiifkit.image_api.formats import FORMATS
from iiifkit.image_api.geometry import Limits, half_up, resolve
from iiifkit.image_api.image import ImageInfo
from iiifkit.image_api.plan import Box, Plan
from iiifkit.image_api.request import ImageRequest

ALL = FeatureSet.build(FORMATS)
NO_UPSCALING = FeatureSet.build(FORMATS, disable={"size": ["sizeUpscaling"]})
NO_LIMITS = Limits()
VERSIONS = pytest.mark.parametrize("version", [2, 3])
LIMITS = st.one_of(
    st.just(Limits()),
    st.builds(
        Limits,
        st.one_of(st.none(), st.integers(1, 5000)),
        st.one_of(st.none(), st.integers(1, 5000)),
        st.one_of(st.none(), st.integers(1, 10_000_000)),
    ),
)


def planned(
    path: str,
    version: int,
    image: ImageInfo,
    limits: Limits = NO_LIMITS,
    features: FeatureSet = ALL,
) -> Plan:
    request = features.check(ImageRequest.parse(f"id/{path}", version))
    return resolve(request, image, limits, features)


def canonical(plan: Plan, image: ImageInfo, limits: Limits, version: int) -> str:
    return canonical_path(plan, (image.width, image.height), limits, version, "color")


@VERSIONS
@given(data=st.data(), image=images(), limits=LIMITS)
def test_a_canonical_uri_resolves_to_an_equal_plan(version: int, data: st.DataObject, image, limits: Limits) -> None:
    try:
        plan = planned(data.draw(requests(version, image)), version, image, limits)
    except RequestError:
        assume(False)
    for other in (2, 3):
        spelled = canonical(plan, image, limits, other)
        assert planned(spelled, other, image, limits) == plan
        assert canonical(plan, image, limits, other) == spelled


@VERSIONS
@given(data=st.data(), image=images(), limits=LIMITS)
def test_what_resolves_lies_within_the_image_and_the_limits(
    version: int, data: st.DataObject, image, limits: Limits
) -> None:
    path = data.draw(requests(version, image))
    try:
        plan = planned(path, version, image, limits)
    except SizeOverLimit:
        size = path.split("/")[1]
        assert size not in ("max", "^max")
        assert not size.startswith(("!", "^!"))
        return
    except BadRequest:
        return
    assert plan.region.x >= 0
    assert plan.region.y >= 0
    assert plan.region.width >= 1
    assert plan.region.height >= 1
    assert plan.region.x + plan.region.width <= image.width
    assert plan.region.y + plan.region.height <= image.height
    assert plan.width >= 1
    assert plan.height >= 1
    assert limits.allow(plan.width, plan.height)
    assert 0 <= plan.degrees < 360
    if version == 3 and "/^" not in path:
        assert plan.width <= plan.region.width
        assert plan.height <= plan.region.height


@VERSIONS
@given(data=st.data(), image=images(), limits=LIMITS)
def test_without_upscaling_nothing_is_enlarged(version: int, data: st.DataObject, image, limits: Limits) -> None:
    path = data.draw(requests(version, image))
    try:
        plan = planned(path, version, image, limits, NO_UPSCALING)
    except NotOffered:
        assert version == 2 or "/^" in path
        return
    except RequestError:
        return
    assert plan.width <= plan.region.width
    assert plan.height <= plan.region.height


@given(data=st.data(), image=images(), limits=LIMITS)
def test_fitting_forms_keep_the_aspect_and_are_as_large_as_they_may(data: st.DataObject, image, limits: Limits) -> None:
    size = data.draw(st.sampled_from(["max", "^max", "!700,500", "^!700,500"]))
    try:
        plan = planned(f"full/{size}/0/default.png", 3, image, limits)
    except RequestError:
        assume(False)
    wide, high = plan.width, plan.height
    assert abs(wide * image.height / image.width - high) <= 1 or abs(high * image.width / image.height - wide) <= 1
    scale = max(Fraction(wide + 1, image.width), Fraction(high + 1, image.height))
    larger = half_up(image.width * scale), half_up(image.height * scale)
    box = (700, 500) if "!" in size else None
    capped = not size.startswith("^") or (limits.width is None and limits.max_area is None and box is None)
    assert (
        not limits.allow(*larger)
        or (box is not None and (larger[0] > box[0] or larger[1] > box[1]))
        or (capped and (larger[0] > image.width or larger[1] > image.height))
    )


@given(data=st.data(), image=images())
def test_equal_plans_have_equal_keys_and_others_others(data: st.DataObject, image) -> None:
    plans = []
    for version in (2, 3, data.draw(st.sampled_from([2, 3]))):
        try:
            plans.append(planned(data.draw(requests(version, image)), version, image))
        except RequestError:
            continue
    size = (image.width, image.height)
    for one in plans:
        for other in plans:
            for version in (2, 3):
                equal = key_path(one, size, version, "color") == key_path(other, size, version, "color")
                assert equal == (one == other)


@VERSIONS
@given(data=st.data(), image=images())
def test_a_key_is_a_request_for_its_own_plan(version: int, data: st.DataObject, image) -> None:
    """So that a seeded cache is a static site: what viewers ask for is what lies there."""
    try:
        plan = planned(data.draw(requests(version, image)), version, image)
    except RequestError:
        assume(False)
    key = key_path(plan, (image.width, image.height), version, "color")
    region, size, rotation, ending = key.split("/")
    if plan.width > plan.region.width or plan.height > plan.region.height:
        size = size if version == 2 else f"^{size}"
    assert planned(f"{region}/{size}/{rotation}/{ending}", version, image) == plan


SEGMENTS = st.sampled_from(["", ".", "..", "%", "%.", "%..", "%%", "a", "a%2Fb", "full", "info.json"])


@given(st.lists(SEGMENTS, min_size=1, max_size=5), st.lists(SEGMENTS, min_size=1, max_size=5))
def test_identifiers_become_distinct_keys(one: list[str], other: list[str]) -> None:
    first, second = key_identifier("/".join(one)), key_identifier("/".join(other))
    assert (first == second) == (one == other)
    assert not {"", ".", ".."} & set(first.split("/"))


@given(st.integers(-1000, 1000), st.integers(1, 60))
def test_rounding_is_to_the_nearest_and_halves_go_up(numerator: int, denominator: int) -> None:
    number = Fraction(numerator, denominator)
    rounded = half_up(number)
    assert Fraction(-1, 2) < rounded - number <= Fraction(1, 2)


BIG = ImageInfo(6000, 4000, "jpg")
SQUARE = ImageInfo(1000, 1000, "jpg")
WIDE = Limits(max_width=7500)
TIGHT = Limits(3000, 2000, 4_000_000)

# Part B3 of the requirements: request in 2.1 and 3.0, result, canonical form in 2.1 and 3.0.
WORKED = [
    (BIG, WIDE, "full/full/0/default.jpg", "full/max/0/default.jpg", (6000, 4000), "full/full/0/default.jpg", None),
    (
        *(BIG, WIDE, "0,0,6000,4000/3000,2000/0/color.jpg", None, (3000, 2000)),
        *("full/3000,/0/default.jpg", "full/3000,2000/0/default.jpg"),
    ),
    (
        *(BIG, WIDE, "square/full/0/default.jpg", "square/max/0/default.jpg", (4000, 4000)),
        *("1000,0,4000,4000/full/0/default.jpg", "1000,0,4000,4000/max/0/default.jpg"),
    ),
    (
        *(SQUARE, WIDE, "square/full/0/default.jpg", "square/max/0/default.jpg", (1000, 1000)),
        *("full/full/0/default.jpg", "full/max/0/default.jpg"),
    ),
    (
        *(BIG, WIDE, "pct:50,50,50,50/pct:25/90.0/default.jpg", None, (750, 500)),
        *("3000,2000,3000,2000/750,/90/default.jpg", "3000,2000,3000,2000/750,500/90/default.jpg"),
    ),
    (
        *(BIG, WIDE, "full/!500,500/!0/gray.png", None, (500, 333)),
        *("full/500,/!0/gray.png", "full/500,333/!0/gray.png"),
    ),
    (
        *(BIG, WIDE, "full/,333/22.50/default.png", None, (500, 333)),
        *("full/500,/22.5/default.png", "full/500,333/22.5/default.png"),
    ),
    (BIG, WIDE, "full/500,500/0/default.jpg", None, (500, 500), "full/500,500/0/default.jpg", None),
    (
        *(BIG, WIDE, "5500,3500,1000,1000/250,/0/default.jpg", None, (250, 250)),
        *("5500,3500,500,500/250,/0/default.jpg", "5500,3500,500,500/250,250/0/default.jpg"),
    ),
    (
        *(BIG, WIDE, "0,0,1024,1024/512,512/0/default.jpg", None, (512, 512)),
        *("0,0,1024,1024/512,/0/default.jpg", "0,0,1024,1024/512,512/0/default.jpg"),
    ),
    (
        *(BIG, WIDE, "0,0,512,512/512,512/0/default.jpg", None, (512, 512)),
        *("0,0,512,512/full/0/default.jpg", "0,0,512,512/max/0/default.jpg"),
    ),
    (
        *(BIG, WIDE, "full/7000,/0/default.jpg", "full/^7000,/0/default.jpg", (7000, 4667)),
        *("full/7000,/0/default.jpg", "full/^7000,4667/0/default.jpg"),
    ),
    (
        *(BIG, WIDE, "full/7500,/0/default.jpg", "full/^7500,/0/default.jpg", (7500, 5000)),
        *("full/7500,/0/default.jpg", "full/^max/0/default.jpg"),
    ),
    (
        *(BIG, WIDE, "full/3000,/0/default.jpg", "full/^3000,/0/default.jpg", (3000, 2000)),
        *("full/3000,/0/default.jpg", "full/3000,2000/0/default.jpg"),
    ),
    (
        *(BIG, TIGHT, "full/max/0/default.jpg", None, (2449, 1633)),
        *("full/2449,/0/default.jpg", "full/max/0/default.jpg"),
    ),
    # 8, means 8x320, so that the height must be named (C8).
    (
        *(BIG, WIDE, "0,0,100,4000/,333/0/default.jpg", None, (8, 333)),
        *("0,0,100,4000/8,333/0/default.jpg", "0,0,100,4000/8,333/0/default.jpg"),
    ),
]


@pytest.mark.parametrize(("image", "limits", "path2", "path3", "size", "canonical2", "canonical3"), WORKED)
def test_worked_canonical_forms(
    image: ImageInfo, limits: Limits, path2: str, path3: str | None, size, canonical2: str, canonical3: str | None
) -> None:
    if canonical3 is None:
        canonical3 = canonical2.replace("full/full", "full/max")
    for version, path, expected in ((2, path2, canonical2), (3, path3 or path2, canonical3)):
        plan = planned(path, version, image, limits)
        assert (plan.width, plan.height) == size
        assert canonical(plan, image, limits, version) == expected


@pytest.mark.parametrize(
    ("region", "box"),
    [
        ("full", Box(0, 0, 300, 200)),
        ("square", Box(50, 0, 200, 200)),
        ("125,15,120,140", Box(125, 15, 120, 140)),
        ("125,15,200,200", Box(125, 15, 175, 185)),
        ("pct:41.6,7.5,40,70", Box(125, 15, 120, 140)),
        ("pct:41.6,7.5,66.6,100", Box(125, 15, 175, 185)),
        ("0,0,99999999999999999999999,10", Box(0, 0, 300, 10)),
        ("299,199,1,1", Box(299, 199, 1, 1)),
        ("pct:99.9,0,0.01,0.01", Box(0, 0, 0, 0)),
    ],
)
def test_the_specifications_regions_of_300_by_200(region: str, box: Box) -> None:
    image = ImageInfo(300, 200, "jpg")
    if not box.width:
        with pytest.raises(BadRequest, match="outside"):
            planned(f"{region}/max/0/default.jpg", 3, image)
    else:
        assert planned(f"{region}/max/0/default.jpg", 3, image).region == box


@pytest.mark.parametrize("region", ["300,0,1,1", "0,200,1,1", "pct:100,0,1,1", "pct:0,100,1,1", "99999,99999,50,50"])
@VERSIONS
def test_regions_outside_the_image(version: int, region: str) -> None:
    with pytest.raises(BadRequest, match="outside"):
        planned(f"{region}/max/0/default.jpg", version, ImageInfo(300, 200, "jpg"))


@pytest.mark.parametrize(
    ("size", "version", "expected"),
    [
        ("full", 2, (300, 200)),
        ("max", 2, (300, 200)),
        ("max", 3, (300, 200)),
        ("150,", 3, (150, 100)),
        (",150", 3, (225, 150)),
        ("pct:50", 3, (150, 100)),
        ("225,100", 3, (225, 100)),
        ("!225,100", 3, (150, 100)),
        ("!600,600", 3, (300, 200)),
        ("!600,600", 2, (300, 200)),
        ("^360,", 3, (360, 240)),
        ("^,240", 3, (360, 240)),
        ("^pct:120", 3, (360, 240)),
        ("^360,360", 3, (360, 360)),
        ("^!360,360", 3, (360, 240)),
        ("360,", 2, (360, 240)),
        ("pct:120", 2, (360, 240)),
    ],
)
def test_the_specifications_sizes_of_300_by_200(size: str, version: int, expected: tuple[int, int]) -> None:
    plan = planned(f"full/{size}/0/default.jpg", version, ImageInfo(300, 200, "jpg"))
    assert (plan.width, plan.height) == expected


def test_the_largest_size_follows_the_limits() -> None:
    """The specification's example of ``^max``: 300x200 pixels, maxWidth 360 (3.0 4.2)."""
    plan = planned("full/^max/0/default.jpg", 3, ImageInfo(300, 200, "jpg"), Limits(max_width=360))
    assert (plan.width, plan.height) == (360, 240)


@pytest.mark.parametrize("size", ["301,", ",201", "301,10", "10,201", "pct:100.1"])
def test_enlarging_needs_the_caret(size: str) -> None:
    with pytest.raises(BadRequest, match=r"write \^"):
        planned(f"full/{size}/0/default.jpg", 3, ImageInfo(300, 200, "jpg"))


@pytest.mark.parametrize(("size", "expected"), [("1,", (1, 1)), (",1", (3, 1)), ("!1,1", (1, 1)), ("512,1", None)])
def test_computed_sides_are_at_least_a_pixel(size: str, expected: tuple[int, int] | None) -> None:
    image = ImageInfo(2048, 1, "jpg") if expected is None else ImageInfo(3000, 1000, "jpg")
    plan = planned(f"full/{size}/0/default.jpg", 3, image)
    assert (plan.width, plan.height) == (expected or (512, 1))


@VERSIONS
def test_a_percentage_of_less_than_a_pixel_is_refused(version: int) -> None:
    with pytest.raises(BadRequest, match="less than one pixel"):
        planned("full/pct:0.01/0/default.jpg", version, ImageInfo(300, 200, "jpg"))


LONGEST = {"jpg": 65_500, "gif": 65_535, "webp": 16_383, "avif": 16_384, "pdf": 14_400, "png": 10**7, "tif": 10**7}


@VERSIONS
@pytest.mark.parametrize("size", ["^pct:1000000000", "^" + "9" * 200 + ",", "^,10000001"])
def test_sizes_beyond_all_measure_are_refused_even_without_limits(version: int, size: str) -> None:
    """What no engine can hold is the asker's mistake, not the server's."""
    with pytest.raises(BadRequest, match="10000000 pixels"):
        planned(f"full/{size if version == 3 else size[1:]}/0/default.tif", version, ImageInfo(1000, 800, "tif"))


@pytest.mark.parametrize(("format", "side"), LONGEST.items())
def test_no_side_is_longer_than_its_format_can_store(format: str, side: int) -> None:
    image = ImageInfo(20_000_000, 1, "tif")
    assert planned(f"full/{side},1/0/default.{format}", 3, image).width == side
    with pytest.raises(BadRequest, match=f"{side} pixels"):
        planned(f"full/{side + 1},1/0/default.{format}", 3, image)


@pytest.mark.parametrize(
    ("rotation", "mirror", "degrees", "canonical_rotation"),
    [
        ("360", False, 0, "0"),
        ("!360", True, 0, "!0"),
        ("0.0", False, 0, "0"),
        ("090.50", False, Fraction(181, 2), "90.5"),
        ("!.5", True, Fraction(1, 2), "!0.5"),
    ],
)
def test_rotations_in_canonical_form(rotation: str, mirror: bool, degrees, canonical_rotation: str) -> None:
    plan = planned(f"full/max/{rotation}/default.jpg", 3, BIG)
    assert (plan.mirror, plan.degrees) == (mirror, degrees)
    assert canonical(plan, BIG, Limits(), 3) == f"full/max/{canonical_rotation}/default.jpg"


def test_the_default_quality_is_the_configs() -> None:
    features = FeatureSet.build(FORMATS, default_quality="gray")
    plan = planned("full/max/0/default.jpg", 3, BIG, features=features)
    assert plan.quality == "gray"
    assert canonical_path(plan, (6000, 4000), Limits(), 3, "gray") == "full/max/0/default.jpg"
    color = planned("full/max/0/color.jpg", 3, BIG, features=features)
    assert canonical_path(color, (6000, 4000), Limits(), 3, "gray") == "full/max/0/color.jpg"


@pytest.mark.parametrize("version", [2, 3])
def test_either_of_two_features_with_one_syntax_will_do(version: int) -> None:
    """``w,h`` is two features in 2.1: which of them a request uses depends on the aspect ratio."""
    image = ImageInfo(300, 200, "jpg")
    kept = FeatureSet.build(FORMATS, disable={"size": ["sizeByDistortedWh"]})
    assert planned("full/77,51/0/default.jpg", version, image, features=kept).width == 77
    distorted = FeatureSet.build(FORMATS, disable={"size": ["sizeByWh"]})
    if version == 2:
        with pytest.raises(BadRequest, match="sizeByDistortedWh"):
            planned("full/77,77/0/default.jpg", 2, image, features=kept)
        assert planned("full/77,77/0/default.jpg", 2, image, features=distorted).height == 77
        assert planned("full/77,51/0/default.jpg", 2, image, features=distorted).height == 51
    else:
        with pytest.raises(BadRequest, match="sizeByWh"):
            planned("full/77,51/0/default.jpg", 3, image, features=distorted)
    neither = FeatureSet.build(FORMATS, disable={"size": ["sizeByDistortedWh", "sizeByWh"]})
    with pytest.raises(BadRequest, match="sizeByWh"):
        planned("full/77,51/0/default.jpg", version, image, features=neither)
