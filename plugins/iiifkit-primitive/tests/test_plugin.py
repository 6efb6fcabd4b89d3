import subprocess
import sys

import msgspec
import pytest
from iiifkit import BadRequest, Environment

import iiifkit_primitive
from iiifkit_primitive import plugin
from iiifkit_primitive.options import PrimitiveOptions


def offer():
    return plugin.iiifkit_qualities()["primitive"]


def test_the_door():
    assert offer().block == "primitive"
    assert offer().block_options is PrimitiveOptions


def test_it_is_built_from_the_block():
    block = msgspec.convert({"max_iterations": 3}, PrimitiveOptions)
    quality = offer().build(None, Environment("quality", block))
    with pytest.raises(BadRequest, match="allows 3"):
        quality.check("primitive:1,4,0")


def test_without_a_block_a_hundred_iterations_are_allowed():
    quality = offer().build(None, Environment("quality"))
    quality.check("primitive:1,100,0")
    with pytest.raises(BadRequest, match="allows 100"):
        quality.check("primitive:1,101,0")


@pytest.mark.parametrize(
    "block",
    [{"max_iterations": 0}, {"max_iterations": "9"}, {"max_iterations": True}, {"max_iteration": 9}, {"max_pixels": 0}],
)
def test_a_wrong_block_is_refused(block):
    with pytest.raises(msgspec.ValidationError, match=next(iter(block))):
        msgspec.convert(block, PrimitiveOptions)


def test_checking_needs_neither_numba_nor_numpy():
    code = """
import sys
from iiifkit import Environment
from iiifkit_primitive.plugin import iiifkit_qualities
quality = iiifkit_qualities()["primitive"].build(None, Environment("quality"))
quality.check("primitive:5,100,0")
print(sorted({"numba", "numpy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_says_what_it_is():
    assert "primitive" in iiifkit_primitive.__doc__
