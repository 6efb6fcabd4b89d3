"""Contracts that the tests of a plugin inherit; they ship in the wheel. Needs pytest."""

import pytest

# So that a contract that is not kept shows what was compared.
pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("caches", "engines", "pictures", "plugins", "qualities", "sources"))
)
