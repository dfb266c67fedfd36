"""The same key, the same answer, for administrators and operators."""

import asyncio
from typing import Any

import httpx

from tests.http.refusals import problem
from tests.idempotency.replays import same
from tests.support.gateway import AUTHOR, ORGANIZATION, USER, Gateway, Tenant

STOP = {"scope": "global", "reason": "drill"}


async def post(who: Tenant, path: str, key: str, body: Any) -> httpx.Response:
    return await who.send("POST", f"/v1/admin/{path}", json=body, headers={"Idempotency-Key": key})


async def count(gateway: Gateway, what: str) -> int:
    [(found,)] = await gateway.sql(f"SELECT count(*) FROM {what}")
    return int(found)


async def test_a_key_issued_twice_is_issued_once_and_shown_once(gateway: Gateway, tenant: Tenant):
    path, body = f"tenants/{tenant.id}/keys", {"name": "k", "scopes": ["numbers:read"]}
    before = await count(gateway, "api_keys")

    first = await post(gateway.admin, path, "k", body)
    again = await post(gateway.admin, path, "k", dict(reversed(body.items())))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["key"].startswith("ngk_")
    assert again.json() == first.json() | {"key": None}
    assert again.headers["idempotent-replayed"] == "true"
    assert await count(gateway, "api_keys") == before + 1
    assert await count(gateway, "audit WHERE action = 'key.issued' AND actor <> 'test'") == 1
    [(kept,)] = await gateway.sql("SELECT answer::text FROM idempotency_keys")
    assert first.json()["key"] not in kept


async def test_a_key_rotated_twice_has_one_successor(gateway: Gateway, tenant: Tenant):
    issued = await gateway.services.administration.issue_key(AUTHOR, tenant.id, name="k", scopes=["numbers:read"])
    before = await count(gateway, "api_keys")

    answers = await asyncio.gather(
        *(post(gateway.admin, f"keys/{issued.id}/rotate", "k", {"overlap_seconds": 0}) for _ in range(5))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum(answer.json()["key"] is not None for answer in answers) == 1
    assert await count(gateway, "api_keys") == before + 1


async def test_a_late_retry_of_a_resume_does_not_end_a_later_stop(gateway: Gateway):
    stopped = await post(gateway.operator, "stop", "a", STOP)
    resumed = await post(gateway.operator, "resume", "a", STOP)
    await post(gateway.operator, "stop", "b", STOP | {"reason": "in earnest"})

    assert same(await post(gateway.operator, "resume", "a", STOP), resumed)
    assert same(await post(gateway.operator, "stop", "a", STOP), stopped)
    assert await gateway.sql("SELECT reason FROM stops") == [("in earnest",)]


async def test_another_body_under_the_key_is_refused_and_stops_nothing(gateway: Gateway):
    await post(gateway.admin, "resume", "k", STOP)

    problem(await post(gateway.admin, "resume", "k", STOP | {"reason": "other"}), 422, "idempotency_key_reused")
    assert (await post(gateway.admin, "stop", "k", STOP | {"reason": "other"})).status_code == 200


async def test_the_same_key_of_another_actor_is_another_key(gateway: Gateway):
    first = await post(gateway.admin, "stop", "k", STOP)
    await post(gateway.admin, "resume", "l", STOP)

    second = await post(gateway.operator, "stop", "k", STOP)

    assert "idempotent-replayed" not in second.headers
    assert second.json()["actor"] != first.json()["actor"]


async def test_what_was_refused_may_be_asked_again_with_the_key(gateway: Gateway, tenant: Tenant):
    body = {"name": "k", "scopes": ["numbers:read"]}
    problem(await post(gateway.admin, "tenants/nobody/keys", "k", body), 404, "not_found")
    problem(
        await post(gateway.admin, "stop", "k", {"scope": "tenant", "id": "x", "reason": "r"}), 400, "invalid_request"
    )
    assert await count(gateway, "idempotency_keys") == 0

    await gateway.services.administration.put_tenant(AUTHOR, "nobody", "Somebody now", [ORGANIZATION])
    assert (await post(gateway.admin, "tenants/nobody/keys", "k", body)).status_code == 201


async def test_a_body_that_is_no_json_is_refused_with_a_key_as_without(gateway: Gateway):
    for content, kind in ((b"", "application/json"), (b"{", "application/json"), (b"a", "text/plain")):
        answers = [
            await gateway.admin.send(
                "POST", "/v1/admin/stop", content=content, headers={"Content-Type": kind} | headers
            )
            for headers in ({}, {"Idempotency-Key": "k"})
        ]
        assert answers[0].status_code == answers[1].status_code >= 400, content
        assert answers[0].json()["code"] == answers[1].json()["code"], content


async def test_a_doubt_resolved_again_with_its_key_gets_the_first_answer_and_without_is_a_conflict(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.arm("html_error")
    operation = (await tenant.buy(key="k")).json()["operation_id"]
    path, body = f"doubts/{operation}/resolve", {"decision": "refused", "reason": "looked"}

    first = await post(gateway.operator, path, "k", body)
    again = await asyncio.gather(*(post(gateway.operator, path, "k", body) for _ in range(5)))

    assert first.status_code == 200
    assert all(same(answer, first) for answer in again)
    problem(await post(gateway.operator, path, "l", body), 409, "state_conflict")
    assert await count(gateway, "audit WHERE action = 'doubt.refused'") == 1


async def test_an_orphan_and_a_ghost_are_decided_once(gateway: Gateway, tenant: Tenant):
    [strange] = await gateway.teli.dashboard_buy("415", ORGANIZATION, USER, "Reception")
    await gateway.look_everywhere()
    [(orphan,)] = await gateway.sql("SELECT id::text FROM orphans WHERE phone_number = :n", n=strange)
    body = {"decision": "adopt", "tenant_id": tenant.id, "reason": "theirs"}

    first = await post(gateway.operator, f"orphans/{orphan}/resolve", "k", body)
    again = await post(gateway.operator, f"orphans/{orphan}/resolve", "k", body)

    assert first.status_code == 200, first.text
    assert same(again, first)
    assert await count(gateway, "numbers") == 1
    number = first.json()["number_id"]
    await gateway.sql("UPDATE numbers SET confirmed_at = NULL, acquired_at = acquired_at - interval '30 days'")
    ghosts = [
        await post(gateway.operator, f"ghosts/{number}/resolve", "k", {"decision": "missing", "reason": "gone"})
        for _ in range(2)
    ]
    assert ghosts[0].status_code == 200, ghosts[0].text
    assert same(ghosts[1], ghosts[0])
    assert await count(gateway, "audit WHERE action = 'ghost.missing'") == 1
