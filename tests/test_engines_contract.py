"""Both engines keep the contract."""

from iiifkit.contracts import Engine
from iiifkit.engines.pillow import PillowEngine
from iiifkit.engines.vips import VipsEngine
from iiifkit.testing.engines import EngineContract


class TestVips(EngineContract):
    def make_engine(self) -> Engine:
        return VipsEngine()


class TestPillow(EngineContract):
    def make_engine(self) -> Engine:
        return PillowEngine()
