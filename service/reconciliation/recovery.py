"""After a restore: nothing is bought until what was bought after the moment restored to is found, and is ours again.

The ledger notices by itself that it was put back (`notice_restore`), or is told so. Then every organisation is listed
once, completely. A row with a mark is a purchase of the tenant whose tag it carries, where that tenant may buy for the
organisation: it is filed as a doubt which that row proves, so that it comes to be owned as any doubt does, and its key,
or the item of an order that waits still, finds it by the mark. Every other row that nothing explains may be a lost
purchase as well: it is an orphan, and while nobody has decided it nothing is bought for its user.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import orjson
import structlog
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.db import Database
from service.kit.phone import is_nanp
from service.kit.types import new_id
from service.kv import KeyValue, RedisAway
from service.numbers.marks import mark_of, without_mark
from service.quotas.counting import hold_quotas
from service.reconciliation.doubts import named
from service.reconciliation.existing import ExistingNumbers, NotListed
from service.reconciliation.judgement import Doubt, Observation, Place, Presence
from service.reconciliation.resolver import Resolver
from service.reconciliation.sightings import Sightings, columns
from service.teli.client import TeliClient, Upstreams
from service.teli.directory import read_users
from service.teli.errors import UpstreamUnavailable
from service.teli.listing import Row, read_listing
from service.tenants.models import User
from service.tenants.stops import RECOVERING
from service.tenants.tags import TAG_LENGTH
from service.tenants.version import bump

REQUEST = "recovery"
DECISION = "restored"
REDIS_KEYS = "ng:*"
PLACES_AT_ONCE = 4
log = structlog.get_logger()

RECOVERY = text(
    "SELECT at, clock_timestamp() > at + CAST(:after AS interval) AS due FROM stops"
    " WHERE scope = 'global' AND id = :recovering"
)
# Where numbers may be: as sweeps go, and wherever anything was ever asked for.
PLACES = text(
    """
    SELECT a.id AS account_id, o.id AS organization_id FROM accounts a CROSS JOIN organizations o
    WHERE a.listed_at IS NOT NULL AND (
      o.account_id = a.id OR (o.account_id IS NULL AND (a.name = 'default' OR EXISTS (
        SELECT FROM grants g JOIN tenants t ON t.id = g.tenant_id
        WHERE g.organization_id = o.id AND t.account_id = a.id)))
      OR EXISTS (SELECT FROM looks l WHERE l.account_id = a.id AND l.organization_id = o.id))
    ORDER BY a.created_at, a.id, o.id
    """
)
# What is filed already as unexplained, since a sweep was quicker, is looked at all the same.
UNEXPLAINED = text(
    """
    SELECT r.row_id
    FROM unnest(CAST(:ids AS text[]), CAST(:users AS text[]), CAST(:numbers AS text[])) r(row_id, user_id, phone)
    WHERE NOT EXISTS (SELECT FROM numbers n WHERE n.account_id = :account_id AND n.upstream_row_id = r.row_id)
      AND NOT EXISTS (SELECT FROM numbers n WHERE n.account_id = :account_id AND n.phone_number = r.phone
                      AND n.upstream_row_id IS NULL AND n.state <> 'released'
                      AND n.organization_id = :organization_id AND n.user_id = r.user_id)
      AND NOT EXISTS (SELECT FROM existing_numbers e WHERE e.account_id = :account_id AND e.row_id = r.row_id)
      AND NOT EXISTS (SELECT FROM orphans o WHERE o.account_id = :account_id AND o.row_id = r.row_id
                      AND NOT (o.state = 'open' AND o.reason IN ('unexplained', 'after_restore')))
    """
)  # fmt: skip
# A refused try of an order's item explains nothing: the item shares its mark with the try that bought.
KNOWN_MARKS = text(
    "SELECT DISTINCT mark FROM intents WHERE account_id = :account_id AND mark = ANY (CAST(:marks AS text[]))"
    " AND NOT (state = 'refused' AND order_id IS NOT NULL)"
)
TENANTS = text(
    "SELECT t.tag, t.id FROM tenants t JOIN grants g ON g.tenant_id = t.id AND g.organization_id = :organization_id"
    " WHERE t.tag = ANY (CAST(:tags AS text[]))"
)
# Slot 0 is none: by that a purchase which was lost is known, also once it is owned, until its key is used again.
FILE_DOUBT = text(
    """
    INSERT INTO intents (id, tenant_id, account_id, organization_id, user_id, area_code, wish, mark, request_id, state,
                         admitted_at, lease_until, send_ended_at, decision, slot)
    VALUES (:id, :tenant, :account_id, :organization_id, :user, :area_code, CAST(:wish AS jsonb), :mark, :request,
            'doubtful', :at, :at, :at, :decision, 0)
    """
)
FILE_ATTEMPT = text(
    "INSERT INTO attempts (intent_id, tenant_id, admitted_at, ended_at) VALUES (:id, :tenant, :at, :at)"
)
# Proof that came after the restore, from whoever had been sending, is of this number.
PROOF_FOUND = text(
    "UPDATE orphans SET state = 'adopted' WHERE account_id = :account_id"
    " AND phone_number = ANY (CAST(:numbers AS text[])) AND state = 'open' AND row_id IS NULL"
    " AND reason = 'intent_lost'"
)
FILE_ORPHANS = text(
    """
    INSERT INTO orphans (account_id, organization_id, id, row_id, user_id, phone_number, nickname, area_code, reason)
    SELECT :account_id, :organization_id, r.*, 'after_restore'
    FROM unnest(CAST(:orphans AS uuid[]), CAST(:ids AS text[]), CAST(:users AS text[]), CAST(:numbers AS text[]),
                CAST(:names AS text[]), CAST(:area_codes AS text[])) r
    ON CONFLICT (account_id, row_id) WHERE row_id IS NOT NULL DO UPDATE SET reason = 'after_restore'
      WHERE orphans.state = 'open' AND orphans.reason = 'unexplained' AND orphans.created_at >= :since
    """
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a place held that the ledger did not know: purchases to be owned, and how many rows a person must decide."""

    purchases: Sequence[Presence]
    orphans: int


class Recovery:
    def __init__(
        self,
        database: Database,
        kv: KeyValue,
        upstreams: Upstreams,
        existing: ExistingNumbers,
        sightings: Sightings,
        resolver: Resolver,
        *,
        upstream_timeout: float,
    ) -> None:
        """`upstream_timeout`: seconds for which what was on its way to Teli may still be sold."""
        self._database = database
        self._kv = kv
        self._upstreams = upstreams
        self._existing = existing
        self._sightings = sightings
        self._resolver = resolver
        self._sold_within = timedelta(seconds=upstream_timeout)
        self._since: datetime | None = None
        self._swept: set[Place] = set()

    async def run(self) -> bool | None:
        """One step: False where there is nothing to recover. What could not be listed is listed by the next.

        Raises: as `ExistingNumbers.file_what_teli_names`.
        """
        async with self._database.acting() as session:
            began = (
                await session.execute(RECOVERY, {"after": self._sold_within, "recovering": RECOVERING})
            ).one_or_none()
        if began is None:
            self._since = None
            return False
        if began.at != self._since:
            self._since, self._swept = began.at, set()
            await self._drop_redis()
        if not began.due:
            return None
        await self._existing.file_what_teli_names()
        async with self._database.acting() as session:
            places = [Place(row.account_id, row.organization_id) for row in await session.execute(PLACES)]
        left = iter([place for place in places if place not in self._swept])
        await asyncio.gather(*(self._sweep(left, began.at) for _ in range(PLACES_AT_ONCE)))
        if self._swept.issuperset(places):
            await self._end(began.at)
        return None

    async def _drop_redis(self) -> None:
        """It may hold answers of purchases that the ledger has lost; they get new ids."""
        try:
            await self._kv.forget(REDIS_KEYS)
        except RedisAway:
            log.warning("redis could not be emptied after a restore")

    async def _sweep(self, places: Iterator[Place], since: datetime) -> None:
        for place in places:
            try:
                seen = await self._observe(place)
            except (NotListed, UpstreamUnavailable) as error:
                log.error("a restored ledger waits for a listing", organization=place.organization_id, why=str(error))
                continue
            found = await self._file(seen, since)
            for purchase in found.purchases:
                await self._resolver.own(purchase, DECISION)
            self._swept.add(place)
            if found.purchases or found.orphans:
                log.warning(
                    "found after a restore", organization=place.organization_id, purchases=len(found.purchases),
                    orphans=found.orphans,
                )  # fmt: skip

    async def _observe(self, place: Place) -> Observation:
        """Raises: NotListed."""
        teli = await self._upstreams.of(place.account_id)
        users = await self._sightings.users_of(place.organization_id)
        if not users.forms:
            return Observation(place, users.at, (), complete=True)  # Teli names no user there that could hold any.
        heard = await teli.list_numbers(place.organization_id, next(iter(users.forms.values())), whole=True)
        if heard.kind == "answer" and heard.status in (403, 404):
            return Observation(
                place, users.at, (), complete=True
            )  # Filed here, and another account's, or unknown there.
        listing = read_listing(heard)
        if listing is None or not listing.complete:
            raise NotListed("it is incomplete" if listing else heard.detail or f"status {heard.status}")
        forms = users.forms
        if any(row.user_id is not None and row.user_id not in forms for row in listing.rows):
            forms = await self._file_users(teli, place.organization_id)
        rows = tuple(replace(row, user_id=forms.get(row.user_id or "")) for row in listing.rows)
        return Observation(place, users.at, rows, complete=True)

    async def _file_users(self, teli: TeliClient, organization: str) -> Mapping[str, str]:
        """Those that were filed after the moment restored to are Teli's still. Raises: NotListed."""
        users = read_users(await teli.users(organization))
        if users is None:
            raise NotListed("its users could not be listed")
        async with self._database.acting() as session:
            for user in users:
                values = {"name": user.name, "email": user.email, "upstream_uuid": user.uuid}
                await session.execute(
                    insert(User)
                    .values(organization_id=organization, id=user.unique_id, **values)
                    .on_conflict_do_update(
                        index_elements=[User.organization_id, User.id], set_={"upstream_uuid": user.uuid}
                    )
                )
        return (await self._sightings.users_of(organization)).forms

    async def _file(self, seen: Observation, since: datetime) -> Found:
        """Each row that nothing explains: as a purchase in doubt that it proves, or as an orphan."""
        place = named(seen.place)
        rows = {row.row_id: row for row in seen.rows}
        async with self._database.acting() as session:
            strange = await session.scalars(UNEXPLAINED, {**place, **columns(list(rows.values()))})
            unknown = [rows[row_id] for row_id in strange]
            if not unknown:
                return Found((), 0)
            marks = {row.row_id: mark for row in unknown if (mark := mark_of(row.nickname))}
            known = set(await session.scalars(KNOWN_MARKS, {**place, "marks": list(marks.values())}))
            tags = {mark: mark[1 : 1 + TAG_LENGTH] for mark in marks.values()}
            tenants: dict[str, str] = {
                row.tag: row.id for row in await session.execute(TENANTS, {**place, "tags": list(tags.values())})
            }
            await hold_quotas(session)
            purchases: list[Presence] = []
            orphans: list[Row] = []
            for row in unknown:
                mark = marks.get(row.row_id)
                if mark in known:
                    continue  # The sweeps know what to make of it: it proves a doubt, or is an orphan that names one.
                tenant = tenants.get(tags[mark]) if mark else None
                if mark and tenant and row.user_id is not None and is_nanp(row.phone_number):
                    purchases.append(await self._file_doubt(session, seen, row, mark, tenant))
                    known.add(mark)  # A second row of it is that mark's second purchase, and never this one.
                else:
                    orphans.append(row)
            found = [one.row.phone_number for one in purchases]
            await session.execute(PROOF_FOUND, {**place, "numbers": found})
            await session.execute(
                FILE_ORPHANS,
                {
                    **place,
                    **columns(orphans),
                    "orphans": [new_id() for _ in orphans],
                    "area_codes": [row.phone_number[2:5] for row in orphans],
                    "since": since,
                },
            )
            await session.execute(
                text(
                    "UPDATE looks SET looked_at = NULL"
                    " WHERE account_id = :account_id AND organization_id = :organization_id"
                ),
                place,
            )
        return Found(purchases, len(orphans))

    async def _file_doubt(self, session: AsyncSession, seen: Observation, row: Row, mark: str, tenant: str) -> Presence:
        assert row.user_id is not None
        doubt = Doubt(
            id=new_id(),
            account_id=seen.place.account_id,
            organization_id=seen.place.organization_id,
            tenant_id=tenant,
            user_id=row.user_id,
            mark=mark,
            request_id=REQUEST,
            state="doubtful",
            named_number=None,
            admitted_at=seen.began_at,
            ended_at=seen.began_at,
            holds_lane=False,
        )
        values = {
            **named(seen.place), "id": doubt.id, "tenant": tenant, "user": doubt.user_id, "mark": mark,
            "area_code": row.phone_number[2:5], "wish": _wish(row), "request": REQUEST, "at": doubt.admitted_at,
            "decision": DECISION,
        }  # fmt: skip
        await session.execute(FILE_DOUBT, values)
        await session.execute(FILE_ATTEMPT, {name: values[name] for name in ("id", "tenant", "at")})
        await session.execute(
            select(func.reserve_restored(tenant, doubt.organization_id, doubt.user_id, doubt.admitted_at))
        )
        return Presence(doubt, row)

    async def _end(self, since: datetime) -> None:
        async with self._database.acting() as session:
            ended = await session.execute(
                text("DELETE FROM stops WHERE scope = 'global' AND id = :recovering AND at = :since RETURNING at"),
                {"recovering": RECOVERING, "since": since},
            )
            if ended.one_or_none() is None:
                return
            note(
                session, actor="worker", action="recovery.ended", of=("global", ""), before={"recovering": True},
                after={"recovering": False, "places": len(self._swept)},
            )  # fmt: skip
            await bump(session)
        log.warning("recovered after a restore", places=len(self._swept))


def _wish(row: Row) -> str:
    return orjson.dumps({"nickname": without_mark(row.nickname)}).decode()
