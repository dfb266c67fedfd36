"""Release with second thoughts: scheduled, restored until its grace is over, then a release like any other."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.billing.accrual import Held, Life, Owner, PriceVersion, accrue
from service.billing.charging import ChargingRule
from service.kit.money import month_after, months_begun
from service.numbers.grace import BEFORE_THE_CHARGE, grace_ends
from service.numbers.repository import Numbers
from service.numbers.steps import Steps
from tests.conftest import OpenGateway
from tests.numbers.test_release import confirmed, delete, quota, sent, state
from tests.support.gateway import AUTHOR, Gateway, Tenant

GRACE = timedelta(days=3)
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - it is
SOON = st.timedeltas(timedelta(0), timedelta(days=20))
AHEAD, BEHIND, BETWEEN = "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York"
OWNER = Owner("t", "o", "u")
PRICE = PriceVersion(UUID(int=1), date.min, 0, 1_000_000, "USD")


def months_between(began: datetime, after: datetime, until: datetime) -> int:
    return months_begun(began, until) - months_begun(began, after)


async def ask(who: Tenant, verb: str, number: dict[str, Any], body: Any = None, **headers: str) -> httpx.Response:
    dashed = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {} if body is None else {"json": body}
    return await who.send("POST", f"/v1/numbers/{number['id']}/{verb}", headers=dashed, **given)


async def releases(gateway: Gateway, tenant: Tenant) -> int:
    return int((await gateway.sql("SELECT releases FROM quotas WHERE tenant_id = :id", id=tenant.id))[0][0])


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


# -- When the grace is over --------------------------------------------------------------------------------------------


@given(acquired_at=MOMENTS, age=st.timedeltas(timedelta(0), timedelta(days=800)), grace=SOON)
def test_the_grace_ends_an_hour_before_the_next_charge_or_is_whole(
    acquired_at: datetime, age: timedelta, grace: timedelta
):
    asked_at = acquired_at + age

    ends_at = grace_ends(acquired_at=acquired_at, asked_at=asked_at, grace=grace)

    assert asked_at <= ends_at <= asked_at + grace
    charges = months_between(acquired_at, asked_at, ends_at)
    cut_short = ends_at < asked_at + grace
    charged_soon = months_between(acquired_at, asked_at, asked_at + BEFORE_THE_CHARGE - timedelta.resolution) > 0
    assert not (cut_short and charges)
    if charged_soon:
        assert ends_at == asked_at + grace
    if cut_short:
        assert months_between(acquired_at, ends_at, ends_at + BEFORE_THE_CHARGE) == 1


@pytest.mark.parametrize(
    ("asked", "grace", "ends", "charges"),
    [
        ("2026-03-10T12:00", GRACE, "2026-03-13T12:00", 0),
        ("2026-03-30T00:00", GRACE, "2026-03-31T11:00", 0),  # Bought on 31 January, charged on the last of the month.
        ("2026-02-27T00:00", GRACE, "2026-02-28T11:00", 0),
        ("2026-03-31T11:00", GRACE, "2026-03-31T11:00", 0),
        ("2026-03-31T11:01", GRACE, "2026-04-03T11:01", 1),
        ("2026-03-31T12:00", GRACE, "2026-04-03T12:00", 0),
    ],
)
def test_the_grace_of_one_bought_at_noon_on_31_january(asked: str, grace: timedelta, ends: str, charges: int):
    acquired_at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    asked_at, ends_at = moment(f"{asked}:00Z"), moment(f"{ends}:00Z")

    assert grace_ends(acquired_at=acquired_at, asked_at=asked_at, grace=grace) == ends_at
    assert months_between(acquired_at, asked_at, ends_at) == charges


def charged(rule: ChargingRule, acquired_at: datetime, *, until: datetime) -> list[date]:
    """The days on which a number that is still held then was charged until then; that of a release counts."""
    day = rule.day_of(until)
    life = Life(UUID(int=1), rule.day_of(acquired_at), [Held(rule.day_of(acquired_at), OWNER)], day)
    return [line.begins for line in accrue(life, rule, [PRICE], until=date.max) if line.kind in ("month", "part")]


def begins(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


@given(
    acquired_at=MOMENTS,
    age=st.timedeltas(timedelta(0), timedelta(days=800)),
    grace=SOON,
    zone=st.sampled_from([AHEAD, BEHIND, BETWEEN, "UTC", "Asia/Kolkata", "America/Santiago", "America/Havana"]),
    cycle=st.sampled_from(["anniversary", "calendar"]),
    due=st.sampled_from(["advance", "arrears"]),
    free_days=st.sampled_from([0, 3]),
)
def test_by_a_rule_a_grace_that_is_cut_short_adds_no_charge_wherever_its_days_begin(
    acquired_at: datetime, age: timedelta, grace: timedelta, zone: str, cycle: Any, due: Any, free_days: int
):
    rule = ChargingRule(cycle=cycle, due=due, time_zone=zone, free_days=free_days)
    asked_at = acquired_at + age
    held = Life(UUID(int=1), rule.day_of(acquired_at), [Held(rule.day_of(acquired_at), OWNER)])
    ahead = accrue(held, rule, [PRICE], until=rule.day_of(asked_at) + timedelta(days=70))
    charged_at = begins(next(line.due for line in ahead if line.due > rule.day_of(asked_at)), zone)

    ends_at = grace_ends(acquired_at=acquired_at, asked_at=asked_at, grace=grace, charged_at=charged_at)

    assert asked_at <= ends_at <= asked_at + grace
    if ends_at < asked_at + grace:
        # With all that its release takes, if that is less than an hour.
        noticed = ends_at + BEFORE_THE_CHARGE - timedelta.resolution
        assert charged(rule, acquired_at, until=noticed) == charged(rule, acquired_at, until=asked_at)
        assert charged(rule, acquired_at, until=charged_at) != charged(rule, acquired_at, until=asked_at)
    elif ends_at > charged_at:
        assert charged_at - asked_at < BEFORE_THE_CHARGE


@pytest.mark.parametrize(
    ("acquired", "asked", "zone", "day", "ends"),
    [
        # Where it is 1 April already, and where it is 31 March for another eleven hours.
        ("2026-03-01T12:00", "2026-03-30T12:00", AHEAD, date(2026, 4, 1), "2026-03-31T09:00"),
        ("2026-03-01T12:00", "2026-03-30T12:00", BEHIND, date(2026, 4, 1), "2026-04-01T10:00"),
        # An hour of 8 March is left out there, and one of 1 November comes twice: each in the day, not before it.
        ("2026-02-08T12:00", "2026-03-07T12:00", BETWEEN, date(2026, 3, 8), "2026-03-08T04:00"),
        ("2026-10-02T12:00", "2026-11-01T12:00", BETWEEN, date(2026, 11, 2), "2026-11-02T04:00"),
        # Midnight comes twice, the day begins with the first one; there is no midnight, the day begins at one.
        ("2026-10-01T12:00", "2026-10-30T12:00", "America/Havana", date(2026, 11, 1), "2026-11-01T03:00"),
        ("2026-08-06T12:00", "2026-09-04T12:00", "America/Santiago", date(2026, 9, 6), "2026-09-06T03:00"),
        # Bought on the 31st, charged on the 30th.
        ("2026-03-31T12:00", "2026-04-28T12:00", "UTC", date(2026, 4, 30), "2026-04-29T23:00"),
    ],
)
def test_the_grace_ends_an_hour_before_the_day_of_the_charge_begins_there(
    acquired: str, asked: str, zone: str, day: date, ends: str
):
    ended = grace_ends(
        acquired_at=moment(f"{acquired}:00Z"), asked_at=moment(f"{asked}:00Z"), grace=GRACE,
        charged_at=begins(day, zone),
    )  # fmt: skip

    assert ended == moment(f"{ends}:00Z")


RULES = [
    ChargingRule(cycle=cycle, proration=proration, due=due, time_zone=zone)
    for cycle in ("anniversary", "calendar")
    for proration in ("none", "daily")
    for due in ("advance", "arrears")
    for zone in (AHEAD, BEHIND)
]


async def test_a_release_ends_before_the_charge_by_whatever_rule_finance_filed(open_gateway: OpenGateway):
    """A grace that outlasts every month: it always ends an hour before the day of the charge that the number shows."""
    async with open_gateway(release_grace=50 * 86_400) as gateway:
        tenant = await gateway.tenant()
        finance = await gateway.services.administration.issue_staff_key(AUTHOR, "finance", "test")
        number = await confirmed(gateway, tenant)
        for rule in [*RULES, replace(RULES[0], free_days=40), replace(RULES[0], minimum_months=3)]:
            put = await Tenant(gateway.http, "", finance.key).send(
                "PUT", "/v1/billing/charging-rule", json=rule.as_json()
            )
            assert put.status_code == 200, put.text

            told = (await ask(tenant, "release", number)).json()

            charged_at, asked_at = moment(told["costs"]["next_charge_at"]), moment(told["release"]["asked_at"])
            assert charged_at.astimezone(ZoneInfo(rule.time_zone)).time() == time(), rule
            if charged_at - asked_at > BEFORE_THE_CHARGE:
                late = moment(told["release"]["at"]) - (charged_at - BEFORE_THE_CHARGE)
                assert (abs(late) < timedelta(minutes=1), told["release"]["extra_charge"]) == (True, 0), rule
            assert (await ask(tenant, "restore", number)).status_code == 200


async def test_where_no_rule_is_filed_months_are_counted_from_the_purchase(gateway: Gateway, tenant: Tenant):
    number = await confirmed(gateway, tenant)
    bought = month_after(datetime.now(UTC) + timedelta(days=1, hours=1), -1)
    await gateway.sql("UPDATE numbers SET acquired_at = :bought", bought=bought)

    release = (await ask(tenant, "release", number)).json()["release"]

    asked_at = moment(release["asked_at"])
    ends_at = grace_ends(acquired_at=bought, asked_at=asked_at, grace=GRACE)
    assert abs(moment(release["at"]) - ends_at) < timedelta(minutes=1)


# -- Scheduled ---------------------------------------------------------------------------------------------------------


async def test_a_scheduled_release_tells_when_and_why_and_nothing_is_sent_before(gateway: Gateway, tenant: Tenant):
    number = await confirmed(gateway, tenant)

    answer = await ask(tenant, "release", number, {"reason": "the campaign is over"}, X_Request_ID="later-1")
    await gateway.follow_up()

    assert answer.status_code == 200, answer.text
    body = answer.json()
    release = body["release"]
    assert (body["state"], release["reason"], release["extra_charge"]) == (
        "release_scheduled", "the campaign is over", 0,
    )  # fmt: skip
    ahead = moment(release["at"]) - moment(release["asked_at"])
    assert abs(ahead - GRACE) < timedelta(minutes=1)
    assert (await tenant.operation(release["operation_id"]))["state"] == "pending"
    assert await sent(gateway) == 0
    assert (await quota(gateway, tenant), await releases(gateway, tenant)) == ((1, 0), 1)
    action, actor, request_id = (await gateway.audited(number["id"]))[-1]
    assert (action, request_id, actor[:4]) == ("number.release_scheduled", "later-1", "key:")
    assert (await gateway.told(number["id"]))[-1] == "number.release_scheduled"


async def test_less_than_an_hour_before_the_charge_the_grace_is_whole_and_the_charge_is_named(
    gateway: Gateway, tenant: Tenant
):
    number = await confirmed(gateway, tenant)
    bought = month_after(datetime.now(UTC) + timedelta(minutes=30), -1)
    await gateway.sql("UPDATE numbers SET acquired_at = :bought", bought=bought)

    release = (await ask(tenant, "release", number)).json()["release"]

    assert moment(release["at"]) - moment(release["asked_at"]) > GRACE - timedelta(minutes=1)
    # A day that has begun is charged: what is due today already is nothing that the grace adds.
    due, asked = (day.astimezone(UTC).date() for day in (month_after(bought, 1), moment(release["asked_at"])))
    assert release["extra_charge"] == (gateway.settings.default_price.monthly if due > asked else 0)


async def test_at_the_end_of_the_grace_it_is_released_for_good(gateway: Gateway, tenant: Tenant):
    number = await confirmed(gateway, tenant)
    release = (await ask(tenant, "release", number)).json()["release"]

    await gateway.hurry()

    assert (await state(gateway, number), await quota(gateway, tenant)) == ("released", (0, 0))
    assert await sent(gateway) == 1
    assert (await tenant.operation(release["operation_id"]))["state"] == "succeeded"
    assert [kind for kind in await gateway.told(number["id"]) if "releas" in kind] == [
        "number.release_scheduled", "number.releasing", "number.released",
    ]  # fmt: skip
    assert (await releases(gateway, tenant)) == 1
    late = await ask(tenant, "restore", number)
    assert (late.status_code, late.json()["code"]) == (409, "state_conflict")


async def test_asked_again_it_stays_as_it_was_scheduled(gateway: Gateway, tenant: Tenant):
    number = await confirmed(gateway, tenant)
    first = await ask(tenant, "release", number, {"reason": "first"}, Idempotency_Key="k")

    again = await ask(tenant, "release", number, {"reason": "second"})
    replayed = await ask(tenant, "release", number, {"reason": "first"}, Idempotency_Key="k")
    other = await ask(tenant, "release", number, {"reason": "third"}, Idempotency_Key="k")

    assert again.json()["release"] == replayed.json()["release"] == first.json()["release"]
    assert replayed.headers["Idempotent-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await gateway.sql("SELECT count(*) FROM steps WHERE kind = 'release'") == [(1,)]
    assert await releases(gateway, tenant) == 1


async def test_a_delete_does_not_wait_for_the_grace_and_is_counted_once(gateway: Gateway, tenant: Tenant):
    number = await confirmed(gateway, tenant)
    release = (await ask(tenant, "release", number)).json()["release"]

    answer = await delete(tenant, number)

    assert (answer.status_code, answer.json()["state"]) == (200, "released")
    assert answer.json()["operation_id"] == release["operation_id"]
    assert (await sent(gateway), await quota(gateway, tenant), await releases(gateway, tenant)) == (1, (0, 0), 1)


async def test_a_scheduled_release_counts_against_the_limit_of_its_tenant(gateway: Gateway, tenant: Tenant):
    first, second = [await confirmed(gateway, tenant) for _ in range(2)]
    await gateway.put_quotas(tenant, releases_per_month=1)

    assert (await ask(tenant, "release", first)).status_code == 200
    refused = await ask(tenant, "release", second)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert await state(gateway, second) == "active"

    assert (await ask(tenant, "restore", first)).status_code == 200
    assert await releases(gateway, tenant) == 0
    assert (await ask(tenant, "release", second)).status_code == 200


# -- Restored ----------------------------------------------------------------------------------------------------------


async def test_a_restored_number_is_as_it_was_and_nothing_was_sent(gateway: Gateway, tenant: Tenant):
    number = await confirmed(gateway, tenant)
    release = (await ask(tenant, "release", number)).json()["release"]

    answer = await ask(tenant, "restore", number, {"reason": "it is on the brochure"})
    again = await ask(tenant, "restore", number)
    await gateway.hurry()

    assert (answer.status_code, answer.json()["state"], answer.json()["release"]) == (200, "active", None)
    assert again.json()["state"] == "active"
    assert (await sent(gateway), await quota(gateway, tenant), await releases(gateway, tenant)) == (0, (1, 0), 0)
    operation = await tenant.operation(release["operation_id"])
    assert (operation["state"], operation["problem"]["code"]) == ("failed", "state_conflict")
    assert [action for action, *_ in await gateway.audited(number["id"]) if "rele" in action or "rest" in action] == [
        "number.release_scheduled", "number.restored",
    ]  # fmt: skip


async def test_it_may_be_scheduled_anew(gateway: Gateway, tenant: Tenant):
    number = await confirmed(gateway, tenant)
    for _ in range(2):
        assert (await ask(tenant, "release", number)).status_code == 200
        assert (await ask(tenant, "restore", number)).status_code == 200
    assert (await ask(tenant, "release", number)).status_code == 200
    assert await releases(gateway, tenant) == 1

    await gateway.hurry()

    assert (await state(gateway, number), await sent(gateway)) == ("released", 1)


async def test_a_release_that_was_taken_back_does_not_end_the_grace_of_the_next(gateway: Gateway, tenant: Tenant):
    """A worker has begun it when its grace was over, and asks whether it still is to be when it was scheduled anew."""
    number = await confirmed(gateway, tenant)
    await ask(tenant, "release", number)
    await gateway.sql("UPDATE steps SET due_at = clock_timestamp() WHERE kind = 'release'")
    [begun] = await Steps(gateway.worker.database).claim()
    await ask(tenant, "restore", number)
    release = (await ask(tenant, "release", number)).json()["release"]

    assert not await Numbers(gateway.worker.database).grace_is_over(begun, None)

    assert (await tenant.send("GET", f"/v1/numbers/{number['id']}")).json()["release"] == release
    assert (await ask(tenant, "restore", number)).status_code == 200
    assert (await state(gateway, number), await sent(gateway)) == ("active", 0)


async def test_restored_at_the_very_end_it_is_either_kept_or_released(gateway: Gateway, tenant: Tenant):
    numbers = [await confirmed(gateway, tenant) for _ in range(6)]
    for number in numbers:
        await ask(tenant, "release", number)
    await gateway.sql("UPDATE steps SET due_at = clock_timestamp() WHERE state = 'waiting'")

    answers, _ = await asyncio.gather(
        asyncio.gather(*(ask(tenant, "restore", number) for number in numbers)), gateway.follow_up()
    )
    await gateway.follow_up()

    for number, answer in zip(numbers, answers, strict=True):
        kept = answer.status_code == 200
        assert kept or (answer.status_code, answer.json()["code"]) == (409, "state_conflict")
        assert await state(gateway, number) == ("active" if kept else "released")
    held = sum(answer.status_code == 200 for answer in answers)
    assert (await gateway.teli.counts())["held"] == held
    assert (await quota(gateway, tenant), await releases(gateway, tenant)) == ((held, 0), len(numbers) - held)


# -- Who may, and what cannot be ---------------------------------------------------------------------------------------


async def test_an_administrator_schedules_and_restores_any_tenants_number_and_no_limit_holds(
    gateway: Gateway, tenant: Tenant
):
    number = await confirmed(gateway, tenant)
    await gateway.put_quotas(tenant, releases_per_month=0)

    assert (await ask(gateway.admin, "release", number)).json()["state"] == "release_scheduled"
    assert (await ask(gateway.admin, "restore", number)).json()["state"] == "active"


async def test_anothers_number_and_none_at_all_are_the_same_404(gateway: Gateway, tenant: Tenant):
    number, stranger = await confirmed(gateway, tenant), await gateway.tenant()
    nowhere = {"id": "00000000-0000-4000-8000-000000000000"}

    for verb in ("release", "restore"):
        answers = [await ask(stranger, verb, which) for which in (number, nowhere)]
        assert [answer.status_code for answer in answers] == [404, 404]
    assert await state(gateway, number) == "active"


@pytest.mark.parametrize("verb", ["release", "restore"])
async def test_a_key_without_the_scope_does_neither(gateway: Gateway, verb: str):
    tenant = await gateway.tenant(scopes=["numbers:create", "numbers:read"])
    number = await tenant.bought()

    answer = await ask(tenant, verb, number)

    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": ""}, "/reason"),
        ({"reason": "x" * 1001}, "/reason"),
        ({"reason": "a\u0000b"}, "/reason"),
        ({"force": "yes"}, "/force"),
        ({"grace": 3}, "/grace"),
    ],
)
async def test_what_is_wrong_is_named(gateway: Gateway, tenant: Tenant, body: Any, pointer: str):
    number = await confirmed(gateway, tenant)

    answer = await ask(tenant, "release", number, body)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)
    assert await state(gateway, number) == "active"
