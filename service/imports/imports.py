"""Numbers bought before Numbergate: shown first what would become of each, then exactly those are adopted, or fewer.

An import is an order: what was shown is kept, row by row, and is worked off by the worker like any other.
"""

import asyncio
import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, Text, any_, cast, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.billing.book import present_rule, priced
from service.db import Database
from service.idempotency.once import Once
from service.imports.costing import costs_of
from service.imports.lines import Line, lines_of, said_of
from service.imports.schemas import Given, ImportIn
from service.imports.sheets import MOST_ROWS, read_sheet
from service.kit.clock import utc_now
from service.kit.errors import StateConflict
from service.kit.types import new_id
from service.observability.metrics import ORDERS
from service.orders.auth import acting_for
from service.orders.bulk import MOST_PREVIEWS, SAMPLE, SAMPLE_OF_SKIPPED, seen
from service.orders.errors import SelectionExpired, TooManyPreviews
from service.orders.judgement import digest
from service.orders.models import Order
from service.orders.repository import OrderRepository
from service.prices.models import PriceRow
from service.prices.pricing import Pricing
from service.quotas.counting import scopes_of
from service.quotas.models import Quota
from service.reconciliation.importable import WORDS, Known, Listed, Reason, Said, becomes, objection, user_of
from service.reconciliation.importing import Sighted, known_of, left_to_import, sighted, users_among
from service.tenants.directory import Directory
from service.tenants.principals import Principal

# Long enough to be looked at by others, and asked about.
LIFE = timedelta(days=7)
# Organisations whose users are looked up at Teli for one preview.
MOST_LOOKED_UP = 20
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Judged:
    """A line, the row at Teli that it is about, and what would become of it; or why it is left alone."""

    line: Line
    row: Listed | None = None
    wanted: Mapping[str, Any] | None = None
    reason: Reason | None = None

    @property
    def detail(self) -> str | None:
        return self.line.detail or (self.reason and WORDS[self.reason])


@dataclass(frozen=True, slots=True)
class Asked:
    """`said`: of all, as it was asked for. `content`: SHA-256 of the file. `beyond`: there are more."""

    said: dict[str, Any]
    account_id: UUID | None
    lines: Sequence[Line]
    content: bytes | None = None
    beyond: bool = False


class Imports:
    def __init__(self, database: Database, directory: Directory, pricing: Pricing) -> None:
        self._database = database
        self._directory = directory
        self._pricing = pricing

    async def preview_listed(self, caller: Principal, body: ImportIn, once: Once) -> UUID:
        """Show what would become of all that the account held before and that is nobody's yet. Returns the import.

        Raises: IdempotencyKeyReused; TooManyPreviews; UpstreamUnavailable where users are to be looked up.
        """
        async with acting_for(self._database, caller) as session:
            numbers = await left_to_import(
                session, account=body.account_id, organization=body.organization_id, most=MOST_ROWS + 1
            )
        lines = [Line(place, one, said_of(one, body)) for place, one in enumerate(numbers[:MOST_ROWS], 1)]
        said = body.model_dump(mode="json", exclude_none=True)
        return await self._preview(caller, Asked(said, body.account_id, lines, beyond=len(numbers) > MOST_ROWS), once)

    async def preview_file(
        self,
        caller: Principal,
        body: bytes,
        given: Given,
        once: Once,
        *,
        charset: str | None,
        account_id: UUID | None,
    ) -> UUID:
        """Show what would become of the numbers of a spreadsheet. Returns the import.

        Raises: as `preview_listed`; InvalidRequest for a file that cannot be read, or names what nobody knows.
        """
        lines = await asyncio.to_thread(lambda: lines_of(read_sheet(body, charset), given))
        said = {"source": "csv", **given.model_dump(mode="json", exclude_none=True)}
        if account_id is not None:
            said["account_id"] = str(account_id)
        content = hashlib.sha256(body).digest()
        return await self._preview(caller, Asked(said, account_id, lines, content), once)

    async def apply(self, caller: Principal, import_id: UUID, request_id: str) -> None:
        """Set going what was shown. Again, it changes nothing.

        Raises: NotFound; SelectionExpired; StateConflict where it was cancelled.
        """
        async with acting_for(self._database, caller) as session:
            order = await seen(OrderRepository(session), caller, import_id, lock=True, kind="import")
            if order.applied_at is None:
                if order.state == "cancelled":
                    raise StateConflict("This import was cancelled. Send it again.")
                if order.expires_at <= utc_now():
                    raise SelectionExpired
                order.state, order.applied_at, order.request_id = "pending", utc_now(), request_id
                # Who has it done answers for it, whoever sent it.
                order.actor = caller.actor
                note(
                    session,
                    actor=caller.actor,
                    action="import.applied",
                    of=("order", str(order.id)),
                    before={"state": "previewed"},
                    after={"state": "pending", "to_do": order.to_do, **order.change["import"]},
                    request_id=request_id,
                )
                ORDERS.labels("import", "applied").inc()
                log.info("an import was set going", order=str(order.id), numbers=order.to_do)

    async def _preview(self, caller: Principal, asked: Asked, once: Once) -> UUID:
        said = [line.said for line in asked.lines if line.said is not None]
        async with acting_for(self._database, caller) as session:
            found = await sighted(session, [one.phone_number for one in said], asked.account_id)
            owners = _owners(said, found)
            known = await known_of(session, {one.tenant_id for one in said}, owners)
        await self._pricing.ensure_default()
        # No transaction waits for Teli.
        known = await self._look_up(caller, owners, known)
        now = utc_now()
        judged = [_judged(line, found, known, now) for line in asked.lines]
        async with acting_for(self._database, caller) as session:
            if (named := await once.before(session)) is not None:
                return UUID(named.answer["order_id"])
            orders = OrderRepository(session)
            if await orders.previews_open(caller.actor, now, ("import",)) >= MOST_PREVIEWS:
                raise TooManyPreviews(MOST_PREVIEWS, int(LIFE.total_seconds()))
            order = await self._draw(orders, caller, asked, judged, now)
            await once.keep(session, answer={"order_id": str(order.id)})
        ORDERS.labels("import", "previewed").inc()
        log.info("an import was shown", order=str(order.id), rows=len(judged), numbers=order.to_do)
        return order.id

    async def _look_up(self, caller: Principal, owners: Mapping[tuple[str, str], UUID], known: Known) -> Known:
        """Users who are not filed are looked up at Teli, by one question for each organisation."""
        unknown: defaultdict[tuple[UUID, str], set[str]] = defaultdict(set)
        for (organization, user), account in owners.items():
            if (organization, user) not in known.users:
                unknown[account, organization].add(user)
        if not unknown:
            return known
        for (account, organization), users in list(unknown.items())[:MOST_LOOKED_UP]:
            await self._directory.file_users(account, organization, users)
        async with acting_for(self._database, caller) as session:
            return replace(known, users=await users_among(session, owners))

    async def _draw(
        self, orders: OrderRepository, caller: Principal, asked: Asked, judged: Sequence[Judged], now: datetime
    ) -> Order:
        to_do = [one for one in judged if one.wanted is not None]
        items = [_item(one) for one in judged]
        change = {"import": asked.said}
        organizations = {one.row.organization_id for one in judged if one.row is not None}
        same_as = await orders.of_content(asked.content) if asked.content else None
        order = Order(
            id=new_id(),
            tenant_id=None,
            actor=caller.actor,
            kind="import",
            state="previewed",
            change=change,
            selection={"same_as": None if same_as is None else str(same_as)},
            content=asked.content,
            digest=digest(change, ((None, item["shown"], item["wanted"]) for item in items)),
            preview={
                **_preview_of(judged, to_do),
                "costs": await _costs(orders.session, to_do, now),
                "beyond": asked.beyond,
                "limits_passed": await _limits_passed(orders.session, to_do),
            },
            to_do=len(to_do),
            # What touches nothing that is listed is seen by whoever sees as much as he who sent it.
            organization_ids=sorted(organizations or caller.sees),
            user_ids=sorted({str(one.wanted["user_id"]) for one in to_do if one.wanted}),
            created_at=now,
            expires_at=now + LIFE,
        )
        await orders.add(order, items)
        return order


def _preview_of(judged: Sequence[Judged], to_do: Sequence[Judged]) -> dict[str, Any]:
    skipped: defaultdict[Reason, list[dict[str, str]]] = defaultdict(list)
    for one in judged:
        if one.reason is not None:
            told = {"line": str(one.line.seq), "phone_number": one.line.phone_number or "", "detail": one.detail}
            skipped[one.reason].append({name: text for name, text in told.items() if text})
    return {
        "count": len(to_do),
        "selected": len(judged),
        "sample": [
            {
                "line": one.line.seq,
                "phone_number": one.line.phone_number,
                "listed": one.row and one.row.shown(),
                "becomes": one.wanted,
            }
            for one in to_do[:SAMPLE]
        ],
        "skipped": {
            "count": sum(map(len, skipped.values())),
            "reasons": [
                {"reason": reason, "detail": WORDS[reason], "count": len(of), "sample": of[:SAMPLE_OF_SKIPPED]}
                for reason, of in sorted(skipped.items())
            ],
        },
    }


async def _costs(session: AsyncSession, to_do: Sequence[Judged], now: datetime) -> list[dict[str, Any]]:
    book = [priced(row) for row in (await session.scalars(select(PriceRow))).all()]
    adopted = ((one.line.phone_number or "", one.wanted) for one in to_do if one.wanted is not None)
    return costs_of(adopted, book, await present_rule(session), now)


def _owners(said: Sequence[Said], found: Sighted) -> dict[tuple[str, str], UUID]:
    """Organisations and users who would be owners, and the account by which each is known."""
    return {
        (row.organization_id, user): row.account_id
        for one in said
        for row in found.rows.get(one.phone_number, ())
        if (user := user_of(row, one)) is not None
    }


def _judged(line: Line, found: Sighted, known: Known, now: datetime) -> Judged:
    if line.said is None:
        return Judged(line, reason=line.reason)
    number = line.said.phone_number
    rows = found.rows.get(number, ())
    row = rows[0] if rows else None
    reason = objection(line.said, rows, found.held.get(number), known)
    if reason is not None or row is None:
        return Judged(line, row, reason=reason)
    return Judged(line, row, becomes(row, line.said, now=now))


def _item(one: Judged) -> dict[str, Any]:
    said, row = one.line.said, one.row
    return {
        "seq": one.line.seq,
        "tenant_id": said and said.tenant_id,
        "account_id": row and row.account_id,
        "number_id": None,
        "phone_number": one.line.phone_number,
        "shown": row.shown() if row is not None and row.listed_as is not None else None,
        "wanted": None if one.wanted is None else dict(one.wanted),
        "outcome": "skipped" if one.reason else "waiting",
        "reason": one.reason,
        "detail": one.detail,
    }


async def _limits_passed(session: AsyncSession, to_do: Collection[Judged]) -> list[dict[str, Any]]:
    """Limits of numbers held that have no room for all of these."""
    more: Counter[tuple[str, str, str, str]] = Counter()
    for one in to_do:
        assert one.wanted is not None
        more.update(scopes_of(one.wanted["tenant_id"], one.wanted["organization_id"], one.wanted["user_id"]))
    keys = zip(
        (Quota.scope, Quota.tenant_id, Quota.organization_id, Quota.user_id), zip(*more, strict=True), strict=False
    )
    covered = [column == any_(cast(list({*values}), ARRAY(Text))) for column, values in keys]
    limited = select(Quota).where(Quota.numbers_held.is_not(None), Quota.mode != "off", *covered)
    passed = []
    for quota in await session.scalars(limited):
        held = quota.used + quota.reserved + quota.ordered
        would = held + more[quota.scope, quota.tenant_id, quota.organization_id, quota.user_id]
        if quota.numbers_held is not None and held < would > quota.numbers_held:
            passed.append(
                {
                    "scope": quota.scope,
                    "tenant_id": quota.tenant_id or None,
                    "organization_id": quota.organization_id or None,
                    "user_id": quota.user_id or None,
                    "limit": quota.numbers_held,
                    "held": held,
                    "would_hold": would,
                }
            )
    return passed
