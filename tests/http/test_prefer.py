"""How long a caller wants to wait, as `Prefer` says it."""

import pytest

from service.http.prefer import LONGEST_WAIT, patience


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, None),
        ("respond-async", 0.0),
        ("wait=5", 5.0),
        ('respond-async, wait="7"', 7.0),
        ("wait=999999999", LONGEST_WAIT),
        ("wait=" + "9" * 400, LONGEST_WAIT),
        ("wait=-1", None),
        ("wait=soon", None),
    ],
)
async def test_what_can_be_read_holds_up_to_the_longest_and_all_else_is_ignored(said: str, seconds: float):
    assert await patience(said) == seconds
