"""The third witness: Teli's own counts of purchases, beside the ledger and the listings.

It tells of one more, never of which one. Counts may lag by a day, so that a count lower than what is known means
nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf

import structlog

from service.kit.clock import monotonic, utc_now
from service.observability.metrics import ALARMS
from service.reconciliation.doubts import Doubts
from service.reconciliation.judgement import Doubt, Place
from service.reconciliation.sightings import Sightings
from service.teli.analytics import read_purchases
from service.teli.client import Upstreams

ASKED_EVERY = 3600.0
DAY = timedelta(days=1)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Counted:
    """Purchases by user, as `unique_id`, from the start of a day on."""

    since: datetime
    purchases: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of a doubt's user: what Teli counted since the day of the send, and what was known of."""

    since: datetime
    counted: int
    known: int


class Witness:
    """What was asked and told is remembered by this process alone: another may tell it once more."""

    def __init__(self, sightings: Sightings, doubts: Doubts, upstreams: Upstreams, *, window: timedelta) -> None:
        self._sightings = sightings
        self._doubts = doubts
        self._upstreams = upstreams
        self._window = window
        self._asked_at: dict[Place, float] = {}
        self._heard: dict[Place, Sequence[Counted]] = {}
        self._told: set[tuple[Place, str, datetime, int]] = set()

    async def agrees(
        self, place: Place, doubts: Sequence[Doubt], forms: Mapping[str, str]
    ) -> Mapping[Doubt, Agreement]:
        """Those of whose user Teli counts no more purchases since the day of the send than are known.

        Asked once for each day. Silence is no yes. What is known is read before Teli counts: a purchase made in
        between is then one that speaks against, never one that hides another.
        """
        if not doubts:
            return {}
        days = {doubt.id: _day(doubt.admitted_at) for doubt in doubts}
        known = await self._doubts.purchases_known(place, {(doubt.user_id, days[doubt.id]) for doubt in doubts})
        counted: dict[datetime, Mapping[str, int] | None] = {}
        for since in sorted(set(days.values())):
            await self._sightings.renew(place)
            counted[since] = await self._ask(place, since, forms)
        agreed: dict[Doubt, Agreement] = {}
        for doubt in doubts:
            since = days[doubt.id]
            count = (counted[since] or {}).get(doubt.user_id)
            if count is not None and count <= known[doubt.user_id, since]:
                agreed[doubt] = Agreement(since, count, known[doubt.user_id, since])
        return agreed

    def watch(self, place: Place, doubts: Sequence[Doubt]) -> None:
        """While one of the doubts of a place is older than a window, its counts are asked for at each look."""
        before = utc_now() - self._window
        if any(doubt.ended_at < before for doubt in doubts):
            self._asked_at[place] = -inf

    async def hear(self, place: Place, forms: Mapping[str, str]) -> None:
        """Ask for the counts of the running day and of the day before, where it is time to; the next look tells.

        For what Teli counted by now a later listing can show. And no look waits for a witness: not even the first ones
        of a process that has just begun, for it has much to look at.
        """
        if monotonic() < self._asked_at.setdefault(place, monotonic()) + ASKED_EVERY:
            return
        self._asked_at[place] = monotonic()
        today = _day(utc_now())
        days = (today - DAY, today)
        counted = await asyncio.gather(*(self._ask(place, since, forms) for since in days))
        self._heard[place] = [
            Counted(since, counts) for since, counts in zip(days, counted, strict=True) if counts is not None
        ]

    async def tell(self, place: Place) -> None:
        """Raise an alarm, once, for each count heard before this look that is higher than what is accounted for now."""
        counted = self._heard.pop(place, ())
        asked = {(user, one.since) for one in counted for user, count in one.purchases.items() if count}
        if not asked:
            return
        known = await self._doubts.accounted_for(place, asked, settling=self._window)
        for one in counted:
            for user, count in one.purchases.items():
                if count > known.get((user, one.since), count):
                    self._alarm(place, user, one.since, count, known[user, one.since])

    def _alarm(self, place: Place, user: str, since: datetime, counted: int, known: int) -> None:
        told = (place, user, since, counted)
        if told in self._told:
            return
        self._told = {one for one in self._told if one[2] >= since - DAY} | {told}
        ALARMS.labels("purchases_unaccounted").inc()
        log.error(
            "Teli counts purchases that nothing accounts for",
            organization=place.organization_id,
            user=user,
            since=since.date().isoformat(),
            counted=counted,
            known=known,
        )

    async def _ask(self, place: Place, since: datetime, forms: Mapping[str, str]) -> Mapping[str, int] | None:
        """Purchases since a day by user, of users known here; None where nothing was told."""
        teli = await self._upstreams.of(place.account_id)
        heard = await teli.purchases(place.organization_id, start=since.date(), end=utc_now().date())
        counts = read_purchases(heard)
        return None if counts is None else _by_user(counts, forms)


def _day(moment: datetime) -> datetime:
    """Its start, by UTC, as Teli counts days."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _by_user(counts: Mapping[str, int], forms: Mapping[str, str]) -> Mapping[str, int]:
    """The counts of users known here, by `unique_id`."""
    counted: Counter[str] = Counter()
    for form, count in counts.items():
        if form in forms:
            counted[forms[form]] += count
    return counted
