"""The inventory: what an item says, which filters there are, and that pages add up."""

from datetime import UTC, datetime
from itertools import product
from typing import Any

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.inventory.estimates import Explain
from service.inventory.filters import Filters
from service.inventory.inventory import PLANNING
from service.inventory.repository import COUNTED, COUNTED_OF_WORDS, page_of
from service.inventory.schemas import with_an_index
from service.inventory.sorting import SORTS, Sort
from service.tenants.visible import Visible
from tests.http.refusals import pointers, problem
from tests.support.gateway import NUMBERS, ORGANIZATION, USER, Gateway, Tenant

from .rows import ask, fill, ids, page

STATES = ("active", "release_scheduled", "releasing", "released", "missing")


async def test_an_item_has_what_every_list_has_and_what_a_number_adds(gateway: Gateway, tenant: Tenant):
    bought = await tenant.bought(nickname="Sales", cost_center="c1", tags=["a", "b"])
    await gateway.follow_up()

    body = await page(tenant)

    assert body["next_cursor"] is None
    assert body["total"] == {"value": 1, "exact": True}
    [item] = body["items"]
    assert item == {
        "id": bought["id"],
        "phone_number": bought["phone_number"],
        "state": "active",
        "organization_id": ORGANIZATION,
        "tenant_id": tenant.id,
        "user_id": USER,
        "area_code": "313",
        "nickname": "Sales",
        "cost_center": "c1",
        "tags": ["a", "b"],
        "acquired_at": item["acquired_at"],
        "confirmed_at": item["confirmed_at"],
        "released_at": None,
    }
    assert item["acquired_at"].endswith("Z")
    assert item["confirmed_at"].endswith("Z")


async def test_a_number_released_is_left_out_unless_state_asks(gateway: Gateway, tenant: Tenant):
    gone, kept = await tenant.bought(), await tenant.bought()
    await gateway.follow_up()
    assert (await tenant.send("DELETE", f"{NUMBERS}/{gone['phone_number']}")).status_code == 200

    assert await ids(tenant) == [kept["id"]]
    assert await ids(tenant, state="released") == [gone["id"]]
    assert await ids(tenant, state="active,released") == [gone["id"], kept["id"]]
    [item] = (await page(tenant, state="released"))["items"]
    assert item["released_at"].endswith("Z")


async def test_each_state_can_be_asked_for_by_itself_and_together(gateway: Gateway, tenant: Tenant):
    for place, state in enumerate(STATES):
        await fill(gateway, tenant.id, 1, start=3 * place, state=state)

    for state in STATES:
        [item] = (await page(tenant, state=state))["items"]
        assert item["state"] == state
    assert [item["state"] for item in (await page(tenant))["items"]] == [one for one in STATES if one != "released"]
    assert len(await ids(tenant, state=",".join(STATES))) == 5


async def test_filters_narrow_by_owner(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant.id, 2)
    await fill(gateway, tenant.id, 3, start=10, user="another")

    assert len(await ids(tenant)) == 5
    assert len(await ids(tenant, user_id=USER)) == 2
    assert len(await ids(tenant, organization_id=ORGANIZATION, user_id="another")) == 3
    assert len(await ids(tenant, tenant_id=tenant.id, organization_id=ORGANIZATION)) == 5
    assert await ids(tenant, user_id="nobody") == []


async def test_what_is_wrong_is_refused_by_name_all_at_once(tenant: Tenant):
    body = problem(
        await ask(tenant, limit=0, state="active,sold", idle_days=0, sort="price", organization_id="", what=1),
        400,
        "invalid_request",
    )
    assert pointers(body) == {"limit", "state", "idle_days", "sort", "organization_id", "what"}
    for wrong in (
        {"limit": 1001},
        {"limit": "all"},
        {"limit": -1},
        {"limit": 10**9},
        {"state": ""},
        {"state": "active,"},
        {"state": "Active"},
        {"user_id": "a\u202eb"},
        {"user_id": "x" * 129},
        {"cursor": "A" * 40},
        {"cursor": ""},
        {"cursor": "nø"},
        {"cursor": "x" * 5001},
    ):
        assert pointers(problem(await ask(tenant, **wrong), 400, "invalid_request")) == set(wrong), wrong
    twice = await tenant.get("/v1/numbers?state=active&state=missing")
    assert pointers(problem(twice, 400, "invalid_request")) == {"state"}


async def test_a_cursor_continues_its_own_filters_only_in_whatever_order_states_are_named(
    gateway: Gateway, tenant: Tenant
):
    await fill(gateway, tenant.id, 4)
    cursor = (await page(tenant, limit=1, state="active,missing"))["next_cursor"]

    assert len((await page(tenant, limit=3, state="missing,active", cursor=cursor))["items"]) == 3
    for other in ({}, {"state": "active"}, {"state": "active,missing", "user_id": USER}):
        assert pointers(problem(await ask(tenant, limit=1, cursor=cursor, **other), 400, "invalid_request")) == {
            "cursor"
        }
    changed = cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")
    problem(await ask(tenant, limit=1, state="active,missing", cursor=changed), 400, "invalid_request")


async def test_pages_by_nickname_go_on_past_one_as_long_as_teli_may_have_it(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant.id, 3)
    for place, letter in enumerate(("я", "\U00010400", "\x01")):
        await gateway.sql(
            "UPDATE numbers SET nickname = :n WHERE phone_number = :number",
            n=letter * 500, number=f"+1{2_000_000_000 + place}",
        )  # fmt: skip

    for sort in ("nickname", "-nickname"):
        seen: list[str] = []
        cursor = None
        while cursor is not None or not seen:
            found = await page(tenant, sort=sort, limit=1, **({} if cursor is None else {"cursor": cursor}))
            seen += [item["phone_number"] for item in found["items"]]
            cursor = found["next_cursor"]
        assert sorted(seen) == [f"+1{2_000_000_000 + place}" for place in range(3)]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_what_is_there_all_the_while_is_on_exactly_one_page(gateway: Gateway, data: st.DataObject):
    """While others are bought and released between the pages, before and behind the cursor."""
    tenant = await gateway.tenant()
    await gateway.sql("UPDATE numbers SET state = 'released'")  # Those of the example before.
    places = iter(range(100))
    await fill(gateway, tenant.id, data.draw(st.integers(0, 30), label="rows"), start=1000)
    steady = set(await ids(tenant))
    seen: list[str] = []
    params: dict[str, Any] = {}
    while True:
        body = await page(tenant, limit=data.draw(st.integers(1, 12), label="limit"), **params)
        [[held]] = await gateway.sql("SELECT count(*) FROM numbers WHERE state <> 'released'")
        assert body["total"] == {"value": held, "exact": True}
        seen += [item["id"] for item in body["items"]]
        if body["next_cursor"] is None:
            break
        params = {"cursor": body["next_cursor"]}
        change = data.draw(st.sampled_from(["buy early", "buy late", "release", "nothing"]), label="change")
        if change == "buy early":
            await fill(gateway, tenant.id, 1, start=next(places))
        elif change == "buy late":
            await fill(gateway, tenant.id, 1, start=100_000 + next(places))
        elif change == "release" and steady:
            gone = data.draw(st.sampled_from(sorted(steady)), label="gone")
            await gateway.sql("UPDATE numbers SET state = 'released' WHERE id = CAST(:id AS uuid)", id=gone)
            steady.discard(gone)

    assert len(seen) == len(set(seen))
    assert steady <= set(seen)


async def test_a_page_that_ends_exactly_has_no_next_and_beyond_the_end_the_total_still_stands(
    gateway: Gateway, tenant: Tenant
):
    await fill(gateway, tenant.id, 4)
    first = await page(tenant, limit=2)
    second = await page(tenant, limit=2, cursor=first["next_cursor"])
    assert (len(second["items"]), second["next_cursor"]) == (2, None)

    late = "SELECT id FROM numbers ORDER BY acquired_at DESC, id DESC LIMIT 2"
    await gateway.sql(f"UPDATE numbers SET state = 'released' WHERE id IN ({late})")
    after = await page(tenant, limit=2, cursor=first["next_cursor"])
    assert (after["items"], after["next_cursor"], after["total"]) == ([], None, {"value": 2, "exact": True})


async def test_a_total_is_exact_to_a_bound_and_says_so_beyond_it(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant.id, COUNTED)
    assert (await page(tenant, limit=1))["total"] == {"value": COUNTED, "exact": True}

    await fill(gateway, tenant.id, 1, start=COUNTED)
    total = (await page(tenant, limit=1))["total"]
    assert (total["value"] >= COUNTED, total["exact"]) == (True, False)
    assert (await page(tenant, limit=1, user_id="nobody"))["total"] == {"value": 0, "exact": True}


async def test_beyond_the_bound_a_total_is_what_postgres_knows_or_a_sample_has(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant.id, 6 * COUNTED)
    await gateway.sql(
        "UPDATE numbers SET tags = '{even,round}', nickname = 'Even' WHERE right(phone_number, 1) IN ('0', '2')"
    )
    owner = await asyncpg.connect(gateway.settings.database_url.get_secret_value())
    await owner.execute("ANALYZE numbers")
    await owner.close()

    of_written = ({"tag": "even"}, {"tag": "even,round"}, {"nickname": "ev"}, {"q": "even"})
    for asked, about in (({}, 6000), *((written, 1200) for written in of_written)):
        total = (await page(gateway.admin, limit=1, **asked))["total"]
        assert not total["exact"]
        assert about * 0.8 < total["value"] < about * 1.25, asked
        # What Postgres knows of a column it knows of all tenants' rows.
        bound = COUNTED_OF_WORDS if "q" in asked or "," in asked.get("tag", "") else COUNTED
        assert (await page(tenant, limit=1, **asked))["total"] == {"value": bound, "exact": False}, asked


ALL, OWN = Visible(None, ("*",)), Visible("tenant-3", ())
SEES = Visible("tenant-3", ("org-3", "org-4"))


READ_BY = [
    (Filters(), ALL, "numbers_held_by_age"),
    (Filters(organization_id="org-3"), ALL, "numbers_of_organization_held_by_age"),
    (Filters(organization_id="org-3"), SEES, "numbers_of_organization_held_by_age"),
    (Filters(tenant_id="tenant-3"), ALL, "numbers_of_tenant_held_by_age"),
    (Filters(), OWN, "numbers_of_tenant_held_by_age"),
    (Filters(), SEES, "numbers_held_by_age"),
]


async def filled(gateway: Gateway) -> None:
    """So many that the planner thinks twice."""
    # Of the owner, who may take his time.
    owner = await asyncpg.connect(gateway.settings.database_url.get_secret_value())
    await owner.execute(
        """
        INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty, area_code,
                             state, intent_id, mark, acquired_at)
        SELECT gen_random_uuid(), 'tenant-' || n % 10, (SELECT id FROM accounts), 'org-' || n % 10, 'user-' || n % 1000,
               '+1' || (2000000000 + n)::text, '', '313', CASE WHEN n % 7 = 0 THEN 'released' ELSE 'active' END,
               gen_random_uuid(), '', timestamptz '2026-01-01Z' + make_interval(secs => n)
        FROM generate_series(1, 60000) AS n
        """
    )
    await owner.execute("ANALYZE numbers")
    await owner.close()


EACH: list[dict[str, Any]] = [
    {}, {"organization_id": "org-3"}, {"tenant_id": "tenant-3"}, {"user_id": "user-3"}, {"holder_user_id": "user-3"},
    {"states": ("missing",)}, {"states": ("active", "released")}, {"states": ("released",)},
    {"phone_number": "+12000000003"}, {"area_codes": ("202",)}, {"area_codes": ("202", "313")}, {"nickname": "sal"},
    {"tags": ("west",)}, {"agent_id": "agent-1"}, {"cost_center": "c1"}, {"created_after": datetime.now(UTC)},
    {"created_before": datetime.now(UTC)}, {"idle_days": 30}, {"words": ("sales", "0142")},
]  # fmt: skip


async def test_no_filter_and_no_order_goes_through_the_table(gateway: Gateway):
    await filled(gateway)
    for one, sort, visible in product(EACH, SORTS, (ALL, OWN, SEES)):
        try:
            with_an_index(sort, ",".join(one.get("states", ())))
        except ValueError:
            continue  # Refused, so that it is not.
        statement = page_of(Filters(**one), visible, Sort.of(sort), after=None, limit=101)
        async with gateway.services.database.acting(
            tenant=visible.tenant_id, sees=visible.sees, planning=PLANNING
        ) as session:
            plan = "\n".join((await session.execute(Explain(statement, "COSTS OFF"))).scalars())
        assert "Seq Scan on numbers" not in plan, plan


async def test_a_page_is_read_in_the_order_of_an_index_and_nothing_is_sorted(gateway: Gateway):
    await filled(gateway)
    for (filters, visible, index), limit in product(READ_BY, (101, 1001)):
        statement = page_of(filters, visible, Sort(), after=None, limit=limit)
        async with gateway.services.database.acting(tenant=visible.tenant_id, sees=visible.sees) as session:
            plan = list((await session.execute(Explain(statement, "COSTS OFF"))).scalars())

        # Page and count have it together.
        scans = [line.strip(" ->") for line in plan if "Scan" in line and "CTE" not in line]
        assert scans == [f"Index Scan using {index} on numbers"], "\n".join(plan)
        assert sum("Sort Key" in line for line in plan) <= 1, "only the page itself is put in order: " + "\n".join(plan)
