"""Doubts that resolve themselves, against the real ledger and the simulator."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from service.kit import clock
from service.reconciliation.doubts import Doubts
from service.reconciliation.judgement import Observation, Place
from service.reconciliation.sightings import Sightings
from service.teli.listing import Row
from tests.support.gateway import AUTHOR, ORGANIZATION, USER, Gateway, Tenant


async def doubt(gateway: Gateway, tenant: Tenant, fault: str = "reset", **params: object) -> str:
    """A purchase whose answer was lost; the operation's id."""
    await gateway.teli.arm(fault, **params)
    answer = await tenant.buy(key="k1", prefer="wait=2")
    assert answer.status_code == 202, answer.text
    return str(answer.json()["operation_id"])


async def test_a_purchase_whose_answer_was_lost_is_found_by_its_mark(gateway: Gateway, tenant: Tenant):
    operation = await doubt(gateway, tenant, step="answering")

    await gateway.worker.resolver.run()

    found = await tenant.operation(operation)
    assert found["state"] == "succeeded"
    [purchase] = await gateway.teli.purchases()
    assert found["result"]["phone_number"] == purchase["phone_number"]
    assert await gateway.sql("SELECT used, reserved FROM quotas WHERE tenant_id = :t", t=tenant.id) == [(1, 0)]
    assert await gateway.sql("SELECT count(*) FROM orphans") == [(0,)]


async def test_a_retry_of_the_key_gets_the_resolved_answer_and_every_replay_the_same_bytes(
    gateway: Gateway, tenant: Tenant
):
    await doubt(gateway, tenant, step="answering")
    await gateway.worker.resolver.run()

    answers = [await tenant.buy(key="k1") for _ in range(3)]

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert (await gateway.teli.counts())["creates"] == 1


@pytest.mark.ci
async def test_a_purchase_that_never_happened_becomes_unresolved_only_after_three_looks_and_the_window(
    open_gateway,
):
    async with open_gateway(upstream_timeout=0.5, settling_window=1.2, resolve_interval=0.1) as gateway:
        tenant = await gateway.tenant(quota=5)
        operation = await doubt(gateway, tenant, step="received")

        await gateway.worker.resolver.run()
        assert (await tenant.operation(operation))["state"] == "pending"
        for _ in range(6):
            await asyncio.sleep(0.45)
            await gateway.worker.resolver.run()

        assert (await tenant.operation(operation))["state"] == "unresolved"
        assert await gateway.sql("SELECT reserved FROM quotas WHERE tenant_id = :t", t=tenant.id) == [(1,)]
        assert (await gateway.teli.counts())["creates"] == 1


async def test_a_workers_clock_that_is_ahead_proves_no_absence_before_its_time(
    gateway: Gateway, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
):
    operation = await doubt(gateway, tenant, step="received")
    for ahead in (3600, 3660, 3720, 3780):
        with monkeypatch.context() as for_now:
            for_now.setattr(clock.source, "wall", lambda by=ahead: time.time() + by)
            await look_again(gateway)

    assert (await tenant.operation(operation))["state"] == "pending"
    assert await gateway.sql("SELECT count(*) FROM listings WHERE began_at > clock_timestamp()") == [(0,)]


async def test_a_hundred_doubts_of_one_organisation_cost_one_listing(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    await gateway.teli.arm("reset", times=100, step="answering")
    answers = await asyncio.gather(*(tenant.buy(key=str(n), prefer="wait=5") for n in range(100)))
    assert {answer.status_code for answer in answers} == {202}
    await gateway.teli.forget_requests()

    await gateway.worker.resolver.run()

    assert len(await gateway.teli.requests("list")) == 1
    assert await gateway.sql("SELECT count(*) FROM intents WHERE state = 'doubtful'") == [(0,)]


async def test_a_number_bought_in_the_dashboard_is_an_orphan_and_never_given_to_a_tenant(
    gateway: Gateway, tenant: Tenant
):
    operation = await doubt(gateway, tenant, step="received")
    [strange] = await gateway.teli.dashboard_buy("313", ORGANIZATION, USER)

    await gateway.worker.resolver.run()

    assert (await tenant.operation(operation))["state"] == "pending"
    assert await gateway.sql("SELECT phone_number, tenant_id, reason FROM orphans") == [(strange, None, "unexplained")]


async def test_where_nicknames_are_dropped_an_exclusive_users_only_new_row_is_the_doubts(
    gateway: Gateway, tenant: Tenant
):
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, USER, {"exclusive": True})
    await gateway.teli.switch(nickname="dropped")
    await gateway.worker.resolver.run()
    operation = await doubt(gateway, tenant, step="answering")
    await look_again(gateway)

    found = await tenant.operation(operation)
    assert found["state"] == "succeeded"
    [purchase] = await gateway.teli.purchases()
    assert found["result"]["phone_number"] == purchase["phone_number"]
    assert await gateway.sql("SELECT state FROM orphans") == [("adopted",)]


async def test_a_doubt_gives_up_its_lane_once_its_user_is_exclusive_no_more(gateway: Gateway, tenant: Tenant):
    async def declare(*, exclusive: bool) -> None:
        await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, USER, {"exclusive": exclusive})
        await look_again(gateway)

    await declare(exclusive=True)
    operation = await doubt(gateway, tenant, step="received")
    await look_again(gateway)
    assert await gateway.sql("SELECT state, holds_lane FROM intents") == [("doubtful", True)]

    await declare(exclusive=False)

    assert (await tenant.buy()).status_code == 200
    assert (await tenant.operation(operation))["state"] == "pending"
    await declare(exclusive=True)
    held = await gateway.sql("SELECT holds_lane FROM intents WHERE id = :id", id=operation)
    assert held == [(False,)], "another may have been bought for since"


async def test_two_new_rows_of_an_exclusive_user_are_for_a_person_to_decide(gateway: Gateway, tenant: Tenant):
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, USER, {"exclusive": True})
    await gateway.teli.switch(nickname="dropped")
    await gateway.worker.resolver.run()
    operation = await doubt(gateway, tenant, step="answering")
    await gateway.teli.dashboard_buy("313", ORGANIZATION, USER)
    await look_again(gateway)

    assert (await tenant.operation(operation))["state"] == "pending"
    assert await gateway.sql("SELECT count(*) FROM orphans WHERE state = 'open'") == [(2,)]


async def test_a_new_row_may_be_that_of_a_refusal_for_a_window_though_a_listing_since_did_not_show_it(
    gateway: Gateway, tenant: Tenant
):
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, USER, {"exclusive": True})
    await gateway.teli.switch(nickname="dropped")
    await gateway.teli.arm("too_many_requests")
    assert (await tenant.buy(key="k0")).status_code == 503
    await gateway.worker.resolver.run()
    operation = await doubt(gateway, tenant, step="answering")
    await look_again(gateway)

    assert (await tenant.operation(operation))["state"] == "pending"
    assert await gateway.sql("SELECT reason, state FROM orphans") == [("unexplained", "open")]

    await gateway.sql("UPDATE intents SET decided_at = decided_at - interval '1 day' WHERE decision = 'rate_limited'")
    await look_again(gateway)

    assert (await tenant.operation(operation))["state"] == "succeeded"


async def test_a_new_row_may_be_that_of_a_purchase_refused_by_decision_however_long_ago(
    gateway: Gateway, tenant: Tenant
):
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, USER, {"exclusive": True})
    await gateway.teli.switch(nickname="dropped")
    await gateway.worker.resolver.run()
    await gateway.teli.arm("late_in_list", seconds=600)
    await gateway.teli.arm("reset", step="answering")
    refused = (await tenant.buy("212", prefer="wait=2")).json()["operation_id"]
    decision = {"decision": "refused", "reason": "not on the invoice"}
    answer = await gateway.operator.send("POST", f"/v1/admin/doubts/{refused}/resolve", json=decision)
    assert answer.status_code == 200, answer.text
    await gateway.sql("UPDATE intents SET decided_at = decided_at - interval '1 day'")
    await look_again(gateway)
    operation = await doubt(gateway, tenant, step="received")
    await gateway.teli.advance(601)

    await look_again(gateway)

    assert (await tenant.operation(operation))["state"] == "pending"
    assert await gateway.sql("SELECT reason, state FROM orphans") == [("unexplained", "open")]
    await gateway.sql("UPDATE orphans SET intent_id = :id", id=refused)  # As if it had been told by its mark.
    await gateway.teli.dashboard_buy("313", ORGANIZATION, USER)
    await gateway.sql("UPDATE orphans SET state = 'ignored'")
    await look_again(gateway)
    assert (await tenant.operation(operation))["state"] == "succeeded"


async def test_without_the_mark_a_new_row_of_an_ordinary_user_is_nobodys(gateway: Gateway, tenant: Tenant):
    await gateway.teli.switch(nickname="dropped")
    await gateway.worker.resolver.run()
    operation = await doubt(gateway, tenant, step="answering")
    await look_again(gateway)

    assert (await tenant.operation(operation))["state"] == "pending"
    assert await gateway.sql("SELECT reason, state FROM orphans") == [("unexplained", "open")]


async def look_again(gateway: Gateway) -> None:
    """As if the time to the next look had passed."""
    await gateway.sql("UPDATE looks SET looked_at = NULL")
    await gateway.worker.resolver.run()


async def until_ghosts(gateway: Gateway) -> None:
    """As if what Teli lists no more had been gone for an hour, over three looks."""
    for _ in range(3):
        await look_again(gateway)
    await gateway.sql("UPDATE upstream_rows SET gone_at = gone_at - interval '1 hour'")


async def test_a_recycled_number_named_by_an_answer_is_ours_under_its_new_row_and_closes_the_older_one(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.switch(recycle_released=True)
    older = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.dashboard_release(older["phone_number"])
    await gateway.teli.stock("313", 0)

    answer = await tenant.buy(prefer="wait=2")
    assert answer.status_code == 202, answer.text
    await look_again(gateway)

    found = await tenant.operation(answer.json()["operation_id"])
    assert found["state"] == "succeeded"
    assert found["result"]["phone_number"] == older["phone_number"]
    assert await gateway.sql("SELECT state, count(*) FROM numbers GROUP BY 1 ORDER BY 1") == [
        ("active", 1),
        ("released", 1),
    ]
    assert await gateway.sql("SELECT used, reserved FROM quotas WHERE tenant_id = :t", t=tenant.id) == [(1, 0)]


async def test_a_number_that_somebody_else_bought_before_is_not_ours_though_an_answer_names_it(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.switch(recycle_released=True)
    older = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.dashboard_release(older["phone_number"])
    await gateway.teli.stock("313", 0)
    [theirs] = await gateway.teli.dashboard_buy("313", ORGANIZATION, USER)
    assert theirs == older["phone_number"]
    await look_again(gateway)
    await gateway.teli.arm("already_held", phone_number=theirs)

    answer = await tenant.buy("212", prefer="wait=2")
    assert answer.status_code == 202, answer.text
    await look_again(gateway)

    assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "pending"
    assert await gateway.sql("SELECT phone_number, state FROM orphans") == [(theirs, "open")]


async def test_a_number_that_was_given_up_as_missing_is_not_uncounted_again_when_it_is_held_anew(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.switch(recycle_released=True)
    older = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.dashboard_release(older["phone_number"])
    await gateway.teli.stock("313", 0)
    await until_ghosts(gateway)
    decision = {"decision": "missing", "reason": "gone from the dashboard"}
    answer = await gateway.operator.send("POST", f"/v1/admin/ghosts/{older['id']}/resolve", json=decision)
    assert answer.status_code == 200, answer.text

    answer = await tenant.buy(prefer="wait=2")
    assert answer.status_code == 202, answer.text
    await look_again(gateway)

    assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "succeeded"
    assert await gateway.sql("SELECT state FROM numbers WHERE id = :id", id=older["id"]) == [("released",)]
    assert await gateway.sql("SELECT used, reserved FROM quotas WHERE tenant_id = :t", t=tenant.id) == [(1, 0)]


async def test_a_row_that_was_filed_as_an_orphan_before_it_could_be_read_is_none_any_more(
    gateway: Gateway, tenant: Tenant
):
    await doubt(gateway, tenant, step="answering")
    [listed] = (await gateway.teli.truth())["record"]["rows"]
    await gateway.sql(
        "INSERT INTO orphans (account_id, organization_id, phone_number, row_id, reason)"
        " SELECT id, :organization, :number, :row, 'unexplained' FROM accounts",
        organization=ORGANIZATION,
        number=listed["phone_number"],
        row=listed["id"],
    )

    await gateway.worker.resolver.run()

    assert await gateway.sql("SELECT state FROM intents") == [("owned",)]
    assert await gateway.sql("SELECT state FROM orphans") == [("adopted",)]


async def test_a_look_asks_the_ledger_as_often_for_many_undecided_doubts_as_for_one(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)

    async def asked() -> int:
        before = gateway.worker.database.round_trips
        await look_again(gateway)
        return gateway.worker.database.round_trips - before

    await doubt(gateway, tenant, step="received")
    await asked()
    for_one = await asked()
    await gateway.teli.arm("reset", times=30, step="received")
    for some in range(0, 30, 5):
        answers = await asyncio.gather(*(tenant.buy(key=str(n), prefer="wait=5") for n in range(some, some + 5)))
        assert {answer.status_code for answer in answers} == {202}

    assert await gateway.sql("SELECT count(*) FROM intents WHERE state = 'doubtful'") == [(31,)]
    assert await asked() == for_one


async def test_a_number_that_another_organisations_listing_showed_too_is_there_or_gone_by_its_own(
    gateway: Gateway, tenant: Tenant
):
    await tenant.bought()
    [shown] = (await gateway.teli.truth())["record"]["rows"]
    row = Row(shown["id"], shown["phone_number"], None, None, None, None, None, None, None)
    [(account,)] = await gateway.sql("SELECT id FROM accounts")
    sightings = Sightings(gateway.worker.database, window=timedelta(minutes=15))

    async def listed_elsewhere(*rows: Row) -> list[tuple[object, ...]]:
        await sightings.keep(Observation(Place(account, "another"), datetime.now(UTC), rows, complete=True))
        return await gateway.sql("SELECT organization_id, gone_at FROM upstream_rows")

    assert await listed_elsewhere(row) == [("another", None)], "nobody knows yet whose it is"
    await gateway.follow_up()
    await look_again(gateway)
    assert await listed_elsewhere(row) == [(ORGANIZATION, None)]
    assert await listed_elsewhere() == [(ORGANIZATION, None)]

    await gateway.sql("UPDATE upstream_rows SET organization_id = 'another'")
    await gateway.teli.arm("list_omits", operation="list", omitted=1)
    await look_again(gateway)
    [(organization, gone_at)] = await gateway.sql("SELECT organization_id, gone_at FROM upstream_rows")
    assert organization == ORGANIZATION
    assert gone_at is not None


async def test_an_orphan_that_was_adopted_counts_as_one_purchase(gateway: Gateway, tenant: Tenant):
    await gateway.teli.dashboard_buy("415", ORGANIZATION, USER, count=2)
    await look_again(gateway)
    [(orphan, *_), _] = await gateway.sql("SELECT id, account_id FROM orphans")
    adoption = {"decision": "adopt", "tenant_id": tenant.id, "reason": "bought for it"}
    answer = await gateway.operator.send("POST", f"/v1/admin/orphans/{orphan}/resolve", json=adoption)
    assert answer.status_code == 200, answer.text
    [(account,)] = await gateway.sql("SELECT id FROM accounts")
    early = datetime(2020, 1, 1, tzinfo=UTC)

    known = await Doubts(gateway.worker.database).purchases_known(Place(account, ORGANIZATION), {(USER, early)})

    assert known == {(USER, early): 2}


async def test_what_was_learnt_of_since_and_bought_before_is_not_known_as_bought_since(
    gateway: Gateway, tenant: Tenant
):
    """A number counts from its admission, an adopted one from when its row was first seen."""
    await tenant.bought()
    [orphan] = await gateway.teli.dashboard_buy("415", ORGANIZATION, USER)
    await gateway.follow_up()
    await look_again(gateway)
    [(orphan_id, account)] = await gateway.sql("SELECT id, account_id FROM orphans WHERE phone_number = :n", n=orphan)
    since = datetime.now(UTC) - timedelta(hours=1)
    place, asked = Place(account, ORGANIZATION), {(USER, since)}

    async def known() -> int:
        return (await Doubts(gateway.worker.database).purchases_known(place, asked))[USER, since]

    assert await known() == 2
    await gateway.sql("UPDATE intents SET admitted_at = admitted_at - interval '1 day'")
    assert await known() == 1
    await gateway.sql("UPDATE upstream_rows SET first_seen_at = first_seen_at - interval '1 day'")
    assert await known() == 0
    adoption = {"decision": "adopt", "tenant_id": tenant.id, "reason": "bought for it"}
    answer = await gateway.operator.send("POST", f"/v1/admin/orphans/{orphan_id}/resolve", json=adoption)
    assert answer.status_code == 200, answer.text
    assert await known() == 0
    await gateway.sql("UPDATE upstream_rows SET first_seen_at = clock_timestamp()")
    assert await known() == 1
    await gateway.sql("UPDATE orphans SET created_at = created_at - interval '1 day'")
    assert await known() == 0


async def until_unresolved(gateway: Gateway, tenant: Tenant) -> str:
    operation = await doubt(gateway, tenant, step="received")
    for _ in range(12):
        await look_again(gateway)
        if (await tenant.operation(operation))["state"] == "unresolved":
            return operation
        await asyncio.sleep(0.3)
    raise AssertionError("the doubt stayed pending")


async def test_a_doubt_absent_until_the_write_off_is_refused_and_its_key_keeps_that_answer(open_gateway):
    async with open_gateway(upstream_timeout=0.5, settling_window=0.9, write_off=1.5) as gateway:
        tenant = await gateway.tenant(quota=1)
        operation = await until_unresolved(gateway, tenant)

        await asyncio.sleep(1.5)
        await look_again(gateway)

        found = await tenant.operation(operation)
        assert (found["state"], found["problem"]["code"]) == ("failed", "upstream_refused")
        await gateway.sql("UPDATE intents SET decided_at = decided_at - interval '1 day'")
        assert (await tenant.buy(key="k1")).status_code == 502
        assert (await tenant.buy(key="k2")).status_code == 200
        assert (await gateway.teli.counts())["creates"] == 2


@pytest.mark.ci
async def test_nothing_is_written_off_by_a_listing_that_is_not_whole_or_lacks_what_is_surely_held(open_gateway):
    async with open_gateway(upstream_timeout=0.5, settling_window=0.9, write_off=1.5) as gateway:
        tenant = await gateway.tenant()
        held = await tenant.bought()
        await gateway.follow_up()
        operation = await until_unresolved(gateway, tenant)
        await asyncio.sleep(1.5)

        for fault, params in (("list_miscounts", {"by": 1}), ("list_omits", {"omitted": 1})):
            armed = await gateway.teli.arm(fault, times=1, operation="list", **params)
            await look_again(gateway)
            assert (await gateway.teli.armed(armed))["struck"] == 1
            assert (await tenant.operation(operation))["state"] == "unresolved", fault

        assert await gateway.sql("SELECT complete, trustworthy FROM listings ORDER BY id DESC LIMIT 2") == [
            (True, False),
            (False, True),
        ]
        await look_again(gateway)
        assert (await tenant.operation(operation))["state"] == "failed"
        assert await gateway.sql("SELECT phone_number, state FROM numbers") == [(held["phone_number"], "active")]


@pytest.mark.ci
async def test_nothing_is_written_off_while_a_candidate_is_undecided_or_teli_counts_one_more(open_gateway):
    async with open_gateway(upstream_timeout=0.5, settling_window=0.9, write_off=1.5) as gateway:
        tenant = await gateway.tenant(quota=1)
        operation = await until_unresolved(gateway, tenant)
        await gateway.teli.dashboard_buy("313", ORGANIZATION, USER)
        await asyncio.sleep(1.5)

        await look_again(gateway)

        assert (await tenant.operation(operation))["state"] == "unresolved"


@pytest.mark.ci
async def test_a_purchase_never_recorded_is_not_written_off_for_teli_counts_it(open_gateway):
    async with open_gateway(upstream_timeout=0.5, settling_window=0.9, write_off=1.5) as gateway:
        tenant = await gateway.tenant(quota=1)
        await gateway.teli.arm("not_recorded")
        answer = await tenant.buy(prefer="wait=1")
        assert answer.status_code == 202
        for _ in range(10):
            await asyncio.sleep(0.3)
            await look_again(gateway)

        assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "unresolved"


@pytest.mark.ci
async def test_an_older_number_that_is_adopted_hides_no_purchase_that_teli_counts(open_gateway):
    async with open_gateway(upstream_timeout=0.5, settling_window=0.9, write_off=1.5) as gateway:
        tenant = await gateway.tenant()
        await gateway.teli.dashboard_buy("415", ORGANIZATION, USER)
        await look_again(gateway)
        # As if that had been days ago: Teli counts it no more.
        await gateway.sql("UPDATE orphans SET created_at = created_at - interval '3 days'")
        await gateway.sql("UPDATE upstream_rows SET first_seen_at = first_seen_at - interval '3 days'")
        await gateway.teli.arm("analytics_miscount", times=1000, operation="analytics_users", by=-1)
        await gateway.teli.arm("not_recorded")
        answer = await tenant.buy(prefer="wait=1")
        assert answer.status_code == 202
        [(orphan,)] = await gateway.sql("SELECT id FROM orphans")
        adoption = {"decision": "adopt", "tenant_id": tenant.id, "reason": "bought for it"}
        decided = await gateway.operator.send("POST", f"/v1/admin/orphans/{orphan}/resolve", json=adoption)
        assert decided.status_code == 200, decided.text

        for _ in range(10):
            await asyncio.sleep(0.3)
            await look_again(gateway)

        assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "unresolved"


async def test_a_purchase_still_being_sent_is_left_to_its_sender_and_its_row_is_no_orphan(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.hold("answering")
    buying = asyncio.create_task(tenant.buy())
    await gateway.teli.until_held()

    await look_again(gateway)

    assert await gateway.sql("SELECT state FROM intents") == [("sending",)]
    assert await gateway.sql("SELECT count(*) FROM orphans") == [(0,)]
    await gateway.teli.release_holds()
    assert (await buying).status_code == 200


async def test_a_number_bought_in_the_dashboard_is_an_orphan_though_its_user_keeps_buying(
    gateway: Gateway, tenant: Tenant
):
    await gateway.mark_mode(tenant)
    [theirs] = await gateway.teli.dashboard_buy("415", ORGANIZATION, USER)
    for listed in (0, 1):
        await gateway.teli.hold("answering")
        buying = asyncio.create_task(tenant.buy())
        await gateway.teli.until_held()
        await look_again(gateway)
        assert await gateway.sql("SELECT phone_number FROM orphans") == [(theirs,)] * listed
        await gateway.teli.release_holds()
        assert (await buying).status_code == 200
        await gateway.sql("UPDATE upstream_rows SET first_seen_at = first_seen_at - interval '3 minutes'")


async def test_a_user_that_teli_does_not_name_is_asked_for_once_an_hour(gateway: Gateway, tenant: Tenant):
    other = await gateway.teli.user(ORGANIZATION, name="Other", email="other@example.com")
    await gateway.teli.dashboard_buy("415", ORGANIZATION, other["unique_id"])
    await gateway.teli.forget_requests()
    for _ in range(3):
        await look_again(gateway)
    assert len(await gateway.teli.requests("user_list")) == 1

    gateway.worker.resolver._strangers.clear()
    await look_again(gateway)

    assert len(await gateway.teli.requests("user_list")) == 2


async def test_a_stranger_who_is_filed_as_a_user_is_asked_for_at_once(gateway: Gateway, tenant: Tenant):
    other = await gateway.teli.user(ORGANIZATION, name="Other", email="other@example.com")
    await gateway.teli.dashboard_buy("415", ORGANIZATION, other["unique_id"])
    await look_again(gateway)
    assert await gateway.sql("SELECT user_id FROM upstream_rows") == [(None,)]

    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, other["unique_id"], {"name": "Other"})
    await look_again(gateway)

    assert await gateway.sql("SELECT user_id FROM upstream_rows") == [(other["unique_id"],)]


async def test_an_answer_that_names_a_number_which_somebody_was_listed_with_is_a_doubt(
    gateway: Gateway, tenant: Tenant
):
    await gateway.mark_mode(tenant)
    [theirs] = await gateway.teli.dashboard_buy("415", ORGANIZATION, USER, "their line")
    await look_again(gateway)
    await gateway.teli.arm("already_held", phone_number=theirs)

    answer = await tenant.buy("212", prefer="wait=1")
    await look_again(gateway)
    await gateway.follow_up()

    assert answer.status_code == 202
    assert await gateway.sql("SELECT state, named_number FROM intents WHERE area_code = '212'") == [
        ("doubtful", theirs)
    ]
    assert await gateway.sql("SELECT count(*) FROM numbers WHERE phone_number = :n", n=theirs) == [(0,)]
    assert await gateway.sql("SELECT phone_number, state FROM orphans") == [(theirs, "open")]


async def test_the_row_of_one_who_had_the_number_before_is_not_taken_for_the_purchases_own(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.switch(recycle_released=True, nickname="dropped", removal_lag_seconds=600)
    [number] = await gateway.teli.dashboard_buy("313", ORGANIZATION, USER)
    [before] = (await gateway.teli.truth())["record"]["rows"]
    await gateway.sql(
        "INSERT INTO existing_numbers (account_id, row_id, phone_number, organization_id, user_id)"
        " SELECT id, :row, :number, :org, :user FROM accounts",
        row=before["id"], number=number, org=ORGANIZATION, user=USER,
    )  # fmt: skip
    await look_again(gateway)
    await gateway.teli.dashboard_release(number)
    await gateway.teli.stock("313", 0)
    await tenant.buy(prefer="wait=1")
    for _ in range(3):
        await look_again(gateway)
        await gateway.hurry()

    [(row_id,)] = await gateway.sql("SELECT upstream_row_id FROM numbers WHERE phone_number = :n", n=number)
    assert row_id not in (None, before["id"])
    assert await gateway.sql("SELECT count(*) FROM orphans WHERE state = 'open'") == [(0,)]
