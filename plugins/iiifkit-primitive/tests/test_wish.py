import pytest
from hypothesis import given
from hypothesis import strategies as st
from iiifkit import BadRequest

from iiifkit_primitive.wish import Wish


@given(st.integers(0, 8), st.integers(1, 250), st.integers(0, 255))
def test_a_wish_is_read(mode, iterations, alpha):
    assert Wish.parse(f"primitive:{mode},{iterations},{alpha}", 250) == Wish(mode, iterations, alpha)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("primitive", "primitive:5,100,128"),
        ("primitive:", "MODE,ITERATIONS,ALPHA"),
        ("primitive:1,2", "three whole numbers"),
        ("primitive:1,2,3,4", "three whole numbers"),
        ("primitive:1, 2,3", "without blanks"),
        ("primitive:1,+2,3", "whole numbers"),
        ("primitive:1,2_0,3", "whole numbers"),
        ("primitive:1,-2,3", "whole numbers"),
        ("primitive:1,2,3\n", "whole numbers"),
        ("primitive:1,\u0662,3", "whole numbers"),
        ("primitive:1,2.5,3", "whole numbers"),
        (f"primitive:1,{'9' * 5000},3", "whole numbers"),
        ("primitive:9,2,3", "no mode 9; there are 0 (mixture), 1 (triangle)"),
        ("primitive:999999999,2,3", "no mode 999999999"),
        ("primitive:1,0,3", "at least 1 iteration"),
        ("primitive:1,101,3", "asked for 101 iterations; this server allows 100"),
        ("primitive:1,2,256", "asked for alpha 256; it is 1 to 255, or 0"),
    ],
)
def test_a_wrong_wish_is_told_why(text, says):
    with pytest.raises(BadRequest) as caught:
        Wish.parse(text, 100)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 200


@given(st.text(max_size=40) | st.from_regex(r"primitive:[0-9,]*[^0-9,]+[0-9,]*", fullmatch=True))
def test_any_other_text_is_a_bad_request(text):
    with pytest.raises(BadRequest):
        Wish.parse(text, 100)
