import pytest

from tests.client.asked import KINDS


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which of the two clients."""
    found: str = request.param
    return found
