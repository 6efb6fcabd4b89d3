"""Reading the text of an image request: what is understood is kept exactly, all else is refused in a sentence."""

from fractions import Fraction
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests_at_random import DECIMALS, JUNK, images, requests

from iiifkit.errors import BadRequest, ImageNotFound
from iiifkit.image_api.request import (
    ImageRequest,
    decimal_text,
    decode,
    decode_identifier,
    parse_region,
    parse_rotation,
    parse_size,
)

VERSIONS = pytest.mark.parametrize("version", [2, 3])

IDENTIFIERS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)


def printed(request: ImageRequest) -> str:
    ending = f"{request.quality}.{request.format}"
    return "/".join((request.spelling, request.region.text, request.size.text, request.rotation.text, ending))


@VERSIONS
@given(data=st.data(), image=images(), identifier=IDENTIFIERS)
def test_printing_is_the_inverse_of_parsing(version: int, data: st.DataObject, image, identifier: str) -> None:
    path = f"{quote(identifier)}/{data.draw(requests(version, image))}"
    try:
        request = ImageRequest.parse(path, version)
    except BadRequest as error:
        assert "greater than 0" in str(error) or "write ^" in str(error)
        return
    assert printed(request) == path
    assert request.identifier == identifier
    assert ImageRequest.parse(printed(request), version) == request


@VERSIONS
@given(data=st.data(), image=images())
def test_percent_encoding_changes_nothing_but_the_spelling(version: int, data: st.DataObject, image) -> None:
    plain = data.draw(requests(version, image))
    encoded = "/".join("".join(f"%{ord(letter):02x}" for letter in part) for part in plain.split("/"))
    try:
        request = ImageRequest.parse(f"id/{plain}", version)
    except BadRequest:
        with pytest.raises(BadRequest):
            ImageRequest.parse(f"id/{encoded}", version)
    else:
        assert ImageRequest.parse(f"id/{encoded}", version) == request


@given(DECIMALS)
def test_decimals_are_written_as_the_specification_wants_them(number: Fraction) -> None:
    text = decimal_text(number)
    assert Fraction(text) == number
    assert text == "0" or not text.startswith("00")
    assert "." not in text or not text.endswith(("0", "."))
    assert text[0].isdigit()


@VERSIONS
@given(region=JUNK, size=JUNK, rotation=JUNK, ending=JUNK)
def test_junk_is_refused_or_understood_but_nothing_else(
    version: int, region: str, size: str, rotation: str, ending: str
) -> None:
    for parse in (lambda: parse_region(region, version), lambda: parse_size(size, version)):
        with_sentence(parse)
    with_sentence(lambda: parse_rotation(rotation))
    with_sentence(lambda: ImageRequest.parse(f"id/{region}/{size}/{rotation}/{ending}", version))


@given(st.one_of(st.text(), st.binary().map(lambda data: data.decode("latin-1"))))
def test_any_text_is_an_identifier_or_refused(text: str) -> None:
    with_sentence(lambda: decode(text))
    with_sentence(lambda: decode_identifier(text))


def with_sentence(parse) -> None:
    try:
        parse()
    except (BadRequest, ImageNotFound) as error:
        assert str(error).endswith(".")
        assert "\n" not in str(error)


# What Python's own number readers take, and the specification does not (O2, O3).
NO_NUMBERS = ["1_0", "+1", "-1", " 1", "1 ", "1e2", "0x1", "nan", "inf", "٣", "\uff11", "²", "", "1\n", "1.5.2", "1,"]


@VERSIONS
@pytest.mark.parametrize("number", NO_NUMBERS)
def test_numbers_are_ascii_digits(version: int, number: str) -> None:
    for region in (f"{number},0,1,1", f"0,0,1,{number}", f"pct:{number},0,1,1", f"pct:0,0,1,{number}"):
        with pytest.raises(BadRequest):
            parse_region(region, version)
    for size in (f"{number},", f",{number}", f"pct:{number}", f"{number},5", f"!5,{number}"):
        if (number, size) in {("", ","), ("1,", "1,,")} or size != ",5":
            with pytest.raises(BadRequest):
                parse_size(size, version)
    with pytest.raises(BadRequest):
        parse_rotation(number)
    with pytest.raises(BadRequest):
        parse_rotation(f"!{number}")


@VERSIONS
@pytest.mark.parametrize("region", ["1.5,0,1,1", "0,0,1", "0,0,1,1,1", "Full", "squared", "pct:", "PCT:0,0,1,1"])
def test_regions_of_no_form(version: int, region: str) -> None:
    with pytest.raises(BadRequest, match="region"):
        parse_region(region, version)


@VERSIONS
@pytest.mark.parametrize("region", ["0,0,0,5", "0,0,5,0", "pct:0,0,0,5", "pct:0,0,5,0", "pct:0,0,.0,5"])
def test_empty_regions(version: int, region: str) -> None:
    with pytest.raises(BadRequest, match="empty"):
        parse_region(region, version)


@VERSIONS
@pytest.mark.parametrize(
    "size",
    [
        "^",
        "^^max",
        "!^5,5",
        ",^5",
        "!max",
        "^!max",
        "!5",
        "!5,",
        "!,5",
        "5",
        "5,5,5",
        ",",
        "!",
        "pct:",
        "Max",
        "^full",
        "1.5,",
    ],
)
def test_sizes_of_no_form(version: int, size: str) -> None:
    with pytest.raises(BadRequest, match="size"):
        parse_size(size, version)


@pytest.mark.parametrize("size", ["^max", "^5,", "^,5", "^5,5", "^!5,5", "^pct:120"])
def test_the_caret_belongs_to_version_3(size: str) -> None:
    assert parse_size(size, 3).upscale
    with pytest.raises(BadRequest):
        parse_size(size, 2)


def test_full_belongs_to_version_2() -> None:
    assert parse_size("full", 2).kind == "full"
    with pytest.raises(BadRequest, match="write max"):
        parse_size("full", 3)


@VERSIONS
@pytest.mark.parametrize("size", ["0,", ",0", "0,0", "0,5", "5,0", "!0,5", "!5,0", "pct:0", "pct:0.00"])
def test_sides_of_nothing(version: int, size: str) -> None:
    with pytest.raises(BadRequest, match="0"):
        parse_size(size, version)


@pytest.mark.parametrize("text", ["361", "360.1", "360.0000001", "4855", "!361", "!!0", "0!", "!", "90deg", "-0"])
def test_rotations_out_of_range_or_form(text: str) -> None:
    with pytest.raises(BadRequest, match="rotation"):
        parse_rotation(text)


@pytest.mark.parametrize(
    ("text", "mirror", "degrees"),
    [
        ("0", False, 0),
        ("360", False, 0),
        ("!360", True, 0),
        ("22.50", False, 22.5),
        (".5", False, 0.5),
        ("090", False, 90),
    ],
)
def test_rotations(text: str, mirror: bool, degrees: float) -> None:
    rotation = parse_rotation(text)
    assert (rotation.mirror, rotation.degrees) == (mirror, Fraction(degrees))


@VERSIONS
@pytest.mark.parametrize("digits", [300, 5000, 20_000])
def test_parameters_are_of_bounded_length(version: int, digits: int) -> None:
    """Python reads no integer of more than 4300 digits, and long ones slowly."""
    long = "9" * digits
    for path in (
        f"id/{long},0,1,1/max/0/default.jpg",
        f"id/full/{long},/0/default.jpg",
        f"id/full/pct:{long}/0/default.jpg",
        f"id/full/max/{long}/default.jpg",
        f"id/full/max/0/{long}.jpg",
        f"id/full/max/0/default.{long}",
    ):
        with_sentence(lambda path=path: ImageRequest.parse(path, version))
    with pytest.raises(BadRequest):
        ImageRequest.parse(f"id/full/{long},/0/default.jpg", version)


@pytest.mark.parametrize(
    ("path", "identifier"),
    [
        ("ark:%2F12025%2F654xz321", "ark:/12025/654xz321"),
        ("urn:foo:a123,456", "urn:foo:a123,456"),
        (
            "urn:sici:1046-8188(199501)13:1%253C69:FTTHBI%253E2.0.TX;2-4",
            "urn:sici:1046-8188(199501)13:1%3C69:FTTHBI%3E2.0.TX;2-4",
        ),
        ("http:%2F%2Fexample.com%2F%3F54%23a", "http://example.com/?54#a"),
        ("a/b/c", "a/b/c"),
        ("a%2Fb", "a/b"),
        ("gr%C3%BCn", "grün"),
        ("a+b", "a+b"),
    ],
)
def test_identifiers_are_decoded_once(path: str, identifier: str) -> None:
    request = ImageRequest.parse(f"{path}/full/max/0/default.jpg", 3)
    assert request.identifier == identifier
    assert request.spelling == path


@pytest.mark.parametrize("spelling", ["", "%ZZ", "%", "a%2", "a%00", "a%0A", "a%7f", "%ff", "%C3", "%ED%A0%80"])
def test_spellings_that_are_no_text(spelling: str) -> None:
    with pytest.raises(BadRequest):
        decode_identifier(spelling)


def test_an_identifier_is_of_bounded_length() -> None:
    with pytest.raises(ImageNotFound):
        decode_identifier("a" * 5000)
    assert decode_identifier("a" * 2000) == "a" * 2000


@pytest.mark.parametrize("ending", ["default", "default.", ".jpg", ".", ""])
def test_the_last_part_names_quality_and_format(ending: str) -> None:
    with pytest.raises(BadRequest):
        ImageRequest.parse(f"id/full/max/0/{ending}", 3)


@pytest.mark.parametrize("path", ["", "id", "full/max/0/default.jpg", "/"])
def test_requests_with_too_few_parts(path: str) -> None:
    with pytest.raises(BadRequest):
        ImageRequest.parse(path, 3)


def test_quality_and_format_are_split_at_the_last_point() -> None:
    request = ImageRequest.parse("id/full/max/0/primitive:5,2.5,255.png", 3)
    assert (request.quality, request.format) == ("primitive:5,2.5,255", "png")
