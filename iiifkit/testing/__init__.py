"""Contracts that the tests of a plugin inherit; they ship in the wheel."""
