"""DELETE: released once, for good, and never the wrong acquisition."""

import asyncio
from typing import Any

import httpx
import pytest

from service.observability.metrics import ALARMS
from service.teli.heard import Heard
from tests.conftest import OpenGateway
from tests.reconciliation.test_resolver import until_ghosts
from tests.support.gateway import AUTHOR, NUMBERS, ORGANIZATION, USER, Gateway, Tenant

SETTLING = {"settling_window": 600}


async def delete(tenant: Tenant, number: dict[str, Any], **params: Any) -> httpx.Response:
    headers = {"X-Request-ID": "release-1"}
    return await tenant.send("DELETE", f"{NUMBERS}/{number['phone_number']}", headers=headers, params=params)


async def quota(gateway: Gateway, tenant: Tenant) -> tuple[int, int]:
    [found] = await gateway.sql("SELECT used, reserved FROM quotas WHERE tenant_id = :id", id=tenant.id)
    return found[0], found[1]


async def state(gateway: Gateway, number: dict[str, Any]) -> str:
    return str((await gateway.sql("SELECT state FROM numbers WHERE id = :id", id=number["id"]))[0][0])


async def sent(gateway: Gateway) -> int:
    return len(await gateway.teli.requests("release"))


async def settle(gateway: Gateway) -> None:
    """Let the settling window of every step be over."""
    await gateway.sql(
        "UPDATE steps SET sent_at = sent_at - interval '1 hour', created_at = created_at - interval '1 hour'"
    )


async def confirmed(gateway: Gateway, tenant: Tenant) -> dict[str, Any]:
    number = await tenant.bought()
    await gateway.follow_up()
    return number


async def recycling(gateway: Gateway, number: dict[str, Any]) -> None:
    """It is given back in the dashboard, and is what Teli sells next."""
    await gateway.teli.switch(recycle_released=True)
    await gateway.teli.dashboard_release(number["phone_number"])
    await gateway.teli.stock("313", 0)


async def test_a_release_is_answered_in_telis_shape_and_again_says_it_was_done(gateway: Gateway, tenant: Tenant):
    number = await confirmed(gateway, tenant)

    first, again = await delete(tenant, number), await delete(tenant, number)

    assert first.status_code == again.status_code == 200
    step = await gateway.step("release")
    body = first.json()
    assert body == {
        "success": True,
        "phone_number": number["phone_number"],
        "released_at": body["released_at"],
        "billing_stopped": True,
        "message": "Phone number released. You will not be billed in the next cycle.",
        "powered_by": "Teli",
        "id": number["id"],
        "state": "released",
        "operation_id": step["id"],
    }
    assert body["released_at"].endswith("Z")
    assert again.json()["already_released"] is True
    assert again.json()["released_at"] == body["released_at"]
    assert "billing_stopped" not in again.json()
    assert (await gateway.teli.counts())["held"] == 0
    assert await sent(gateway) == 1
    operation = await tenant.operation(step["id"])
    assert (operation["kind"], operation["state"], operation["result"]) == ("release", "succeeded", body)


async def test_a_release_gives_quota_back_exactly_once_and_is_audited_with_its_author(gateway: Gateway):
    tenant = await gateway.tenant(quota=1)
    number = await confirmed(gateway, tenant)
    assert (await tenant.buy()).status_code == 429
    assert await quota(gateway, tenant) == (1, 0)

    answers = await asyncio.gather(*(delete(tenant, number) for _ in range(10)))
    await gateway.hurry()

    assert {answer.status_code for answer in answers} <= {200, 202}
    assert await quota(gateway, tenant) == (0, 0)
    assert await sent(gateway) == 1
    assert (await tenant.buy()).status_code == 200
    [(key,)] = await gateway.sql("SELECT id FROM api_keys WHERE tenant_id = :id", id=tenant.id)
    assert (await gateway.audited(number["id"]))[1:] == [
        ("number.releasing", f"key:{key}", "release-1"),
        ("number.released", f"key:{key}", "release-1"),
    ]
    assert (await gateway.told(number["id"]))[-2:] == ["number.releasing", "number.released"]


async def test_what_is_not_there_and_what_is_anothers_are_the_same_404(gateway: Gateway, tenant: Tenant):
    number = await confirmed(gateway, tenant)
    stranger = await gateway.tenant()

    foreign = await delete(stranger, number)
    unknown = await delete(stranger, {"phone_number": "+13135550000"})
    by_id = await delete(stranger, number, id=number["id"])

    assert foreign.status_code == 404
    assert foreign.content == unknown.content == by_id.content
    assert await sent(gateway) == 0
    assert await state(gateway, number) == "active"


async def test_a_documented_502_is_tried_again_only_after_the_row_was_seen(gateway: Gateway, tenant: Tenant):
    for fault in ("voice_provider_fails", "voice_carrier_fails"):
        number = await confirmed(gateway, tenant)
        await gateway.teli.arm(fault)

        answer = await delete(tenant, number)

        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"/v1/operations/{answer.json()['operation_id']}"
        assert await state(gateway, number) == "releasing"
        assert await quota(gateway, tenant) == (1, 0)
        await gateway.teli.forget_requests()
        await gateway.teli.arm("server_error", operation="list")
        await gateway.hurry()
        assert await sent(gateway) == 0

        await gateway.hurry()

        assert [request["operation"] for request in await gateway.teli.requests()] == ["list", "list", "release"]
        assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "succeeded"
        assert (await state(gateway, number), await quota(gateway, tenant)) == ("released", (0, 0))


async def test_what_teli_did_not_even_look_at_is_tried_again_without_settling(gateway: Gateway, tenant: Tenant):
    for fault, params in (
        ("unauthorized", {"status": 401}),
        ("unauthorized", {"status": 403}),
        ("too_many_requests", {}),
    ):
        number = await confirmed(gateway, tenant)
        await gateway.teli.arm(fault, operation="release", **params)

        answer = await delete(tenant, number)
        assert answer.status_code == 202
        assert (await gateway.step("release"))["sent_at"] is None
        await gateway.hurry()

        assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "succeeded"


async def test_what_was_never_sent_is_tried_again_without_settling(gateway: Gateway, tenant: Tenant):
    number = await confirmed(gateway, tenant)
    await gateway.teli.offline()

    answer = await delete(tenant, number)
    await gateway.teli.online()

    assert answer.status_code == 202
    assert (await gateway.step("release"))["sent_at"] is None
    await gateway.hurry()
    assert await state(gateway, number) == "released"


UNKNOWN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("release_not_recorded", {}),
    ("reset", {"step": "received"}),
    ("reset", {"step": "unlinked"}),
    ("reset", {"step": "returned"}),
    ("server_error", {"step": "received"}),
    ("html_error", {"step": "received"}),
    ("empty_body", {"step": "received", "status": 200}),
)


async def test_after_an_unknown_outcome_it_is_sent_again_when_it_has_settled_and_the_row_was_seen(
    open_gateway: OpenGateway,
):
    async with open_gateway(**SETTLING) as gateway:
        tenant = await gateway.tenant()
        numbers = [await confirmed(gateway, tenant) for _ in UNKNOWN]
        operations = []
        for number, (fault, params) in zip(numbers, UNKNOWN, strict=True):
            await gateway.teli.arm(fault, operation="release", **params)
            answer = await delete(tenant, number)
            assert answer.status_code == 202, (fault, answer.text)
            operations.append(answer.json()["operation_id"])
        await gateway.hurry()
        assert await sent(gateway) == len(UNKNOWN), "not before it has settled"
        await settle(gateway)
        await gateway.teli.forget_requests()

        await gateway.hurry()

        asked = [request["operation"] for request in await gateway.teli.requests()]
        assert asked.count("release") == len(UNKNOWN)
        assert asked[0] == "list"  # Those that look at the same time share what they see.
        for number, operation_id in zip(numbers, operations, strict=True):
            assert (await tenant.operation(operation_id))["state"] == "succeeded"
            assert await state(gateway, number) == "released"
        assert await quota(gateway, tenant) == (0, 0)
        assert (await gateway.teli.counts())["held"] == 0


@pytest.mark.parametrize(("fault", "step"), [("reset", "removed"), ("cut_json", "answering")])
async def test_when_its_row_is_listed_no_more_after_the_delete_it_took_effect_and_none_is_sent_again(
    open_gateway: OpenGateway, fault: str, step: str
):
    async with open_gateway(**SETTLING) as gateway:
        tenant = await gateway.tenant()
        number = await confirmed(gateway, tenant)
        await gateway.teli.arm(fault, operation="release", step=step)
        answer = await delete(tenant, number)
        assert answer.status_code == 202, answer.text
        await settle(gateway)

        # A listing that is short or cannot be had is no look.
        for unfit in ("list_miscounts", "server_error"):
            await gateway.teli.arm(unfit, operation="list")
            await gateway.hurry()
        for _ in range(2):
            await gateway.hurry()
            assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "pending"
        await gateway.hurry()

        operation = await tenant.operation(answer.json()["operation_id"])
        assert (operation["state"], operation["result"]["state"]) == ("succeeded", "released")
        assert await sent(gateway) == 1
        assert (await state(gateway, number), await quota(gateway, tenant)) == ("released", (0, 0))
        action, _, request = (await gateway.audited(number["id"]))[-1]
        assert (action, request) == ("number.released", "release-1")
        assert (await delete(tenant, number)).json()["already_released"] is True


async def test_a_row_that_one_listing_left_out_after_a_delete_is_released_by_another(open_gateway: OpenGateway):
    async with open_gateway(**SETTLING) as gateway:
        tenant = await gateway.tenant()
        number = await confirmed(gateway, tenant)
        await gateway.teli.arm("reset", operation="release", step="received")
        answer = await delete(tenant, number)
        assert answer.status_code == 202, answer.text
        await settle(gateway)
        await gateway.teli.arm("list_omits", operation="list")

        await gateway.hurry()
        assert (await state(gateway, number), await sent(gateway)) == ("releasing", 1)
        await gateway.hurry()

        assert (await state(gateway, number), await sent(gateway)) == ("released", 2)
        assert (await gateway.teli.counts())["held"] == 0


async def test_a_404_or_400_is_no_release_and_stays_with_a_person(gateway: Gateway, tenant: Tenant):
    for held, status in ((1, 404), (2, 400)):
        number = await confirmed(gateway, tenant)
        await gateway.teli.arm("server_error", operation="release", status=status, error="Phone number not found")

        answer = await delete(tenant, number)
        await gateway.hurry()

        assert (answer.status_code, answer.json()["state"]) == (202, "unresolved")
        assert (await state(gateway, number), await quota(gateway, tenant)) == ("releasing", (held, 0))
        assert await sent(gateway) == held
        assert (await gateway.told(number["id"]))[-1] == "number.release_unresolved"


async def test_a_number_released_from_the_dashboard_is_told_as_released_already(gateway: Gateway, tenant: Tenant):
    number = await confirmed(gateway, tenant)
    await gateway.teli.dashboard_release(number["phone_number"])

    answer = await delete(tenant, number)

    assert answer.status_code == 200, answer.text
    assert answer.json()["already_released"] is True
    assert (await state(gateway, number), await quota(gateway, tenant)) == ("released", (0, 0))


@pytest.mark.parametrize(("sold_meanwhile", "counted"), [(False, 0), (True, 1)])
async def test_a_missing_number_counts_again_while_it_is_being_released_and_only_then(
    gateway: Gateway, tenant: Tenant, sold_meanwhile: bool, counted: int
):
    number = await confirmed(gateway, tenant)
    await gateway.teli.arm("list_empty", times=3)
    await until_ghosts(gateway)
    decision = {"decision": "missing", "reason": "gone from the dashboard"}
    answer = await gateway.operator.send("POST", f"/v1/admin/ghosts/{number['id']}/resolve", json=decision)
    assert answer.status_code == 200, answer.text
    assert await quota(gateway, tenant) == (0, 0)
    if sold_meanwhile:
        await gateway.teli.arm("server_error", operation="release", status=404, error="Phone number not found")

    await delete(tenant, number)
    await gateway.hurry()

    assert await state(gateway, number) == ("releasing" if counted else "released")
    assert await quota(gateway, tenant) == (counted, 0)


async def test_before_its_purchase_is_confirmed_the_row_is_looked_for_first(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()

    answer = await delete(tenant, number)

    assert answer.status_code == 200, answer.text
    operations = [request["operation"] for request in await gateway.teli.requests()]
    assert operations.index("list", operations.index("create")) < operations.index("release")
    assert await gateway.sql("SELECT confirmed_at IS NOT NULL, upstream_row_id IS NOT NULL FROM numbers") == [
        (True, True)
    ]
    assert await gateway.sql("SELECT mode FROM accounts") == [("mark",)]
    await gateway.follow_up()
    assert (await gateway.step("confirm"))["outcome"] == "confirmed before"


async def test_a_purchase_that_is_not_listed_yet_is_released_once_it_is(gateway: Gateway, tenant: Tenant):
    await gateway.teli.switch(list_lag_seconds=60)
    number = await tenant.bought()

    answer = await delete(tenant, number)
    await gateway.hurry()
    assert (answer.status_code, await sent(gateway)) == (202, 0)
    assert (await gateway.step("release"))["outcome"] == "not listed yet"

    await gateway.teli.advance(61)
    await gateway.hurry()
    assert await state(gateway, number) == "released"


async def test_a_purchase_that_is_never_listed_is_not_waited_for_for_ever_when_it_is_released(
    open_gateway: OpenGateway,
):
    async with open_gateway(**SETTLING) as gateway:
        tenant = await gateway.tenant()
        await gateway.teli.switch(list_lag_seconds=3600)
        number = await tenant.bought()
        answer = await delete(tenant, number)
        assert answer.status_code == 202
        await settle(gateway)
        before = ALARMS.labels("release_unresolved")._value.get()

        # What cannot be had, or is short, shows nobody's absence.
        for unfit in ("list_miscounts", "server_error"):
            await gateway.teli.arm(unfit, 9, operation="list")
            await gateway.hurry()
            assert (await gateway.step("release"))["outcome"] == "no listing to be had"
            await gateway.teli.disarm()
        for _ in range(2):
            await gateway.hurry()
            assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "pending"
        await gateway.hurry()

        assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "unresolved"
        assert (await gateway.step("release"))["outcome"] == "it was never listed"
        assert (await state(gateway, number), await quota(gateway, tenant)) == ("releasing", (1, 0))
        assert await sent(gateway) == 0
        assert ALARMS.labels("release_unresolved")._value.get() == before + 1


async def test_a_number_bought_anew_is_released_only_when_the_caller_says_which_is_meant(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.switch(recycle_released=True)
    old = await confirmed(gateway, tenant)
    assert (await delete(tenant, old)).status_code == 200
    new = await confirmed(gateway, tenant)
    assert new["phone_number"] == old["phone_number"]
    await gateway.teli.forget_requests()

    unclear = await delete(tenant, new)
    late = await delete(tenant, new, id=old["id"])

    assert (unclear.status_code, unclear.json()["code"]) == (409, "state_conflict")
    assert (unclear.json()["released_id"], unclear.json()["held_id"]) == (old["id"], new["id"])
    assert (late.status_code, late.json()["already_released"], late.json()["id"]) == (200, True, old["id"])
    assert await gateway.teli.requests() == []
    assert await state(gateway, new) == "active"

    meant = await delete(tenant, new, id=new["id"])
    assert (meant.status_code, meant.json()["id"]) == (200, new["id"])
    assert (await gateway.teli.counts())["held"] == 0
    again = await delete(tenant, new)
    assert (again.status_code, again.json()["already_released"], again.json()["id"]) == (200, True, new["id"])


async def test_an_acquisition_released_long_ago_is_in_nobodys_way(gateway: Gateway, tenant: Tenant):
    await gateway.teli.switch(recycle_released=True)
    assert (await delete(tenant, await confirmed(gateway, tenant))).status_code == 200
    await gateway.sql("UPDATE numbers SET released_at = released_at - interval '8 days'")
    new = await confirmed(gateway, tenant)

    assert (await delete(tenant, new)).json()["id"] == new["id"]


async def test_another_tenants_earlier_acquisition_is_neither_told_nor_in_the_way(gateway: Gateway, tenant: Tenant):
    await gateway.teli.switch(recycle_released=True, removal_lag_seconds=3600, nickname="dropped")
    assert (await delete(tenant, await confirmed(gateway, tenant))).status_code == 200
    other = await gateway.tenant()
    new = await confirmed(gateway, other)
    assert (await gateway.sql("SELECT confirmed_at IS NOT NULL FROM numbers WHERE id = :id", id=new["id"])) == [(True,)]

    assert (await delete(other, new)).status_code == 200
    assert (await gateway.teli.counts())["held"] == 0


async def test_a_late_delete_never_hits_a_purchase_made_meanwhile(open_gateway: OpenGateway):
    async with open_gateway(**SETTLING) as gateway:
        tenant = await gateway.tenant()
        old = await confirmed(gateway, tenant)
        await gateway.teli.switch(recycle_released=True)
        await gateway.teli.arm("reset", operation="release", step="removed")
        answer = await delete(tenant, old)
        assert answer.status_code == 202
        [recycled] = await gateway.teli.dashboard_buy("313", organization_id=ORGANIZATION, user_id=USER)
        assert recycled == old["phone_number"]
        await settle(gateway)

        for _ in range(4):
            await gateway.hurry()

        assert await sent(gateway) == 1
        assert (await gateway.teli.counts())["held"] == 1
        operation = await tenant.operation(answer.json()["operation_id"])
        assert operation["state"] == "unresolved"
        assert (await gateway.step("release"))["outcome"] == "its E.164 is listed under another row id"


async def test_not_even_while_the_old_row_is_slow_to_vanish(open_gateway: OpenGateway):
    async with open_gateway(**SETTLING) as gateway:
        tenant = await gateway.tenant()
        old = await confirmed(gateway, tenant)
        await gateway.teli.switch(recycle_released=True, removal_lag_seconds=3600)
        await gateway.teli.arm("reset", operation="release", step="removed")
        await delete(tenant, old)
        again = await tenant.buy()  # The ledger still holds that number: a doubt, and it stays safe.
        assert again.status_code == 202
        await settle(gateway)

        for _ in range(4):
            await gateway.hurry()

        assert await sent(gateway) == 1
        assert (await gateway.teli.counts())["held"] == 1


async def test_the_row_of_an_earlier_acquisition_that_is_slow_to_vanish_holds_up_nothing(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.switch(recycle_released=True, removal_lag_seconds=3600)
    assert (await delete(tenant, await confirmed(gateway, tenant))).status_code == 200
    other = await gateway.tenant()
    new = await confirmed(gateway, other)
    await gateway.teli.arm("voice_provider_fails")

    assert (await delete(other, new)).status_code == 202
    await gateway.hurry()

    assert await state(gateway, new) == "released"


async def given_up(gateway: Gateway, number: dict[str, Any]) -> None:
    decision = {"decision": "missing", "reason": "released in the dashboard"}
    answer = await gateway.operator.send("POST", f"/v1/admin/ghosts/{number['id']}/resolve", json=decision)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("seen_gone", [True, False])
async def test_the_release_of_a_missing_number_never_hits_a_stranger_who_has_it_by_now(
    gateway: Gateway, tenant: Tenant, seen_gone: bool
):
    number = await confirmed(gateway, tenant)
    await gateway.look_everywhere()
    await recycling(gateway, number)
    await until_ghosts(gateway)
    await given_up(gateway, number)
    if not seen_gone:
        await gateway.sql("UPDATE upstream_rows SET gone_at = NULL")
    [theirs] = await gateway.teli.dashboard_buy("313", ORGANIZATION, USER, "someone else's line")
    assert theirs == number["phone_number"]

    answer = await delete(tenant, number)
    await gateway.hurry()

    assert answer.status_code == 202, answer.text
    assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "unresolved"
    assert (await gateway.step("release"))["outcome"] == "its E.164 is listed under another row id"
    assert await sent(gateway) == 0
    assert (await gateway.teli.counts())["held"] == 1


@pytest.mark.parametrize("seen_gone", [True, False])
async def test_a_release_never_hits_a_number_that_another_tenant_bought_anew_and_is_in_doubt_about(
    gateway: Gateway, tenant: Tenant, seen_gone: bool
):
    number = await confirmed(gateway, tenant)
    await gateway.look_everywhere()
    await recycling(gateway, number)
    if seen_gone:
        await gateway.look_everywhere()
    other = await gateway.tenant()
    bought = await other.buy(prefer="wait=2")
    assert bought.status_code == 202, bought.text

    answer = await delete(tenant, number)
    await gateway.hurry()

    assert answer.status_code == 202, answer.text
    assert (await gateway.step("release"))["outcome"] == "its E.164 is listed under another row id"
    assert await sent(gateway) == 0
    await gateway.look_everywhere()
    theirs = await other.operation(bought.json()["operation_id"])
    assert (theirs["state"], theirs["result"]["phone_number"]) == ("succeeded", number["phone_number"])
    assert (await gateway.teli.counts())["held"] == 1


async def test_a_release_never_hits_a_number_that_proof_without_a_row_says_was_bought_anew(
    gateway: Gateway, tenant: Tenant
):
    number = await confirmed(gateway, tenant)
    await gateway.teli.switch(removal_lag_seconds=3600)
    await recycling(gateway, number)
    await gateway.teli.dashboard_buy("313", ORGANIZATION, USER)
    await gateway.sql(
        "INSERT INTO orphans (account_id, organization_id, phone_number, reason)"
        " SELECT account_id, organization_id, phone_number, 'late_proof' FROM numbers"
    )

    answer = await delete(tenant, number)
    await gateway.hurry()

    assert (answer.status_code, await sent(gateway)) == (202, 0)
    assert (await gateway.step("release"))["state"] == "unresolved"


async def elsewhere(gateway: Gateway) -> tuple[Tenant, dict[str, str]]:
    """A tenant of another organisation, and what its purchases name."""
    named = await gateway.teli.organization("your_tenant", name="Elsewhere", contact_email="a@example.com")
    organization = named["unique_id"]
    user = await gateway.teli.user(organization, name="U", email="u@example.com")
    await gateway.services.administration.put_organization(AUTHOR, organization, "Elsewhere")
    await gateway.services.administration.put_user(AUTHOR, organization, user["unique_id"], {"name": "U"})
    tenant = await gateway.tenant(organization_ids=[organization])
    return tenant, {"organization_id": organization, "user_id": user["unique_id"]}


@pytest.mark.parametrize("refused", [False, True])
async def test_a_release_that_teli_did_not_record_never_hits_who_bought_the_number_anew_in_another_organisation(
    open_gateway: OpenGateway, refused: bool
):
    """Teli lists the old row on, alone in its organisation; a DELETE sent again would end the new purchase."""
    async with open_gateway(**SETTLING) as gateway:
        tenant = await gateway.tenant()
        old = await confirmed(gateway, tenant)
        await gateway.teli.switch(recycle_released=True)
        await gateway.teli.arm("release_not_recorded", operation="release")
        answer = await delete(tenant, old)
        assert answer.status_code == 202, answer.text
        await gateway.teli.stock("313", 0)
        other, there = await elsewhere(gateway)
        bought = await other.buy(prefer="wait=2", **there)
        assert bought.status_code == 202, bought.text
        doubt = bought.json()["operation_id"]
        by = f"doubt {doubt}"
        if refused:  # A person errs about it; by then its row is listed there.
            decision = {"decision": "refused", "reason": "not on the invoice"}
            decided = await gateway.operator.send("POST", f"/v1/admin/doubts/{doubt}/resolve", json=decision)
            assert decided.status_code == 200, decided.text
            await gateway.look_everywhere()
            where = {"there": there["organization_id"]}
            [(row,)] = await gateway.sql("SELECT row_id FROM upstream_rows WHERE organization_id = :there", **where)
            by = f"row {row}"
        await settle(gateway)
        before = ALARMS.labels("release_unresolved")._value.get()

        for _ in range(4):
            await gateway.hurry()

        assert await sent(gateway) == 1
        assert (await gateway.teli.counts())["held"] == 1
        assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "unresolved"
        assert (await state(gateway, old), await quota(gateway, tenant)) == ("releasing", (1, 0))
        assert ALARMS.labels("release_unresolved")._value.get() == before + 1
        [ghost] = (await gateway.operator.get("/v1/admin/ghosts")).json()["items"]
        assert ghost["id"] == old["id"]
        assert ghost["reason"] == f"its release is unresolved: its E.164 stands for something else too: {by}"
        # What others bought is no tenant's to know.
        [(told,)] = await gateway.sql("SELECT after FROM audit WHERE action = 'number.release_unresolved'")
        assert told == {"why": "its E.164 stands for something else too"}

        if not refused:
            await given_up(gateway, old)
            await gateway.look_everywhere()
            theirs = await other.operation(doubt)
            assert (theirs["state"], theirs["result"]["phone_number"]) == ("succeeded", old["phone_number"])
            assert (await state(gateway, old), await sent(gateway)) == ("released", 1)


async def test_a_number_whose_row_was_left_out_of_a_listing_is_looked_for_before_it_is_released(
    gateway: Gateway, tenant: Tenant
):
    number = await confirmed(gateway, tenant)
    await gateway.look_everywhere()
    await gateway.teli.arm("list_omits", operation="list")
    await gateway.look_everywhere()
    assert await gateway.sql("SELECT gone_at IS NOT NULL FROM upstream_rows") == [(True,)]
    await gateway.teli.forget_requests()

    answer = await delete(tenant, number)
    assert (answer.status_code, await gateway.teli.requests()) == (202, [])
    await gateway.follow_up()

    assert [request["operation"] for request in await gateway.teli.requests()] == ["list", "release"]
    assert await state(gateway, number) == "released"


async def test_before_its_purchase_is_confirmed_a_number_in_question_is_looked_for_and_left_to_a_person(
    gateway: Gateway, tenant: Tenant
):
    number = await tenant.bought()
    await gateway.sql(
        "INSERT INTO orphans (account_id, organization_id, phone_number, reason)"
        " SELECT account_id, organization_id, phone_number, 'late_proof' FROM numbers"
    )

    assert (await delete(tenant, number)).status_code == 202
    await gateway.teli.forget_requests()
    await gateway.follow_up()

    assert [request["operation"] for request in await gateway.teli.requests()] == ["list"]
    assert await state(gateway, number) == "releasing"
    assert (await gateway.step("release"))["state"] == "unresolved"


async def test_of_a_number_that_is_not_in_question_nothing_more_is_asked(gateway: Gateway, tenant: Tenant):
    await gateway.teli.switch(recycle_released=True, removal_lag_seconds=3600)
    assert (await delete(tenant, await confirmed(gateway, tenant))).status_code == 200
    other = await gateway.tenant()
    number = await confirmed(gateway, other)
    await gateway.look_everywhere()
    assert await gateway.sql("SELECT count(*) FROM upstream_rows WHERE gone_at IS NULL") == [(2,)]
    await gateway.teli.forget_requests()

    assert (await delete(other, number)).status_code == 200

    assert [request["operation"] for request in await gateway.teli.requests()] == ["release"]


async def test_two_answers_for_one_release_give_quota_back_once(open_gateway: OpenGateway):
    async with open_gateway(**SETTLING) as gateway:
        tenant = await gateway.tenant()
        number = await confirmed(gateway, tenant)
        await tenant.bought()
        await gateway.teli.hold("received", operation="release")
        slow = asyncio.create_task(delete(tenant, number))
        await gateway.teli.until_held()
        await gateway.sql("UPDATE steps SET lease_until = clock_timestamp() WHERE state = 'running'")
        await settle(gateway)
        await gateway.hurry()
        assert await state(gateway, number) == "released"

        await gateway.teli.release_holds()

        assert (await slow).status_code == 200
        assert await sent(gateway) == 2
        assert await quota(gateway, tenant) == (1, 0)
        assert (await gateway.told(number["id"])).count("number.released") == 1


async def test_a_process_that_lost_its_lease_sends_nothing(gateway: Gateway, tenant: Tenant, open_gateway: OpenGateway):
    number = await confirmed(gateway, tenant)
    await gateway.teli.arm("voice_provider_fails")
    await delete(tenant, number)
    await gateway.teli.forget_requests()
    await gateway.teli.hold("received", operation="list")
    slow = asyncio.create_task(gateway.hurry())
    await gateway.teli.until_held()

    await gateway.sql("UPDATE steps SET lease_until = clock_timestamp() WHERE state = 'running'")
    async with open_gateway() as other:
        await other.follow_up_once()
    await gateway.teli.release_holds()
    await slow

    assert await sent(gateway) == 1
    assert (await state(gateway, number), await quota(gateway, tenant)) == ("released", (0, 0))


async def test_a_process_frozen_before_the_first_byte_sends_nothing(
    gateway: Gateway, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
):
    number = await confirmed(gateway, tenant)
    monkeypatch.setattr("service.numbers.steps.SEND_WITHIN", -1.0)

    answer = await delete(tenant, number)

    assert (answer.status_code, await sent(gateway)) == (202, 0)
    monkeypatch.undo()
    await gateway.hurry()
    assert await state(gateway, number) == "released"


@pytest.mark.parametrize("took_effect", [True, False])
async def test_a_timeout_is_an_unknown_outcome(
    open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch, took_effect: bool
):
    async with open_gateway(**SETTLING) as gateway:
        tenant = await gateway.tenant()
        number = await confirmed(gateway, tenant)
        release = gateway.services.upstreams.default.release

        async def times_out(*args: Any, **kwargs: Any) -> Heard:
            if took_effect:
                await release(*args, **kwargs)
            return Heard("broken", detail="TimeoutError")

        with monkeypatch.context() as patch:
            patch.setattr(gateway.services.upstreams.default, "release", times_out)
            answer = await delete(tenant, number)
        assert answer.status_code == 202
        await settle(gateway)
        for _ in range(3):
            await gateway.hurry()

        assert (await state(gateway, number)) == "released"
        assert await sent(gateway) == 1


async def test_unknown_parameters_are_named_in_warnings(gateway: Gateway, tenant: Tenant):
    number = await confirmed(gateway, tenant)

    first, again = await delete(tenant, number, hurry="yes"), await delete(tenant, number, hurry="yes")

    assert all("hurry" in answer.json()["warnings"][0] for answer in (first, again))


async def test_a_key_without_the_scope_releases_nothing(gateway: Gateway):
    tenant = await gateway.tenant(scopes=["numbers:create", "numbers:read"])
    number = await tenant.bought()

    answer = await delete(tenant, number)

    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert await state(gateway, number) == "active"
