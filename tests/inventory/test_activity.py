"""Numbers held, bought and given back, day by day."""

import pytest

from tests.http.refusals import problem
from tests.support.gateway import NUMBERS, ORGANIZATION, Gateway


async def of_last_days(who, days: int = 3, **query):
    answer = await who.get("/v1/activity", params={"days": days, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_was_bought_and_given_back_is_told_of_its_day_and_held_is_reckoned_back(gateway: Gateway):
    tenant = await gateway.tenant()
    numbers = [await tenant.bought() for _ in range(4)]
    for number in numbers[:2]:
        assert (await tenant.send("DELETE", f"{NUMBERS}/{number['phone_number']}")).status_code == 200
    for days, number in ((1, numbers[0]), (1, numbers[2]), (30, numbers[3])):
        await gateway.sql(
            "UPDATE numbers SET acquired_at = acquired_at - make_interval(days => :days) WHERE id = :id",
            days=days, id=number["id"],
        )  # fmt: skip

    told = await of_last_days(tenant)

    assert [(day["bought"], day["released"], day["held"]) for day in told["days"]] == [(0, 0, 1), (2, 0, 3), (1, 2, 2)]
    assert told["held"] == {"value": 2, "exact": True}
    assert (await of_last_days(tenant, organization_id=ORGANIZATION))["days"] == told["days"]


async def test_a_tenant_is_told_of_its_own_alone_and_an_administrator_of_all(gateway: Gateway):
    one, other = await gateway.tenant(), await gateway.tenant(scopes=["numbers:read", "numbers:create"])
    await one.bought()

    assert (await of_last_days(other))["held"]["value"] == 0
    assert (await of_last_days(gateway.admin))["held"]["value"] >= 1


@pytest.mark.parametrize("days", [0, -1, 367, "many"])
async def test_days_that_are_none_or_too_many_are_refused(gateway: Gateway, days):
    tenant = await gateway.tenant()

    problem(await tenant.get("/v1/activity", params={"days": days}), 400, "invalid_request")
    problem(await tenant.get("/v1/activity", params={"organization_id": "elsewhere"}), 403, "not_your_organization")
