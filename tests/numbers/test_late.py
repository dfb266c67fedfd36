"""Late and doubled: fencing guards decisions, never evidence."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from service.numbers.sending import lease
from service.observability.metrics import ALARMS
from tests.conftest import OpenGateway
from tests.numbers.ledger import check, intents, quota
from tests.numbers.sql_calls import Send, connect, said
from tests.support.gateway import USER, Gateway, Tenant

NUMBER, OTHER = "+13135550142", "+13135550143"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(database_url, "numbergate_api")
    yield connection
    await connection.close()


@pytest.fixture
async def account(gateway: Gateway) -> str:
    [(account,)] = await gateway.sql("SELECT id::text FROM accounts")
    return str(account)


async def lapse(gateway: Gateway) -> int:
    return len(await gateway.sql("SELECT lapse_sends(100)"))


async def evidence(gateway: Gateway, send: Send) -> list[str]:
    return [
        row[0] for row in await gateway.sql("SELECT body FROM evidence WHERE intent_id = :i ORDER BY id", i=send.id)
    ]


async def orphans(gateway: Gateway) -> list[tuple[Any, ...]]:
    return await gateway.sql("SELECT phone_number, intent_id, reason, state FROM orphans ORDER BY phone_number")


async def test_an_answer_after_the_lease_moves_the_doubt_to_owned(
    gateway: Gateway, tenant: Tenant, api: asyncpg.Connection, account: str
):
    send = Send(tenant.id, account, lease=-1)
    assert (await send.admit(api))["outcome"] == "admitted"
    assert await lapse(gateway) == 1
    assert await intents(gateway, tenant) == ["doubtful"]
    assert await quota(gateway, tenant) == (0, 1)
    await check(gateway)

    settled = await send.settle(api, "owned", NUMBER)

    assert (settled["state"], settled["moved"]) == ("owned", True)
    assert await quota(gateway, tenant) == (1, 0)
    assert (await tenant.operation(str(send.id)))["state"] == "succeeded"
    await check(gateway)


async def test_an_unresolved_purchase_is_moved_by_proof_too(
    gateway: Gateway, tenant: Tenant, api: asyncpg.Connection, account: str
):
    for verdict, state, counted in (("owned", "owned", (1, 0)), ("refused", "refused", (1, 0))):
        send = Send(tenant.id, account)
        await send.admit(api)
        await send.settle(api, "doubtful")
        await gateway.sql("UPDATE intents SET state = 'unresolved' WHERE id = :id", id=send.id)
        assert (await send.settle(api, "doubtful"))["moved"] is False

        assert (await send.settle(api, verdict, NUMBER if verdict == "owned" else None))["state"] == state
        assert await quota(gateway, tenant) == counted
    await check(gateway)


async def test_late_proof_on_a_refused_intent_is_an_orphan_that_names_it_once(
    gateway: Gateway, tenant: Tenant, api: asyncpg.Connection, account: str
):
    send = Send(tenant.id, account, key="k")
    await send.admit(api)
    await send.settle(api, "refused")

    first, again = await send.settle(api, "owned", NUMBER), await send.settle(api, "owned", NUMBER)

    assert (first["state"], first["moved"], first["reason"]) == ("refused", False, "late_proof")
    assert first["answer"] == again["answer"] == {"status": 409, "headers": {}, "body": said("refused")}
    assert await orphans(gateway) == [(NUMBER, send.id, "late_proof", "open")]
    assert await evidence(gateway, send) == ["refused", NUMBER, NUMBER]
    events = await gateway.sql("SELECT kind FROM outbox WHERE intent_id = :i ORDER BY id", i=send.id)
    assert events == [("number.refused",), ("number.orphaned",)]
    assert await quota(gateway, tenant) == (0, 0)


async def test_a_second_number_for_an_owned_intent_is_an_orphan_and_the_same_one_only_evidence(
    gateway: Gateway, tenant: Tenant, api: asyncpg.Connection, account: str
):
    send = Send(tenant.id, account)
    await send.admit(api)
    await send.settle(api, "owned", NUMBER)

    same, other = await send.settle(api, "owned", NUMBER), await send.settle(api, "owned", OTHER)

    assert (same["reason"], other["reason"]) == ("answer", "late_proof")
    assert same["answer"] == other["answer"] == {"status": 200, "headers": {}, "body": said(NUMBER)}
    assert await orphans(gateway) == [(OTHER, send.id, "late_proof", "open")]
    assert await evidence(gateway, send) == [NUMBER, NUMBER, OTHER]
    assert await quota(gateway, tenant) == (1, 0)
    await check(gateway)


@pytest.mark.parametrize("late", [False, True], ids=["in time", "once its lease had lapsed"])
@pytest.mark.parametrize("explained", [False, True], ids=["by nothing of ours", "by another's number"])
async def test_what_an_answer_named_is_kept_where_the_doubt_turns_out_to_own_another(
    gateway: Gateway, tenant: Tenant, api: asyncpg.Connection, account: str, explained: bool, late: bool
):
    if explained:
        other = Send((await gateway.tenant()).id, account)
        await other.admit(api)
        await other.settle(api, "owned", OTHER)
        await gateway.sql("UPDATE numbers SET acquired_at = '2026-05-01Z'")  # Before that was heard.
    else:
        await gateway.sql(
            "INSERT INTO existing_numbers (account_id, row_id, phone_number) SELECT id, 'row', :n FROM accounts",
            n=OTHER,
        )
    send = Send(tenant.id, account, lease=-1 if late else 20)
    await send.admit(api)
    assert await lapse(gateway) == late
    named = await send.settle(api, "owned", OTHER)

    seen = await send.settle(api, "owned", NUMBER)

    assert (named["state"], named["reason"], seen["state"]) == ("doubtful", "number_already_held", "owned")
    assert seen.get("proof_kept", False) is not explained
    assert await orphans(gateway) == ([] if explained else [(OTHER, send.id, "late_proof", "open")])
    events = await gateway.sql("SELECT kind FROM outbox WHERE intent_id = :i ORDER BY id", i=send.id)
    assert events.count(("number.orphaned",)) == (not explained)
    await check(gateway)


async def test_what_only_a_number_from_before_numbergate_can_be_is_given_to_nobody_and_given_back_by_nobody(
    gateway: Gateway, tenant: Tenant, api: asyncpg.Connection, account: str
):
    await gateway.sql(
        "INSERT INTO existing_numbers (account_id, row_id, phone_number) SELECT id, 'row', :n FROM accounts", n=OTHER
    )
    send = Send(tenant.id, account)
    await send.admit(api)
    await send.settle(api, "owned", OTHER)
    await send.settle(api, "owned", NUMBER)
    [(orphan,)] = await gateway.sql("SELECT id FROM orphans")

    for deed in ("adopt", "release"):
        body = {"decision": deed, "reason": "a test", "user_id": USER}
        refused = await gateway.operator.send("POST", f"/v1/admin/orphans/{orphan}/resolve", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")
        assert "was there before Numbergate" in refused.json()["detail"]
    await gateway.sql("UPDATE existing_numbers SET gone_at = now()")
    given = await gateway.operator.send(
        "POST", f"/v1/admin/orphans/{orphan}/resolve", json={"decision": "adopt", "reason": "a test", "user_id": USER}
    )
    assert given.status_code == 200, given.text


async def test_of_which_type_a_number_is_its_own_answer_says_however_late(
    gateway: Gateway, tenant: Tenant, api: asyncpg.Connection, account: str
):
    first, second = Send(tenant.id, account), Send(tenant.id, account)
    types = "SELECT number_type FROM numbers WHERE phone_number = :number"
    await first.admit(api)
    await first.settle(api, "owned", NUMBER)
    assert await gateway.sql(types, number=NUMBER) == [(None,)]

    await first.settle(api, "owned", NUMBER, of_type="teli-voice-twilio")
    await first.settle(api, "owned", NUMBER)

    assert await gateway.sql(types, number=NUMBER) == [("teli-voice-twilio",)]
    known = "SELECT number_type FROM number_facts WHERE number_id = (SELECT id FROM numbers) ORDER BY seq"
    assert await gateway.sql(known) == [(None,), ("teli-voice-twilio",)]
    # Another would be of that type too, if no answer to its own purchase named one.
    await second.admit(api)
    heard = f'{{"phone_number": "{OTHER}", "phone_number_type": "teli-voice-telnyx"}}'
    await second.settle(api, "doubtful", heard=heard)
    await second.settle(api, "owned", OTHER)
    assert await gateway.sql(types, number=OTHER) == [("teli-voice-telnyx",)]


async def test_a_late_refusal_or_doubt_changes_nothing_once_owned(
    gateway: Gateway, tenant: Tenant, api: asyncpg.Connection, account: str
):
    send = Send(tenant.id, account)
    await send.admit(api)
    await send.settle(api, "owned", NUMBER)

    for verdict in ("refused", "doubtful"):
        settled = await send.settle(api, verdict)
        assert (settled["state"], settled["moved"], settled["answer"]["body"]) == ("owned", False, said(NUMBER))
    assert await evidence(gateway, send) == [NUMBER, "refused", "doubtful"]
    assert await quota(gateway, tenant) == (1, 0)


@pytest.mark.parametrize(
    ("one", "two"), [("owned", "owned"), ("owned", "refused"), ("refused", "refused"), ("owned", "doubtful")]
)
async def test_two_settles_at_once_keep_both_pieces_of_evidence_and_decide_once(
    gateway: Gateway, tenant: Tenant, database_url: str, api: asyncpg.Connection, account: str, one: str, two: str
):
    other = await connect(database_url, "numbergate_api")
    for number in range(5):
        phone = f"+1313555{number:04}"
        send = Send(tenant.id, account)
        await send.admit(api)

        settled = await asyncio.gather(
            send.settle(api, one, phone if one == "owned" else None),
            send.settle(other, two, phone if two == "owned" else None),
        )

        decisions = [s for s in settled if s["moved"] and s["state"] != "doubtful"]
        assert len(decisions) == 1
        assert len(await evidence(gateway, send)) == 2
    await other.close()
    await check(gateway)


async def test_a_number_another_intent_holds_is_a_doubt_also_across_tenants_and_its_release_lets_it_in(
    gateway: Gateway, tenant: Tenant, api: asyncpg.Connection, account: str
):
    stranger = await gateway.tenant()
    first, mine, theirs = Send(tenant.id, account), Send(tenant.id, account), Send(stranger.id, account)
    for send, state in ((first, "owned"), (mine, "doubtful"), (theirs, "doubtful")):
        await send.admit(api)
        assert (await send.settle(api, "owned", NUMBER))["state"] == state
    await check(gateway)
    await gateway.sql("UPDATE numbers SET state = 'released'")
    await gateway.sql("UPDATE quotas SET used = 0")

    assert (await theirs.settle(api, "owned", NUMBER))["state"] == "owned"

    assert (await mine.settle(api, "owned", NUMBER))["state"] == "doubtful"
    await check(gateway)


async def test_one_number_told_to_two_intents_at_once_goes_to_one(
    gateway: Gateway, tenant: Tenant, database_url: str, api: asyncpg.Connection, account: str
):
    await gateway.sql("UPDATE accounts SET mode = 'mark'")
    other = await connect(database_url, "numbergate_api")
    for number in range(5):
        phone = f"+1313555{number:04}"
        one, two = Send(tenant.id, account), Send(tenant.id, account)
        await one.admit(api)
        await two.admit(api)

        async def settled(send: Send, connection: asyncpg.Connection, phone: str = phone) -> str:
            try:
                return str((await send.settle(connection, "owned", phone))["state"])
            except asyncpg.UniqueViolationError:  # The gateway tries again.
                return str((await send.settle(connection, "owned", phone))["state"])

        assert sorted(await asyncio.gather(settled(one, api), settled(two, other))) == ["doubtful", "owned"]
    await other.close()
    await check(gateway)


async def test_a_sender_whose_lease_ran_out_still_answers_its_caller_with_the_number(open_gateway: OpenGateway):
    async with open_gateway() as gateway:
        tenant = await gateway.tenant()
        await gateway.teli.hold("answering")
        buying = asyncio.create_task(tenant.buy(key="k"))
        await gateway.teli.until_held()
        await gateway.sql("UPDATE intents SET lease_until = now() - interval '1 second'")
        await lapse(gateway)
        assert await intents(gateway, tenant) == ["doubtful"]
        await gateway.teli.release_holds()

        assert (await buying).status_code == 200
        assert await intents(gateway, tenant) == ["owned"]
        assert await quota(gateway, tenant) == (1, 0)


async def test_late_proof_after_a_refusal_rings_an_alarm_and_the_caller_hears_what_holds(gateway: Gateway):
    tenant = await gateway.tenant(quota=1)
    before = ALARMS.labels("late_proof")._value.get()
    await gateway.teli.hold("answering")
    buying = asyncio.create_task(tenant.buy(key="k"))
    await gateway.teli.until_held()
    # An operator decided meanwhile, wrongly.
    await gateway.sql(
        "UPDATE intents SET state = 'refused', decided_at = now(), holds_lane = false,"
        """ answer = '{"status": 409, "headers": {}, "body": "{}"}'"""
    )
    await gateway.sql("UPDATE quotas SET reserved = 0 WHERE tenant_id = :t", t=tenant.id)
    await gateway.teli.release_holds()

    answer = await buying

    assert (answer.status_code, answer.content) == (409, b"{}")
    assert ALARMS.labels("late_proof")._value.get() == before + 1
    [purchase] = await gateway.teli.purchases()
    assert [row[0] for row in await orphans(gateway)] == [purchase["phone_number"]]


@pytest.mark.parametrize(("timeout", "lasts"), [(180, 210), (30, 60), (10, 20), (1, 3), (0.1, 2.1)])
def test_the_lease_outlives_the_send_and_the_writing_of_its_outcome(timeout: float, lasts: float):
    assert lease(timeout) == lasts


async def test_sends_lapse_when_their_lease_is_over_and_not_before(
    gateway: Gateway, tenant: Tenant, api: asyncpg.Connection, account: str
):
    await gateway.sql("UPDATE accounts SET mode = 'mark'")
    living, dead = Send(tenant.id, account), Send(tenant.id, account, lease=-1)
    await living.admit(api)
    await dead.admit(api)

    assert await lapse(gateway) == 1
    assert await lapse(gateway) == 0
    assert await gateway.sql("SELECT intent_id FROM send_slots WHERE intent_id IS NOT NULL") == [(living.id,)]
    assert await gateway.sql("SELECT state, decision FROM intents WHERE id = :i", i=dead.id) == [
        ("doubtful", "sender_lost")
    ]
    audit = await gateway.sql("SELECT actor, action FROM audit WHERE object_id = :i", i=str(dead.id))
    assert audit == [("worker", "intent.doubtful")]


@pytest.mark.parametrize("exclusive", [False, True])
async def test_a_doubt_holds_the_lane_of_an_exclusive_user_alone_until_it_is_decided(
    gateway: Gateway, tenant: Tenant, api: asyncpg.Connection, account: str, exclusive: bool
):
    await gateway.sql("UPDATE users SET exclusive = :exclusive WHERE id = :user", exclusive=exclusive, user=USER)
    for how in ("heard", "lapsed"):
        doubt, next_one = Send(tenant.id, account, lease=-1 if how == "lapsed" else 60), Send(tenant.id, account)
        assert (await doubt.admit(api))["outcome"] == "admitted"
        if how == "heard":
            await doubt.settle(api, "doubtful")
        else:
            await lapse(gateway)

        assert (await next_one.admit(api))["outcome"] == ("busy" if exclusive else "admitted")
        if exclusive:
            await doubt.settle(api, "refused")
            assert (await next_one.admit(api))["outcome"] == "admitted"
        await next_one.settle(api, "refused")
        await check(gateway)


async def test_an_answer_that_names_a_number_given_back_only_since_the_send_is_a_doubt(
    gateway: Gateway, tenant: Tenant, api: asyncpg.Connection, account: str
):
    await gateway.sql("UPDATE accounts SET mode = 'mark'")
    held, send = Send(tenant.id, account), Send(tenant.id, account)
    for one in (held, send):
        assert (await one.admit(api))["outcome"] == "admitted"
    assert (await held.settle(api, "owned", NUMBER))["state"] == "owned"
    await gateway.sql("UPDATE numbers SET state = 'released', released_at = clock_timestamp()")
    await gateway.sql("UPDATE quotas SET used = 0 WHERE tenant_id = :t", t=tenant.id)

    settled = await send.settle(api, "owned", NUMBER)

    assert (settled["state"], settled["reason"]) == ("doubtful", "number_already_held")


async def test_a_number_given_back_before_the_send_may_be_sold_anew(
    gateway: Gateway, tenant: Tenant, api: asyncpg.Connection, account: str
):
    held, send = Send(tenant.id, account), Send(tenant.id, account)
    assert (await held.admit(api))["outcome"] == "admitted"
    assert (await held.settle(api, "owned", NUMBER))["state"] == "owned"
    await gateway.sql("UPDATE numbers SET state = 'released', released_at = clock_timestamp()")
    await gateway.sql("UPDATE quotas SET used = 0 WHERE tenant_id = :t", t=tenant.id)
    assert (await send.admit(api))["outcome"] == "admitted"

    assert (await send.settle(api, "owned", NUMBER))["state"] == "owned"
