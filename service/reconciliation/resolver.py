"""Doubts that resolve themselves: by looking, never by buying again.

One listing of an organisation serves all of its doubts. A mark in it is proof at first sight; that nothing was bought
is believed only after several listings, and even then the doubt stays on the operator's list.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from service.http.problems import MEDIA_TYPE, problem_body
from service.idempotency.answers import Answer
from service.kit.clock import monotonic, rfc3339, utc_now
from service.kit.phone import E164, area_code_of, pretty
from service.kit.types import new_id
from service.numbers.answers import sale
from service.numbers.errors import NothingBought
from service.numbers.ledger import Ledger
from service.observability.metrics import DOUBTS_RESOLVED, LISTINGS
from service.reconciliation.absence import Taken, proves_absence
from service.reconciliation.doubts import Doubts
from service.reconciliation.drifts import Drifts
from service.reconciliation.grounds import Considered
from service.reconciliation.judgement import Doubt, Observation, Place, Presence, only_new_row
from service.reconciliation.sightings import Sightings
from service.reconciliation.witness import Agreement, Witness
from service.teli.client import TeliClient, Upstreams
from service.teli.directory import read_users
from service.teli.listing import Listing, Row, read_listing
from service.teli.reading import Sold

PLACES_AT_ONCE = 4
UNKNOWN_FOR = 3600.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Strangers:
    """Forms of users of an organisation that Teli did not explain, beside those that were `known` then.

    Not asked for again before `until`, in seconds of the monotonic clock.
    """

    until: float
    unknown: frozenset[str]
    known: frozenset[str]


class Resolver:
    def __init__(
        self,
        ledger: Ledger,
        sightings: Sightings,
        doubts: Doubts,
        drifts: Drifts,
        upstreams: Upstreams,
        *,
        window: timedelta,
        write_off: timedelta,
        doubts_every: float,
        all_every: float,
    ) -> None:
        self._ledger = ledger
        self._sightings = sightings
        self._doubts = doubts
        self._drifts = drifts
        self._upstreams = upstreams
        self._window = window
        self._write_off = write_off
        self._doubts_every = doubts_every
        self._all_every = all_every
        self._witness = Witness(sightings, doubts, upstreams, window=window)
        self._strangers: dict[Place, Strangers] = {}

    async def run(self, account: UUID | None = None) -> None:
        """Look at every place that is due, or at those of one account, and decide what can be decided."""
        while places := await self._sightings.claim(
            doubts_every=self._doubts_every, all_every=self._all_every, limit=PLACES_AT_ONCE, account=account
        ):
            outcomes = await asyncio.gather(*map(self._look_at, places), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome

    async def _look_at(self, place: Place) -> None:
        try:
            forms = await self._look(place)
        finally:
            await self._sightings.looked(place)
        if forms:
            await self._witness.hear(place, forms)

    async def _look(self, place: Place) -> Mapping[str, str]:
        """Returns the forms in which the users of the place may be named."""
        teli = await self._upstreams.of(place.account_id)
        asked_at = monotonic()
        users = await self._sightings.users_of(place.organization_id)
        began_at = _by_the_ledgers_clock(users.at, took=monotonic() - asked_at)
        observation = await self._observe(teli, place, users.forms, began_at) if users.forms else None
        if observation is None:
            LISTINGS.labels("unreadable", teli.name).inc()
            log.warning("an organisation could not be listed", organization=place.organization_id, account=teli.name)
            return users.forms
        LISTINGS.labels("complete" if observation.complete else "incomplete", teli.name).inc()
        considered = Considered(observation)
        await self._drifts.see(observation)
        kept = await self._sightings.keep(observation)
        if kept.presences:
            await self._doubts.keep_grounds([considered.grounds(one.intent, "seen") for one in kept.presences])
        for presence in kept.presences:
            await self.own(presence, "seen")
        overdue = await self._decide(observation, considered)
        # As for absence: what a listing lacks proves something only where it lacks nothing else.
        if overdue and observation.complete and kept.trustworthy:
            await self._write_off_where_nothing_speaks_for_it(place, overdue, considered, users.forms)
        if observation.complete:
            await self._witness.tell(place)
        return users.forms

    async def _decide(self, seen: Observation, considered: Considered) -> Sequence[Doubt]:
        """All doubts of a place, by what is known of them together. Returns those that are due to be written off."""
        place, looked_at = seen.place, seen.began_at
        found = await self._doubts.of(place, settling=self._window)
        self._witness.watch(place, found.doubts)
        absent: list[Doubt] = []
        overdue: list[Doubt] = []
        for doubt in found.doubts:
            lane = found.lanes.get(doubt.id)
            row = only_new_row(lane, doubt, seen) if lane and looked_at > doubt.ended_at else None
            if row is not None:
                await self._doubts.keep_grounds([considered.grounds(doubt, "only_new_row")])
                await self.own(Presence(doubt, row), "only_new_row")
            elif doubt.state == "unresolved":
                if doubt.is_overdue(looked_at, write_off=self._write_off):
                    overdue.append(doubt)
            elif proves_absence(found.log, send_ended_at=doubt.ended_at, window=self._window):
                absent.append(doubt)
        if absent:
            await self._unresolved(absent, considered, found.log)
        return overdue

    async def _unresolved(self, doubts: Sequence[Doubt], considered: Considered, looks: Sequence[Taken]) -> None:
        grounds = [considered.grounds(doubt, "absent", looks=looks) for doubt in doubts]
        moved = await self._doubts.unresolved(doubts, grounds)
        for doubt in doubts:
            if doubt.id in moved:
                DOUBTS_RESOLVED.labels("unresolved").inc()
                log.error("a doubt needs a person", intent=str(doubt.id), organization=doubt.organization_id)

    async def _write_off_where_nothing_speaks_for_it(
        self, place: Place, overdue: Sequence[Doubt], considered: Considered, forms: Mapping[str, str]
    ) -> None:
        """Absent everywhere for long, no candidate undecided, and Teli's own counts agree: presumed not bought."""
        undecided = await self._doubts.with_candidates(place, overdue)
        agreed = await self._witness.agrees(place, [one for one in overdue if one.id not in undecided], forms)
        if not agreed:
            return
        await self._doubts.keep_grounds(
            [considered.grounds(doubt, "presumed", counts=_counts(one)) for doubt, one in agreed.items()]
        )
        for doubt in agreed:
            await self._presumed(doubt)

    async def _presumed(self, doubt: Doubt) -> None:
        error = NothingBought("no number was ever seen that this purchase may have brought, so it is presumed")
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

    async def _observe(
        self, teli: TeliClient, place: Place, forms: Mapping[str, str], began_at: datetime
    ) -> Observation | None:
        some_user = next(iter(forms.values()))
        listing = read_listing(await teli.list_numbers(place.organization_id, some_user, whole=True))
        if listing is None:
            return None
        strange = {row.user_id for row in listing.rows if row.user_id is not None and row.user_id not in forms}
        if self._worth_asking(place, strange, forms):
            await self._sightings.renew(place)
            forms = await self._learn(teli, place, strange)
        return Observation(place, began_at, _with_users(listing, forms), listing.complete)

    def _worth_asking(self, place: Place, strange: set[str], forms: Mapping[str, str]) -> bool:
        """Is there one that Teli was not asked for lately, or has a user been filed since, whose other form it is?"""
        asked = self._strangers.get(place)
        if asked is None or monotonic() >= asked.until or not asked.known.issuperset(forms):
            return bool(strange)
        return not asked.unknown.issuperset(strange)

    async def _learn(self, teli: TeliClient, place: Place, strange: set[str]) -> Mapping[str, str]:
        organization = place.organization_id
        users = read_users(await teli.users(organization)) or []
        await self._sightings.learn_users(organization, {user.unique_id: user.uuid for user in users if user.uuid})
        forms = (await self._sightings.users_of(organization)).forms
        if users:  # An organisation without users is one that Teli does not know, perhaps only now.
            unknown = frozenset(strange.difference(forms))
            self._strangers[place] = Strangers(monotonic() + UNKNOWN_FOR, unknown, frozenset(forms))
        return forms

    async def own(self, presence: Presence, reason: str) -> None:
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
        if not settled["moved"]:
            return
        DOUBTS_RESOLVED.labels(settled["state"]).inc()
        log.warning("doubt resolved", intent=str(intent.id), state=settled["state"], reason=reason, row=row.row_id)


def _by_the_ledgers_clock(told: datetime, *, took: float) -> datetime:
    """Now, where the ledger told its time during the last `took` seconds: by our own clock, if that may be right."""
    now = utc_now()
    return now if told <= now <= told + timedelta(seconds=took) else told


def _counts(agreement: Agreement) -> dict[str, Any]:
    since = agreement.since.date().isoformat()
    return {"since": since, "counted": agreement.counted, "known": agreement.known}


def _with_users(listing: Listing, forms: Mapping[str, str]) -> tuple[Row, ...]:
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
