"""Doubts that resolve themselves: by looking, never by buying again.

One listing of an organisation serves all of its doubts. A mark in it is proof at first sight; that nothing was bought
is believed only after several listings, and even then the doubt stays on the operator's list.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from service.http.problems import MEDIA_TYPE, problem_body
from service.idempotency.answers import Answer
from service.kit.clock import rfc3339, utc_now
from service.kit.phone import E164, area_code_of, pretty
from service.kit.types import new_id
from service.numbers.answers import sale
from service.numbers.errors import UpstreamRefused
from service.numbers.ledger import Ledger
from service.observability.metrics import DOUBTS_RESOLVED, LISTINGS
from service.reconciliation.absence import proves_absence
from service.reconciliation.doubts import Doubts
from service.reconciliation.judgement import Doubt, Observation, Place, Presence, only_new_row
from service.reconciliation.sightings import Sightings
from service.teli.analytics import read_purchases
from service.teli.client import TeliClient
from service.teli.directory import read_users
from service.teli.listing import Listing, Row, read_listing
from service.teli.reading import Sold

PLACES_AT_ONCE = 4
log = structlog.get_logger()


class Resolver:
    def __init__(
        self,
        ledger: Ledger,
        sightings: Sightings,
        doubts: Doubts,
        teli: TeliClient,
        *,
        window: timedelta,
        write_off: timedelta,
        doubts_every: float,
        all_every: float,
    ) -> None:
        self._ledger = ledger
        self._sightings = sightings
        self._doubts = doubts
        self._teli = teli
        self._window = window
        self._write_off = write_off
        self._doubts_every = doubts_every
        self._all_every = all_every

    async def run(self) -> None:
        """Look at every place that is due, and decide what can be decided."""
        while places := await self._sightings.claim(
            doubts_every=self._doubts_every, all_every=self._all_every, limit=PLACES_AT_ONCE
        ):
            outcomes = await asyncio.gather(*map(self._look_at, places), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome

    async def _look_at(self, place: Place) -> None:
        try:
            await self._look(place)
        finally:
            await self._sightings.looked(place)

    async def _look(self, place: Place) -> None:
        observation = await self._observe(place)
        if observation is None:
            LISTINGS.labels("unreadable").inc()
            log.warning("an organisation could not be listed", organization=place.organization_id)
            return
        LISTINGS.labels("complete" if observation.complete else "incomplete").inc()
        for presence in await self._sightings.keep(observation):
            await self._owned(presence, "seen")
        await self._decide(place, observation.began_at)

    async def _decide(self, place: Place, looked_at: datetime) -> None:
        """All doubts of a place, by what is known of them together."""
        found = await self._doubts.of(place)
        absent: list[Doubt] = []
        overdue: list[Doubt] = []
        for doubt in found.doubts:
            lane = found.lanes.get(doubt.id)
            row = only_new_row(lane) if lane and looked_at > doubt.ended_at else None
            if row is not None:
                await self._owned(Presence(doubt, row), "only_new_row")
            elif doubt.state == "unresolved":
                if looked_at >= doubt.ended_at + self._write_off:
                    overdue.append(doubt)
            elif proves_absence(found.log, send_ended_at=doubt.ended_at, window=self._window):
                absent.append(doubt)
        if absent:
            await self._unresolved(absent)
        if overdue:
            await self._write_off_where_nothing_speaks_for_it(place, overdue)

    async def _unresolved(self, doubts: Sequence[Doubt]) -> None:
        moved = await self._doubts.unresolved(doubts)
        for doubt in doubts:
            if doubt.id in moved:
                DOUBTS_RESOLVED.labels("unresolved").inc()
                log.error("a doubt needs a person", intent=str(doubt.id), organization=doubt.organization_id)

    async def _write_off_where_nothing_speaks_for_it(self, place: Place, overdue: Sequence[Doubt]) -> None:
        """Absent everywhere for long, no candidate undecided, and Teli's own counts agree: presumed not bought."""
        undecided = await self._doubts.with_candidates(place, overdue)
        for doubt in await self._counts_agree(place, [one for one in overdue if one.id not in undecided]):
            await self._presumed(doubt)

    async def _presumed(self, doubt: Doubt) -> None:
        error = UpstreamRefused("nothing, and the number was never seen; it is presumed not to have been bought")
        body = problem_body(error, doubt.request_id).decode()
        answer = Answer(error.status, {"content-type": MEDIA_TYPE}, body)
        settled = await self._ledger.settle(
            {
                "tenant_id": doubt.tenant_id,
                "intent_id": str(doubt.id),
                "request_id": doubt.request_id,
                "actor": "worker",
                "verdict": "refused",
                "reason": "presumed",
                "evidence": {"at": rfc3339(utc_now()), "kind": "absence", "detail": "absent until the write-off"},
                "answer": answer.as_json(),
            }
        )
        DOUBTS_RESOLVED.labels(settled["state"]).inc()
        log.warning("doubt written off", intent=str(doubt.id), state=settled["state"])

    async def _counts_agree(self, place: Place, doubts: Sequence[Doubt]) -> Sequence[Doubt]:
        """Those of whose user Teli counts no more purchases since the day of the send than are known.

        Asked once for each day. Silence is no yes. What is known is read before Teli counts: a purchase made in
        between is then one that speaks against, never one that hides another.
        """
        if not doubts:
            return []
        days = {doubt.id: _day(doubt.admitted_at) for doubt in doubts}
        known = await self._doubts.purchases_known(place, {(doubt.user_id, days[doubt.id]) for doubt in doubts})
        forms = await self._sightings.user_forms(place.organization_id)
        counted: dict[datetime, Counter[str] | None] = {}
        for day in sorted(set(days.values())):
            heard = await self._teli.purchases(place.organization_id, start=day.date(), end=utc_now().date())
            counted[day] = _by_user(read_purchases(heard), forms)
        return [
            doubt
            for doubt in doubts
            if (counts := counted[days[doubt.id]]) is not None
            and doubt.user_id in counts
            and counts[doubt.user_id] <= known[doubt.user_id, days[doubt.id]]
        ]

    async def _observe(self, place: Place) -> Observation | None:
        forms = await self._sightings.user_forms(place.organization_id)
        if not forms:
            return None
        began_at = utc_now()
        some_user = next(iter(forms.values()))
        listing = read_listing(await self._teli.list_numbers(place.organization_id, some_user, whole=True))
        if listing is None:
            return None
        if any(row.user_id not in forms for row in listing.rows):
            forms = await self._learn(place.organization_id)
        return Observation(place, began_at, _with_users(listing, forms), listing.complete)

    async def _learn(self, organization: str) -> dict[str, str]:
        users = read_users(await self._teli.users(organization)) or []
        await self._sightings.learn_users(organization, {user.unique_id: user.uuid for user in users if user.uuid})
        return await self._sightings.user_forms(organization)

    async def _owned(self, presence: Presence, reason: str) -> None:
        """The row is the intent's: filed by the same transaction as any purchase, and no orphan any more."""
        intent, row = presence.intent, presence.row
        await self._sightings.close_older(presence)
        number_id = new_id()
        phone_number = E164(row.phone_number)
        sold = Sold(phone_number, pretty(phone_number), area_code_of(phone_number), number_type=None)
        answer = sale(sold, number_id=number_id, operation_id=intent.id)
        settled = await self._ledger.settle(_question(presence, reason, number_id, sold, answer))
        if settled["state"] == "owned":
            await self._sightings.explained(intent.account_id, row.row_id)
        DOUBTS_RESOLVED.labels(settled["state"]).inc()
        log.warning("doubt resolved", intent=str(intent.id), state=settled["state"], reason=reason, row=row.row_id)


def _day(moment: datetime) -> datetime:
    """Its start, by UTC, as Teli counts days."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _by_user(counts: Mapping[str, int] | None, forms: Mapping[str, str]) -> Counter[str] | None:
    """The counts of users known here, by `unique_id`; None where nothing was told."""
    if counts is None:
        return None
    counted: Counter[str] = Counter()
    for form, count in counts.items():
        if form in forms:
            counted[forms[form]] += count
    return counted


def _with_users(listing: Listing, forms: dict[str, str]) -> tuple[Row, ...]:
    return tuple(replace(row, user_id=forms.get(row.user_id or "")) for row in listing.rows)


def _question(presence: Presence, reason: str, number_id: UUID, sold: Sold, answer: Answer) -> dict[str, Any]:
    intent, row = presence.intent, presence.row
    seen = {
        "row_id": row.row_id,
        "phone_number": row.phone_number,
        "nickname": row.nickname,
        "created_at": row.created_at,
    }
    return {
        "tenant_id": intent.tenant_id,
        "intent_id": str(intent.id),
        "request_id": intent.request_id,
        "actor": "worker",
        "verdict": "owned",
        "reason": reason,
        "evidence": {"at": rfc3339(utc_now()), "kind": "listing", "detail": str(seen)},
        "number": {"id": str(number_id), **sold.as_json()},
        "answer": answer.as_json(),
    }
