"""Whom a final month is told to, and how much of it."""

import asyncpg
import jsonschema_rs

from service.outbox.catalogue import schema_of
from tests.billing.months import held_since, month_before, named
from tests.support.gateway import Gateway, Tenant

READS = ["numbers:create", "numbers:read", "events:read"]


async def test_a_final_month_is_told_to_each_tenant_that_is_charged_in_it_once_and_without_anybodys_money(
    gateway: Gateway, finance: Tenant, ledger: asyncpg.Connection
):
    one, other, idle = [await gateway.tenant(scopes=READS) for _ in range(3)]
    for who in (one, other, other):
        await held_since(ledger, (await who.bought())["id"], month_before())
    close = f"/v1/billing/periods/{named(month_before())}/close"

    closed = await finance.send("POST", close)
    assert closed.status_code == 200, closed.text
    assert (await finance.send("POST", close)).status_code == 409
    await gateway.worker.numbering.number()

    for who, charges in ((one, 1), (other, 2)):
        [event] = (await who.get("/v1/events?type=statement.final")).json()["items"]
        jsonschema_rs.validator_for(schema_of("statement.final")).validate(event)
        assert event["data"] == {
            "period": named(month_before()), "hash": closed.json()["hash"], "charges": charges, "corrections": 0,
            "organization_ids": ["1762896364768x389173798861431550"],
        }  # fmt: skip
    assert (await idle.get("/v1/events?type=statement.*")).json()["items"] == []


async def test_a_month_that_is_not_closed_after_all_is_told_to_nobody(
    gateway: Gateway, tenant: Tenant, finance: Tenant, ledger: asyncpg.Connection
):
    await held_since(ledger, (await tenant.bought())["id"], month_before())
    await finance.get("/v1/billing/prices")
    await finance.get(f"/v1/billing/statements/{named(month_before())}")
    await ledger.execute("DELETE FROM price_versions")

    answer = await finance.send("POST", f"/v1/billing/periods/{named(month_before())}/close")

    assert answer.json()["code"] == "price_missing"
    assert await gateway.sql("SELECT 1 FROM outbox WHERE kind = 'statement.final'") == []
