"""Fixtures of billing."""

import pytest

from tests.conftest import Engines


@pytest.fixture
def superuser_url(engines: Engines, database_url: str) -> str:
    """The test's own database, as one whom nothing in it holds."""
    return engines.postgres.superuser_url(database_url.rpartition("/")[2])
