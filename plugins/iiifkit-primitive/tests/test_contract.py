"""The quality keeps the contract of all qualities."""

from iiifkit import Quality
from iiifkit.testing.qualities import QualityContract

from iiifkit_primitive.options import PrimitiveOptions
from iiifkit_primitive.quality import PrimitiveQuality


class TestPrimitive(QualityContract):
    good = ("primitive:1,2,128", "primitive:0,1,0", "primitive:6,1,0", "primitive:8,1,0")
    bad = ("primitive", "primitive:9,1,128", "primitive:1,0,128", "primitive:1,101,128", "primitive:1,1,256")

    def make_quality(self) -> Quality:
        return PrimitiveQuality(PrimitiveOptions())
