"""What Teli's analytics count of a month that is final, beside what the ledger has of it."""

from datetime import timedelta
from typing import Any

import pytest

from service.billing import periods
from service.billing.analytics.comparing import differences
from service.teli.analytics import Counted, read_counts
from service.teli.heard import Heard
from tests.billing.months import PRICE, named, this_month
from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant

AGAIN = "UPDATE period_analytics SET asked_at = asked_at - interval '2 hours'"


@pytest.fixture
async def closed(gateway: Gateway, tenant: Tenant, finance: Tenant, monkeypatch: pytest.MonkeyPatch) -> str:
    """A month in which a number was bought, closed as if two more had passed. Returns how it is named."""
    await tenant.bought()
    monkeypatch.setattr(periods, "utc_now", lambda: this_month() + timedelta(days=70))
    assert (await finance.send("POST", "/v1/billing/prices", json=PRICE)).status_code == 201
    await close(finance, named(this_month()))
    return named(this_month())


async def close(finance: Tenant, month: str) -> None:
    answer = await finance.send("POST", f"/v1/billing/periods/{month}/close")
    assert answer.status_code == 200, answer.text


async def told(gateway: Gateway, finance: Tenant, month: str) -> dict[str, Any]:
    """What is told of the one organisation, after a look."""
    await gateway.worker.billing.analytics_witness.look()
    [one] = (await finance.get(f"/v1/billing/periods/{month}/analytics")).json()["items"]
    return dict(one)


async def test_a_month_that_teli_counts_alike_agrees_by_numbers_and_by_money(
    gateway: Gateway, finance: Tenant, closed: str
):
    one = await told(gateway, finance, closed)
    assert (one["state"], one["organization_id"], one["users"], one["differences"]) == ("agrees", ORGANIZATION, 1, [])

    following = named(this_month() + timedelta(days=32))
    await close(finance, following)

    assert (await told(gateway, finance, following))["state"] == "agrees"


async def test_what_teli_counts_otherwise_is_shown_by_user(gateway: Gateway, finance: Tenant, closed: str):
    await gateway.teli.arm("analytics_miscount", operation="analytics_users")

    one = await told(gateway, finance, closed)

    assert one["state"] == "differs"
    [found] = [user for user in one["differences"] if user["user_id"] == USER]
    assert found["ours"] == {
        "rentals": 1, "purchases": 1, "rental_micros": 2_990_000, "purchase_micros": 1_000_000,
    }  # fmt: skip
    assert (found["theirs"]["rentals"], found["theirs"]["purchases"]) == (2, 2)
    agreed = await finance.get(f"/v1/billing/periods/{closed}/analytics?state=agrees")
    assert agreed.json()["items"] == []


async def test_a_month_is_closed_though_teli_cannot_be_asked_and_asked_of_again_later(
    gateway: Gateway, finance: Tenant, closed: str
):
    await gateway.teli.offline()
    assert (await told(gateway, finance, closed))["state"] == "unknown"
    await gateway.teli.online()
    assert (await told(gateway, finance, closed))["state"] == "unknown"

    await gateway.sql(AGAIN)

    assert (await told(gateway, finance, closed))["state"] == "agrees"


async def test_a_tenant_sees_nothing_of_it(gateway: Gateway, finance: Tenant, closed: str):
    await told(gateway, finance, closed)
    tenant = await gateway.tenant(scopes=["billing:read"])

    assert (await tenant.get(f"/v1/billing/periods/{closed}/analytics")).json()["items"] == []


def test_who_is_not_named_has_nothing():
    one, other = Counted(1, 0, 2_990_000, 0), Counted(2, 0, 5_980_000, 0)
    assert differences({"a": one, "b": one}, {"a": one, "b": one}) == []
    found = differences({"a": one, "b": one}, {"b": other, "c": one})
    assert [(row["user_id"], row["ours"]["rentals"], row["theirs"]["rentals"]) for row in found] == [
        ("a", 1, 0), ("b", 1, 2), ("c", 0, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "costs",
    ["{}", '{"phone_rental_count": -1}', '{"phone_rental_count": true}', "[]", '{"phone_rental_count": 1.5}'],
)
def test_counts_that_make_no_sense_are_none(costs: str):
    body = f'{{"users": [{{"user_id": "a", "cost_breakdown": {costs}}}]}}'.encode()
    assert read_counts(Heard("answer", 200, body=body)) is None
    assert read_counts(Heard("answer", 500, body=b'{"users": []}')) is None


def test_dollars_are_read_to_the_millionth():
    costs = '"phone_rental_count": 3, "phone_rental_cost": 8.97, "phone_purchase_count": 1, "phone_purchase_cost": 1'
    body = f'{{"users": [{{"user_id": "a", "cost_breakdown": {{{costs}}}}}]}}'.encode()
    assert read_counts(Heard("answer", 200, body=body)) == {"a": Counted(3, 1, 8_970_000, 1_000_000)}
