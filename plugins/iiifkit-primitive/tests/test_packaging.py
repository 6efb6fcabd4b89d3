"""What a plugin owes to its host: public names only, a small door, and nothing heavy until it is used."""

from iiifkit.testing.plugins import PluginContract


class TestPrimitive(PluginContract):
    package = "iiifkit_primitive"
