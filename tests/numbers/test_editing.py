"""Changing one number on our own path: nickname, tags, cost centre, holder and agents."""

import asyncio
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.support.gateway import NUMBERS, USER, Gateway, Tenant

PATH = "/v1/numbers"


async def patch(who: Tenant, name: str, body: Any, **headers: str) -> httpx.Response:
    dashed = {header.replace("_", "-"): value for header, value in headers.items()}
    return await who.send("PATCH", f"{PATH}/{name}", json=body, headers=dashed)


async def test_what_is_given_is_changed_and_what_is_absent_stays(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(nickname="Sales", tags=["a"], cost_center="c1", inbound_agent_id="in")
    await gateway.follow_up()

    answer = await patch(tenant, number["id"], {"tags": ["b", "c", "b"], "cost_center": None, "holder_user_id": USER})

    assert answer.status_code == 200, answer.text
    body = answer.json()
    told = ("nickname", "tags", "cost_center", "holder_user_id", "inbound_agent_id")
    assert [body[name] for name in told] == ["Sales", ["b", "c"], None, USER, "in"]
    again = await tenant.get(f"{PATH}/{number['id']}")
    assert (again.json(), again.headers["ETag"]) == (body, answer.headers["ETag"])


async def test_nickname_and_agents_are_told_to_teli_and_the_rest_is_not(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(nickname="Sales")
    await gateway.follow_up()
    before = await gateway.teli.requests("update_agent")

    await patch(tenant, number["phone_number"], {"tags": ["a"], "cost_center": "c"})
    assert await gateway.teli.requests("update_agent") == before
    answer = await patch(tenant, number["phone_number"], {"nickname": "Support", "outbound_agent_id": "out"})

    assert answer.status_code == 200, answer.text
    [row] = (await gateway.teli.truth())["record"]["rows"]
    assert row["nickname"].endswith("Support")
    assert row["outbound_agent_id"] == "out"
    link = answer.json()["agents"]["outbound"]
    assert (link["desired"], link["confirmed"], link["state"]) == ("out", "out", "confirmed")


async def test_a_change_that_changes_nothing_writes_nothing(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(nickname="Sales", tags=["a"])
    await gateway.follow_up()
    first = await tenant.get(f"{PATH}/{number['id']}")
    written = await gateway.sql("SELECT count(*) FROM audit UNION ALL SELECT count(*) FROM steps")

    answer = await patch(tenant, number["id"], {"nickname": "Sales", "tags": ["a"], "inbound_agent_id": None})

    assert (answer.status_code, answer.headers["ETag"]) == (200, first.headers["ETag"])
    assert await gateway.sql("SELECT count(*) FROM audit UNION ALL SELECT count(*) FROM steps") == written


async def test_of_two_who_saw_the_same_one_changes_it_and_the_other_is_told(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()
    etag = (await tenant.get(f"{PATH}/{number['id']}")).headers["ETag"]

    answers = await asyncio.gather(
        *(patch(tenant, number["id"], {"cost_center": f"c{n}"}, If_Match=etag) for n in range(8))
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    [won] = [answer for answer in answers if answer.status_code == 200]
    lost = next(answer for answer in answers if answer.status_code == 412)
    assert lost.json()["code"] == "etag_mismatch"
    assert (await tenant.get(f"{PATH}/{number['id']}")).headers["ETag"] == won.headers["ETag"]
    now = (await tenant.get(f"{PATH}/{number['id']}")).json()["cost_center"]
    assert now == won.json()["cost_center"]
    history = (await tenant.get(f"{PATH}/{number['id']}/history")).json()["items"]
    assert [one["after"] for one in history if one["action"] == "number.changed"] == [{"cost_center": now}]


@pytest.mark.parametrize("condition", ["*", 'W/"x", {etag}'])
async def test_a_condition_that_holds_lets_the_change_through(tenant: Tenant, condition: str):
    number = await tenant.bought()
    etag = (await tenant.get(f"{PATH}/{number['id']}")).headers["ETag"]

    answer = await patch(tenant, number["id"], {"cost_center": "c"}, If_Match=condition.format(etag=etag))

    assert answer.status_code == 200


async def test_a_weak_etag_never_matches_and_what_is_no_etag_is_refused(tenant: Tenant):
    number = await tenant.bought()
    etag = (await tenant.get(f"{PATH}/{number['id']}")).headers["ETag"]

    weak = await patch(tenant, number["id"], {"cost_center": "c"}, If_Match=f"W/{etag}")
    bare = await patch(tenant, number["id"], {"cost_center": "c"}, If_Match=etag.strip('"'))

    assert (weak.status_code, weak.json()["code"]) == (412, "etag_mismatch")
    assert (bare.status_code, bare.json()["errors"][0]["pointer"]) == (400, "If-Match")


async def test_a_retry_with_the_same_key_undoes_nothing_that_came_after(tenant: Tenant):
    number = await tenant.bought()
    first = await patch(tenant, number["id"], {"cost_center": "one"}, Idempotency_Key="k")
    await patch(tenant, number["id"], {"cost_center": "two"})

    again = await patch(tenant, number["id"], {"cost_center": "one"}, Idempotency_Key="k")
    other = await patch(tenant, number["id"], {"cost_center": "three"}, Idempotency_Key="k")

    assert first.status_code == again.status_code == 200
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json()["cost_center"] == "two"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_retry_of_what_teli_was_told_is_told_once(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()

    answers = [await patch(tenant, number["id"], {"nickname": "Front"}, Idempotency_Key="k") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert answers[0].json() == answers[1].json()
    assert len(await gateway.teli.requests("update_agent")) == 1


async def test_a_teli_that_does_not_answer_in_time_is_a_202_that_succeeds(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.arm("server_error", operation="update_agent", status=500, error="no")

    answer = await patch(tenant, number["id"], {"nickname": "Later", "tags": ["t"]})

    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/operations/{answer.json()['operation_id']}"
    shown = (await tenant.get(f"{PATH}/{number['id']}")).json()
    assert (shown["nickname"], shown["tags"]) == ("Later", ["t"])
    assert [one["kind"] for one in shown["owed"]] == ["unmark", "push"]
    await gateway.sql("UPDATE steps SET due_at = clock_timestamp() WHERE kind = 'push'")
    await gateway.follow_up()
    operation = (await tenant.get(answer.headers["Location"])).json()
    assert operation["state"] == "succeeded"


async def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_changed(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(nickname="Sales")

    for body, pointers in (
        ({}, [""]),
        ({"nickname": "", "tags": ["x" * 65], "colour": "red"}, ["/nickname", "/tags/0", "/colour"]),
        ({"nickname": "[0123456789ABC] mine"}, ["/nickname"]),
        ({"tags": [f"t{n}" for n in range(21)]}, ["/tags"]),
        ({"holder_user_id": "nobody", "cost_center": "c"}, ["/holder_user_id"]),
    ):
        answer = await patch(tenant, number["id"], body)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), body
        assert sorted(one["pointer"] for one in answer.json()["errors"]) == sorted(pointers), answer.text
    shown = (await tenant.get(f"{PATH}/{number['id']}")).json()
    assert (shown["nickname"], shown["cost_center"], shown["tags"]) == ("Sales", None, [])


async def test_agents_take_a_scope_of_their_own_and_the_policy_of_the_tenant(gateway: Gateway):
    owner = await gateway.tenant(scopes=["numbers:create", "numbers:read"])
    number = await owner.bought()

    refused = await patch(owner, number["id"], {"inbound_agent_id": "in", "cost_center": "c"})
    assert (refused.status_code, refused.json()["scope"]) == (403, "agents:link")
    await gateway.admin.send("PUT", f"/v1/admin/policies/{owner.id}", json={"agents_allowed": ["good"]})
    await gateway.services.version.look()
    against = await patch(gateway.admin, number["id"], {"inbound_agent_id": "bad", "outbound_agent_id": "good"})
    assert [one["pointer"] for one in against.json()["errors"]] == ["/inbound_agent_id"]
    assert (await owner.get(f"{PATH}/{number['id']}")).json()["cost_center"] is None


async def test_an_administrator_changes_anybodys_number_and_the_history_says_who(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()

    answer = await patch(gateway.admin, number["phone_number"], {"nickname": "Ours", "cost_center": "c"})

    assert answer.status_code == 200, answer.text
    [changed] = [
        one
        for one in (await tenant.get(f"{PATH}/{number['id']}/history")).json()["items"]
        if one["action"] == "number.changed"
    ]
    assert changed["before"] == {"nickname": None, "cost_center": None}
    assert changed["after"] == {"nickname": "Ours", "cost_center": "c"}
    assert changed["actor"] == "admin"
    assert changed["request_id"] == answer.headers["X-Request-ID"]


async def test_who_changed_a_number_is_told_by_name_to_its_tenant_and_to_whoever_reads_the_audit_log(
    gateway: Gateway, tenant: Tenant
):
    number = await tenant.bought()
    await patch(tenant, number["id"], {"cost_center": "a"})
    await patch(gateway.admin, number["id"], {"cost_center": "b"})
    await gateway.sql(
        "INSERT INTO audit (tenant_id, actor, action, object_kind, object_id, request_id)"
        " VALUES (:tenant, 'person:https://a.example|ada', 'number.changed', 'number', :id, 'r')",
        tenant=tenant.id, id=number["id"],
    )  # fmt: skip
    neighbour = await gateway.tenant(scopes=["numbers:read", "inventory:org"])

    async def told(who: Tenant) -> list[tuple[str, bool]]:
        items = (await who.get(f"{PATH}/{number['id']}/history")).json()["items"]
        changes = [one for one in reversed(items) if one["action"] == "number.changed"]
        return [(one["actor"], one["request_id"] is not None) for one in changes]

    [(mine, _), *others] = await told(tenant)
    assert mine.startswith("key:")
    assert others == [("admin", True), ("person", True)]
    assert await told(neighbour) == [("tenant", False), ("admin", False), ("person", False)]
    assert await told(gateway.operator) == await told(neighbour)
    full = await told(gateway.admin)
    assert full[0] == (mine, True)
    assert full[1][0].startswith("key:")
    assert full[1][0] != mine
    assert full[2] == ("person:https://a.example|ada", True)


async def test_what_changes_by_itself_moves_the_etag_and_hinders_no_change(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()
    etag = (await tenant.get(f"{PATH}/{number['id']}")).headers["ETag"]

    await gateway.look_everywhere()

    later = await tenant.get(f"{PATH}/{number['id']}", headers={"If-None-Match": etag})
    assert later.status_code == 200, "it was seen since"
    assert later.headers["ETag"] != etag
    answer = await patch(tenant, number["id"], {"cost_center": "c"}, If_Match=etag)
    assert answer.status_code == 200, answer.text
    again = await patch(tenant, number["id"], {"cost_center": "d"}, If_Match=later.headers["ETag"])
    assert (again.status_code, again.json()["code"]) == (412, "etag_mismatch")


async def test_what_is_anothers_is_not_changed_though_it_may_be_seen(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(nickname="Sales")
    neighbour = await gateway.tenant(scopes=["numbers:create", "numbers:read", "inventory:org"])

    answers = [await patch(neighbour, name, {"cost_center": "x"}) for name in (number["id"], number["phone_number"])]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "not_found")}
    assert (await tenant.get(f"{PATH}/{number['id']}")).json()["cost_center"] is None


async def test_a_number_that_is_given_back_is_changed_no_more(tenant: Tenant):
    number = await tenant.bought()
    await tenant.send("DELETE", f"{NUMBERS}/{number['phone_number']}")

    answer = await patch(tenant, number["id"], {"cost_center": "c"})

    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")


async def test_the_history_is_told_page_by_page_and_begins_with_the_purchase(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()
    for n in range(4):
        await patch(tenant, number["id"], {"cost_center": f"c{n}"})

    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"?limit=3&cursor={cursor}" if cursor else "?limit=3"
        page = (await tenant.get(f"{PATH}/{number['phone_number']}/history{query}")).json()
        assert len(page["items"]) <= 3
        found += page["items"]
        cursor = page["next_cursor"]

    assert page["total"] == {"value": len(found), "exact": True}
    assert [one["action"] for one in reversed(found)][:3] == ["intent.owned", "number.confirmed", "number.changed"]
    steps = [(one["before"], one["after"]) for one in reversed(found) if one["action"] == "number.changed"]
    assert [after["cost_center"] for _, after in steps] == ["c0", "c1", "c2", "c3"]
    assert all(after == before for (_, after), (before, _) in pairwise(steps))


async def test_the_history_of_what_is_anothers_is_the_same_404_as_of_what_does_not_exist(
    gateway: Gateway, tenant: Tenant
):
    number = await tenant.bought()
    stranger = await gateway.tenant(scopes=["numbers:read"])
    neighbour = await gateway.tenant(scopes=["numbers:read", "inventory:org"])

    answers = [
        await stranger.get(f"{PATH}/{name}/history", headers={"X-Request-ID": "same"})
        for name in (number["id"], number["phone_number"], "+13135550000")
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert (await neighbour.get(f"{PATH}/{number['id']}/history")).status_code == 200
