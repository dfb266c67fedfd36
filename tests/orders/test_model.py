"""Whatever happens to numbers between the preview and their turn: never more than was shown, and all else explained."""

from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.orders.desk import RELEASE, applied, deletes, items, order, preview, stocked_here, work
from tests.support.gateway import NUMBERS, Gateway, Tenant

COUNT = 6
CHANGES: tuple[dict[str, Any], ...] = (
    RELEASE,
    {"set": {"nickname": "bulk"}},
    {"set": {"tags_add": ["bulk"], "cost_center": "bulk"}},
)
# What somebody else does meanwhile, with which number.
MEANWHILE = st.tuples(st.sampled_from(("release", "rename", "tag", "miss", "hold")), st.integers(0, COUNT - 1))
RENAMED = "coalesce(nickname, '') || 'x'"
SQL = {
    "rename": f"UPDATE numbers SET nickname = {RENAMED} WHERE phone_number = :n AND state = 'active'",
    "tag": "UPDATE numbers SET tags = tags || 'x'::text WHERE phone_number = :n AND state = 'active'",
    "miss": "UPDATE numbers SET state = 'missing' WHERE phone_number = :n AND state = 'active'",
    "hold": "UPDATE numbers SET holder_user_id = 'somebody' WHERE phone_number = :n AND state = 'active'",
}


async def happens(gateway: Gateway, tenant: Tenant, what: str, number: str) -> None:
    if what == "release":
        await tenant.send("DELETE", f"{NUMBERS}/{number}")
    else:
        await gateway.sql(SQL[what], n=number)


async def stand(gateway: Gateway) -> dict[str, Any]:
    """How each number stands, as far as an order may see and change it; of what is released, only that."""
    rows = await gateway.sql(
        "SELECT phone_number, state, CASE WHEN state NOT IN ('releasing', 'released') THEN"
        " concat_ws('|', nickname, tags::text, cost_center, holder_user_id) END FROM numbers"
    )
    return {number: (state, rest) for number, state, rest in rows}


@pytest.mark.ci
@pytest.mark.timeout(600)
@hypothesis.settings(
    max_examples=25, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@given(
    change=st.sampled_from(CHANGES),
    chosen=st.sets(st.integers(0, COUNT - 1), min_size=1),
    before=st.lists(MEANWHILE, max_size=3),
    between=st.lists(MEANWHILE, max_size=3),
    after=st.lists(MEANWHILE, max_size=3),
)
async def test_never_more_than_was_shown_and_what_is_skipped_is_explained(
    gateway: Gateway,
    change: dict[str, Any],
    chosen: set[int],
    before: list[tuple[str, int]],
    between: list[tuple[str, int]],
    after: list[tuple[str, int]],
):
    tenant = await gateway.tenant()
    numbers = await stocked_here(gateway, tenant, COUNT)
    meant = [numbers[place] for place in sorted(chosen)]
    for what, place in before:
        await happens(gateway, tenant, what, numbers[place])
    shown = await preview(tenant, {"phone_numbers": meant}, change)
    assert shown["count"] + shown["skipped"]["count"] == len(meant)
    to_do = {one["phone_number"] for one in shown["sample"]}
    as_shown = await stand(gateway)

    for what, place in between:
        await happens(gateway, tenant, what, numbers[place])
    await applied(tenant, shown)
    for what, place in after:
        await happens(gateway, tenant, what, numbers[place])
    released_by_others = set(await deletes(gateway))
    at_its_turn = await stand(gateway)
    await work(gateway)

    told = await order(tenant, shown["order_id"])
    found = {one["phone_number"]: one for one in await items(tenant, shown["order_id"])}
    done = {number for number, one in found.items() if one["outcome"] == "done"}
    unchanged = {number for number in to_do if as_shown[number] == at_its_turn[number]}
    assert done == unchanged
    assert all(one["reason"] and one["detail"] for number, one in found.items() if number not in done)
    assert sum(told["counts"].values()) == len(found) == len(meant)
    assert (told["state"] == "completed") == (done == to_do)
    ended = await stand(gateway)
    assert {number for number in ended if ended[number] != at_its_turn[number]} == done
    if change == RELEASE:
        assert set(await deletes(gateway)) - released_by_others == done
