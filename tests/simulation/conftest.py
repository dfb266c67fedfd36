"""What a test wants said at the end of a run, though it passed."""

from collections.abc import Callable

import pytest

Say = Callable[[str], None]


@pytest.fixture
def said(record_property: Callable[[str, object], None]) -> Say:
    """What is told to it stands at the end of the run, also where tests run in processes of their own."""
    return lambda line: record_property("told", line)
