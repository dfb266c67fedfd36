"""Many numbers at once: shown first, and then exactly that is done, or less."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.kit.crypto import Secret
from service.orders.repository import MOST
from service.orders.tokens import Selected, SelectionTokens
from tests.conftest import SECRET
from tests.http.refusals import problem
from tests.inventory.rows import fill
from tests.orders.desk import (
    BULK,
    RELEASE,
    applied,
    apply,
    ask,
    deletes,
    items,
    order,
    preview,
    stocked_here,
    work,
)
from tests.support.gateway import AUTHOR, ORGANIZATION, USER, Gateway, Tenant

BOTH = {"tags_add": ["a"], "tags_remove": ["a"]}
ALL = {"organization_id": ORGANIZATION}


async def test_a_release_is_shown_and_then_done_as_an_order(gateway: Gateway, tenant: Tenant):
    numbers = await stocked_here(gateway, tenant, 5)
    await gateway.teli.forget_requests()
    await gateway.sql("UPDATE numbers SET state = 'released' WHERE phone_number = :n", n=numbers[4])

    shown = await preview(tenant, {"phone_numbers": [*numbers, "+12125550100"]}, RELEASE)

    assert (shown["count"], shown["selected"], shown["kind"], shown["state"]) == (4, 6, "release", "previewed")
    assert [one["phone_number"] for one in shown["sample"]] == numbers[:4]
    assert shown["cost"]["monthly_less"] == shown["cost"]["next_charges_avoided"] == 4_000_000
    assert shown["cost"]["first_charge_avoided_at"] > datetime.now(UTC).isoformat()
    assert {one["reason"]: one["count"] for one in shown["skipped"]["reasons"]} == {"released": 1, "not_found": 1}
    assert await gateway.sql("SELECT DISTINCT state FROM numbers WHERE state <> 'released'") == [("active",)]

    pending = await applied(tenant, shown)
    assert (pending["state"], pending["counts"]) == ("pending", {"waiting": 4, "skipped": 1})
    await work(gateway)

    done = await order(tenant, shown["order_id"])
    assert (done["state"], done["counts"], done["reasons"]) == ("completed", {"done": 4, "skipped": 1}, {"released": 1})
    assert Counter(await deletes(gateway)) == Counter(numbers[:4])
    # What was called for just now is not looked for first: the ledger knows as much.
    assert not await gateway.teli.requests("list")
    [last] = await items(tenant, shown["order_id"], outcome="skipped")
    assert (last["phone_number"], last["reason"]) == (numbers[4], "released")
    assert {row[0] for row in await gateway.sql("SELECT state FROM numbers")} == {"released"}


async def test_each_number_and_the_order_are_audited_and_told(gateway: Gateway, tenant: Tenant):
    await stocked_here(gateway, tenant, 2)
    shown = await preview(tenant, ALL, RELEASE)
    await apply(tenant, shown["token"], **{"X-Request-ID": "bulk-1"})
    await work(gateway)

    noted = await gateway.sql("SELECT action, actor, request_id FROM audit WHERE object_kind = 'number' ORDER BY id")
    assert Counter(action for action, *_ in noted) == {"number.releasing": 2, "number.released": 2}
    assert {request for *_, request in noted} == {"bulk-1"}
    assert all(actor.startswith("key:") for _, actor, _ in noted)
    assert await gateway.audited(shown["order_id"]) == [
        ("order.applied", noted[0][1], "bulk-1"),
        ("order.completed", "worker", "bulk-1"),
    ]
    [(payload,)] = await gateway.sql("SELECT payload FROM outbox WHERE kind = 'order.completed'")
    assert payload == {"order_id": shown["order_id"], "order_kind": "release", "counts": {"done": 2}}


async def test_a_token_applied_twice_is_the_same_order(gateway: Gateway, tenant: Tenant):
    await stocked_here(gateway, tenant, 3)
    shown = await preview(tenant, ALL, RELEASE)
    first = await apply(tenant, shown["token"])
    second = await apply(tenant, shown["token"])
    await work(gateway)
    third = await apply(tenant, shown["token"])

    assert [one.status_code for one in (first, second, third)] == [202, 202, 202]
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == third.headers["Idempotent-Replayed"] == "true"
    assert {one.json()["order_id"] for one in (first, second, third)} == {shown["order_id"]}
    assert third.json()["state"] == "completed"
    assert len(await deletes(gateway)) == 3


async def test_the_same_idempotency_key_shows_the_same_preview(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant.id, 2)
    first = await preview(tenant, ALL, RELEASE, **{"Idempotency-Key": "p"})
    again = await ask(tenant, ALL, RELEASE, **{"Idempotency-Key": "p"})
    other = await ask(tenant, ALL, {"set": {"nickname": "x"}}, **{"Idempotency-Key": "p"})

    assert again.json() == first
    assert again.headers["Idempotent-Replayed"] == "true"
    problem(other, 422, "idempotency_key_reused")
    assert (await preview(tenant, ALL, RELEASE))["order_id"] != first["order_id"]


async def test_a_preview_is_shown_once_more_to_who_asked_for_it_as_long_as_it_can_be_applied(
    gateway: Gateway, tenant: Tenant
):
    await stocked_here(gateway, tenant, 1)
    shown = await preview(tenant, ALL, RELEASE)
    assert (await order(tenant, shown["order_id"]))["preview"] == shown

    other = await gateway.key_of(tenant)
    assert (await order(other, shown["order_id"]))["preview"] is None
    await applied(tenant, shown)
    assert (await order(tenant, shown["order_id"]))["preview"] is None


async def test_what_changed_since_it_was_shown_is_left_alone_and_told(gateway: Gateway, tenant: Tenant):
    numbers = await stocked_here(gateway, tenant, 4)
    shown = await preview(tenant, ALL, RELEASE)
    await gateway.sql("UPDATE numbers SET nickname = 'kept' WHERE phone_number = :n", n=numbers[0])
    told = await applied(tenant, shown)
    assert (told["counts"], told["reasons"]) == ({"skipped": 1, "waiting": 3}, {"changed_since": 1})
    await gateway.sql("UPDATE numbers SET cost_center = 'kept' WHERE phone_number = :n", n=numbers[1])
    later = await stocked_here(gateway, tenant, 1)
    await work(gateway)

    done = await order(tenant, shown["order_id"])
    assert (done["state"], done["counts"]) == ("partial", {"done": 2, "skipped": 2})
    skipped = await items(tenant, shown["order_id"], outcome="skipped")
    assert [(one["phone_number"], one["detail"]) for one in skipped] == [
        (numbers[0], "It was changed since it was shown: nickname."),
        (numbers[1], "It was changed since it was shown: cost_center."),
    ]
    assert Counter(await deletes(gateway)) == Counter(numbers[2:])
    assert await gateway.sql("SELECT state FROM numbers WHERE phone_number = :n", n=later[0]) == [("active",)]


async def test_what_was_selected_as_idle_and_was_called_since_is_left_alone(gateway: Gateway, tenant: Tenant):
    silent, called, unknown, late = await stocked_here(gateway, tenant, 4)
    await gateway.sql("UPDATE numbers SET idle_since = now() - interval '40 days'")
    shown = await preview(tenant, ALL | {"idle_days": 30}, RELEASE)
    assert shown["count"] == 4

    await gateway.sql("UPDATE numbers SET idle_since = now() WHERE phone_number = :n", n=called)
    await gateway.sql("UPDATE numbers SET idle_since = NULL WHERE phone_number = :n", n=unknown)
    assert (await applied(tenant, shown))["reasons"] == {"changed_since": 2}
    await gateway.sql("UPDATE numbers SET idle_since = now() - interval '29 days' WHERE phone_number = :n", n=late)
    await work(gateway)

    left = {one["phone_number"]: one["detail"] for one in await items(tenant, shown["order_id"], outcome="skipped")}
    assert left == dict.fromkeys((called, unknown, late), "It was changed since it was shown: calls.")
    assert await gateway.sql("SELECT phone_number FROM numbers WHERE state = 'released'") == [(silent,)]


async def test_members_are_set_and_taken_back_where_they_still_stand(gateway: Gateway, tenant: Tenant):
    numbers = await stocked_here(gateway, tenant, 3)
    await gateway.sql("UPDATE numbers SET tags = '{old,kept}' WHERE phone_number = :n", n=numbers[0])
    change = {"nickname": "Sales", "tags_add": ["new"], "tags_remove": ["old"], "holder_user_id": USER}
    shown = await preview(tenant, ALL, {"set": change})
    assert shown["sample"][0]["becomes"] == {"nickname": "Sales", "tags": ["kept", "new"], "holder_user_id": USER}
    assert shown["cost"]["monthly_less"] == 0
    await applied(tenant, shown)
    await work(gateway)
    assert (await order(tenant, shown["order_id"]))["state"] == "completed"
    rows = "SELECT nickname, tags, holder_user_id, upstream_nickname FROM numbers ORDER BY acquired_at"
    assert (await gateway.sql(rows))[0] == ("Sales", ["kept", "new"], USER, "Sales")

    again = await preview(tenant, ALL, {"set": change})
    assert {one["reason"]: one["count"] for one in again["skipped"]["reasons"]} == {"nothing_changes": 3}
    await gateway.sql("UPDATE numbers SET nickname = 'Mine' WHERE phone_number = :n", n=numbers[2])
    undone = await tenant.send("POST", f"/v1/orders/{shown['order_id']}/undo")
    assert undone.status_code == 200, undone.text
    assert undone.json()["count"] == 2
    assert undone.json()["skipped"]["reasons"][0]["reason"] == "changed_since"
    await applied(tenant, undone.json())
    await work(gateway)
    assert await gateway.sql(rows) == [
        (None, ["old", "kept"], None, ""),
        (None, [], None, ""),
        ("Mine", ["new"], USER, "Sales"),
    ]
    assert (await order(tenant, undone.json()["order_id"]))["undoes"] == shown["order_id"]


async def test_a_release_cannot_be_undone(gateway: Gateway, tenant: Tenant):
    await stocked_here(gateway, tenant, 1)
    shown = await preview(tenant, ALL, RELEASE)
    await applied(tenant, shown)
    await work(gateway)
    told = problem(await tenant.send("POST", f"/v1/orders/{shown['order_id']}/undo"), 409, "state_conflict")
    assert "release cannot be undone" in told["detail"]


async def test_a_limit_of_releases_leaves_the_rest_of_an_order_undone(gateway: Gateway, tenant: Tenant):
    await stocked_here(gateway, tenant, 4)
    await gateway.put_quotas(tenant, releases_per_month=3)
    shown = await preview(tenant, ALL, RELEASE)
    await applied(tenant, shown)
    await work(gateway)

    done = await order(tenant, shown["order_id"])
    assert (done["state"], done["counts"], done["reasons"]) == (
        "partial", {"done": 3, "skipped": 1}, {"quota_exceeded": 1},
    )  # fmt: skip
    assert await gateway.sql("SELECT count(*) FROM outbox WHERE kind = 'order.partial'") == [(1,)]
    assert await gateway.sql("SELECT releases FROM quotas WHERE tenant_id = :t", t=tenant.id) == [(3,)]


async def test_what_teli_refuses_fails_and_is_told_in_its_words(gateway: Gateway, tenant: Tenant):
    [number] = await stocked_here(gateway, tenant, 1)
    await gateway.teli.arm("server_error", operation="update_agent", status=422, match={"phone_number": number})
    shown = await preview(tenant, ALL, {"set": {"nickname": "x"}})
    await applied(tenant, shown)
    await work(gateway)

    assert (await order(tenant, shown["order_id"]))["state"] == "failed"
    [item] = await items(tenant, shown["order_id"], outcome="failed")
    assert (item["reason"], item["detail"]) == ("refused", "upstream_refused")


async def test_a_cancelled_order_stops_before_what_it_had_not_begun(gateway: Gateway, tenant: Tenant):
    numbers = await stocked_here(gateway, tenant, 40)
    shown = await preview(tenant, ALL, RELEASE)
    await applied(tenant, shown)
    [(account,)] = await gateway.sql("SELECT id FROM accounts")
    await gateway.worker.order_work.run(account)
    cancel = f"/v1/orders/{shown['order_id']}/cancel"
    first, again = [await tenant.send("POST", cancel) for _ in range(2)]
    assert first.status_code == again.status_code == 200
    assert first.json()["counts"] == {"begun": 32, "cancelled": 8}
    await work(gateway)

    done = await order(tenant, shown["order_id"])
    assert (done["state"], done["counts"]) == ("cancelled", {"done": 32, "cancelled": 8})
    assert Counter(await deletes(gateway)) == Counter(numbers[:32])
    other = await preview(tenant, ALL, RELEASE)
    await applied(tenant, other)
    await work(gateway)
    problem(await tenant.send("POST", f"/v1/orders/{other['order_id']}/cancel"), 409, "state_conflict")


async def test_a_preview_that_was_cancelled_cannot_be_applied(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant.id, 1)
    shown = await preview(tenant, ALL, RELEASE)
    cancelled = await tenant.send("POST", f"/v1/orders/{shown['order_id']}/cancel")
    assert cancelled.json()["state"] == "cancelled"
    problem(await apply(tenant, shown["token"]), 409, "state_conflict")


async def test_tokens_that_are_forged_expired_or_anothers_each_have_their_own_refusal(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant.id, 1)
    shown = await preview(tenant, ALL, RELEASE)
    token: str = shown["token"]
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    for wrong in (forged, "nonsense", token[:40]):
        problem(await apply(tenant, wrong), 400, "invalid_selection_token")
    second = await gateway.services.administration.issue_key(
        AUTHOR, tenant.id, name="second", scopes=["numbers:release"]
    )
    problem(await apply(Tenant(gateway.http, tenant.id, second.key), token), 403, "not_your_selection")
    problem(await apply(await gateway.tenant(), token), 403, "not_your_selection")

    tokens = SelectionTokens(Secret(SECRET))
    [(actor, digest)] = await gateway.sql("SELECT actor, digest FROM orders")
    selected = Selected(UUID(shown["order_id"]), datetime.now(UTC) - timedelta(seconds=1), digest)
    problem(await apply(tenant, tokens.seal(selected, actor)), 410, "selection_expired")
    ahead = datetime.now(UTC) + timedelta(minutes=1)
    other = tokens.seal(Selected(UUID(shown["order_id"]), ahead, bytes(32)), actor)
    problem(await apply(tenant, other), 410, "selection_expired")
    gone = tokens.seal(Selected(uuid4(), ahead, digest), actor)
    problem(await apply(tenant, gone), 404, "not_found")
    assert await gateway.sql("SELECT state FROM orders") == [("previewed",)]


async def test_a_key_that_lost_its_scope_since_applies_nothing(gateway: Gateway):
    tenant = await gateway.tenant(scopes=["numbers:release", "numbers:update"])
    await fill(gateway, tenant.id, 1)
    shown = await preview(tenant, ALL, RELEASE)
    await gateway.sql("UPDATE api_keys SET scopes = '{numbers:update}' WHERE tenant_id = :t", t=tenant.id)
    await gateway.sql("UPDATE version SET revision = revision + 1")
    await gateway.services.version.look()
    told = problem(await apply(tenant, shown["token"]), 403, "scope_missing")
    assert told["scope"] == "numbers:release"


@pytest.mark.parametrize(
    ("scopes", "change", "missing"),
    [
        (["numbers:update"], RELEASE, "numbers:release"),
        (["numbers:release"], {"set": {"nickname": "x"}}, "numbers:update"),
        (["numbers:update"], {"set": {"inbound_agent_id": "a"}}, "agents:link"),
        (["agents:link"], {"set": {"inbound_agent_id": "a", "cost_center": "c"}}, "numbers:update"),
        (["numbers:create"], {"set": {"nickname": "x", "tags_add": ["t"]}}, None),
        (["agents:link"], {"set": {"outbound_agent_id": None}}, None),
    ],
)
async def test_each_change_takes_its_own_scope(
    gateway: Gateway, scopes: list[str], change: dict[str, Any], missing: str | None
):
    tenant = await gateway.tenant(scopes=scopes)
    answer = await ask(tenant, ALL, change)
    if missing is None:
        assert answer.status_code == 200, answer.text
    else:
        assert problem(answer, 403, "scope_missing")["scope"] == missing


async def test_numbers_of_others_are_seen_at_most_and_never_changed(gateway: Gateway, tenant: Tenant):
    whole = await gateway.tenant()
    await fill(gateway, tenant.id, 2)
    await fill(gateway, whole.id, 1, start=10)
    [(theirs,)] = await gateway.sql("SELECT id::text FROM numbers WHERE tenant_id = :t LIMIT 1", t=tenant.id)

    shown = await preview(whole, ALL, RELEASE)
    assert (shown["count"], shown["skipped"]["reasons"][0]["reason"]) == (1, "not_yours")
    stranger = await gateway.tenant(scopes=["numbers:read", "numbers:release"])
    unknown = str(uuid4())
    [reason] = (await preview(stranger, {"ids": [theirs, unknown]}, RELEASE))["skipped"]["reasons"]
    assert (reason["reason"], reason["sample"]) == ("not_found", [{"asked": theirs}, {"asked": unknown}])
    problem(await stranger.get(f"/v1/orders/{shown['order_id']}"), 404, "not_found")
    problem(await stranger.send("POST", f"/v1/orders/{shown['order_id']}/cancel"), 404, "not_found")
    assert await gateway.sql("SELECT DISTINCT tenant_id FROM order_items") == [(whole.id,)]


async def test_what_a_key_was_shown_is_replayed_to_it_alone(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()
    [theirs] = await stocked_here(gateway, other, 1)
    [ours] = await stocked_here(gateway, tenant, 1)
    narrow = await gateway.key_of(tenant, scopes=["numbers:read", "numbers:release", "numbers:update"])
    once = {"Idempotency-Key": "p"}
    shown = await preview(tenant, ALL, RELEASE, **once)
    assert shown["skipped"]["reasons"][0]["sample"][0]["phone_number"] == theirs

    own = await preview(narrow, ALL, RELEASE, **once)

    assert own["order_id"] != shown["order_id"]
    assert (own["count"], own["skipped"]["count"]) == (1, 0)
    assert (await preview(narrow, ALL, RELEASE, **once))["order_id"] == own["order_id"]
    assert theirs not in (await narrow.get(f"/v1/orders/{shown['order_id']}")).text

    set_ = await preview(tenant, {"phone_numbers": [ours]}, {"set": {"nickname": "x"}})
    await applied(tenant, set_)
    await work(gateway)
    undo = f"/v1/orders/{set_['order_id']}/undo"
    first, second = [(await one.send("POST", undo, headers=once)).json()["order_id"] for one in (tenant, narrow)]
    assert first != second


async def test_an_order_is_noted_as_his_who_applied_it(gateway: Gateway, tenant: Tenant):
    await stocked_here(gateway, tenant, 1)
    second = await gateway.key_of(tenant)
    once, change = {"Idempotency-Key": "p"}, {"set": {"nickname": "x"}}
    await preview(tenant, ALL, change, **once)
    shown = await preview(second, ALL, change, **once)
    await gateway.sql("UPDATE api_keys SET revoked_at = now() WHERE tenant_id = :t AND name = 'test'", t=tenant.id)

    await applied(second, shown)
    await work(gateway)

    rows = "SELECT actor FROM audit WHERE action IN ('order.applied', 'number.changed') AND tenant_id = :t"
    [(key,)] = await gateway.sql("SELECT id FROM api_keys WHERE tenant_id = :t AND name <> 'test'", t=tenant.id)
    assert await gateway.sql(rows, t=tenant.id) == [(f"key:{key}",)] * 2
    # A token that was sealed for another than its order's author applies nothing.
    mine = await preview(second, ALL, {"set": {"nickname": "y"}})
    [(digest, ends)] = await gateway.sql(
        "SELECT digest, expires_at FROM orders WHERE id = cast(:id AS uuid)", id=mine["order_id"]
    )
    third = await gateway.key_of(tenant)
    newest = "SELECT id FROM api_keys WHERE tenant_id = :t ORDER BY created_at DESC LIMIT 1"
    [(key,)] = await gateway.sql(newest, t=tenant.id)
    token = SelectionTokens(Secret(SECRET)).seal(Selected(UUID(mine["order_id"]), ends, digest), f"key:{key}")
    problem(await apply(third, token), 403, "not_your_selection")


async def test_an_administrator_releases_the_numbers_of_a_closed_tenant(gateway: Gateway, tenant: Tenant):
    numbers = await stocked_here(gateway, tenant, 2)
    await gateway.put_quotas(tenant, releases_per_month=0)
    closed = {"name": "T", "state": "closed", "confirm_numbers_held": 2}
    assert (await gateway.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}", json=closed)).status_code == 200

    shown = await preview(gateway.admin, {"tenant_id": tenant.id}, RELEASE, **{"Idempotency-Key": "k"})
    assert shown["count"] == 2
    told = await applied(gateway.admin, shown)
    assert told["tenant_id"] is None
    await work(gateway)

    assert (await order(gateway.admin, shown["order_id"]))["state"] == "completed"
    assert Counter(await deletes(gateway)) == Counter(numbers)
    assert await gateway.sql("SELECT DISTINCT tenant_id FROM audit WHERE action = 'number.released'") == [(tenant.id,)]


async def test_the_policy_of_a_numbers_tenant_and_its_users_hold_for_all(gateway: Gateway, tenant: Tenant):
    await stocked_here(gateway, tenant, 1)
    await gateway.admin.send("PUT", f"/v1/admin/policies/{tenant.id}", json={"agents_allowed": ["agent_ours"]})
    for change, reason in (
        ({"inbound_agent_id": "agent_theirs"}, "agent_not_allowed"),
        ({"holder_user_id": "nobody"}, "not_a_user"),
        ({"tags_add": [f"t{n}" for n in range(20)]}, None),
    ):
        shown = await preview(gateway.admin, ALL, {"set": change})
        assert [one["reason"] for one in shown["skipped"]["reasons"]] == ([reason] if reason else [])
    await gateway.sql("UPDATE numbers SET tags = '{a}'")
    shown = await preview(tenant, ALL, {"set": {"tags_add": [f"t{n}" for n in range(20)]}})
    assert shown["skipped"]["reasons"][0]["reason"] == "too_many_tags"


async def test_a_key_that_is_held_to_users_sees_no_order_of_others(gateway: Gateway, tenant: Tenant):
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, "second", {"name": "Second"})
    await fill(gateway, tenant.id, 1)
    await fill(gateway, tenant.id, 1, start=10, user="second")
    issued = await gateway.admin.send(
        "POST", f"/v1/admin/tenants/{tenant.id}/keys",
        json={"name": "held", "scopes": ["numbers:read", "numbers:release"], "user_ids": ["second"]},
    )  # fmt: skip
    held = Tenant(gateway.http, tenant.id, issued.json()["key"])
    whole = await preview(tenant, ALL, RELEASE)
    mine = await preview(held, ALL, RELEASE)

    assert (whole["count"], mine["count"]) == (2, 1)
    problem(await held.get(f"/v1/orders/{whole['order_id']}"), 404, "not_found")
    assert (await order(tenant, mine["order_id"]))["count"] == 1
    assert (await held.get("/v1/orders", params={"state": "previewed"})).json()["total"]["value"] == 1


async def test_more_than_may_be_changed_at_once_is_refused_and_as_many_are_not(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant.id, MOST + 1)
    told = problem(await ask(tenant, ALL, RELEASE), 400, "selection_too_large")
    assert told["most"] == MOST
    rows = await gateway.sql("SELECT id::text FROM numbers LIMIT :n", n=MOST)
    shown = await preview(tenant, {"ids": [one for (one,) in rows]}, RELEASE)
    assert shown["count"] == MOST
    assert (await applied(tenant, shown))["counts"] == {"waiting": MOST}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "preview", "change": RELEASE, "selection": {}}, "/selection"),
        ({"action": "preview", "change": RELEASE, "selection": {"ids": [], "user_id": "u"}}, "/selection/ids"),
        ({"action": "preview", "change": RELEASE, "selection": {"ids": [str(uuid4())], "user_id": "u"}}, "/selection"),
        ({"action": "preview", "change": RELEASE, "selection": {"colour": "red"}}, "/selection/colour"),
        ({"action": "preview", "change": RELEASE, "selection": {"phone_numbers": ["x"]}}, "/selection/phone_numbers/0"),
        ({"action": "preview", "change": RELEASE, "selection": {"state": "gone"}}, "/selection/state"),
        ({"action": "preview", "change": {}, "selection": ALL}, "/change"),
        ({"action": "preview", "change": {"set": {}}, "selection": ALL}, "/change/set"),
        ({"action": "preview", "change": {"set": BOTH}, "selection": ALL}, "/change/set"),
        ({"action": "preview", "change": {**RELEASE, "set": {"nickname": "x"}}, "selection": ALL}, "/change"),
        ({"action": "preview", "selection": ALL}, ""),
        ({"action": "apply"}, ""),
        ({"action": "apply", "token": "x", "selection": ALL}, ""),
        ({"action": "delete"}, "/action"),
    ],
)  # fmt: skip
async def test_what_cannot_be_meant_is_refused_by_name(gateway: Gateway, tenant: Tenant, body: Any, pointer: str):
    told = problem(await tenant.send("POST", BULK, json=body), 400, "invalid_request")
    assert [one["pointer"] for one in told["errors"]] == [pointer]


async def test_previews_are_few_and_forgotten(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant.id, 1)
    for _ in range(20):
        await preview(tenant, ALL, RELEASE)
    refused = await ask(tenant, ALL, RELEASE)
    problem(refused, 429, "too_many_previews")
    assert int(refused.headers["Retry-After"]) > 0
    await gateway.worker.order_work.forget_previews()
    assert await gateway.sql("SELECT count(*) FROM orders") == [(20,)]
