"""Cursors: they continue what they came from, and say why not."""

import pytest

from service.kit.crypto import Secret
from service.kit.errors import InvalidRequest
from service.kit.pagination import Cursors

CURSORS, OTHERS = (
    Cursors(Secret(secret)) for secret in ("a secret of this gateway here", "a secret of another gateway")
)
QUERY = {"list": "numbers", "sort": "nickname"}
CURSOR = CURSORS.seal(QUERY, ["zoë", 7])


def test_a_cursor_continues_its_query_however_that_is_put():
    assert CURSORS.open(dict(reversed(QUERY.items())), CURSOR) == ["zoë", 7]


def test_a_cursor_of_another_query_says_so():
    for other in ({}, {"list": "numbers"}, QUERY | {"sort": "-nickname"}):
        with pytest.raises(InvalidRequest) as told:
            CURSORS.open(other, CURSOR)
        assert "continues another query" in str(told.value.detail)


def test_a_cursor_that_is_not_ours_or_was_changed_anywhere_says_so():
    changed = [CURSOR[:at] + ("B" if CURSOR[at] == "A" else "A") + CURSOR[at + 1 :] for at in range(len(CURSOR) - 1)]
    for forged in (*changed, *(CURSOR[:at] for at in range(len(CURSOR) - 1)), "nø", OTHERS.seal(QUERY, ["zoë", 7])):
        with pytest.raises(InvalidRequest) as told:
            CURSORS.open(QUERY, forged)
        assert "was not given out here" in str(told.value.detail), forged
