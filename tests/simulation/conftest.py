"""What a test wants said at the end of a run, though it passed."""

from collections.abc import Callable, Iterator

import pytest
import structlog

from tests.simulation.schedule import be_silent

Say = Callable[[str], None]


@pytest.fixture
def said(record_property: Callable[[str, object], None]) -> Say:
    """What is told to it stands at the end of the run, also where tests run in processes of their own."""
    return lambda line: record_property("told", line)


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """Here alone: others of this process hear what the services say."""
    heard = structlog.get_config()
    be_silent()
    yield
    structlog.configure(**heard)
