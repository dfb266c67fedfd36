"""Drift: what Teli lists otherwise than is wanted, seen by the sweep, shown, and settled by policy or by a person."""

from typing import Any

import httpx
import pytest

from tests.http.refusals import problem
from tests.support.gateway import AUTHOR, ORGANIZATION, USER, Gateway, Tenant

OTHER_USER = "1762896366429x000000000000000009"
AGO = "- interval '2 hours'"


async def pass_time(gateway: Gateway) -> None:
    """Two hours: whatever Teli was told is long listed, and a sweep is due."""
    for statement in (
        f"UPDATE numbers SET confirmed_at = confirmed_at {AGO}",
        f"UPDATE steps SET ended_at = ended_at {AGO}",
        f"UPDATE drifts SET since = since {AGO}, seen_at = seen_at {AGO}, settled_at = settled_at {AGO}",
    ):
        await gateway.sql(statement)


async def sweep(gateway: Gateway, times: int = 1) -> None:
    """Let the worker look so many times, each long after what came before."""
    for _ in range(times):
        await pass_time(gateway)
        await gateway.look_everywhere()
        await gateway.follow_up()


async def held(gateway: Gateway, tenant: Tenant, **fields: Any) -> dict[str, Any]:
    """A number whose row was seen, in a listing as it was told."""
    number = await tenant.bought(**fields)
    await gateway.follow_up()
    await sweep(gateway)
    return number


async def listed(who: Tenant) -> list[dict[str, Any]]:
    answer = await who.get("/v1/drift")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def told(who: Tenant) -> list[tuple[str, str | None, str | None]]:
    return sorted(((one["member"], one["ours"], one["theirs"]) for one in await listed(who)), key=str)


async def resolve(who: Tenant, drift_id: str, decision: str, **headers: str) -> httpx.Response:
    body = {"decision": decision, "reason": "seen in the dashboard"}
    return await who.send("POST", f"/v1/drift/{drift_id}/resolve", json=body, headers=headers)


async def follow(gateway: Gateway, tenant: Tenant, rule: str) -> None:
    answer = await gateway.admin.send("PUT", f"/v1/admin/policies/{tenant.id}", json={"drift": rule})
    assert answer.status_code == 200, answer.text


async def row(gateway: Gateway, number: dict[str, Any]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = (await gateway.teli.truth())["record"]["rows"]
    return next(row for row in rows if row["phone_number"] == number["phone_number"])


async def shown(tenant: Tenant, number: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = (await tenant.get(f"/v1/numbers/{number['id']}")).json()
    return body


async def test_what_a_person_changes_in_the_dashboard_is_shown_once_two_listings_agree(
    gateway: Gateway, tenant: Tenant
):
    number = await held(gateway, tenant, nickname="Sales", inbound_agent_id="agent_1")
    await gateway.teli.dashboard_rename(number["phone_number"], "Front desk")
    await gateway.teli.dashboard_link(number["phone_number"], inbound_agent_id=None, outbound_agent_id="agent_9")

    await sweep(gateway)
    assert await listed(tenant) == []
    await sweep(gateway)

    found = {one["member"]: one for one in await listed(tenant)}
    assert await told(tenant) == [
        ("inbound_agent_id", "agent_1", None),
        ("nickname", "Sales", "Front desk"),
        ("outbound_agent_id", None, "agent_9"),
    ]
    one = found["nickname"]
    assert {name: one[name] for name in ("number_id", "phone_number", "state", "tenant_id", "user_id")} == {
        "number_id": number["id"], "phone_number": number["phone_number"], "state": "active",
        "tenant_id": tenant.id, "user_id": USER,
    }  # fmt: skip
    assert one["since"] < one["seen_at"]
    assert {member: one["why"] for member, one in found.items()} == {
        "nickname": "Teli lists another nickname than it was told; the tenant's policy is to ask",
        "inbound_agent_id": "Teli lists no agent where one is linked; the tenant's policy is to ask",
        "outbound_agent_id": "Teli lists an agent where none is linked; the tenant's policy is to ask",
    }
    assert {one["member"] for one in (await shown(tenant, number))["drift"]} == set(found)
    assert (await gateway.told(number["id"]))[-3:] == ["number.drifted"] * 3
    assert [entry[:2] for entry in await gateway.audited(number["id"])][-3:] == [("number.drifted", "upstream")] * 3
    await sweep(gateway)
    assert len(await listed(tenant)) == 3, "seen again, and told once"
    assert (await gateway.told(number["id"])).count("number.drifted") == 3


async def test_what_goes_by_itself_is_off_the_list(gateway: Gateway, tenant: Tenant):
    number = await held(gateway, tenant, nickname="Sales")
    as_it_was = (await row(gateway, number))["nickname"]
    await gateway.teli.dashboard_rename(number["phone_number"], "Front desk")
    await sweep(gateway)
    await gateway.teli.dashboard_rename(number["phone_number"], as_it_was)
    await sweep(gateway, 2)
    assert await gateway.sql("SELECT state FROM drifts") == [], "one listing alone is nothing"

    await gateway.teli.dashboard_rename(number["phone_number"], "Front desk")
    await sweep(gateway, 2)
    [drift] = await listed(tenant)
    await gateway.teli.dashboard_rename(number["phone_number"], "Sales")  # Without our mark: what it says is ours.
    await sweep(gateway)

    assert await listed(tenant) == []
    assert (await gateway.told(number["id"]))[-1] == "number.drift_settled"
    told = problem(await resolve(tenant, drift["id"], "ours"), 409, "state_conflict")
    assert "no drift any more" in told["detail"]


async def test_ours_is_put_back_at_teli_as_any_change_is(gateway: Gateway, tenant: Tenant):
    number = await held(gateway, tenant, nickname="Sales", inbound_agent_id="agent_1")
    before = await row(gateway, number)
    await gateway.teli.dashboard_rename(number["phone_number"], "Front desk")
    await gateway.teli.dashboard_link(number["phone_number"], inbound_agent_id="agent_9", outbound_agent_id="agent_9")
    await sweep(gateway, 2)

    for one in await listed(tenant):
        answer = await resolve(tenant, one["id"], "ours")
        assert answer.status_code == 200, answer.text
        await gateway.follow_up()
        operation = await tenant.operation(answer.json()["operation_id"], wait=5)
        assert operation["state"] == "succeeded", operation

    now = await row(gateway, number)
    names = ("nickname", "inbound_agent_id", "outbound_agent_id")
    assert [now[name] for name in names] == [before[name] for name in names]
    page = await shown(tenant, number)
    assert (page["nickname"], page["inbound_agent_id"], page["outbound_agent_id"]) == ("Sales", "agent_1", None)
    await sweep(gateway, 3)
    assert await told(tenant) == []


async def test_theirs_is_taken_into_the_ledger(gateway: Gateway, tenant: Tenant):
    number = await held(gateway, tenant, nickname="Sales", inbound_agent_id="agent_1")
    mark = (await row(gateway, number))["nickname"][:16]
    await gateway.teli.dashboard_rename(number["phone_number"], f"{mark}Front desk")
    await gateway.teli.dashboard_link(number["phone_number"], inbound_agent_id="agent_9")
    await sweep(gateway, 2)
    await gateway.teli.forget_requests()

    for one in await listed(tenant):
        answer = await resolve(tenant, one["id"], "theirs")
        assert (answer.status_code, answer.json()["operation_id"]) == (200, None), answer.text

    page = await shown(tenant, number)
    assert (page["nickname"], page["inbound_agent_id"], page["drift"]) == ("Front desk", "agent_9", [])
    link = page["agents"]["inbound"]
    assert (link["desired"], link["confirmed"], link["state"]) == ("agent_9", "agent_9", "confirmed")
    await sweep(gateway, 2)
    assert await told(tenant) == []
    assert await gateway.teli.requests("update_agent") == []
    [entry, _] = (await tenant.get(f"/v1/numbers/{number['id']}/history")).json()["items"][:2]
    assert (entry["action"], entry["after"]["decision"]) == ("number.drift_settled", "theirs")


async def test_by_policy_ours_wins_a_few_times_a_day_and_then_a_person_is_asked(gateway: Gateway, tenant: Tenant):
    await follow(gateway, tenant, "ours_wins")
    number = await held(gateway, tenant, nickname="Sales")
    ours = (await row(gateway, number))["nickname"]

    for _ in range(3):
        await gateway.teli.dashboard_rename(number["phone_number"], "Front desk")
        await sweep(gateway, 2)
        assert (await row(gateway, number))["nickname"] == ours
        assert await listed(tenant) == []
    await gateway.teli.dashboard_rename(number["phone_number"], "Front desk")
    await sweep(gateway, 3)

    assert (await row(gateway, number))["nickname"] == "Front desk"
    [one] = await listed(tenant)
    assert "put back 3 times within a day" in one["why"]
    settled = [entry for entry in await gateway.audited(number["id"]) if entry[0] == "number.drift_settled"]
    assert settled == [("number.drift_settled", "worker", None)] * 3


async def test_by_policy_theirs_wins_and_the_log_names_teli(gateway: Gateway, tenant: Tenant):
    await follow(gateway, tenant, "theirs_wins")
    number = await held(gateway, tenant, nickname="Sales")
    await gateway.teli.dashboard_rename(number["phone_number"], "Front desk")
    await gateway.teli.dashboard_link(number["phone_number"], outbound_agent_id="agent_9")

    await sweep(gateway, 2)

    page = await shown(tenant, number)
    assert (page["nickname"], page["outbound_agent_id"], page["drift"]) == ("Front desk", "agent_9", [])
    settled = [entry[1] for entry in await gateway.audited(number["id"]) if entry[0] == "number.drift_settled"]
    assert settled == ["upstream", "upstream"]
    assert (await gateway.told(number["id"]))[-2:] == ["number.drift_settled"] * 2


async def test_a_policy_that_changes_decides_what_is_open(gateway: Gateway, tenant: Tenant):
    number = await held(gateway, tenant, nickname="Sales")
    await gateway.teli.dashboard_rename(number["phone_number"], "Front desk")
    await sweep(gateway, 2)
    assert len(await listed(tenant)) == 1

    await follow(gateway, tenant, "theirs_wins")
    await sweep(gateway)

    assert (await shown(tenant, number))["nickname"] == "Front desk"


@pytest.mark.parametrize("theirs", ["[0123456789ABC] Desk"[:16] + "[0123456789ABC] x", "n" * 101, "line\u202e"])
async def test_what_no_caller_may_ask_for_is_not_taken_by_policy_either(gateway: Gateway, tenant: Tenant, theirs: str):
    await follow(gateway, tenant, "theirs_wins")
    number = await held(gateway, tenant, nickname="Sales")
    await gateway.teli.dashboard_rename(number["phone_number"], theirs)

    await sweep(gateway, 2)

    [one] = await listed(tenant)
    assert "the policy cannot be followed: theirs cannot be taken" in one["why"]
    told = problem(await resolve(tenant, one["id"], "theirs"), 400, "invalid_request")
    assert [fault["pointer"] for fault in told["errors"]] == ["/decision"]
    assert (await shown(tenant, number))["nickname"] == "Sales"


async def test_an_agent_that_the_tenant_may_not_link_is_not_taken(gateway: Gateway, tenant: Tenant):
    number = await held(gateway, tenant, inbound_agent_id="agent_1")
    put = {"agents_allowed": ["agent_1"], "drift": "theirs_wins"}
    await gateway.admin.send("PUT", f"/v1/admin/policies/{tenant.id}", json=put)
    await gateway.teli.dashboard_link(number["phone_number"], inbound_agent_id="agent_9")

    await sweep(gateway, 2)

    [one] = await listed(tenant)
    assert "does not allow that agent" in one["why"]
    problem(await resolve(tenant, one["id"], "theirs"), 400, "invalid_request")


async def test_what_teli_makes_of_a_nickname_is_no_drift(gateway: Gateway, tenant: Tenant):
    numbers = []
    for how in ("trimmed", "cut", "dropped"):
        await gateway.teli.switch(nickname=how, nickname_length=20)
        numbers.append(await tenant.bought(nickname=f" Sales line {how} "))
        await gateway.follow_up()

    await sweep(gateway, 3)

    assert await gateway.sql("SELECT state FROM drifts") == []
    await gateway.teli.dashboard_rename(numbers[1]["phone_number"], "Sales")
    await gateway.teli.dashboard_rename(numbers[2]["phone_number"], "Front desk")
    await sweep(gateway, 2)
    assert await told(tenant) == [
        ("nickname", " Sales line cut ", "Sales"),
        ("nickname", " Sales line dropped ", "Front desk"),
    ]


async def test_one_that_was_listed_whole_was_not_cut_by_teli(gateway: Gateway, tenant: Tenant):
    number = await held(gateway, tenant, nickname="Sales line")
    other = await held(gateway, tenant, nickname="Sales line")
    ours = (await row(gateway, number))["nickname"]

    await gateway.teli.dashboard_rename(number["phone_number"], ours.removesuffix(" line"))
    await gateway.teli.dashboard_rename(other["phone_number"], None)
    await sweep(gateway, 3)

    assert await told(tenant) == [("nickname", "Sales line", "Sales"), ("nickname", "Sales line", None)]


@pytest.mark.parametrize("form", ["id", "agent_id", "unique_id", "voice_agent_id"])
async def test_one_agent_by_another_of_its_ids_and_one_user_by_its_other_form_are_no_drift(
    gateway: Gateway, tenant: Tenant, form: str
):
    agent = await gateway.teli.agent("your_tenant", name="Agent")
    other = await gateway.teli.agent("your_tenant", name="Other")
    forms = ("id", "agent_id", "unique_id", "voice_agent_id")
    numbers = [await held(gateway, tenant, inbound_agent_id=agent[name], outbound_agent_id="gone") for name in forms]

    for id_form in ("uuid", "unique_id"):
        await gateway.teli.switch(agent_id_form_numbers=form, id_form_numbers=id_form)
        await sweep(gateway, 2)
        assert await gateway.sql("SELECT state FROM drifts") == []

    await gateway.teli.dashboard_link(numbers[0]["phone_number"], inbound_agent_id=other["unique_id"])
    await sweep(gateway, 2)
    assert await told(tenant) == [("inbound_agent_id", agent["id"], other[form])]


async def test_where_agents_cannot_be_told_apart_nothing_is_said_but_that_one_is_lost(gateway: Gateway, tenant: Tenant):
    number = await held(gateway, tenant, inbound_agent_id="agent_1", outbound_agent_id="agent_2")
    await gateway.teli.dashboard_link(number["phone_number"], inbound_agent_id="agent_9", outbound_agent_id=None)
    await gateway.teli.arm("server_error", times=100, operation="agent_list")

    await sweep(gateway, 3)

    assert await told(tenant) == [("outbound_agent_id", "agent_2", None)]


async def test_a_push_that_is_owed_or_has_only_just_been_confirmed_is_no_drift(gateway: Gateway, tenant: Tenant):
    number = await held(gateway, tenant, nickname="Sales")
    old = (await row(gateway, number))["nickname"]
    path = f"/v1/numbers/{number['id']}"
    await gateway.teli.arm("reset", times=1, operation="update_agent", step="received")
    await tenant.send("PATCH", path, json={"nickname": "Support"}, headers={"Prefer": "wait=0"})
    await gateway.look_everywhere()
    await sweep_without_follow_up(gateway, 3)
    assert await gateway.sql("SELECT state FROM drifts WHERE state = 'open'") == []

    await gateway.hurry()
    await gateway.teli.dashboard_rename(number["phone_number"], old)  # As a listing that lags shows it.
    for _ in range(3):
        await gateway.look_everywhere()
    assert await listed(tenant) == []
    await gateway.teli.dashboard_rename(number["phone_number"], f"{old[:16]}Support")
    await sweep(gateway, 3)
    assert await gateway.sql("SELECT state FROM drifts") == []


async def sweep_without_follow_up(gateway: Gateway, times: int) -> None:
    for _ in range(times):
        await pass_time(gateway)
        await gateway.look_everywhere()


async def test_a_listing_that_is_not_complete_says_nothing(gateway: Gateway, tenant: Tenant):
    number = await held(gateway, tenant, nickname="Sales")
    await gateway.teli.dashboard_rename(number["phone_number"], "Front desk")
    await gateway.teli.arm("list_miscounts", times=4, operation="list")

    await sweep(gateway, 3)

    assert await gateway.sql("SELECT state FROM drifts") == []


async def test_another_owner_is_for_an_administrator_to_take(gateway: Gateway, tenant: Tenant):
    await follow(gateway, tenant, "theirs_wins")
    await gateway.teli.user(ORGANIZATION, unique_id=OTHER_USER)
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, OTHER_USER, {"name": "Other"})
    number = await held(gateway, tenant)
    await gateway.teli.dashboard_move(number["phone_number"], OTHER_USER)

    await sweep(gateway, 3)

    [one] = await listed(tenant)
    assert (one["member"], one["ours"], one["theirs"]) == ("user_id", USER, OTHER_USER)
    assert one["why"] == "Teli lists it for another user; whose a number is, is for an administrator to decide"
    problem(await resolve(tenant, one["id"], "theirs"), 403, "scope_missing")
    told_ = problem(await resolve(gateway.admin, one["id"], "ours"), 409, "state_conflict")
    assert "take theirs" in told_["detail"]
    assert (await resolve(gateway.admin, one["id"], "theirs")).status_code == 200
    assert (await shown(tenant, number))["user_id"] == OTHER_USER
    await sweep(gateway, 2)
    assert await listed(tenant) == []


async def test_a_number_of_another_owner_counts_there_with_what_was_asked_to_be_given_back_of_it(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.user(ORGANIZATION, unique_id=OTHER_USER)
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, OTHER_USER, {"name": "Other"})
    for user in (USER, OTHER_USER):
        path = f"/v1/admin/organizations/{ORGANIZATION}/users/{user}/quotas"
        answer = await gateway.admin.send("PUT", path, json={"numbers_held": 9, "releases_per_month": 9})
        assert answer.status_code == 200, answer.text
    stays, goes = await held(gateway, tenant), await held(gateway, tenant)
    for number in (stays, goes):
        assert (await tenant.send("POST", f"/v1/numbers/{number['id']}/release", json={})).status_code < 300
    counted = "SELECT user_id, used, releases FROM quotas WHERE scope = 'user' ORDER BY user_id <> :user"
    assert await gateway.sql(counted, user=USER) == [(USER, 2, 2), (OTHER_USER, 0, 0)]

    await gateway.teli.dashboard_move(goes["phone_number"], OTHER_USER)
    await sweep(gateway, 3)
    [one] = await listed(tenant)
    assert (await resolve(gateway.admin, one["id"], "theirs")).status_code == 200

    assert await gateway.sql(counted, user=USER) == [(USER, 1, 1), (OTHER_USER, 1, 1)]
    await gateway.worker.drift.run()
    assert await gateway.sql("SELECT 1 FROM audit WHERE action = 'quota.repaired'") == []


async def test_a_decision_is_once_by_its_key_and_refused_where_the_number_was_changed_meanwhile(
    gateway: Gateway, tenant: Tenant
):
    number = await held(gateway, tenant, nickname="Sales")
    await gateway.teli.dashboard_rename(number["phone_number"], "Front desk")
    await sweep(gateway, 2)
    [one] = await listed(tenant)
    answer = await tenant.send("PATCH", f"/v1/numbers/{number['id']}", json={"nickname": "Support"})
    assert answer.status_code == 200, answer.text

    told = problem(await resolve(tenant, one["id"], "ours"), 409, "state_conflict")
    assert "next listing" in told["detail"]
    await sweep(gateway)
    assert await listed(tenant) == []

    await gateway.teli.dashboard_rename(number["phone_number"], "Front desk")
    await sweep(gateway, 2)
    [one] = await listed(tenant)
    first, again = [await resolve(tenant, one["id"], "theirs", **{"Idempotency-Key": "k"}) for _ in range(2)]
    assert (first.json(), again.headers["Idempotent-Replayed"]) == (again.json(), "true")
    problem(await resolve(tenant, one["id"], "theirs"), 409, "state_conflict")


async def test_only_who_may_change_a_number_decides_and_only_who_sees_it_is_told(gateway: Gateway, tenant: Tenant):
    number = await held(gateway, tenant, nickname="Sales", inbound_agent_id="agent_1")
    await gateway.teli.dashboard_rename(number["phone_number"], "Front desk")
    await gateway.teli.dashboard_link(number["phone_number"], inbound_agent_id=None)
    await sweep(gateway, 2)
    agent, name = sorted(await listed(tenant), key=lambda one: str(one["member"]))
    peer = await gateway.tenant(scopes=["numbers:read", "numbers:update"])
    reader = await gateway.tenant(scopes=["numbers:read", "inventory:org", "numbers:update"])
    namer = await second_key(gateway, tenant, ["numbers:read", "numbers:update"])

    assert [await told(who) for who in (peer, gateway.admin)] == [[], await told(tenant)]
    problem(await resolve(peer, name["id"], "ours"), 404, "not_found")
    assert await told(reader) == await told(tenant)
    problem(await resolve(reader, name["id"], "ours"), 404, "not_found")
    problem(await resolve(namer, agent["id"], "ours"), 403, "scope_missing")
    assert (await resolve(namer, name["id"], "ours")).status_code == 200
    assert (await resolve(gateway.admin, agent["id"], "theirs")).status_code == 200


async def second_key(gateway: Gateway, tenant: Tenant, scopes: list[str]) -> Tenant:
    issued = await gateway.services.administration.issue_key(AUTHOR, tenant.id, name="second", scopes=scopes)
    return Tenant(gateway.http, tenant.id, issued.key)


async def test_the_list_is_paged_and_counted(gateway: Gateway, tenant: Tenant):
    for n in range(3):
        number = await tenant.bought(nickname=f"Line {n}")
        await gateway.follow_up()
        await gateway.look_everywhere()
        await gateway.teli.dashboard_rename(number["phone_number"], f"Desk {n}")
    await sweep(gateway, 2)

    first = (await tenant.get("/v1/drift?limit=2")).json()
    rest = (await tenant.get(f"/v1/drift?limit=2&cursor={first['next_cursor']}")).json()

    assert first["total"] == {"value": 3, "exact": True}
    assert len({one["id"] for one in first["items"] + rest["items"]}) == 3
    assert rest["next_cursor"] is None


async def test_a_released_number_does_not_drift(gateway: Gateway, tenant: Tenant):
    number = await held(gateway, tenant, nickname="Sales")
    await gateway.teli.switch(removal_lag_seconds=3600)
    await gateway.teli.dashboard_rename(number["phone_number"], "Front desk")
    await sweep(gateway, 2)
    assert len(await listed(tenant)) == 1
    await tenant.send("DELETE", f"/v1/voice/phone-numbers/{number['phone_number']}")
    await gateway.follow_up()

    await sweep(gateway, 2)

    assert await listed(tenant) == []
