"""Quotas in memory: the functions of the database that count purchases, orders and releases."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

from service.kit.clock import utc_now
from service.numbers.models import Intent, Number
from service.orders.models import OrderItem
from service.quotas.counting import HELD
from service.quotas.errors import refusal_of
from service.quotas.models import Quota
from tests.fakes.world import OPEN, World, alter

COUNTED = (
    "used",
    "reserved",
    "ordered",
    "day_used",
    "day_reserved",
    "month_used",
    "month_reserved",
    "releases",
    "day",
    "month",
)


@dataclass(slots=True)
class Limit:
    name: str
    allowed: int | None
    used: int
    reserved: int
    needs: int
    resets_at: datetime | None
    rank: int

    @property
    def remains(self) -> int:
        assert self.allowed is not None
        return self.allowed - self.used - self.reserved

    @property
    def purchases(self) -> int:
        """How many more could be bought after this one; rounded towards nought, as Postgres divides."""
        return int((self.remains - self.needs) / max(self.needs, 1))


def reserve(world: World, ask: dict[str, Any], at: datetime) -> dict[str, Any]:
    """Raises: QuotaExceeded, RateLimited."""
    tightest: tuple[int, dict[str, Any]] | None = None
    refusals: list[tuple[int, int, int, dict[str, Any]]] = []
    shadow, changes = [], []
    revision = world.quotas["tenant", ask["tenant_id"], "", ""].revision
    for quota in world.quotas_of(ask["tenant_id"], ask["organization_id"], ask["user_id"]):
        now = _rolled(world, quota, at)
        for limit in _limits(world, quota, now, at, ask["price"]):
            if limit.allowed is None or quota.mode == "off":
                continue
            word = _word(quota, limit)
            if limit.remains >= limit.needs:
                if quota.mode == "enforced" and (tightest is None or limit.purchases < tightest[0]):
                    tightest = limit.purchases, word | {"left": limit.remains - limit.needs}
            elif quota.mode == "shadow":
                shadow.append(word)
            else:
                refusals.append((limit.purchases, limit.rank, len(refusals), word))
        day, month = _periods(quota, at)
        now["reserved"] += 1
        now["day_reserved"] += now["day"] == day
        now["month_reserved"] += now["month"] == month
        changes.append((quota, now | {"arrival": _arrival(quota, at), "revision": quota.revision + 1}))
    if refusals:
        tightest_refusal, *others = (word for *_, word in sorted(refusals, key=lambda refusal: refusal[:3]))
        raise refusal_of(tightest_refusal | {"revision": revision, "also": others})
    for quota, values in changes:
        alter(quota, **values)
    return {"revision": revision + 1, "tightest": tightest and tightest[1], "shadow": shadow, "admitted_at": None}


def _arrival(quota: Quota, at: datetime) -> datetime | None:
    """The theoretical arrival time after one purchase more (GCRA)."""
    rate = quota.requests_per_second if quota.scope != "tenant" else None
    if not rate:
        return quota.arrival
    burst = quota.burst if quota.burst is not None else ceil(rate)
    return min(max(quota.arrival or at, at) + timedelta(seconds=1 / rate), at + timedelta(seconds=burst / rate))


AT_ONE_TIME = ("doubts_open", "concurrent_creates", "requests_per_second")


def reserve_order(
    world: World, tenant: str, organization: str, users: Mapping[str, int], price: int, at: datetime
) -> None:
    """Raises: QuotaExceeded, RateLimited."""
    refusals: list[tuple[int, int, int, dict[str, Any]]] = []
    changes = []
    revision = world.quotas["tenant", tenant, "", ""].revision
    for quota, many in _of_all(world, tenant, organization, users):
        now = _rolled(world, quota, at)
        for limit in _limits(world, quota, now, at, price):
            if limit.allowed is None or quota.mode == "off":
                continue
            if limit.name not in AT_ONE_TIME:
                limit.needs *= many
            elif limit.allowed > 0:
                continue
            if limit.remains < limit.needs and quota.mode == "enforced":
                word = _word(quota, limit)
                refusals.append((limit.remains - limit.needs, limit.rank, len(refusals), word))
        for name in ("ordered", "day_reserved", "month_reserved"):
            now[name] += many
        changes.append((quota, now | {"revision": quota.revision + 1}))
    if refusals:
        tightest, *others = (word for *_, word in sorted(refusals, key=lambda refusal: refusal[:3]))
        raise refusal_of(tightest | {"revision": revision, "also": others})
    for quota, values in changes:
        alter(quota, **values)


def send_ordered(world: World, item: OrderItem, price: int, at: datetime) -> dict[str, Any]:
    """The item waits still, and its intent is not there yet. Raises: QuotaExceeded, RateLimited."""
    refusals: list[tuple[int, int, dict[str, Any]]] = []
    shadow, changes = [], []
    assert item.counted_at is not None
    revision = world.quotas["tenant", str(item.tenant_id), "", ""].revision
    for quota in world.quotas_of(str(item.tenant_id), str(item.organization_id), str(item.user_id)):
        now = _rolled(world, quota, at)
        day, month = _periods(quota, item.counted_at)
        own = {
            "numbers_held": True,
            "purchases_per_day": now["day"] == day,
            "purchases_per_month": now["month"] == month,
            "spend_per_month": now["month"] == month,
        }
        for limit in _limits(world, quota, now, at, price):
            if limit.allowed is None or quota.mode == "off" or not own.get(limit.name, True):
                continue
            if limit.remains >= (0 if limit.name in own else 1):
                continue
            word = _word(quota, limit)
            if quota.mode == "shadow":
                shadow.append(word)
            else:
                refusals.append((limit.rank, len(refusals), word))
        now["reserved"] += 1
        now["ordered"] = max(now["ordered"] - 1, 0)
        changes.append((quota, now | {"arrival": _arrival(quota, at), "revision": quota.revision + 1}))
    if refusals:
        first, *others = (word for *_, word in sorted(refusals, key=lambda refusal: refusal[:2]))
        raise refusal_of(first | {"revision": revision, "also": others})
    for quota, values in changes:
        alter(quota, **values)
    return {"revision": revision + 1, "tightest": None, "shadow": shadow, "admitted_at": None}


def move_ordered(world: World, item: OrderItem, users: Mapping[str, int], by: int) -> None:
    """The function of that name, for items that count as this one does."""
    assert item.counted_at is not None
    for quota, many in _of_all(world, str(item.tenant_id), str(item.organization_id), users):
        if quota.day is None:
            continue
        day, month = _periods(quota, item.counted_at)
        today, this_month = quota.day == day, quota.month == month
        alter(
            quota,
            ordered=max(quota.ordered + by * many, 0),
            day_reserved=max(quota.day_reserved + by * many * today, 0),
            month_reserved=max(quota.month_reserved + by * many * this_month, 0),
            revision=quota.revision + 1,
        )


def _of_all(world: World, tenant: str, organization: str, users: Mapping[str, int]) -> Iterator[tuple[Quota, int]]:
    """The function `quotas_of_all`; with how many of an order count in each."""
    for user in sorted(users):
        if (quota := world.quotas.get(("user", "", organization, user))) is not None:
            yield quota, users[user]
    for key in (("tenant", tenant, "", ""), ("organization", "", organization, ""), ("deployment", "", "", "")):
        if (quota := world.quotas.get(key)) is not None:
            yield quota, sum(users.values())


def settle(world: World, intent: Intent, *, owned: bool) -> int:
    """The revision of the tenant's quota."""
    for quota in world.quotas_of(intent.tenant_id, intent.organization_id, intent.user_id):
        day, month = _periods(quota, intent.counted_at or intent.admitted_at)
        today, this_month = quota.day == day, quota.month == month
        alter(
            quota,
            reserved=quota.reserved - 1,
            used=quota.used + owned,
            day_reserved=quota.day_reserved - today,
            day_used=quota.day_used + (today and owned),
            month_reserved=quota.month_reserved - this_month,
            month_used=quota.month_used + (this_month and owned),
            revision=quota.revision + 1,
        )
    return world.quotas["tenant", intent.tenant_id, "", ""].revision


def count_release(world: World, number: Number, at: datetime) -> None:
    """Raises: QuotaExceeded."""
    changes = []
    for quota in world.quotas_of(number.tenant_id, number.organization_id, number.user_id):
        now = _rolled(world, quota, at)
        limit = Limit("releases_per_month", quota.releases_per_month, now["releases"], 0, 1, _next_month(quota, now), 2)
        if quota.mode == "enforced" and limit.allowed is not None and limit.remains < limit.needs:
            raise refusal_of(_word(quota, limit))
        now["releases"] += now["month"] == _periods(quota, at)[1]
        changes.append((quota, now | {"revision": quota.revision + 1}))
    for quota, values in changes:
        alter(quota, **values)


def take_release_back(world: World, number: Number, at: datetime) -> None:
    """The function of that name; the step is cancelled by now."""
    for quota in world.quotas_of(number.tenant_id, number.organization_id, number.user_id):
        now = _rolled(world, quota, utc_now())
        if quota.day is not None:
            now["releases"] -= now["month"] == _periods(quota, at)[1]
        alter(quota, **now | {"revision": quota.revision + 1})


def _periods(quota: Quota, at: datetime) -> tuple[date, date]:
    day = at.astimezone(ZoneInfo(quota.time_zone)).date()
    return day, day.replace(day=1)


def _rolled(world: World, quota: Quota, at: datetime) -> dict[str, Any]:
    """The function `rolled`: the counters as they are in the day and month of `at`."""
    now = {name: getattr(quota, name) for name in COUNTED}
    day, month = _periods(quota, at)
    if quota.day is None or quota.month is None:
        return now | {"day": day, "month": month} | _counted(world, quota, day, month)
    if quota.day < day:
        now |= {"day": day, "day_used": 0, "day_reserved": 0}
    if quota.month < month:
        now |= {"month": month, "month_used": 0, "month_reserved": 0, "releases": 0}
    return now


def covers(quota: Quota, row: Any) -> bool:
    return (
        (not quota.tenant_id or quota.tenant_id == row.tenant_id)
        and (not quota.organization_id or quota.organization_id == row.organization_id)
        and (not quota.user_id or quota.user_id == row.user_id)
    )


def counted(world: World, quota: Quota) -> dict[str, int]:
    """The function `counted`: of a quota whose day and month are known, its counters as its rows have them."""
    assert quota.day is not None
    assert quota.month is not None
    return _counted(world, quota, quota.day, quota.month)


def _counted(world: World, quota: Quota, day: date, month: date) -> dict[str, int]:
    intents = [
        (one.state, *_periods(quota, one.counted_at or one.admitted_at))
        for one in world.intents.values()
        if covers(quota, one) and one.state != "refused"
    ]
    ordered = [
        _periods(quota, one.counted_at)
        for one in world.waiting_items()
        if covers(quota, one) and one.counted_at is not None
    ]
    return {
        "used": sum(one.state in HELD and covers(quota, one) for one in world.numbers.values()),
        "reserved": sum(state in OPEN for state, _, _ in intents),
        "ordered": len(ordered),
        "day_used": sum(state == "owned" and that == day for state, that, _ in intents),
        "day_reserved": sum(state != "owned" and that == day for state, that, _ in intents)
        + sum(that == day for that, _ in ordered),
        "month_used": sum(state == "owned" and that == month for state, _, that in intents),
        "month_reserved": sum(state != "owned" and that == month for state, _, that in intents)
        + sum(that == month for _, that in ordered),
        "releases": sum(
            one.kind == "release"
            and one.state != "cancelled"
            and covers(quota, world.numbers[one.number_id])
            and _periods(quota, one.created_at)[1] == month
            for one in world.steps.values()
        ),
    }


def _next_month(quota: Quota, now: dict[str, Any]) -> datetime:
    month: date = now["month"]
    first = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return datetime(first.year, first.month, 1, tzinfo=ZoneInfo(quota.time_zone))


def _limits(world: World, quota: Quota, now: dict[str, Any], at: datetime, price: int) -> Iterator[Limit]:
    """The function `quota_limits`, of those that are about a purchase."""
    tomorrow = now["day"] + timedelta(days=1)
    resets = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=ZoneInfo(quota.time_zone))
    next_month = _next_month(quota, now)
    sending = 0
    if quota.concurrent_creates is not None or quota.doubts_open is not None:
        sending = sum(
            one.state == "sending" and covers(quota, one)
            for intents in world.open_intents.values()
            for one in intents.values()
        )
    yield Limit("numbers_held", quota.numbers_held, now["used"], now["reserved"] + now["ordered"], 1, None, 4)
    spent, reserved = now["month_used"] * price, now["month_reserved"] * price
    yield Limit("spend_per_month", quota.spend_per_month, spent, reserved, max(price, 1), next_month, 1)
    bought = now["month_used"], now["month_reserved"]
    yield Limit("purchases_per_month", quota.purchases_per_month, *bought, 1, next_month, 2)
    yield Limit("purchases_per_day", quota.purchases_per_day, now["day_used"], now["day_reserved"], 1, resets, 3)
    yield Limit("doubts_open", quota.doubts_open, now["reserved"] - sending, sending, 1, None, 5)
    yield Limit("concurrent_creates", quota.concurrent_creates, sending, 0, 1, None, 6)
    rate = quota.requests_per_second
    if quota.scope != "tenant" and rate is not None:
        burst = 0 if rate == 0 else quota.burst if quota.burst is not None else ceil(rate)
        arrival = max(quota.arrival or at, at)
        taken = ceil(max(0.0, (arrival - at).total_seconds()) * rate)
        again = arrival - timedelta(seconds=(burst - 1) / rate) if rate > 0 else None
        yield Limit("requests_per_second", burst, taken, 0, 1, again, 7)


def _word(quota: Quota, limit: Limit) -> dict[str, Any]:
    """The function `quota_word`."""
    return {
        "limit_name": limit.name,
        "scope": quota.scope,
        "scope_id": quota.tenant_id or quota.user_id or quota.organization_id or None,
        "limit": limit.allowed,
        "used": limit.used,
        "reserved": limit.reserved,
        "asked": limit.needs,
        "resets_at": limit.resets_at and limit.resets_at.timestamp(),
    }
