"""Questions about doubts, in memory."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from service.kit.clock import utc_now
from service.kit.phone import E164
from service.reconciliation.absence import Bought, Taken, count_purchases
from service.reconciliation.doubts import DECIDED, DOUBTS, Doubts, OpenDoubts, may_own_new_rows
from service.reconciliation.grounds import Grounds
from service.reconciliation.judgement import Doubt, Lane, Place
from service.reconciliation.models import DecidedOn, Orphan
from service.teli.listing import Row
from tests.fakes.orders import item_follows
from tests.fakes.world import World, made

# User, number, row, and the first moment that tells of it.
Told = tuple[str | None, str, str | None, datetime]


class DoubtsInMemory(Doubts):
    def __init__(self, world: World) -> None:
        self._world = world

    async def of(self, place: Place, *, settling: timedelta) -> OpenDoubts:
        doubts = open_doubts(self._world, place)
        return OpenDoubts(doubts, self._log(place, doubts), self._lanes(place, doubts, settling))

    def _log(self, place: Place, doubts: Sequence[Doubt]) -> Sequence[Taken]:
        ends = [one.ended_at for one in doubts if one.state == "doubtful"]
        if not ends:
            return []
        since = min(ends)
        taken = [
            Taken(one.began_at, one.complete, one.trustworthy)
            for one in self._world.listings_of.get((place.account_id, place.organization_id), ())
            if one.complete and one.trustworthy and one.began_at >= since
        ]
        return sorted(taken, key=lambda one: one.began_at)

    def _lanes(self, place: Place, doubts: Sequence[Doubt], settling: timedelta) -> Mapping[UUID, Lane]:
        holders = [one for one in doubts if one.holds_lane]
        if not holders:
            return {}
        world = self._world
        users = {one.user_id for one in holders}
        for one in holders:
            intent = world.intents[one.id]
            if intent.holds_lane and not world.is_exclusive(place.organization_id, one.user_id):
                world.move(intent, intent.state, holds_lane=False)
        baselines = {one.id: self._baseline(place, one.admitted_at) for one in holders}
        known = [at for at in baselines.values() if at is not None]
        appeared = self._appeared(place, users, min(known)) if known else []
        decided = Counter(
            intent.user_id
            for intent in world.intents.values()
            if (intent.account_id, intent.organization_id) == (place.account_id, place.organization_id)
            and intent.state == "refused"
            and intent.decision in DECIDED
            and not world.orphans_of_intent.get(intent.id)
        )
        return {
            one.id: Lane(
                mode=world.accounts[place.account_id].mode,
                exclusive=world.is_exclusive(place.organization_id, one.user_id),
                held=one.holds_lane,
                others_open=self._open_purchases(place.account_id, one.user_id)
                - 1
                + decided[one.user_id]
                + sum(
                    refused.user_id == one.user_id and may_own_new_rows(refused.decided_at, baselines[one.id], settling)
                    for refused in world.refused_at.get((place.account_id, place.organization_id), ())
                ),
                baseline=baselines[one.id],
                appeared=[(row, at) for row, at in appeared if row.user_id == one.user_id],
            )
            for one in holders
        }

    def _open_purchases(self, account_id: UUID, user_id: str) -> int:
        return sum(
            intent.user_id == user_id
            for (account, _), intents in self._world.open_intents.items()
            if account == account_id
            for intent in intents.values()
        )

    def _baseline(self, place: Place, admitted_at: datetime) -> datetime | None:
        return max(
            (
                one.began_at
                for one in self._world.listings_of.get((place.account_id, place.organization_id), ())
                if one.complete and one.trustworthy and one.ended_at < admitted_at
            ),
            default=None,
        )

    def _appeared(self, place: Place, users: Set[str], since: datetime) -> Sequence[tuple[Row, datetime]]:
        world, account_id = self._world, place.account_id
        return [
            (
                Row(
                    row_id=row.row_id,
                    phone_number=E164(row.phone_number),
                    organization_id=place.organization_id,
                    user_id=row.user_id,
                    nickname=row.nickname,
                    subscription_id=None,
                    created_at=None,
                    inbound_agent_id=None,
                    outbound_agent_id=None,
                ),
                row.first_seen_at,
            )
            for row in world.rows_at.get((account_id, place.organization_id), {}).values()
            if row.user_id in users
            and row.first_seen_at > since
            and row.gone_at is None
            and (account_id, row.row_id) not in world.owners
            and (account_id, row.row_id) not in world.existing
            and ((orphan := world.orphan_rows.get((account_id, row.row_id))) is None or orphan.state == "open")
        ]

    async def with_candidates(self, place: Place, doubts: Sequence[Doubt]) -> Set[UUID]:
        undecided = [
            orphan
            for orphan in self._world.orphans_at.get(place.account_id, ())
            if orphan.organization_id == place.organization_id and orphan.state == "open"
        ]
        return {
            doubt.id
            for doubt in doubts
            if any(
                orphan.created_at > doubt.admitted_at and orphan.user_id in (None, doubt.user_id)
                for orphan in undecided
            )
        }

    async def purchases_known(
        self, place: Place, asked: Set[tuple[str, datetime]]
    ) -> Mapping[tuple[str, datetime], int]:
        told = self._told(place, {user for user, _ in asked})
        return {(user, since): count_purchases(_surely_since(told, user, since)) for user, since in asked}

    def _told(self, place: Place, users: Set[str]) -> list[Told]:
        """Each number and orphan with the first moment that tells of it."""
        world, told = self._world, list[Told]()
        for one in world.numbers_at.get((place.account_id, place.organization_id), ()):
            if one.user_id in users:
                moments = [one.acquired_at, *self._moments(place, one.intent_id, one.upstream_row_id)]
                told.append((one.user_id, one.phone_number, one.upstream_row_id, min(moments)))
        for orphan in world.orphans_at.get(place.account_id, ()):
            if orphan.organization_id == place.organization_id and not self._may_be_misnamed(orphan):
                moments = [orphan.created_at, *self._moments(place, orphan.intent_id, orphan.row_id)]
                told.append((orphan.user_id, orphan.phone_number, orphan.row_id, min(moments)))
        return told

    def _may_be_misnamed(self, orphan: Orphan) -> bool:
        intent = self._world.intents.get(orphan.intent_id) if orphan.intent_id else None
        return orphan.row_id is None and intent is not None and intent.state == "owned"

    def _moments(self, place: Place, intent_id: UUID | None, row_id: str | None) -> list[datetime]:
        intent = self._world.intents.get(intent_id) if intent_id else None
        row = self._world.rows.get((place.account_id, row_id)) if row_id else None
        return [*([intent.admitted_at] if intent else []), *([row.first_seen_at] if row else [])]

    def _purchases(self, place: Place, user: str, since: datetime) -> list[Bought]:
        world, organization = self._world, place.organization_id
        return [
            *(
                (one.phone_number, one.upstream_row_id)
                for one in world.numbers_at.get((place.account_id, organization), ())
                if one.user_id == user and one.acquired_at >= since
            ),
            *(
                (one.phone_number, one.row_id)
                for one in world.orphans_at.get(place.account_id, ())
                if one.organization_id == organization and one.user_id == user and one.created_at >= since
            ),
        ]

    async def accounted_for(
        self, place: Place, asked: Set[tuple[str, datetime]], *, settling: timedelta
    ) -> Mapping[tuple[str, datetime], int]:
        return {
            (user, since): count_purchases([*self._purchases(place, user, since), *self._seen(place, user, since)])
            + self._under_way(place, user, settling)
            for user, since in asked
        }

    def _seen(self, place: Place, user: str, since: datetime) -> list[Bought]:
        """Rows that were first listed since, and what was there before and may have been bought since."""
        world, account_id = self._world, place.account_id
        known = world.users.get((place.organization_id, user))
        forms = {user, known.upstream_uuid} - {None} if known else {user}
        return [
            *(
                (row.phone_number, row.row_id)
                for row in world.rows_at.get((account_id, place.organization_id), {}).values()
                if row.user_id == user and row.first_seen_at >= since and (account_id, row.row_id) not in world.existing
            ),
            *(
                (one.phone_number, one.row_id)
                for one in world.existing.values()
                if one.account_id == account_id
                and one.user_id in forms
                and one.first_seen_at >= since
                and not _earlier(one.upstream_created_at, since)
            ),
        ]

    def _under_way(self, place: Place, user: str, settling: timedelta) -> int:
        """Being sent, or in doubt for less than that."""
        since = utc_now() - settling
        return sum(
            intent.user_id == user
            and (intent.state == "sending" or (intent.send_ended_at or intent.lease_until) >= since)
            for intent in self._world.open_intents.get((place.account_id, place.organization_id), {}).values()
        )

    async def keep_grounds(self, grounds: Sequence[Grounds]) -> None:
        for one in grounds:
            self._world.decided_on[one.intent_id, one.kind] = made(
                DecidedOn, intent_id=one.intent_id, tenant_id=one.tenant_id, kind=one.kind, payload=one.payload
            )

    async def unresolved(self, doubts: Sequence[Doubt], grounds: Sequence[Grounds]) -> Set[UUID]:
        world, moved = self._world, set()
        for doubt in doubts:
            intent = world.intents.get(doubt.id)
            if intent is not None and intent.state == "doubtful":
                world.move(intent, "unresolved", holds_lane=False, decision="absent")
                item_follows(world, intent)
                world.note("intent.unresolved")
                world.tell("number.unresolved")
                moved.add(doubt.id)
        await self.keep_grounds([one for one in grounds if one.intent_id in moved])
        return moved


def _surely_since(told: Sequence[Told], user: str, since: datetime) -> list[Bought]:
    """Those of which nothing tells that it was bought before."""
    earlier = [(phone_number, row_id) for _, phone_number, row_id, at in told if at < since]
    return [
        (phone_number, row_id)
        for owner, phone_number, row_id, at in told
        if owner == user and at >= since
        and not any(phone == phone_number and (row == row_id or None in (row, row_id)) for phone, row in earlier)
    ]  # fmt: skip


def _earlier(created_at: str | None, since: datetime) -> bool:
    """Does it read as a day before? What cannot be read does not."""
    return (
        created_at is not None
        and re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", created_at) is not None
        and created_at[:10] < f"{since:%Y-%m-%d}"
    )


def open_doubts(world: World, place: Place) -> Sequence[Doubt]:
    doubts = [
        Doubt(
            id=intent.id,
            account_id=intent.account_id,
            organization_id=intent.organization_id,
            tenant_id=intent.tenant_id,
            user_id=intent.user_id,
            mark=intent.mark,
            request_id=intent.request_id,
            state=cast("Doubt", intent).state,
            named_number=intent.named_number,
            admitted_at=intent.admitted_at,
            ended_at=intent.send_ended_at or intent.lease_until,
            holds_lane=intent.holds_lane,
            write_off=world.tenants[intent.tenant_id].write_off,
        )
        for intent in world.open_intents.get((place.account_id, place.organization_id), {}).values()
        if intent.state in DOUBTS
    ]
    return sorted(doubts, key=lambda doubt: (doubt.admitted_at, doubt.id))
