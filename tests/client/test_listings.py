"""Listings are read to their end, and events are read on from where one stopped."""

from typing import Any

import httpx
import hypothesis.strategies as st
from hypothesis import given

from service.http.examples import EVENT, EXAMPLES
from tests.client.asked import told_by

ITEM = EXAMPLES["NumberPage"]["items"][0]


def page(items: list[Any], cursor: str | None) -> httpx.Response:
    return httpx.Response(200, json={"items": items, "next_cursor": cursor, "total": {"value": 9, "exact": False}})


@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=6))
async def test_every_item_of_every_page_comes_once_and_in_order(sizes: list[int]):
    """A page may be empty and not the last."""
    asked_for: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        cursor = request.url.params.get("cursor")
        asked_for.append(cursor)
        place = int(cursor or 0)
        items = [ITEM | {"nickname": f"{place}/{one}"} for one in range(sizes[place])]
        return page(items, str(place + 1) if place + 1 < len(sizes) else None)

    for kind in ("sync", "async"):
        asked_for.clear()
        found = await told_by(answer, kind)("numbers", state="active")
        assert [one.nickname for one in found] == [
            f"{at}/{one}" for at, size in enumerate(sizes) for one in range(size)
        ]
        assert asked_for == [None, *(str(one) for one in range(1, len(sizes)))]


async def test_a_cursor_that_stays_does_not_lead_round_in_a_circle(kind: str):
    found = await told_by(lambda request: page([ITEM], "same"), kind)("numbers")

    assert len(found) == 2


async def test_events_end_where_there_are_no_more_and_the_last_cursor_goes_on_from_there(kind: str):
    def answer(request: httpx.Request) -> httpx.Response:
        place = int(request.url.params.get("cursor", 0))
        return page([EVENT | {"sequence": place + 1}] if place < 3 else [], str(min(place + 1, 3)))

    asked = told_by(answer, kind)
    pages = await asked("event_pages", types=["number.*"])

    assert [one.items[0].sequence for one in pages] == [1, 2, 3]
    assert await asked("event_pages", cursor=pages[-1].next_cursor) == []
