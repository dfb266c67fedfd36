"""Listings, directories and counts, read with suspicion: any body is read or refused."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.teli.analytics import read_purchases
from service.teli.directory import read_organizations, read_users
from service.teli.heard import Heard
from service.teli.listing import read_listing

ROW = {"id": "row", "phone_number": "+13135550142"}
READERS: tuple[Callable[[Heard], Any], ...] = (read_listing, read_users, read_organizations, read_purchases)


def heard(body: Any, status: int = 200) -> Heard:
    return Heard("answer", status, {}, orjson.dumps(body))


def is_whole(count: Any, *rows: Any) -> bool:
    listing = read_listing(heard({"phone_numbers": rows, "count": count}))
    assert listing is not None
    return listing.complete


def test_a_listing_is_complete_where_its_count_is_that_of_rows_that_could_all_be_read():
    assert is_whole(1, ROW)
    assert is_whole("1", ROW)
    for count in (0, 2, -1, 1.0, True, None, "", "one", "-1", "1" * 5_000, [1], {"1": 1}):
        assert not is_whole(count, ROW), count
    assert not is_whole(2, ROW, {"id": "row"})


def test_a_directory_that_is_short_or_says_no_count_of_rows_is_not_read():
    users = [{"unique_id": "user", "id": "uuid"}]
    for count in (1, "1"):
        found = read_users(heard({"users": users, "count": count}))
        assert found is not None
        assert [one.unique_id for one in found] == ["user"]
    short: tuple[Any, ...] = (2, None, True, "1" * 5_000, [[]])
    for unread in short:
        assert read_users(heard({"users": users, "count": unread})) is None, unread


def counted(*users: tuple[Any, Any]) -> dict[str, int] | None:
    rows = [{"user_id": user, "cost_breakdown": {"phone_purchase_count": count}} for user, count in users]
    return read_purchases(heard({"users": rows}))


def test_counts_of_a_user_named_more_than_once_add_up():
    assert counted(("a", 5), ("b", 1), ("a", 0), ("a", 2)) == {"a": 7, "b": 1}


@pytest.mark.parametrize("count", [-1, True, False, 1.0, "1", None, [1]])
def test_a_count_that_makes_no_sense_leaves_the_answer_unread(count: Any):
    assert counted(("a", 5), ("b", count)) is None


NAMES = st.sampled_from(
    [
        "phone_numbers", "users", "organizations", "count", "success", "id", "phone_number", "unique_id", "user_id",
        "nickname", "cost_breakdown", "phone_purchase_count",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=20), st.sampled_from(["1" * 4_400, "+13135550142", "１２", "-3", "false", "\x00"]))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=6)),
    max_leaves=30,
)


@given(JSON, st.sampled_from([200, 204, 400, 404, 422, 500]))
def test_no_json_raises(body: object, status: int):
    for read in READERS:
        read(heard(body, status))


@given(st.dictionaries(st.sampled_from(["phone_numbers", "users", "organizations"]), st.lists(JSON, max_size=4)), TEXTS)
def test_no_count_raises(lists: dict[str, Any], count: str):
    for read in READERS:
        read(heard({**lists, "count": count}))


@pytest.mark.parametrize("body", [b"", b"[" * 5_000, b'{"count": ' + b"[" * 1_000 + b"]" * 1_000 + b"}", b"\xff"])
def test_no_bytes_raise(body: bytes):
    for read in READERS:
        read(Heard("answer", 200, {}, body))
