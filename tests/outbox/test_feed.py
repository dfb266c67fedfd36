"""The feed as a tenant reads it: everything once, in order, its own alone, for as long as it is kept."""

import asyncio
import json
from typing import Any

import jsonschema_rs

from service.outbox.catalogue import EVENTS, schema_of
from tests.http.refusals import problem
from tests.support.gateway import NUMBERS, ORGANIZATION, USER, Gateway, Tenant


async def publish(gateway: Gateway) -> None:
    while await gateway.worker.numbering.number():
        continue


async def page(tenant: Tenant, **asked: Any) -> dict[str, Any]:
    answer = await tenant.get("/v1/events", params=asked)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def busy(gateway: Gateway, tenant: Tenant) -> dict[str, Any]:
    """What a tenant may do with one number."""
    number = await tenant.bought(inbound_agent_id="agent_1")
    await gateway.follow_up()
    body = {"nickname": "Mine", "tags": ["one"], "cost_center": "sales"}
    assert (await tenant.send("PATCH", f"/v1/numbers/{number['id']}", json=body)).status_code < 300
    await gateway.follow_up()
    assert (await tenant.send("DELETE", f"{NUMBERS}/{number['phone_number']}")).status_code in (200, 202)
    await gateway.hurry()
    return number


async def test_all_that_becomes_of_a_number_is_told_in_order_and_as_it_is_documented(gateway: Gateway):
    tenant = await gateway.tenant()
    number = await busy(gateway, tenant)
    await publish(gateway)

    body = await page(tenant)

    assert [one["type"] for one in body["items"]] == [
        "number.acquired", "number.confirmed", "number.changed", "number.releasing", "number.released",
    ]  # fmt: skip
    assert [one["sequence"] for one in body["items"]] == [1, 2, 3, 4, 5]
    assert len({one["id"] for one in body["items"]}) == 5
    for one in body["items"]:
        jsonschema_rs.validate(schema_of(one["type"]), one)
        EVENTS[one["type"]].model_validate(one["data"])
        assert one["tenant_id"] == tenant.id
        assert one["data"]["number_id"] == number["id"]
        assert one["data"]["phone_number"] == number["phone_number"]
    assert body["items"][0]["data"]["operation_id"] == number["operation_id"]
    changed = body["items"][2]["data"]
    assert {name: changed[name] for name in ("nickname", "tags", "cost_center")} == {
        "nickname": "Mine", "tags": ["one"], "cost_center": "sales"
    }  # fmt: skip
    assert "inbound_agent_id" not in changed
    assert body["total"] == {"value": 5, "exact": True}


async def test_a_doubt_is_told_as_it_is_documented(gateway: Gateway):
    tenant = await gateway.tenant()
    await gateway.teli.arm("server_error")
    answer = await tenant.buy(prefer="wait=1")
    await publish(gateway)

    [event] = (await page(tenant))["items"]

    assert event["type"] == "number.doubtful"
    assert event["data"]["operation_id"] == answer.json()["operation_id"]
    jsonschema_rs.validate(schema_of(event["type"]), event)


async def test_a_reader_goes_on_where_it_was_with_whatever_types(gateway: Gateway):
    tenant = await gateway.tenant()
    await busy(gateway, tenant)
    await publish(gateway)

    first = await page(tenant, limit=2)
    assert [one["sequence"] for one in first["items"]] == [1, 2]
    assert first["total"]["value"] == 5
    rest = await page(tenant, cursor=first["next_cursor"], type="number.releasing,order.*")
    assert [one["sequence"] for one in rest["items"]] == [4]
    end = await page(tenant, cursor=rest["next_cursor"])
    assert (end["items"], end["total"]["value"]) == ([], 0)
    await busy(gateway, tenant)
    await publish(gateway)
    again = await page(tenant, cursor=end["next_cursor"], type="number.*")
    assert [one["sequence"] for one in again["items"]] == [6, 7, 8, 9, 10]


async def test_a_page_as_lines_names_the_next_in_its_link(gateway: Gateway):
    tenant = await gateway.tenant()
    await busy(gateway, tenant)
    await publish(gateway)

    lines = []
    path = "/v1/events?limit=2"
    for _ in range(3):
        answer = await tenant.get(path, headers={"Accept": "application/x-ndjson"})
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines += [json.loads(line) for line in answer.text.splitlines()]
        path = answer.headers["link"].removeprefix("<").removesuffix('>; rel="next"')

    assert lines == (await page(tenant))["items"]


async def test_who_waits_is_told_as_soon_as_there_is_news_and_else_at_the_end(gateway: Gateway):
    tenant = await gateway.tenant()
    empty = await page(tenant, wait=0)
    assert empty["items"] == []
    waits = asyncio.create_task(page(tenant, cursor=empty["next_cursor"], wait=30))
    prefers = asyncio.create_task(tenant.get("/v1/events", headers={"Prefer": "wait=30"}))
    await asyncio.sleep(0.3)
    assert not waits.done()
    await tenant.bought()
    await publish(gateway)
    async with asyncio.timeout(10):
        assert [one["type"] for one in (await waits)["items"]] == ["number.acquired"]
        assert len((await prefers).json()["items"]) == 1

    cursor = (await page(tenant))["next_cursor"]
    quiet = await page(tenant, cursor=cursor, wait=1)
    assert (quiet["items"], quiet["next_cursor"] is not None) == ([], True)


async def test_nobody_reads_the_events_of_another(gateway: Gateway):
    one, other = await gateway.tenant(), await gateway.tenant()
    await busy(gateway, one)
    await publish(gateway)
    theirs = await page(one)

    assert (await page(other))["items"] == []
    problem(await other.get("/v1/events", params={"cursor": theirs["next_cursor"]}), 400, "invalid_request")
    problem(await gateway.admin.get("/v1/events"), 403, "scope_missing")
    without = await gateway.tenant(scopes=["numbers:read"])
    problem(await without.get("/v1/events"), 403, "scope_missing")


async def test_a_key_that_is_limited_to_a_part_does_not_read_the_whole(gateway: Gateway):
    tenant = await gateway.tenant()
    path = f"/v1/admin/tenants/{tenant.id}/keys"
    for limits, code in (
        ({"organization_ids": [ORGANIZATION]}, "not_your_organization"),
        ({"user_ids": [USER]}, "not_your_user"),
    ):
        body = {"name": "part", "scopes": ["events:read"], **limits}
        key = (await gateway.admin.send("POST", path, json=body)).json()["key"]
        await gateway.services.version.look()
        problem(await Tenant(gateway.http, tenant.id, key).get("/v1/events"), 403, code)


async def test_who_comes_too_late_is_told_so(gateway: Gateway):
    tenant = await gateway.tenant()
    begun = (await page(tenant))["next_cursor"]
    await busy(gateway, tenant)
    await publish(gateway)
    read = await page(tenant, limit=3)
    await gateway.sql("UPDATE outbox SET published_at = published_at - interval '31 days' WHERE seq <= 3")
    await gateway.worker.numbering.prune()

    gone = problem(await tenant.get("/v1/events", params={"cursor": begun}), 410, "events_forgotten")
    assert "30 days" in gone["detail"]
    assert [one["sequence"] for one in (await page(tenant, cursor=read["next_cursor"]))["items"]] == [4, 5]
    assert [one["sequence"] for one in (await page(tenant))["items"]] == [4, 5]
    # The database was restored to before this cursor.
    ahead = (await page(tenant))["next_cursor"]
    await gateway.sql("UPDATE event_heads SET seq = 4")
    problem(await tenant.get("/v1/events", params={"cursor": ahead}), 410, "events_forgotten")


async def test_a_cursor_of_a_history_that_was_replaced_by_a_restored_one_is_told_so(gateway: Gateway):
    tenant = await gateway.tenant()
    await busy(gateway, tenant)
    await publish(gateway)
    first = (await page(tenant, limit=1))["next_cursor"]
    cursors = [
        (await page(tenant, **asked))["next_cursor"] for asked in ({"limit": 3}, {}, {"type": "number.released"})
    ]

    # All but the first event are lost with a restored database, and others get their numbers.
    await gateway.sql("DELETE FROM outbox WHERE seq > 1")
    await gateway.sql("UPDATE event_heads SET seq = 1")
    await busy(gateway, tenant)
    await busy(gateway, tenant)
    await publish(gateway)

    for cursor in cursors:
        gone = problem(await tenant.get("/v1/events", params={"cursor": cursor}), 410, "events_forgotten")
        assert "restored to an earlier moment" in gone["detail"]
        assert "without a cursor" in gone["detail"]
    assert [one["sequence"] for one in (await page(tenant, cursor=first))["items"]] == list(range(2, 12))


async def test_a_cursor_that_was_given_out_without_the_id_of_its_event_goes_on(gateway: Gateway):
    tenant = await gateway.tenant()
    await busy(gateway, tenant)
    await publish(gateway)
    before = gateway.services.feed._cursors.seal({"feed": tenant.id}, [3])
    assert [one["sequence"] for one in (await page(tenant, cursor=before))["items"]] == [4, 5]


async def test_what_is_asked_wrongly_is_named(gateway: Gateway):
    tenant = await gateway.tenant()
    for asked, pointer in (
        ({"type": "number.invented"}, "type"),
        ({"type": "number.released,,"}, "type"),
        ({"type": "*"}, "type"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"wait": 61}, "wait"),
        ({"wait": "long"}, "wait"),
        ({"since": "2026-01-01"}, "since"),
    ):
        body = problem(await tenant.get("/v1/events", params=asked), 400, "invalid_request", about=str(asked))
        assert body["errors"][0]["pointer"] == pointer, body
