"""Image requests at random, valid ones and worse, for property tests."""

from fractions import Fraction

from hypothesis import strategies as st

from iiifkit.image_api.image import ImageInfo

SIDES = st.one_of(st.integers(1, 12), st.integers(1, 3000), st.integers(1, 70_000))
FORMATS = st.sampled_from(["jpg", "png", "tif", "webp"])
QUALITIES = st.sampled_from(["default", "color", "gray", "bitonal"])


def decimals(most: int) -> st.SearchStrategy[str]:
    """Numbers as people write them: integers, decimals, without a leading or with trailing zeros."""
    whole = st.integers(0, most).map(str)
    part = st.text("0123456789", min_size=1, max_size=6)
    return st.one_of(
        whole,
        st.tuples(st.integers(0, most - 1).map(str), part).map(".".join),
        part.map(lambda digits: f".{digits}"),
    )


def regions(width: int, height: int) -> st.SearchStrategy[str]:
    pixels = st.tuples(
        st.integers(0, width - 1),
        st.integers(0, height - 1),
        st.integers(1, width * 2),
        st.integers(1, height * 2),
    )
    shares = st.tuples(decimals(99), decimals(99), decimals(150), decimals(150))
    return st.one_of(
        st.sampled_from(["full", "square"]),
        pixels.map(lambda numbers: ",".join(map(str, numbers))),
        shares.map(lambda numbers: "pct:" + ",".join(numbers)),
    )


def sizes(version: int, width: int, height: int) -> st.SearchStrategy[str]:
    w, h = st.integers(1, width * 2).map(str), st.integers(1, height * 2).map(str)
    box = st.tuples(w, h).map(",".join)
    forms = st.one_of(
        st.just("max"),
        w.map("{},".format),
        h.map(",{}".format),
        decimals(200).map("pct:{}".format),
        box,
        box.map("!{}".format),
    )
    return st.one_of(forms, st.just("full") if version == 2 else forms.map("^{}".format))


ROTATIONS = st.one_of(st.sampled_from(["0", "90", "180", "270", "360"]), decimals(360)).flatmap(
    lambda degrees: st.sampled_from([degrees, f"!{degrees}"])
)


@st.composite
def images(draw: st.DrawFn) -> ImageInfo:
    tile = draw(st.sampled_from([None, (256, 256), (512, 512), (128, 256), (64, 64)]))
    return ImageInfo(draw(SIDES), draw(SIDES), "jpg", color=draw(st.booleans()), tile=tile)


@st.composite
def requests(draw: st.DrawFn, version: int, image: ImageInfo) -> str:
    """The last four segments of a request whose syntax is right."""
    parts = (
        draw(regions(image.width, image.height)),
        draw(sizes(version, image.width, image.height)),
        draw(ROTATIONS),
        f"{draw(QUALITIES)}.{draw(FORMATS)}",
    )
    return "/".join(parts)


DECIMALS = st.tuples(st.integers(0, 10**9), st.integers(0, 12)).map(lambda pair: Fraction(pair[0], 10 ** pair[1]))
"""Fractions that end."""

JUNK = st.one_of(
    st.text(max_size=40),
    st.text("0123456789,:.!^pctfulmaxsqr%/-+_e ", max_size=40),
    st.sampled_from(["nan", "inf", "1e2", "1_0", "+1", "-1", "٣", "¹", "0x1", "NaN", "full\n", "max\r", "%00", "%ff"]),
)
"""Parameters that nobody should send."""
