"""Every limit, of every scope: refuses beyond it, names itself, and counts exactly what it says it counts."""

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.observability.metrics import QUOTA_SHADOW
from tests.conftest import OpenGateway
from tests.http.refusals import problem
from tests.numbers.ledger import check, use_marks
from tests.support.gateway import AUTHOR, NUMBERS, ORGANIZATION, USER, Gateway, Tenant

PATHS = {
    "tenant": "/v1/admin/tenants/{tenant}/quotas",
    "organization": f"/v1/admin/organizations/{ORGANIZATION}/quotas",
    "user": f"/v1/admin/organizations/{ORGANIZATION}/users/{USER}/quotas",
    "deployment": "/v1/admin/deployment/quotas",
}
COUNTERS = ("used", "reserved", "day_used", "day_reserved", "month_used", "month_reserved", "releases")
DRIFTED = (
    "SELECT q.scope, to_jsonb(q), to_jsonb(c) FROM quotas q, LATERAL counted(q) c WHERE "
    f"({', '.join(f'q.{name}' for name in COUNTERS)}) IS DISTINCT FROM ({', '.join(f'c.{name}' for name in COUNTERS)})"
)


async def limit(gateway: Gateway, scope: str, tenant: Tenant, **limits: Any) -> dict[str, Any]:
    answer = await gateway.admin.send("PUT", PATHS[scope].format(tenant=tenant.id), json=limits)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.parametrize("scope", PATHS)
@pytest.mark.parametrize("name", ["numbers_held", "purchases_per_day", "purchases_per_month", "spend_per_month"])
async def test_what_is_beyond_a_limit_is_refused_and_named(gateway: Gateway, tenant: Tenant, scope: str, name: str):
    await gateway.mark_mode(tenant)
    price = gateway.settings.default_price.first if name == "spend_per_month" else 1
    before = (await limit(gateway, scope, tenant, **{name: None}))["use"][name]["used"]
    await limit(gateway, scope, tenant, **{name: before + 2 * price})

    assert [(await tenant.buy()).status_code for _ in range(3)] == [200, 200, 429]

    refused = problem(await tenant.buy(key="again"), 429, "quota_exceeded")["quota"]
    assert (refused["limit_name"], refused["scope"], refused["limit"]) == (name, scope, before + 2 * price)
    assert (refused["used"], refused["reserved"]) == (before + 2 * price, 0)
    assert (refused["resets_at"] is None) == (name == "numbers_held")
    assert await gateway.sql(DRIFTED) == []


async def test_a_refusal_says_what_to_do_and_when_to_come_again(gateway: Gateway, tenant: Tenant):
    await limit(gateway, "user", tenant, purchases_per_day=0)

    answer = await tenant.buy()

    said = problem(answer, 429, "quota_exceeded")
    assert said["detail"] == (
        "The user has bought 0 numbers today and reserved 0; it may buy 0 a day. Ask an administrator for a higher "
        "purchases_per_day."
    )
    assert said["quota"]["scope_id"] == USER
    assert "retry-after" not in answer.headers  # It will be refused tomorrow too.
    await limit(gateway, "user", tenant, purchases_per_day=1)
    assert (await tenant.buy()).status_code == 200
    answer = await tenant.buy()
    assert "Buy tomorrow, or ask an administrator" in problem(answer, 429, "quota_exceeded")["detail"]
    assert 0 < int(answer.headers["retry-after"]) <= 86_400
    await limit(gateway, "user", tenant, purchases_per_day=None)
    assert (await tenant.buy()).status_code == 200


async def test_a_refusal_of_money_says_amounts_and_no_micro_units(gateway: Gateway, tenant: Tenant):
    await limit(gateway, "tenant", tenant, spend_per_month=500_000)

    said = problem(await tenant.buy(), 429, "quota_exceeded")

    assert said["detail"] == (
        "The tenant has spent 0.00 this month and reserved 0.00, and this asks 1.00; it may spend 0.50. Ask an "
        "administrator for a higher spend_per_month."
    )
    assert said["quota"]["limit"] == 500_000


async def test_of_several_limits_the_one_with_the_least_left_is_named(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    await limit(gateway, "tenant", tenant, purchases_per_month=1, numbers_held=1)
    await limit(gateway, "organization", tenant, numbers_held=1)
    await limit(gateway, "deployment", tenant, purchases_per_day=0)

    # Of the deployment's one less than none is left; of the others none.
    said = problem(await tenant.buy(), 429, "quota_exceeded")
    assert (said["quota"]["scope"], said["quota"]["limit_name"]) == ("deployment", "purchases_per_day")
    assert {(one["scope"], one["limit_name"]) for one in said["also"]} == {
        ("tenant", "purchases_per_month"), ("tenant", "numbers_held"), ("organization", "numbers_held"),
    }  # fmt: skip

    await limit(gateway, "deployment", tenant, purchases_per_day=None)
    # A release would mend the one, and not the other: that is named.
    refused = problem(await tenant.buy(key="another"), 429, "quota_exceeded")["quota"]
    assert (refused["scope"], refused["limit_name"]) == ("tenant", "purchases_per_month")


@pytest.mark.usefixtures("patient_sends")
async def test_a_limit_of_an_organisation_holds_over_all_of_its_tenants_and_replicas(open_gateway: OpenGateway):
    async with open_gateway() as one, open_gateway() as other:
        await use_marks(one)
        tenants = [await one.tenant() for _ in range(3)]
        before = (await limit(one, "organization", tenants[0], numbers_held=None))["use"]["numbers_held"]["used"]
        await limit(one, "organization", tenants[0], numbers_held=before + 7)
        buyers = [Tenant(gateway.http, tenant.id, tenant.key) for gateway in (one, other) for tenant in tenants]

        answers = await asyncio.gather(*(buyers[number % 6].buy() for number in range(36)))

        assert sum(answer.status_code == 200 for answer in answers) == 7
        assert (await one.teli.counts())["bought"] == before + 7
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["quota"]["scope"] == "organization"
        assert await one.sql(DRIFTED) == []


async def test_a_limit_that_is_set_amid_purchases_begins_with_an_exact_count(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    other = await gateway.tenant()

    async def set_limits() -> None:
        for scope in ("deployment", "organization", "user"):
            await limit(gateway, scope, tenant, purchases_per_day=1000)

    await asyncio.gather(*((tenant, other)[number % 2].bought() for number in range(20)), set_limits())

    assert await gateway.sql(DRIFTED) == []
    rows = await gateway.sql("SELECT scope, used, day_used FROM quotas WHERE scope <> 'tenant' ORDER BY scope")
    assert rows == [(scope, 21, 21) for scope in ("deployment", "organization", "user")]


async def test_a_doubt_counts_as_under_way_until_it_is_decided_and_a_refusal_counts_nothing(
    gateway: Gateway, tenant: Tenant
):
    await gateway.mark_mode(tenant)
    await limit(gateway, "user", tenant, purchases_per_day=100, numbers_held=100)
    await gateway.teli.arm("out_of_stock")
    assert (await tenant.buy()).status_code == 409
    await gateway.teli.arm("server_error")
    assert (await tenant.buy(prefer="wait=1")).status_code == 202

    use = (await gateway.admin.get(PATHS["user"])).json()["use"]

    assert (use["purchases_per_day"]["used"], use["purchases_per_day"]["reserved"]) == (1, 1)
    assert (use["numbers_held"]["used"], use["numbers_held"]["reserved"]) == (1, 1)
    assert await gateway.sql(DRIFTED) == []


async def test_no_purchase_leaves_while_as_many_are_in_doubt_as_may_be(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    await limit(gateway, "tenant", tenant, doubts_open=1)
    await gateway.teli.arm("server_error")
    assert (await tenant.buy(key="k", prefer="wait=1")).status_code == 202

    answer = await tenant.buy()

    refused = problem(answer, 429, "quota_exceeded")["quota"]
    assert (refused["limit_name"], refused["used"], refused["reserved"]) == ("doubts_open", 1, 0)
    assert answer.headers["retry-after"] == "60"


async def test_no_more_purchases_are_under_way_at_once_than_may_be(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    await limit(gateway, "organization", tenant, concurrent_creates=2)
    await gateway.teli.arm("hold", times=2, step="received")
    under_way = [asyncio.create_task(tenant.buy(key=key, prefer="wait=0")) for key in "ab"]
    assert [(await task).status_code for task in under_way] == [202, 202]

    answer = await tenant.buy()

    refused = problem(answer, 429, "quota_exceeded")["quota"]
    assert (refused["limit_name"], refused["used"], refused["scope_id"]) == ("concurrent_creates", 2, ORGANIZATION)
    assert answer.headers["retry-after"] == "1"
    await gateway.teli.release_holds()
    while await gateway.sql("SELECT id FROM intents WHERE state = 'sending'"):
        await asyncio.sleep(0.02)
    assert (await tenant.buy()).status_code == 200


async def test_purchases_of_an_organisation_come_no_faster_than_its_rate(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    await limit(gateway, "organization", tenant, requests_per_second=0.001, burst=2)

    assert [(await tenant.buy()).status_code for _ in range(3)] == [200, 200, 429]

    answer = await tenant.buy()
    assert problem(answer, 429, "rate_limited")["quota"]["scope"] == "organization"
    assert 900 < int(answer.headers["retry-after"]) <= 1000
    await limit(gateway, "organization", tenant, requests_per_second=0)
    problem(await tenant.buy(), 429, "rate_limited")


async def test_a_month_has_no_more_releases_than_may_be_and_asking_again_is_none(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    numbers = [(await tenant.bought())["phone_number"] for _ in range(2)]
    await gateway.follow_up()
    await limit(gateway, "tenant", tenant, releases_per_month=1)

    first, again, second = [await tenant.send("DELETE", f"{NUMBERS}/{numbers[n]}") for n in (0, 0, 1)]

    assert (first.status_code, again.status_code) == (200, 200)
    refused = problem(second, 429, "quota_exceeded")["quota"]
    assert (refused["limit_name"], refused["used"], refused["limit"]) == ("releases_per_month", 1, 1)
    assert (await tenant.get(f"/v1/numbers/{numbers[1]}")).json()["state"] == "active"
    assert await gateway.sql(DRIFTED) == []


async def test_shadow_lets_through_counts_and_reports_and_off_counts_alone(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    refusals = QUOTA_SHADOW.labels("organization", "numbers_held")._value
    before = refusals.get()

    await limit(gateway, "organization", tenant, numbers_held=0, mode="shadow")
    assert (await tenant.buy()).status_code == 200
    assert refusals.get() == before + 1
    await limit(gateway, "organization", tenant, mode="off")
    assert (await tenant.buy()).status_code == 200
    assert refusals.get() == before + 1
    told = await limit(gateway, "organization", tenant, mode="enforced")
    assert told["use"]["numbers_held"]["used"] == 3
    problem(await tenant.buy(), 429, "quota_exceeded")


async def test_a_day_and_a_month_begin_anew_by_the_calendar(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    await limit(gateway, "tenant", tenant, purchases_per_day=1, purchases_per_month=3)
    refused = problem(await tenant.buy(), 429, "quota_exceeded")
    assert refused["quota"]["limit_name"] == "purchases_per_day"
    await gateway.flush_redis()  # It knows nothing of a calendar that is set back by hand.

    # Yesterday, as far as the ledger knows.
    await gateway.sql("UPDATE quotas SET day = day - 1")
    await gateway.sql("UPDATE intents SET admitted_at = admitted_at - interval '1 day'")
    await gateway.sql("UPDATE quotas SET month = date_trunc('month', day)::date")
    assert (await tenant.buy()).status_code == 200
    assert await gateway.sql(DRIFTED) == []

    await gateway.sql("UPDATE quotas SET day = day - 40, month = date_trunc('month', day - 40)::date")
    await gateway.sql("UPDATE intents SET admitted_at = admitted_at - interval '40 days'")
    assert (await tenant.buy()).status_code == 200
    use = {one["name"]: (one["used"], one["reserved"]) for one in (await tenant.get("/v1/quotas")).json()["limits"]}
    assert use["numbers_held"] == (3, 0)
    assert use["purchases_per_day"] == use["purchases_per_month"] == (1, 0)
    assert await gateway.sql(DRIFTED) == []


async def test_another_time_zone_counts_anew_what_its_day_and_month_hold(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    # At any moment it is another day in one of these.
    for zone in ("Pacific/Kiritimati", "Pacific/Niue", "America/Detroit"):
        told = await limit(gateway, "tenant", tenant, time_zone=zone)
        assert told["time_zone"] == zone
        assert await gateway.sql(DRIFTED) == []
        [(today,)] = await gateway.sql(
            "SELECT count(*) FROM intents WHERE tenant_id = :t AND (admitted_at AT TIME ZONE :zone)::date"
            " = (clock_timestamp() AT TIME ZONE :zone)::date",
            t=tenant.id,
            zone=zone,
        )
        assert told["use"]["purchases_per_day"]["used"] == today
        await tenant.bought()
    [resets] = [
        one["resets_at"]
        for one in (await tenant.get("/v1/quotas")).json()["limits"]
        if one["name"] == "purchases_per_day"
    ]
    assert resets.endswith(("04:00:00Z", "05:00:00Z"))

    for zone, told_of in (("Mars/Olympus", "IANA"), ("Asia/\0Tokyo", "U+0000")):
        answer = await gateway.admin.send("PUT", PATHS["tenant"].format(tenant=tenant.id), json={"time_zone": zone})
        assert told_of in problem(answer, 400, "invalid_request")["errors"][0]["detail"]


async def test_a_limit_is_audited_and_a_scope_without_any_has_no_row(gateway: Gateway, tenant: Tenant):
    await limit(gateway, "user", tenant, numbers_held=5)
    await limit(gateway, "user", tenant, numbers_held=None)

    assert await gateway.sql("SELECT scope FROM quotas WHERE scope <> 'tenant'") == []
    assert await gateway.sql(
        "SELECT object_id, before, after FROM audit WHERE action = 'quota.put' AND object_kind = 'user' ORDER BY id"
    ) == [
        (f"{ORGANIZATION}/{USER}", {"numbers_held": None}, {"numbers_held": 5}),
        (f"{ORGANIZATION}/{USER}", {"numbers_held": 5}, {"numbers_held": None}),
    ]
    told = (await gateway.admin.get(PATHS["user"])).json()
    assert (told["organization_id"], told["user_id"], told["tenant_id"]) == (ORGANIZATION, USER, None)
    assert (told["numbers_held"], told["mode"], told["use"]["numbers_held"]["used"]) == (None, "enforced", 0)


async def test_limits_of_nobody_are_not_found(gateway: Gateway, tenant: Tenant):
    for path in (
        "/v1/admin/tenants/nobody/quotas",
        "/v1/admin/organizations/nobody/quotas",
        f"/v1/admin/organizations/{ORGANIZATION}/users/nobody/quotas",
    ):
        problem(await gateway.admin.get(path), 404, "not_found")
        problem(await gateway.admin.send("PUT", path, json={"numbers_held": 1}), 404, "not_found")
    problem(await tenant.get(PATHS["deployment"]), 403, "scope_missing")


async def test_a_tenant_sees_no_limit_but_its_own_in_the_database(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant(quota=3)
    for scope in ("organization", "user", "deployment"):
        await limit(gateway, scope, tenant, numbers_held=1000)

    async with gateway.services.database.acting(tenant=tenant.id) as session:
        seen = (await session.execute(text("SELECT scope, tenant_id FROM quotas"))).all()
        assert [tuple(row) for row in seen] == [("tenant", tenant.id)]
        for statement, refusal in (
            ("SELECT count_held(:other, 'o', 'u', 1)", "counts nothing of another"),
            ("SELECT * FROM quota_standing('tenant', :other, '', '', 1)", "are not this tenant's"),
            ("SELECT recount_quota('tenant', :other, '', '')", "counts nothing anew"),
        ):
            with pytest.raises(DBAPIError, match=refusal):
                async with session.begin_nested():
                    await session.execute(text(statement), {"other": other.id})
    await check(gateway)


async def test_a_mode_that_is_set_before_any_limit_holds_for_the_first(gateway: Gateway, tenant: Tenant):
    await limit(gateway, "organization", tenant, mode="shadow", time_zone="Asia/Tokyo")

    told = await limit(gateway, "organization", tenant, numbers_held=0)

    assert (told["mode"], told["time_zone"]) == ("shadow", "Asia/Tokyo")
    assert (await tenant.buy()).status_code == 200
    told = await limit(gateway, "organization", tenant, numbers_held=None, mode=None, time_zone=None)
    assert (told["mode"], told["time_zone"]) == ("enforced", "UTC")
    assert await gateway.sql("SELECT scope FROM quotas WHERE scope <> 'tenant'") == []


async def test_a_rate_that_was_tried_out_is_no_debt_once_it_is_enforced(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    await limit(gateway, "user", tenant, requests_per_second=0.001, burst=1, mode="shadow")
    for _ in range(3):
        await tenant.bought()

    await limit(gateway, "user", tenant, requests_per_second=100, burst=100, mode="enforced")

    assert (await tenant.buy()).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"requests_per_second": 1e-13}, "/requests_per_second"),
        ({"requests_per_second": 0.001, "burst": 1_000_000_000}, "/burst"),
        ({"numbers_held": -1}, "/numbers_held"),
        ({"numbers_held": 10**30}, "/numbers_held"),
        ({"spend_per_month": 1.5}, "/spend_per_month"),
        ({"mode": "strict"}, "/mode"),
        ({"per_hour": 1}, "/per_hour"),
    ],
)
async def test_an_absurd_limit_is_refused_by_its_name(
    gateway: Gateway, tenant: Tenant, wrong: dict[str, Any], pointer: str
):
    answer = await gateway.admin.send("PUT", PATHS["organization"], json=wrong)

    assert [fault["pointer"] for fault in problem(answer, 400, "invalid_request")["errors"]] == [pointer]
    assert (await tenant.buy()).status_code == 200


async def test_another_limit_of_a_scope_that_has_one_waits_for_no_other_tenant(
    gateway: Gateway, tenant: Tenant, database_url: str
):
    await limit(gateway, "user", tenant, numbers_held=1000)
    other, third = await gateway.tenant(), await gateway.tenant()
    slow = await asyncpg.connect(database_url)
    try:
        async with slow.transaction():
            await slow.execute("UPDATE quotas SET numbers_held = 7 WHERE tenant_id = $1", other.id)
            async with asyncio.timeout(4):
                await limit(gateway, "user", tenant, numbers_held=999)
            assert (await third.buy()).status_code == 200
    finally:
        await slow.close()


async def test_a_limit_of_no_money_lets_nothing_through_at_any_price(open_gateway: OpenGateway):
    async with open_gateway(default_price_setup=0, default_price_monthly=0) as gateway:
        tenant = await gateway.tenant()
        await limit(gateway, "tenant", tenant, spend_per_month=0)
        assert problem(await tenant.buy(), 429, "quota_exceeded")["quota"]["limit_name"] == "spend_per_month"


async def test_limits_that_are_put_by_several_at_once_are_all_set(gateway: Gateway):
    administration = gateway.services.administration
    for n in range(6):
        await administration.put_organization(AUTHOR, f"org-{n}", "One of many")
        await administration.put_user(AUTHOR, f"org-{n}", "u", {})
    for turn in range(3):
        paths = [f"/v1/admin/organizations/org-{n}{whose}/quotas" for n in range(6) for whose in ("", "/users/u")]
        limit = None if turn == 1 else turn
        answers = await asyncio.gather(
            *(gateway.admin.send("PUT", path, json={"numbers_held": limit}) for path in paths * 2)
        )
        assert {one.status_code for one in answers} == {200}, [one.text for one in answers]
        assert {one.json()["numbers_held"] for one in answers} == {limit}
