"""What listings showed, in memory. What one changes is judged by the same pure rules as over Postgres."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from service.kit.clock import utc_now
from service.numbers.marks import mark_of
from service.numbers.models import Intent, Number
from service.reconciliation.doubts import DOUBTS
from service.reconciliation.judgement import (
    GHOST_LOOKS,
    SURELY_HELD,
    Acquisition,
    Doubt,
    Holder,
    Judgement,
    Kept,
    Known,
    LastSeen,
    Named,
    Observation,
    Place,
    Presence,
    Stranger,
    Users,
    ghosts,
    judge,
    unexplained,
)
from service.reconciliation.models import Look
from service.reconciliation.sightings import LOOK_LEASE, Sightings
from service.teli.listing import Row
from service.tenants.models import Account
from service.tenants.upstreams import DEFAULT
from tests.fakes.doubts import open_doubts
from tests.fakes.world import World, alter, made


class SightingsInMemory(Sightings):
    def __init__(self, world: World, *, window: timedelta) -> None:
        self._world = world
        self._window = window

    async def claim(
        self, *, doubts_every: float, all_every: float, limit: int, account: UUID | None = None
    ) -> Sequence[Place]:
        world, now = self._world, utc_now()
        due = []
        for one in world.accounts.values():
            if one.listed_at is None or account not in (None, one.id):
                continue
            for organization in world.organizations:
                intents = world.open_intents.get((one.id, organization), {})
                doubted = any(intent.state in DOUBTS for intent in intents.values()) or (
                    (watched := world.watched.get((one.id, organization))) is not None and watched > now - self._window
                )
                look = world.looks.get((one.id, organization))
                if look is None and not doubted and not self._serves(one, organization):
                    continue
                pause = timedelta(seconds=doubts_every if doubted else all_every)
                if look is None:
                    due.append((not doubted, False, now, one.id, organization))
                elif (look.lease_until is None or look.lease_until < now) and (
                    look.looked_at is None or look.looked_at < now - pause
                ):
                    looked_at = look.looked_at
                    due.append((not doubted, looked_at is not None, looked_at or now, one.id, organization))
        due.sort()
        places = [Place(account_id, organization) for *_, account_id, organization in due[:limit]]
        for place in places:
            key = place.account_id, place.organization_id
            if key not in world.looks:
                world.looks[key] = made(Look, account_id=place.account_id, organization_id=place.organization_id)
            alter(world.looks[key], lease_until=now + LOOK_LEASE)
        return places

    def _serves(self, account: Account, organization: str) -> bool:
        bound = self._world.organizations[organization].account_id
        return bound == account.id or (
            bound is None
            and (
                account.name == DEFAULT
                or any(
                    of == organization and self._world.tenants[tenant].account_id == account.id
                    for tenant, of in self._world.grants
                )
            )
        )

    async def renew(self, place: Place) -> None:
        if (look := self._world.looks.get((place.account_id, place.organization_id))) is not None:
            alter(look, lease_until=utc_now() + LOOK_LEASE)

    async def looked(self, place: Place) -> None:
        if (look := self._world.looks.get((place.account_id, place.organization_id))) is not None:
            alter(look, looked_at=utc_now(), lease_until=None)

    async def users_of(self, organization: str) -> Users:
        forms = {
            form: user.id
            for (of, _), user in self._world.users.items()
            if of == organization
            for form in (user.id, user.upstream_uuid)
            if form
        }
        return Users(forms, utc_now())

    async def learn_users(self, organization: str, uuids: dict[str, str]) -> None:
        for user_id, uuid in uuids.items():
            if (user := self._world.users.get((organization, user_id))) is not None:
                alter(user, upstream_uuid=uuid)

    async def keep(self, seen: Observation) -> Kept:
        judgement = judge(seen, self._known(seen), window=self._window)
        self._write(seen, judgement)
        return Kept(judgement.presences, judgement.trustworthy)

    def _known(self, seen: Observation) -> Known:
        world, account_id = self._world, seen.place.account_id
        place = account_id, seen.place.organization_id
        listed = {row.row_id for row in seen.rows}
        ours, doubts = self._ours(seen, listed), open_doubts(world, seen.place)
        existing = {row_id for row_id in listed if (account_id, row_id) in world.existing}
        filed = {row_id for row_id in listed if (account_id, row_id) in world.orphan_rows}
        return Known(
            rows={
                row.row_id: LastSeen(row.organization_id, row.user_id, row.nickname, row.first_seen_at, row.gone_at)
                for row in (
                    *world.rows_at.get(place, {}).values(),
                    *(world.rows[account_id, row_id] for row_id in listed if (account_id, row_id) in world.rows),
                )
            },
            ours=ours,
            existing=existing,
            filed=filed,
            doubts=doubts,
            holders=self._holders(account_id, [one.named_number for one in doubts if one.named_number]),
            named=self._named_by_marks(seen.place, unexplained(seen, ours=ours, existing=existing, filed=filed)),
            unconfirmed={
                (one.phone_number, one.user_id, one.mark)
                for one in world.numbers_at.get(place, ())
                if one.confirmed_at is None
            },
            sending=self._sending(place),
        )

    def _sending(self, place: tuple[UUID, str]) -> Mapping[str, datetime]:
        oldest: dict[str, datetime] = {}
        for one in self._world.open_intents.get(place, {}).values():
            if one.state == "sending":
                oldest[one.user_id] = min(one.admitted_at, oldest.get(one.user_id, one.admitted_at))
        return oldest

    def _ours(self, seen: Observation, listed: set[str]) -> Mapping[str, Acquisition]:
        world, account_id = self._world, seen.place.account_id
        held = [
            one
            for one in world.numbers_at.get((account_id, seen.place.organization_id), ())
            if one.upstream_row_id is not None and one.state in SURELY_HELD
        ]
        shown = [number for row_id in listed if (number := world.owners.get((account_id, row_id))) is not None]
        ours = {one.upstream_row_id: self._acquisition(one) for one in (*held, *shown) if one.upstream_row_id}
        for row_id, ghost in ghosts(seen, ours).items():
            if ghost.gone_at is not None and not ghost.vouched:
                looks = sum(
                    one.complete and one.began_at >= ghost.gone_at
                    for one in world.listings_of.get((account_id, seen.place.organization_id), ())
                )
                ours[row_id] = ghost._replace(looks_since_gone=min(looks, GHOST_LOOKS))
        return ours

    def _acquisition(self, number: Number) -> Acquisition:
        row = self._world.rows.get((number.account_id, number.upstream_row_id or ""))
        gone_at = row.gone_at if row else None
        vouched = gone_at is not None and number.still_ours_at is not None and number.still_ours_at >= gone_at
        return Acquisition(number.id, number.organization_id, number.state, gone_at, 0, vouched)

    def _named_by_marks(self, place: Place, strange: Sequence[Row]) -> Mapping[tuple[str | None, str], Named]:
        best: dict[tuple[str | None, str], Intent] = {}
        for mark in {mark for row in strange if (mark := mark_of(row.nickname))}:
            for intent in self._world.intents_by_mark.get((place.account_id, mark), ()):
                if intent.organization_id == place.organization_id:
                    rival = best.get((intent.user_id, mark))
                    if rival is None or _names_rather(intent, rival):
                        best[intent.user_id, mark] = intent
        return {key: Named(intent.id, intent.tenant_id, intent.state) for key, intent in best.items()}

    def _holders(self, account_id: UUID, numbers: Sequence[str]) -> Mapping[str, Holder]:
        live = [self._world.live(account_id, phone_number) for phone_number in numbers]
        return {
            one.phone_number: Holder(one.upstream_row_id, one.mark)
            for one in live
            if one is not None and one.upstream_row_id is not None
        }

    def _write(self, seen: Observation, judgement: Judgement) -> None:
        world, place = self._world, seen.place
        account_id, organization = place.account_id, place.organization_id
        world.add_listing(
            account_id=account_id, organization_id=organization, began_at=seen.began_at, row_count=len(seen.rows),
            complete=seen.complete, trustworthy=judgement.trustworthy,
        )  # fmt: skip
        for row in judgement.fresh:
            if (account_id, row.row_id) not in world.rows:
                world.add_row(
                    account_id=account_id, organization_id=organization, first_seen_at=seen.began_at,
                    row_id=row.row_id, user_id=row.user_id, phone_number=row.phone_number, nickname=row.nickname,
                )  # fmt: skip
        for row in judgement.changed:
            known = world.rows[account_id, row.row_id]
            world.move_row(known, organization, user_id=row.user_id, nickname=row.nickname, gone_at=None)
        for row_id in judgement.gone:
            alter(world.rows[account_id, row_id], gone_at=seen.began_at)
        for row_id in judgement.vanished:
            one = world.owners[account_id, row_id]
            if (known_row := world.rows.get((account_id, row_id))) is None:
                world.add_row(
                    account_id=account_id, organization_id=one.organization_id, row_id=row_id, user_id=one.user_id,
                    phone_number=one.phone_number, nickname=one.upstream_nickname,
                    first_seen_at=one.confirmed_at or one.acquired_at, gone_at=seen.began_at,
                )  # fmt: skip
            elif known_row.organization_id != one.organization_id:
                world.move_row(known_row, one.organization_id, gone_at=seen.began_at)
        for number_id in judgement.healed:
            number = world.numbers[number_id]
            alter(number, state="active")
            world.count_held(number, 1)
            world.note("number.seen_again")
            world.tell("number.seen_again")
        for stranger in judgement.orphans:
            self._file(place, stranger)

    def _file(self, place: Place, stranger: Stranger) -> None:
        row, named = stranger.row, stranger.named
        for told in self._world.orphans_of_intent.get(named.intent_id, ()) if named else ():
            if told.row_id is None and told.state == "open" and told.phone_number == row.phone_number:
                self._world.complete_orphan(told, row.row_id, nickname=row.nickname, user_id=row.user_id,
                                            reason=stranger.reason)  # fmt: skip
                return
        self._world.add_orphan(
            place.account_id, row.phone_number, stranger.reason, organization_id=place.organization_id,
            row_id=row.row_id, user_id=row.user_id, nickname=row.nickname, area_code=row.phone_number[2:5],
            intent_id=named.intent_id if named else None, tenant_id=named.tenant_id if named else None,
        )  # fmt: skip

    async def close_older(self, presence: Presence) -> None:
        world, doubt, row = self._world, presence.intent, presence.row
        account_id = doubt.account_id
        older = world.live(account_id, row.phone_number)
        if older is not None and self._is_older(older, doubt, row):
            world.close_as_released(older)
        for existing in world.existing.values():
            if (
                existing.account_id == account_id
                and existing.phone_number == row.phone_number
                and existing.row_id != row.row_id
            ):
                alter(existing, gone_at=utc_now())

    def _is_older(self, number: Number, doubt: Doubt, row: Row) -> bool:
        """Held before the doubt was admitted, and under another row.

        Or under none, where the mark is the doubt's or the number another user's.
        """
        same_owner = (number.user_id, number.organization_id) == (doubt.user_id, doubt.organization_id)
        if number.upstream_row_id is None and same_owner and mark_of(row.nickname) != doubt.mark:
            return False
        intent = self._world.intents.get(number.intent_id) if number.intent_id else None
        since = intent.admitted_at if intent else number.acquired_at
        return number.upstream_row_id != row.row_id and since < doubt.admitted_at

    async def explained(self, account_id: UUID, row_id: str) -> None:
        orphan = self._world.orphan_rows.get((account_id, row_id))
        if orphan is not None and orphan.state == "open":
            alter(orphan, state="adopted")


def _names_rather(intent: Intent, rival: Intent) -> bool:
    """A key's intent that is not refused, else its last refused one; and any before one that has forgotten its key."""
    if (intent.idempotency_key is None) != (rival.idempotency_key is None):
        return rival.idempotency_key is None
    if (intent.state == "refused") != (rival.state == "refused"):
        return rival.state == "refused"
    return intent.admitted_at > rival.admitted_at
