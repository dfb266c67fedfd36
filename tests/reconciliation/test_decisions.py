"""The operator's exits: doubts, orphans and ghosts decided by a person."""

import asyncio
from typing import Any

import pytest

from service.observability.metrics import ALARMS
from tests.http.refusals import problem
from tests.reconciliation.test_resolver import doubt, look_again, until_ghosts
from tests.support.gateway import AUTHOR, NUMBERS, ORGANIZATION, USER, Gateway, Tenant


async def decide(gateway: Gateway, kind: str, item: str, **decision: object):
    body = {"reason": "looked in the dashboard", **decision}
    return await gateway.operator.send("POST", f"/v1/admin/{kind}/{item}/resolve", json=body)


async def listed(gateway: Gateway, kind: str) -> list[dict[str, Any]]:
    answer = await gateway.operator.get(f"/v1/admin/{kind}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == {"value": len(answer.json()["items"]), "exact": True}
    return list(answer.json()["items"])


async def test_a_doubt_decided_owned_is_the_callers_number_and_its_candidate_is_explained(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.switch(nickname="dropped")
    operation = await doubt(gateway, tenant, step="answering")
    await look_again(gateway)
    [item] = await listed(gateway, "doubts")
    [candidate] = item["candidates"]

    answer = await decide(gateway, "doubts", operation, decision="owned", phone_number=candidate["phone_number"])

    assert answer.status_code == 200, answer.text
    found = await tenant.operation(operation)
    assert (found["state"], found["result"]["phone_number"]) == ("succeeded", candidate["phone_number"])
    assert await listed(gateway, "orphans") == []
    again = await decide(gateway, "doubts", operation, decision="refused")
    assert (again.status_code, again.json()["code"]) == (409, "state_conflict")
    assert "owned" in again.json()["detail"]


async def test_a_doubt_decided_refused_gives_its_quota_back_and_its_key_keeps_that_answer(
    gateway: Gateway, tenant: Tenant
):
    operation = await doubt(gateway, tenant, step="received")

    assert (await decide(gateway, "doubts", operation, decision="refused")).status_code == 200

    assert (await tenant.operation(operation))["state"] == "failed"
    assert await gateway.sql("SELECT used, reserved FROM quotas WHERE tenant_id = :t", t=tenant.id) == [(0, 0)]
    await gateway.sql("UPDATE intents SET decided_at = decided_at - interval '1 day'")
    assert (await tenant.buy(key="k1")).json()["code"] == "upstream_refused"


async def test_an_orphan_is_adopted_by_a_tenant_and_then_lives_like_any_number(gateway: Gateway, tenant: Tenant):
    [strange] = await gateway.teli.dashboard_buy("415", ORGANIZATION, USER, "Reception")
    await look_again(gateway)
    [orphan] = await listed(gateway, "orphans")
    assert (orphan["phone_number"], orphan["tenant_id"], orphan["user_id"]) == (strange, None, USER)

    refused = await decide(gateway, "orphans", str(orphan["id"]), decision="adopt")
    assert refused.json()["errors"] == [{"pointer": "/tenant_id", "detail": "is required: this orphan names none"}]
    adopted = await decide(gateway, "orphans", str(orphan["id"]), decision="adopt", tenant_id=tenant.id)

    assert (adopted.status_code, adopted.json()["state"]) == (200, "adopted")
    listing = await tenant.get(f"/v1/voice/phone-numbers?user_id={USER}&organization_id={ORGANIZATION}")
    assert [row["phone_number"] for row in listing.json()["phone_numbers"]] == [strange]
    assert (await tenant.send("DELETE", f"/v1/voice/phone-numbers/{strange}")).status_code == 200
    assert await gateway.sql("SELECT used FROM quotas WHERE tenant_id = :t", t=tenant.id) == [(0,)]


async def test_an_orphan_is_given_back(gateway: Gateway, tenant: Tenant):
    await gateway.teli.dashboard_buy("415", ORGANIZATION, USER)
    await look_again(gateway)
    [orphan] = await listed(gateway, "orphans")

    answer = await decide(gateway, "orphans", str(orphan["id"]), decision="release", tenant_id=tenant.id)
    assert answer.status_code == 200, answer.text
    await gateway.follow_up()

    assert (await gateway.teli.counts())["held"] == 0
    assert await gateway.sql("SELECT state FROM numbers") == [("released",)]


async def test_a_number_gone_from_several_listings_is_a_ghost_that_heals_when_it_is_seen_again(open_gateway):
    async with open_gateway(upstream_timeout=0.3, settling_window=0.4) as gateway:
        tenant = await gateway.tenant()
        held = await tenant.bought()
        await gateway.follow_up()
        await look_again(gateway)
        await gateway.teli.arm("list_empty", times=4)
        for _ in range(4):
            await look_again(gateway)
            await asyncio.sleep(0.15)
        [ghost] = await listed(gateway, "ghosts")
        assert (ghost["id"], ghost["phone_number"]) == (held["id"], held["phone_number"])

        assert (await decide(gateway, "ghosts", held["id"], decision="missing")).status_code == 200
        assert await gateway.sql("SELECT used FROM quotas WHERE tenant_id = :t", t=tenant.id) == [(0,)]
        assert await listed(gateway, "ghosts") == []

        await look_again(gateway)
        assert await gateway.sql("SELECT state FROM numbers") == [("active",)]
        assert await gateway.sql("SELECT used FROM quotas WHERE tenant_id = :t", t=tenant.id) == [(1,)]


async def test_only_an_operator_decides(gateway: Gateway, tenant: Tenant):
    operation = await doubt(gateway, tenant, step="received")
    for other in (tenant, gateway.admin):
        body = {"decision": "refused", "reason": "because"}
        answer = await other.send("POST", f"/v1/admin/doubts/{operation}/resolve", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


async def undecided_release(gateway: Gateway, tenant: Tenant) -> tuple[dict[str, Any], str]:
    """A number that Teli says it does not know when it is to be released, and the operation."""
    held = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.arm("server_error", operation="release", status=404, error="Phone number not found")
    answer = await tenant.send("DELETE", f"{NUMBERS}/{held['phone_number']}")
    assert (answer.status_code, answer.json()["state"]) == (202, "unresolved")
    return held, str(answer.json()["operation_id"])


async def held_and_used(gateway: Gateway, number: dict[str, Any]) -> tuple[str, int]:
    """The number's state, and how many its tenant has in use."""
    [(state, used)] = await gateway.sql(
        "SELECT n.state, q.used FROM numbers n JOIN quotas q USING (tenant_id) WHERE n.id = :id", id=number["id"]
    )
    return state, used


async def test_an_unresolved_release_is_a_ghost_with_its_reason_and_decided_missing_it_is_released(
    gateway: Gateway, tenant: Tenant
):
    held, operation = await undecided_release(gateway, tenant)
    [ghost] = await listed(gateway, "ghosts")
    assert (ghost["id"], ghost["state"]) == (held["id"], "releasing")
    assert ghost["reason"] == "its release is unresolved: answered 404"

    answer = await decide(gateway, "ghosts", held["id"], decision="missing")

    assert (answer.status_code, answer.json()["state"]) == (200, "released"), answer.text
    assert await held_and_used(gateway, held) == ("released", 0)
    assert (await tenant.operation(operation))["state"] == "succeeded"
    again = await tenant.send("DELETE", f"{NUMBERS}/{held['phone_number']}")
    assert (again.status_code, again.json()["already_released"]) == (200, True)
    assert await listed(gateway, "ghosts") == []
    assert [action for action, *_ in await gateway.audited(held["id"])][-2:] == ["ghost.missing", "number.released"]
    assert (await gateway.told(held["id"]))[-1] == "number.released"
    for decision in ("missing", "still_ours"):
        late = await decide(gateway, "ghosts", held["id"], decision=decision)
        assert (late.status_code, late.json()["code"]) == (409, "state_conflict")
        assert "resolved meanwhile: the number is released at 20" in late.json()["detail"]
    assert await held_and_used(gateway, held) == ("released", 0)


async def test_an_unresolved_release_decided_still_ours_has_failed_and_the_number_can_be_released_again(
    gateway: Gateway, tenant: Tenant
):
    held, operation = await undecided_release(gateway, tenant)

    answer = await decide(gateway, "ghosts", held["id"], decision="still_ours")

    assert (answer.status_code, answer.json()["state"]) == (200, "active"), answer.text
    assert await held_and_used(gateway, held) == ("active", 1)
    failed = await tenant.operation(operation)
    assert (failed["state"], failed["problem"]["code"]) == ("failed", "state_conflict")
    assert await listed(gateway, "ghosts") == []
    assert (await gateway.told(held["id"]))[-1] == "number.still_ours"
    again = await tenant.send("DELETE", f"{NUMBERS}/{held['phone_number']}")
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    assert again.json()["operation_id"] != operation
    await gateway.hurry()
    assert await held_and_used(gateway, held) == ("released", 0)
    assert (await gateway.teli.counts())["held"] == 0


async def test_a_number_that_stands_under_another_row_is_not_deleted_though_it_was_vouched_for(open_gateway):
    async with open_gateway(upstream_timeout=0.5, settling_window=0.6) as gateway:
        tenant = await gateway.tenant()
        held = await tenant.bought()
        await gateway.follow_up()
        await gateway.teli.switch(recycle_released=True)
        await gateway.teli.arm("reset", operation="release", step="removed")
        await tenant.send("DELETE", f"{NUMBERS}/{held['phone_number']}")
        [recycled] = await gateway.teli.dashboard_buy("313", organization_id=ORGANIZATION, user_id=USER)
        assert recycled == held["phone_number"]
        await asyncio.sleep(0.7)
        await gateway.hurry()
        [ghost] = await listed(gateway, "ghosts")
        assert ghost["reason"] == "its release is unresolved: its E.164 is listed under another row id"
        await decide(gateway, "ghosts", held["id"], decision="still_ours")
        await gateway.teli.forget_requests()

        await tenant.send("DELETE", f"{NUMBERS}/{held['phone_number']}")
        await gateway.hurry()

        assert await gateway.teli.requests("release") == []
        assert (await gateway.teli.counts())["held"] == 1
        assert await held_and_used(gateway, held) == ("releasing", 1)


async def test_a_release_under_way_is_nobodys_to_decide_and_an_unresolved_one_does_not_heal_by_itself(
    gateway: Gateway, tenant: Tenant
):
    held, _ = await undecided_release(gateway, tenant)
    await look_again(gateway)
    await look_again(gateway)
    assert await held_and_used(gateway, held) == ("releasing", 1)
    await gateway.sql("UPDATE steps SET state = 'waiting' WHERE kind = 'release'")

    answer = await decide(gateway, "ghosts", held["id"], decision="missing")

    assert (answer.status_code, answer.json()["detail"]) == (409, "The release of this number is under way.")
    assert await listed(gateway, "ghosts") == []


async def never_listed(gateway: Gateway, tenant: Tenant) -> dict[str, Any]:
    await gateway.teli.switch(list_lag_seconds=3600)
    number = await tenant.bought()
    await gateway.follow_up()
    assert number["id"] not in [ghost["id"] for ghost in await listed(gateway, "ghosts")]
    await gateway.sql("UPDATE numbers SET acquired_at = acquired_at - interval '1 hour'")
    return number


async def test_a_number_that_is_never_listed_is_a_ghost_until_it_is_decided_and_heals_when_it_is_seen(
    gateway: Gateway, tenant: Tenant
):
    number = await never_listed(gateway, tenant)
    [ghost] = await listed(gateway, "ghosts")
    assert (ghost["id"], ghost["reason"], ghost["row_id"]) == (number["id"], "bought, and never listed", None)

    answer = await decide(gateway, "ghosts", number["id"], decision="missing")

    assert (answer.status_code, answer.json()["state"]) == (200, "missing")
    assert await held_and_used(gateway, number) == ("missing", 0)
    assert await listed(gateway, "ghosts") == []
    again = await decide(gateway, "ghosts", number["id"], decision="still_ours")
    assert (again.status_code, again.json()["state"]) == (409, "missing")
    await gateway.teli.advance(3601)
    await gateway.hurry()
    await look_again(gateway)
    assert await held_and_used(gateway, number) == ("active", 1)


async def test_a_listing_is_trusted_though_it_lacks_what_is_still_ours_until_that_comes_and_goes_again(
    gateway: Gateway, tenant: Tenant
):
    number = await tenant.bought()
    await gateway.follow_up()

    async def trusted(*, listed: bool) -> bool:
        if not listed:
            await gateway.teli.arm("list_omits", operation="list", omitted=1)
        await look_again(gateway)
        [(trustworthy,)] = await gateway.sql("SELECT trustworthy FROM listings ORDER BY id DESC LIMIT 1")
        return bool(trustworthy)

    assert await trusted(listed=True)
    for _ in range(3):
        assert not await trusted(listed=False)
    await gateway.sql("UPDATE upstream_rows SET gone_at = gone_at - interval '1 hour'")
    answer = await decide(gateway, "ghosts", number["id"], decision="still_ours")
    assert answer.status_code == 200, answer.text

    assert await trusted(listed=False)
    assert await trusted(listed=True)
    assert not await trusted(listed=False)


async def test_a_number_that_is_never_listed_and_still_ours_is_back_on_the_list_a_window_later(
    gateway: Gateway, tenant: Tenant
):
    number = await never_listed(gateway, tenant)
    await gateway.sql("UPDATE numbers SET state = 'release_scheduled'")

    answer = await decide(gateway, "ghosts", number["id"], decision="still_ours")

    assert (answer.status_code, answer.json()["state"]) == (200, "release_scheduled")
    assert await listed(gateway, "ghosts") == []
    await gateway.sql("UPDATE numbers SET still_ours_at = still_ours_at - interval '1 hour'")
    assert [ghost["id"] for ghost in await listed(gateway, "ghosts")] == [number["id"]]


async def test_ghosts_of_every_kind_come_page_by_page_oldest_first(gateway: Gateway, tenant: Tenant):
    released = [await undecided_release(gateway, tenant) for _ in range(2)]
    unlisted = await never_listed(gateway, tenant)
    oldest_first = [unlisted["id"], *(held["id"] for held, _ in released)]

    first = (await gateway.operator.get("/v1/admin/ghosts", params={"limit": 2})).json()
    second = (await gateway.operator.get("/v1/admin/ghosts", params={"cursor": first["next_cursor"]})).json()

    assert [item["id"] for item in [*first["items"], *second["items"]]] == oldest_first
    assert first["total"] == {"value": 3, "exact": True}


async def test_how_an_operator_knew_is_in_the_audit_log(gateway: Gateway, tenant: Tenant):
    operation = await doubt(gateway, tenant, step="received")

    await decide(gateway, "doubts", operation, decision="refused")

    kept = "SELECT action, tenant_id, after ->> 'reason' FROM audit WHERE object_id = :id ORDER BY id DESC LIMIT 1"
    assert await gateway.sql(kept, id=operation) == [("doubt.refused", tenant.id, "looked in the dashboard")]


async def answered_late(gateway: Gateway, tenant: Tenant) -> str:
    """A purchase that its sender still waits for though its lease is over; the operation's id."""
    await gateway.teli.hold("answering")
    buying = asyncio.create_task(tenant.buy(key="late", prefer="wait=1"))
    await gateway.teli.until_held()
    await gateway.sql("UPDATE intents SET lease_until = clock_timestamp() - interval '1 second'")
    await gateway.worker.ledger.lapse(limit=10)
    return str((await buying).json()["operation_id"])


async def test_late_proof_and_its_row_are_one_orphan_and_gone_once_it_is_reused(gateway: Gateway, tenant: Tenant):
    operation = await answered_late(gateway, tenant)
    assert (await decide(gateway, "doubts", operation, decision="refused")).status_code == 200
    await gateway.teli.release_holds()
    while not await gateway.sql("SELECT id FROM orphans"):
        await asyncio.sleep(0.05)
    before = ALARMS.labels("late_proof")._value.get()
    await look_again(gateway)
    assert ALARMS.labels("late_proof")._value.get() == before + 1

    [orphan] = await listed(gateway, "orphans")
    [purchase] = await gateway.teli.purchases()
    assert (orphan["phone_number"], orphan["intent_id"]) == (purchase["phone_number"], operation)
    assert orphan["row_id"] is not None

    again = await tenant.bought(key="another")
    assert again["phone_number"] == orphan["phone_number"]
    assert await listed(gateway, "orphans") == []
    assert (await gateway.teli.counts())["bought"] == 1


async def test_a_doubt_is_not_given_another_owners_or_another_purchases_number(gateway: Gateway, tenant: Tenant):
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, "somebody", {})
    await gateway.mark_mode(tenant)
    marked = await doubt(gateway, tenant, step="answering")
    [_, purchase] = await gateway.teli.purchases()
    await gateway.sql(
        "INSERT INTO orphans (account_id, organization_id, user_id, phone_number, row_id, reason)"
        " SELECT id, :org, 'somebody', '+14155550177', 'r-1', 'unexplained' FROM accounts",
        org=ORGANIZATION,
    )
    await gateway.teli.arm("reset", step="received")
    other = (await tenant.buy("212", key="k2", prefer="wait=1")).json()["operation_id"]
    await gateway.sql(
        "INSERT INTO upstream_rows (account_id, row_id, organization_id, user_id, phone_number, nickname,"
        " first_seen_at) SELECT account_id, 'r-2', organization_id, user_id, :n, mark, clock_timestamp()"
        " FROM intents WHERE id = :i",
        n=purchase["phone_number"],
        i=marked,
    )

    for number in ("+14155550177", purchase["phone_number"]):
        answer = await decide(gateway, "doubts", other, decision="owned", phone_number=number)
        assert "is listed for another owner" in problem(answer, 409, "state_conflict")["detail"]
    assert (await tenant.operation(other))["state"] == "pending"


async def test_a_doubt_with_candidates_is_given_no_number_that_is_none_of_them(gateway: Gateway, tenant: Tenant):
    operation = await doubt(gateway, tenant, step="received")
    [theirs] = await gateway.teli.dashboard_buy("313", ORGANIZATION, USER, "Reception")
    await look_again(gateway)

    answer = await decide(gateway, "doubts", operation, decision="owned", phone_number="+13135550999")

    assert theirs in problem(answer, 409, "state_conflict")["detail"]
    assert (await decide(gateway, "doubts", operation, decision="owned", phone_number=theirs)).status_code == 200


async def test_of_many_decisions_at_once_one_holds_and_the_others_leave_nothing_behind(
    gateway: Gateway, tenant: Tenant
):
    operation = await doubt(gateway, tenant, step="received")

    answers = await asyncio.gather(
        *(decide(gateway, "doubts", operation, decision="owned", phone_number=f"+131355502{n:02}") for n in range(6)),
        *(decide(gateway, "doubts", operation, decision="refused") for _ in range(3)),
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 8
    assert await gateway.sql("SELECT count(*) FROM orphans") == [(0,)]
    assert await gateway.sql("SELECT count(*) FROM evidence WHERE kind = 'operator'") == [(1,)]


async def test_a_reason_of_blanks_is_none(gateway: Gateway, tenant: Tenant):
    operation = await doubt(gateway, tenant, step="received")

    answer = await decide(gateway, "doubts", operation, decision="refused", reason="     ")

    assert [one["pointer"] for one in problem(answer, 400, "invalid_request")["errors"]] == ["/reason"]


async def test_what_a_person_refused_says_so_and_to_take_a_new_key(gateway: Gateway, tenant: Tenant):
    operation = await doubt(gateway, tenant, step="received")
    assert (await decide(gateway, "doubts", operation, decision="refused")).status_code == 200

    told = (await tenant.buy(key="k1")).json()["detail"]

    assert "an operator looked" in told
    assert "new Idempotency-Key" in told


async def late_proof(gateway: Gateway, tenant: Tenant, **fields: Any) -> dict[str, Any]:
    """A doubt that was refused while its sender still waited, and then heard of a number: the orphan."""
    await gateway.teli.hold("answering")
    buying = asyncio.create_task(tenant.buy(key="k1", prefer="wait=1", **fields))
    await gateway.teli.until_held()
    await gateway.sql("UPDATE intents SET lease_until = clock_timestamp() - interval '1 second'")
    await gateway.worker.ledger.lapse(limit=10)
    operation = (await buying).json()["operation_id"]
    assert (await decide(gateway, "doubts", operation, decision="refused")).status_code == 200
    await gateway.teli.release_holds()
    await gateway.services.numbers.provisioning.drain()
    [orphan] = await listed(gateway, "orphans")
    assert (orphan["reason"], orphan["row_id"]) == ("late_proof", None)
    return orphan


async def test_a_purchase_proved_after_it_was_refused_is_adopted_confirmed_and_released_like_any(
    gateway: Gateway, tenant: Tenant
):
    orphan = await late_proof(gateway, tenant, nickname="Sales")

    adopted = await decide(gateway, "orphans", orphan["id"], decision="adopt")
    assert adopted.status_code == 200, adopted.text
    await gateway.follow_up()

    number = (await tenant.get(f"/v1/numbers/{adopted.json()['number_id']}")).json()
    assert (number["state"], number["nickname"], number["operation_id"]) == ("active", "Sales", None)
    assert number["confirmed_at"]
    assert await gateway.sql("SELECT marked, mark = (SELECT mark FROM intents) FROM numbers") == [(True, True)]
    await look_again(gateway)
    assert await listed(gateway, "orphans") == []
    assert (await tenant.send("DELETE", f"{NUMBERS}/{orphan['phone_number']}")).status_code == 200
    assert (await gateway.teli.counts())["held"] == 0


async def test_a_purchase_proved_after_it_was_refused_is_given_back(gateway: Gateway, tenant: Tenant):
    orphan = await late_proof(gateway, tenant)

    assert (await decide(gateway, "orphans", orphan["id"], decision="release")).status_code == 200
    await gateway.follow_up()

    assert (await gateway.teli.counts())["held"] == 0
    assert await gateway.sql("SELECT state FROM numbers") == [("released",)]


async def test_an_adopted_row_shows_its_nickname_without_the_mark_which_is_taken_off_in_time(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.arm("reset", step="answering")
    pending = await tenant.buy(prefer="wait=2", nickname="Sales")
    await decide(gateway, "doubts", pending.json()["operation_id"], decision="refused")
    await look_again(gateway)
    [orphan] = await listed(gateway, "orphans")
    assert orphan["nickname"].endswith("] Sales")

    adopted = await decide(gateway, "orphans", orphan["id"], decision="adopt")

    shown = await tenant.get(f"/v1/numbers/{adopted.json()['number_id']}")
    assert (shown.status_code, shown.json()["nickname"]) == (200, "Sales")
    filed = "SELECT marked, mark || 'Sales' = upstream_nickname, mark = (SELECT mark FROM intents) FROM numbers"
    assert await gateway.sql(filed) == [(True, True, True)]
    due = "SELECT kind, extract(epoch FROM due_at - clock_timestamp())::float FROM steps"
    [(kind, keep)] = await gateway.sql(due)
    assert kind == "unmark"
    assert gateway.settings.mark_keep - 60 < keep <= gateway.settings.mark_keep
    await gateway.hurry()
    assert [row["nickname"] for row in (await gateway.teli.truth())["record"]["rows"]] == ["Sales"]


async def test_a_row_renamed_since_it_was_filed_is_adopted_as_it_is_now(gateway: Gateway, tenant: Tenant):
    operation = await doubt(gateway, tenant, step="answering")
    await decide(gateway, "doubts", operation, decision="refused")
    await look_again(gateway)
    [orphan] = await listed(gateway, "orphans")
    await gateway.teli.dashboard_rename(orphan["phone_number"], "Reception")
    await look_again(gateway)

    await decide(gateway, "orphans", orphan["id"], decision="adopt")

    filed = "SELECT nickname, upstream_nickname, marked FROM numbers"
    assert await gateway.sql(filed) == [("Reception", "Reception", False)]
    assert await gateway.sql("SELECT kind FROM steps") == []


async def test_a_number_adopted_without_a_mark_tells_nothing_of_marks(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    [strange] = await gateway.teli.dashboard_buy("415", ORGANIZATION, USER)
    await gateway.sql(
        "INSERT INTO orphans (account_id, organization_id, user_id, phone_number, reason)"
        " SELECT id, :organization, :user, :number, 'intent_lost' FROM accounts",
        organization=ORGANIZATION, user=USER, number=strange,
    )  # fmt: skip
    [orphan] = await listed(gateway, "orphans")

    adopted = await decide(gateway, "orphans", orphan["id"], decision="adopt", tenant_id=tenant.id)
    await gateway.follow_up()

    assert (await tenant.get(f"/v1/numbers/{adopted.json()['number_id']}")).json()["confirmed_at"]
    assert await gateway.sql("SELECT mode FROM accounts") == [("mark",)]


async def orphan_of(gateway: Gateway, number: str, row: str | None) -> str:
    """An orphan of that number, filed by hand; its id."""
    [(found,)] = await gateway.sql(
        "INSERT INTO orphans (account_id, organization_id, user_id, phone_number, row_id, reason)"
        " SELECT id, :organization, :user, :number, :row, 'unexplained' FROM accounts RETURNING id",
        organization=ORGANIZATION, user=USER, number=number, row=row,
    )  # fmt: skip
    return str(found)


@pytest.mark.parametrize("decision", ["adopt", "release"])
@pytest.mark.parametrize("same_row", [True, False])
async def test_an_orphan_of_a_number_that_is_held_is_not_adopted_and_nothing_of_the_holder_is_told(
    gateway: Gateway, tenant: Tenant, decision: str, same_row: bool
):
    other = await gateway.tenant()
    held = await other.bought()
    await gateway.follow_up()
    await look_again(gateway)
    [(row,)] = await gateway.sql("SELECT upstream_row_id FROM numbers")
    orphan = await orphan_of(gateway, held["phone_number"], row if same_row else None)

    answer = await decide(gateway, "orphans", orphan, decision=decision, tenant_id=tenant.id)

    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")
    assert "held by another acquisition" in answer.json()["detail"]
    assert other.id not in answer.text
    assert held["id"] not in answer.text
    assert [one["id"] for one in await listed(gateway, "orphans")] == [orphan]
    assert await held_and_used(gateway, held) == ("active", 1)
    assert await gateway.sql("SELECT used FROM quotas WHERE tenant_id = :t", t=tenant.id) == [(0,)]


async def recycled(gateway: Gateway, holder: Tenant) -> tuple[dict[str, Any], dict[str, Any]]:
    """A number that its holder lost, and the orphan under whose row it stands anew."""
    await gateway.teli.switch(recycle_released=True)
    older = await holder.bought()
    await gateway.follow_up()
    await gateway.teli.dashboard_release(older["phone_number"])
    await gateway.teli.stock("313", 0)
    assert await gateway.teli.dashboard_buy("313", ORGANIZATION, USER) == [older["phone_number"]]
    await look_again(gateway)
    [orphan] = await listed(gateway, "orphans")
    return older, orphan


async def test_a_number_that_stands_under_a_new_row_is_adopted_and_who_lost_it_holds_it_no_more(
    gateway: Gateway, tenant: Tenant
):
    holder = await gateway.tenant()
    older, orphan = await recycled(gateway, holder)

    answer = await decide(gateway, "orphans", orphan["id"], decision="adopt", tenant_id=tenant.id)

    assert answer.status_code == 200, answer.text
    assert await held_and_used(gateway, older) == ("released", 0)
    assert await held_and_used(gateway, {"id": answer.json()["number_id"]}) == ("active", 1)
    [decided] = await gateway.audited(orphan["id"])
    assert (await gateway.audited(older["id"]))[-1] == ("number.released", *decided[1:])
    assert (await gateway.told(older["id"]))[-1] == "number.released"
    lost = await holder.get(f"/v1/numbers/{older['id']}")
    assert (lost.status_code, lost.json()["state"]) == (200, "released")


async def test_a_row_that_is_only_slow_to_vanish_takes_no_number_from_who_holds_it_now(
    gateway: Gateway, tenant: Tenant
):
    holder = await gateway.tenant()
    older, orphan = await recycled(gateway, holder)
    await gateway.sql("UPDATE upstream_rows SET first_seen_at = clock_timestamp() WHERE gone_at IS NOT NULL")

    answer = await decide(gateway, "orphans", orphan["id"], decision="adopt", tenant_id=tenant.id)

    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")
    assert await held_and_used(gateway, older) == ("active", 1)


async def test_an_orphan_goes_to_the_user_it_names_and_to_none_that_is_not_filed(gateway: Gateway, tenant: Tenant):
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, "another", {"name": "Another"})
    await gateway.teli.dashboard_buy("415", ORGANIZATION, USER)
    await look_again(gateway)
    [orphan] = await listed(gateway, "orphans")

    other = await decide(gateway, "orphans", orphan["id"], decision="adopt", tenant_id=tenant.id, user_id="another")
    await gateway.sql("UPDATE orphans SET user_id = NULL")
    nobody = await decide(gateway, "orphans", orphan["id"], decision="release", tenant_id=tenant.id, user_id="nobody")

    assert (other.status_code, other.json()["errors"]) == (
        400, [{"pointer": "/user_id", "detail": "is not the user that the orphan names"}],
    )  # fmt: skip
    assert (nobody.status_code, [fault["pointer"] for fault in nobody.json()["errors"]]) == (400, ["/user_id"])
    assert await gateway.sql("SELECT count(*) FROM numbers") == [(0,)]
    named = await decide(gateway, "orphans", orphan["id"], decision="adopt", tenant_id=tenant.id, user_id="another")
    assert named.status_code == 200
    assert await gateway.sql("SELECT user_id FROM numbers") == [("another",)]


async def test_an_orphan_that_is_listed_no_more_can_only_be_ignored(gateway: Gateway, tenant: Tenant):
    await gateway.teli.dashboard_buy("415", ORGANIZATION, USER)
    await look_again(gateway)
    [orphan] = await listed(gateway, "orphans")
    await gateway.teli.dashboard_release(orphan["phone_number"])
    await look_again(gateway)

    for decision in ("adopt", "release"):
        answer = await decide(gateway, "orphans", orphan["id"], decision=decision, tenant_id=tenant.id)
        assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")
        assert "Teli lists this number no more" in answer.json()["detail"]

    assert await gateway.sql("SELECT count(*) FROM numbers") == [(0,)]
    assert (await decide(gateway, "orphans", orphan["id"], decision="ignore")).status_code == 200


@pytest.mark.parametrize(("decision", "done"), [("adopt", "adopted"), ("release", "released"), ("ignore", "ignored")])
async def test_the_audit_log_has_an_orphan_before_and_after_its_decision(
    gateway: Gateway, tenant: Tenant, decision: str, done: str
):
    [strange] = await gateway.teli.dashboard_buy("415", ORGANIZATION, USER)
    await look_again(gateway)
    [orphan] = await listed(gateway, "orphans")
    whose = {} if decision == "ignore" else {"tenant_id": tenant.id}

    await decide(gateway, "orphans", orphan["id"], decision=decision, **whose)

    before = {"state": "open", "tenant_id": None, "phone_number": strange}
    after = before | {"state": done, "reason": "looked in the dashboard"} | whose
    kept = "SELECT action, before, after FROM audit WHERE object_id = :id"
    assert await gateway.sql(kept, id=orphan["id"]) == [(f"orphan.{done}", before, after)]


async def test_what_is_listed_again_is_no_ghost_to_be_decided(gateway: Gateway, tenant: Tenant):
    held = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.arm("list_empty", times=3)
    await until_ghosts(gateway)
    assert [ghost["id"] for ghost in await listed(gateway, "ghosts")] == [held["id"]]
    await look_again(gateway)

    for decision in ("missing", "still_ours"):
        answer = await decide(gateway, "ghosts", held["id"], decision=decision)
        assert (answer.status_code, answer.json()["state"]) == (409, "active")
        assert answer.json()["detail"] == "This number is no ghost: Teli lists it."

    assert await held_and_used(gateway, held) == ("active", 1)
    assert "ghost.missing" not in [action for action, *_ in await gateway.audited(held["id"])]


async def test_a_number_bought_a_moment_ago_or_missed_by_one_listing_is_no_ghost_yet(gateway: Gateway, tenant: Tenant):
    fresh = await tenant.bought()
    unlisted = await decide(gateway, "ghosts", fresh["id"], decision="missing")
    await gateway.follow_up()
    await gateway.teli.arm("list_empty", times=1)
    await look_again(gateway)
    missed_once = await decide(gateway, "ghosts", fresh["id"], decision="missing")

    assert (unlisted.status_code, missed_once.status_code) == (409, 409)
    assert "it may still be listed" in unlisted.json()["detail"]
    assert "too few listings lack it" in missed_once.json()["detail"]
    assert await held_and_used(gateway, fresh) == ("active", 1)


async def test_a_ghost_that_was_vouched_for_is_not_decided_again_before_it_is_lost_anew(
    gateway: Gateway, tenant: Tenant
):
    held = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.arm("list_empty", times=3)
    await until_ghosts(gateway)
    assert (await decide(gateway, "ghosts", held["id"], decision="still_ours")).status_code == 200

    again = await decide(gateway, "ghosts", held["id"], decision="missing")

    assert again.status_code == 409
    assert "the number is still held" in again.json()["detail"]


async def test_an_orphan_that_a_doubt_may_have_bought_is_neither_adopted_nor_released_before_that_is_decided(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.switch(nickname="dropped")
    operation = await doubt(gateway, tenant, step="answering")
    await look_again(gateway)
    [candidate] = await listed(gateway, "orphans")

    for decision in ("adopt", "release"):
        answer = await decide(gateway, "orphans", candidate["id"], decision=decision, tenant_id=tenant.id)
        assert operation in problem(answer, 409, "state_conflict")["detail"]

    assert (await decide(gateway, "doubts", operation, decision="refused")).status_code == 200
    answer = await decide(gateway, "orphans", candidate["id"], decision="release", tenant_id=tenant.id)
    assert answer.status_code == 200, answer.text
