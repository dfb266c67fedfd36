"""Months over REST: priced, drafted, closed for good, corrected later, and reckoned anew."""

import csv
import json
from asyncio import create_task, gather, sleep
from datetime import timedelta
from io import StringIO
from pathlib import Path
from uuid import UUID

import asyncpg
import duckdb
import pytest

from service.billing.charging import ChargingRule
from service.billing.periods import CLOSING
from service.billing.verifying import verify
from service.kit.clock import utc_now
from service.kit.errors import InvalidRequest
from service.kit.money import months_later
from service.tenants.administration import KeyLimits
from tests.billing.months import PRICE, held_since, last_month, month_before, named, told
from tests.support.gateway import AUTHOR, ORGANIZATION, Gateway, Tenant


async def test_a_month_is_closed_once_with_every_charge_and_what_comes_to_light_later_is_corrected_in_the_next(
    gateway: Gateway, tenant: Tenant, finance: Tenant, ledger: asyncpg.Connection
):
    one, other = [(await tenant.buy()).json()["id"] for _ in range(2)]
    await held_since(ledger, one, month_before() + timedelta(days=9))
    filed = await finance.send("POST", "/v1/billing/prices", json=PRICE)
    assert filed.status_code == 201, filed.text

    closed = await finance.send("POST", f"/v1/billing/periods/{named(month_before())}/close")
    assert closed.status_code == 200, closed.text
    assert (closed.json()["state"], closed.json()["charges"]) == ("final", 2)
    statement = (await finance.get(f"/v1/billing/statements/{named(month_before())}?group_by=cost_center")).json()
    assert [(one["micros"], one["charges"]) for one in statement["totals"]] == [(3_990_000, 2)]

    # The other was held as well, and nobody knew.
    await ledger.execute(
        "UPDATE numbers SET acquired_at = $2 WHERE id = $1", UUID(other), month_before() + timedelta(days=19)
    )
    again = (await finance.get(f"/v1/billing/statements/{named(month_before())}")).json()
    assert again["totals"] == statement["totals"]
    draft = (await finance.get(f"/v1/billing/statements/{named(last_month())}")).json()
    [total] = draft["totals"]
    assert (draft["state"], total["micros"], total["corrections"]) == ("draft", 2 * 2_990_000 + 3_990_000, 3_990_000)

    second = await finance.send("POST", f"/v1/billing/periods/{named(last_month())}/close")
    assert second.status_code == 200, second.text
    assert (await finance.get(f"/v1/billing/statements/{named(last_month())}")).json()["totals"] == draft["totals"]
    for found in await verify(gateway.worker.database):
        assert found.faults == [], found.closed.month

    await ledger.execute("UPDATE charges SET micros = micros + 1 WHERE place = 1 AND month = $1", last_month())
    told = {found.closed.month: found.faults for found in await verify(gateway.worker.database)}
    assert told == {
        month_before().date(): [],
        last_month().date(): ["its charges are not those that it was closed with"],
    }


async def test_what_finance_gets_wrong_is_refused_with_the_mend_and_nothing_is_half_done(
    gateway: Gateway, tenant: Tenant, finance: Tenant, ledger: asyncpg.Connection
):
    bought = (await tenant.buy()).json()["id"]
    await held_since(ledger, bought, month_before() + timedelta(days=1))
    for body, pointer in (
        ({**PRICE, "since": "01/02/2026"}, "/since"),
        ({**PRICE, "monthly": 2.99}, "/monthly"),
        ({**PRICE, "setup": -1}, "/setup"),
        ({**PRICE, "currency": "usd"}, "/currency"),
        ({**PRICE, "area_code": "911"}, "/area_code"),
        ({**PRICE, "price": 1}, "/price"),
        ({**PRICE, "organization_id": "nobody-knows"}, "/organization_id"),
    ):
        answer = await finance.send("POST", "/v1/billing/prices", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer), answer.text
    for rule in (
        {"cycle": "weekly"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "localtime"},
        {"free_days": -1},
        {"minimum_months": 1000},
    ):
        assert (await finance.send("PUT", "/v1/billing/charging-rule", json=rule)).status_code == 400, rule
    assert (await finance.send("POST", "/v1/billing/prices", json=PRICE)).status_code == 201
    await told(finance.send("POST", "/v1/billing/prices", json=PRICE), 409, "price_overlaps")

    await told(finance.send("POST", f"/v1/billing/periods/{named(utc_now())}/close"), 409, "period_not_ready")
    await told(finance.get("/v1/billing/statements/2026-13"), 400, "invalid_request")
    assert (await finance.send("POST", f"/v1/billing/periods/{named(month_before())}/close")).status_code == 200
    await told(finance.send("POST", f"/v1/billing/periods/{named(month_before())}/close"), 409, "period_final")
    late = {**PRICE, "since": f"{named(month_before())}-05"}
    await told(finance.send("POST", "/v1/billing/prices", json=late), 409, "period_final")
    [[count]] = await gateway.sql("SELECT count(*) FROM price_versions WHERE created_by <> 'numbergate'")
    assert count == 1


async def test_a_rule_in_a_zone_that_postgres_does_not_know_is_refused(gateway: Gateway, finance: Tenant):
    caller = await gateway.services.principals.of(finance.key)

    with pytest.raises(InvalidRequest, match="/time_zone"):
        await gateway.services.billing.book.put_rule(caller, ChargingRule(time_zone="America/Not_Yet"), "r1")

    assert (await finance.get("/v1/billing/charging-rule")).json()["time_zone"] == "UTC"


async def test_a_month_that_becomes_final_while_months_are_listed_is_told_as_no_draft(
    tenant: Tenant, finance: Tenant, ledger: asyncpg.Connection, superuser_url: str
):
    await held_since(ledger, (await tenant.buy()).json()["id"], month_before() + timedelta(days=1))
    holding = await asyncpg.connect(superuser_url)
    held_up = holding.transaction()
    await held_up.start()
    await holding.execute("LOCK TABLE number_facts IN ACCESS EXCLUSIVE MODE")
    async with ledger.transaction():
        closed = month_before().year * 12 + month_before().month
        await ledger.execute("SELECT pg_advisory_xact_lock($1, $2)", CLOSING, closed)
        listing = create_task(finance.get("/v1/billing/periods"))
        waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'number_facts'::regclass"
        while not await ledger.fetch(waiting):
            await sleep(0.05)
        await ledger.execute(
            "INSERT INTO billing_periods (month, rule, facts_through, prices_through, charges, hash, closed_by, doubts)"
            " VALUES ($1, '{}', 0, 0, 0, '', 'test', '[]')",
            month_before().date(),
        )
    await held_up.rollback()
    await holding.close()

    months = {one["period"]: one["state"] for one in (await listing).json()["items"]}

    assert months[named(month_before())] in ("closing", "final")


async def test_a_price_for_a_type_that_no_number_has_is_filed_with_a_warning_that_names_those_there_are(
    tenant: Tenant, finance: Tenant
):
    await tenant.bought()
    mistyped, known = [
        (await finance.send("POST", "/v1/billing/prices", json={**PRICE, "number_type": number_type})).json()
        for number_type in ("teli-vioce", "teli-voice-twilio")
    ]
    assert ("teli-vioce" in mistyped["warnings"][0], "teli-voice-twilio" in mistyped["warnings"][0]) == (True, True)
    assert (mistyped["number_type"], known["warnings"]) == ("teli-vioce", [])


async def test_two_that_close_one_month_at_once_close_it_once(
    gateway: Gateway, tenant: Tenant, finance: Tenant, ledger: asyncpg.Connection
):
    bought = (await tenant.buy()).json()["id"]
    await held_since(ledger, bought, month_before() + timedelta(days=1))
    close = f"/v1/billing/periods/{named(month_before())}/close"

    answers = await gather(*(finance.send("POST", close) for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    [found] = await verify(gateway.worker.database)
    assert found.faults == []


async def test_no_month_is_closed_while_one_before_it_in_which_a_number_was_held_is_open(
    tenant: Tenant, finance: Tenant, ledger: asyncpg.Connection
):
    bought = (await tenant.buy()).json()["id"]
    await held_since(ledger, bought, month_before() + timedelta(days=1))

    refused = await told(
        finance.send("POST", f"/v1/billing/periods/{named(last_month())}/close"), 409, "period_not_ready"
    )

    assert refused["detail"].startswith(f"{named(month_before())} is not closed yet")
    for month in (month_before(), last_month()):
        closed = await finance.send("POST", f"/v1/billing/periods/{named(month)}/close")
        assert (closed.status_code, closed.json()["charges"] > 0) == (200, True), closed.text
    older = months_later(month_before(), -1)
    await told(finance.send("POST", f"/v1/billing/periods/{named(older)}/close"), 409, "period_not_ready")


async def test_a_price_that_is_missing_is_named_with_number_and_day(
    gateway: Gateway, tenant: Tenant, finance: Tenant, ledger: asyncpg.Connection
):
    bought = (await tenant.buy()).json()
    await held_since(ledger, bought["id"], month_before() + timedelta(days=1))
    assert (await finance.send("POST", "/v1/billing/prices", json=PRICE)).status_code == 201
    await ledger.execute(
        "UPDATE price_versions SET since = current_date + place FROM generate_series(0, 1) AS place"
        " WHERE (since = '1970-01-01') = (place = 0)"
    )

    answer = await finance.send("POST", f"/v1/billing/periods/{named(month_before())}/close")

    assert (answer.status_code, answer.json()["code"]) == (409, "price_missing")
    assert answer.json()["phone_number"] == bought["phone_number"]
    assert await gateway.sql("SELECT 1 FROM billing_periods") == []


async def test_a_tenant_sees_what_it_is_charged_itself_and_nothing_of_others(
    gateway: Gateway, finance: Tenant, ledger: asyncpg.Connection, tmp_path: Path
):
    one, other = [await gateway.tenant(scopes=["numbers:create", "numbers:read", "billing:read"]) for _ in range(2)]
    for who, tags in ((one, ["north"]), (other, ["north", "south"]), (other, [])):
        bought = (await who.bought(tags=tags))["id"]
        await held_since(ledger, bought, month_before() + timedelta(days=1))
    for _ in range(2):
        path = f"/v1/billing/statements/{named(month_before())}"
        whole = (await finance.get(f"{path}?group_by=tenant_id")).json()
        assert {group["key"]["tenant_id"]: group["numbers"] for group in whole["groups"]} == {one.id: 1, other.id: 2}
        assert sum(group["micros"] for group in whole["groups"]) == whole["totals"][0]["micros"]
        for tag, numbers in (("north", 2), ("south", 1), ("east", 0)):
            tagged = (await finance.get(f"{path}?tag={tag}")).json()
            assert sum(total["numbers"] for total in tagged["totals"]) == numbers
            lines = await finance.get(f"{path}/export?tag={tag}", headers={"Accept": "application/x-ndjson"})
            assert len({json.loads(line)["number_id"] for line in lines.text.splitlines()}) == numbers
        mine = (await one.get(f"{path}?group_by=tenant_id")).json()
        assert [(group["key"]["tenant_id"], group["numbers"]) for group in mine["groups"]] == [(one.id, 1)]
        await told(one.get(f"{path}?tenant_id={other.id}"), 403, "not_your_tenant")
        lines = await other.get(f"{path}/export", headers={"Accept": "application/x-ndjson"})
        assert {json.loads(line)["tenant_id"] for line in lines.text.splitlines()} == {other.id}
        assert lines.headers["x-total-count"] == str(len(lines.text.splitlines()))
        assert [json.loads(line)["micros"] for line in lines.text.splitlines()] == [1_000_000] * 2
        first = await other.get(f"{path}/export?limit=1", headers={"Accept": "application/x-ndjson"})
        assert first.text == lines.text.splitlines(keepends=True)[0]
        rest = await other.get(f"{path}/export?limit=9&offset=1", headers={"Accept": "application/x-ndjson"})
        assert first.text + rest.text == lines.text
        table = await other.get(f"{path}/export", headers={"Accept": "text/csv"})
        assert [row["micros"] for row in csv.DictReader(StringIO(table.text))] == ["1000000"] * 2
        file = await other.get(f"{path}/export", headers={"Accept": "application/vnd.apache.parquet"})
        (tmp_path / "charges.parquet").write_bytes(file.content)
        read = f"SELECT sum(micros), min(due) FROM '{tmp_path}/charges.parquet'"
        assert duckdb.execute(read).fetchall() == [(2_000_000, (month_before() + timedelta(days=1)).date())]
        await finance.send("POST", f"/v1/billing/periods/{named(month_before())}/close")
    await told(one.send("POST", "/v1/billing/prices", json=PRICE), 403, "scope_missing")
    # From how much there is of all it could tell how much there is of the other.
    for who, count in ((finance, 3), (one, None)):
        [closed] = [month for month in (await who.get("/v1/billing/periods")).json()["items"] if month["hash"]]
        assert (closed["charges"], closed["doubts"] is None) == (count, count is None)


async def test_a_key_that_is_limited_to_organizations_is_shown_no_price_of_others(gateway: Gateway, finance: Tenant):
    south = f"{ORGANIZATION}-south"
    await gateway.services.administration.put_organization(AUTHOR, south, "South")
    tenant = await gateway.tenant(organization_ids=[ORGANIZATION, south], scopes=["billing:read"])
    limits = KeyLimits(organization_ids=(ORGANIZATION,))
    limited = await gateway.key_of(tenant, scopes=["billing:read"], limits=limits)
    for organization in (ORGANIZATION, south):
        filed = await finance.send("POST", "/v1/billing/prices", json={**PRICE, "organization_id": organization})
        assert filed.status_code == 201, filed.text
    for who, seen in ((tenant, {None, ORGANIZATION, south}), (limited, {None, ORGANIZATION})):
        prices = (await who.get("/v1/billing/prices")).json()
        assert ({one["organization_id"] for one in prices["items"]}, prices["total"]["value"]) == (seen, len(seen))


async def test_what_was_decided_to_be_missing_is_charged_no_further_whatever_is_changed_of_it_later(
    tenant: Tenant, ledger: asyncpg.Connection
):
    number = UUID((await tenant.buy()).json()["id"])

    async def becomes(**values: object) -> object:
        told = ", ".join(f"{name} = ${place}" for place, name in enumerate(values, 2))
        await ledger.execute(f"UPDATE numbers SET {told} WHERE id = $1", number, *values.values())
        return await ledger.fetchval(
            "SELECT ended_at FROM number_facts WHERE number_id = $1 ORDER BY seq DESC LIMIT 1", number
        )

    missing = await becomes(state="missing")
    assert missing is not None
    assert await becomes(tags=["late"]) == missing
    assert await becomes(state="releasing") == missing
    assert await becomes(state="active") is None
    missing = await becomes(state="missing")
    assert await becomes(state="releasing") == missing
    now = utc_now()
    assert await becomes(state="released", released_at=now + timedelta(days=90)) == missing
    assert await becomes(released_at=now) == now
    assert await becomes(state="active", released_at=None) is None


async def test_the_price_book_shows_the_deployments_price_before_anything_is_filed(gateway: Gateway, finance: Tenant):
    price = gateway.settings.default_price
    [first] = (await finance.get("/v1/billing/prices")).json()["items"]
    assert (first["since"], first["monthly"], first["currency"]) == ("1970-01-01", price.monthly, price.currency)


async def test_a_month_that_takes_long_to_close_goes_on_after_the_answer_and_is_a_draft_again_where_it_was_broken_off(
    gateway: Gateway, tenant: Tenant, finance: Tenant, ledger: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
):
    bought = (await tenant.buy()).json()["id"]
    await held_since(ledger, bought, month_before() + timedelta(days=1))
    closing = gateway.services.billing.closing
    monkeypatch.setattr(closing, "_answer_within", 0.2)
    close = f"/v1/billing/periods/{named(month_before())}/close"

    async def state() -> str:
        months = (await finance.get("/v1/billing/periods")).json()["items"]
        return next(str(one["state"]) for one in months if one["period"] == named(month_before()))

    async def becomes(wanted: str) -> None:
        while await state() != wanted:
            await sleep(0.05)

    await finance.get(f"/v1/billing/statements/{named(month_before())}")  # With which the default price is filed.
    for broken_off in (True, False):
        async with ledger.transaction():
            await ledger.execute("SELECT pg_advisory_xact_lock(hashtext('numbergate billing'))")
            answer = await finance.send("POST", close)
            assert (answer.status_code, answer.json()["state"]) == (202, "closing"), answer.text
            assert answer.headers["location"] == "/v1/billing/periods"
            await becomes("closing")
            await told(finance.send("POST", close), 409, "period_not_ready")
            if broken_off:
                await closing.stop()
                await becomes("draft")
    await becomes("final")
    [found] = await verify(gateway.worker.database)
    assert found.faults == []
