"""The supplier's invoices: filed as they came, told how far they are read, and decided where a row cannot be read."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.billing.auth import acting_for
from service.billing.invoices.files import LOOKED_AT, SHOWN, Arrived, Looked, check_readable, look
from service.billing.invoices.lines import BadRow, Line, line_of
from service.billing.invoices.mapping import FIELDS, InvoiceMapping
from service.billing.invoices.models import Invoice, InvoiceLine, InvoicePart, InvoiceReject
from service.billing.invoices.profiles import Profiles
from service.billing.models import BillingPeriod
from service.billing.periods import state_of, today_of
from service.db import Database, count_up, let_take
from service.exports.exports import Export, Exports
from service.exports.formats import Column, Format, Kind, Query
from service.kit.clock import utc_now
from service.kit.errors import Fault, InvalidRequest, NotFound, StateConflict
from service.kit.pagination import Cursors, total
from service.tenants.models import Account
from service.tenants.principals import Principal

COLUMNS: dict[str, Kind] = {
    "place": "whole", "line_ref": "text", "subscription_id": "text", "phone_number": "word", "user_id": "text",
    "kind": "word", "begins": "day", "ends": "day", "quantity": "whole", "micros": "whole", "currency": "word",
    "description": "text",
}  # fmt: skip
DELETED_WITHIN = 300.0


@dataclass(frozen=True, slots=True)
class Filed:
    """As an invoice is filed. `account_id`: None is the only one that there is."""

    account_id: UUID | None
    month: date
    supplier: str
    number: str | None
    file_name: str
    profile: str | None
    charset: str | None


class Invoices:
    def __init__(self, database: Database, cursors: Cursors, exports: Exports, profiles: Profiles) -> None:
        self._database, self._cursors, self._exports, self._profiles = database, cursors, exports, profiles

    async def preview(
        self, caller: Principal, arrived: Arrived, profile: str | None, charset: str | None
    ) -> dict[str, Any]:
        """What would be read. Raises: NotFound for the profile; InvalidRequest for a file that cannot be read."""
        mapping = await self._profiles.find(caller, profile) if profile is not None else None
        found = await asyncio.to_thread(look, arrived.file, mapping, profile, charset=charset, rows=LOOKED_AT)
        async with acting_for(self._database, caller) as session:
            known = await session.scalar(
                select(Invoice.id).where(Invoice.content_hash == arrived.content).order_by(Invoice.seq).limit(1)
            )
        return _previewed(found) | {"already_filed": known}

    async def file(self, caller: Principal, arrived: Arrived, filed: Filed, request_id: str) -> dict[str, Any]:
        """File it, to be read by the worker. The same content again is the same invoice.

        Raises: NotFound for the profile; InvalidRequest for a file of which not one of the first rows can be read.
        """
        mapping = await self._profiles.find(caller, filed.profile) if filed.profile is not None else None
        async with acting_for(self._database, caller) as session:
            account = await _account(session, filed.account_id)
            if (known := await _of_content(session, account, arrived.content)) is not None:
                return await self._told_one(session, known) | {"already_filed": True}
        found = await asyncio.to_thread(look, arrived.file, mapping, filed.profile, charset=filed.charset)
        check_readable(found)
        async with acting_for(self._database, caller) as session:
            row = {
                "account_id": account, "supplier": filed.supplier, "number": filed.number,
                "file_name": filed.file_name, "content_hash": arrived.content, "profile": found.profile,
                "mapping": found.mapping.as_json(), "currency": found.currency, "month": filed.month,
                "state": "reading", "size": arrived.size, "created_by": caller.actor,
            }  # fmt: skip
            made = await session.scalar(insert(Invoice).values(row).on_conflict_do_nothing().returning(Invoice))
            if made is None:
                known = await _of_content(session, account, arrived.content)
                assert known is not None
                return await self._told_one(session, known) | {"already_filed": True}
            for place, body in enumerate(arrived.parts()):
                await session.execute(insert(InvoicePart).values(invoice_id=made.id, place=place, body=body))
            note(
                session, actor=caller.actor, action="invoice.filed", of=("invoice", str(made.id)),
                after={"supplier": made.supplier, "number": made.number, "period": f"{made.month:%Y-%m}",
                       "sha256": made.content_hash.hex(), "profile": made.profile},
                request_id=request_id,
            )  # fmt: skip
            return await self._told_one(session, made)

    async def page(
        self, caller: Principal, *, month: date | None, state: str | None, limit: int, cursor: str | None
    ) -> dict[str, Any]:
        """Invoices, the newest first. Raises: InvalidRequest for a cursor that is not of this list."""
        query = {"list": "invoices", "month": str(month), "state": state}
        asked = select(Invoice)
        if month is not None:
            asked = asked.where(Invoice.month == month)
        if state is not None:
            asked = asked.where(Invoice.state == state)
        found = asked.order_by(Invoice.seq.desc()).limit(limit + 1)
        if cursor is not None:
            found = found.where(Invoice.seq < self._cursors.open(query, cursor)[0])
        async with acting_for(self._database, caller) as session:
            rows = (await session.scalars(found)).all()
            counted = await count_up(session, asked.with_only_columns(Invoice.id))
            items = await self._told(session, rows[:limit])
        more = len(rows) > limit
        return {
            "items": items,
            "next_cursor": self._cursors.seal(query, [rows[limit - 1].seq]) if more else None,
            "total": total(counted),
        }

    async def get(self, caller: Principal, invoice_id: UUID) -> dict[str, Any]:
        """Raises: NotFound."""
        async with acting_for(self._database, caller) as session:
            return await self._told_one(session, await _get(session, invoice_id))

    async def lines(self, caller: Principal, invoice_id: UUID, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """In the order of the file. Raises: NotFound; InvalidRequest as `page`."""
        return await self._listed(caller, InvoiceLine, invoice_id, limit=limit, cursor=cursor)

    async def export_lines(self, caller: Principal, invoice_id: UUID, wanted: Format) -> Export:
        """Every line. Raises: NotFound, and as `Exports.make`."""
        async with acting_for(self._database, caller) as session:
            await _get(session, invoice_id)
        columns = [Column(name, InvoiceLine.__table__.c[name], kind) for name, kind in COLUMNS.items()]
        rows = (
            select(*(one.value for one in columns))
            .where(InvoiceLine.invoice_id == invoice_id)
            .order_by(InvoiceLine.place)
        )
        return await self._exports.make(
            Query("invoice-lines", columns, rows),
            wanted,
            whose=caller.tenant_id or caller.actor,
            acting=lambda database: acting_for(database, caller),
        )

    async def rejects(
        self, caller: Principal, invoice_id: UUID, *, decided: bool | None, limit: int, cursor: str | None
    ) -> dict[str, Any]:
        """Rows that are kept aside, in the order of the file. Raises: as `lines`."""
        return await self._listed(caller, InvoiceReject, invoice_id, decided=decided, limit=limit, cursor=cursor)

    async def _listed(
        self,
        caller: Principal,
        table: type[InvoiceLine] | type[InvoiceReject],
        invoice_id: UUID,
        *,
        limit: int,
        cursor: str | None,
        decided: bool | None = None,
    ) -> dict[str, Any]:
        query = {"list": table.__tablename__, "invoice": str(invoice_id), "decided": decided}
        asked = select(table).where(table.invoice_id == invoice_id)
        if decided is not None:
            asked = asked.where(InvoiceReject.decision.is_not(None) == decided)
        found = asked.order_by(table.place).limit(limit + 1)
        if cursor is not None:
            found = found.where(table.place > self._cursors.open(query, cursor)[0])
        async with acting_for(self._database, caller) as session:
            await _get(session, invoice_id)
            rows: Sequence[Any] = (await session.scalars(found)).all()
            counted = await count_up(session, asked.with_only_columns(table.place))
        more = len(rows) > limit
        return {
            "items": rows[:limit],
            "next_cursor": self._cursors.seal(query, [rows[limit - 1].place]) if more else None,
            "total": total(counted),
        }

    async def resolve(
        self,
        caller: Principal,
        invoice_id: UUID,
        decision: str,
        places: Sequence[int] | None,
        values: Mapping[str, str] | None,
        request_id: str,
    ) -> dict[str, Any]:
        """Drop rows that are kept aside, or mend them: then they are lines. All of them, or none.

        Raises: NotFound; StateConflict while it is read, and for rows that were decided; InvalidRequest for rows that
            are no lines yet.
        """
        if faults := _misplaced(decision, values):
            raise InvalidRequest(*faults)
        async with acting_for(self._database, caller) as session:
            invoice = await _get(session, invoice_id, locked=True)
            if invoice.state not in ("held", "ready"):
                raise StateConflict(f"The invoice is {invoice.state}: rows are decided once it is read.")
            rows = await _undecided(session, invoice_id, places)
            if decision == "mend":
                lines = _mended(rows, values or {}, InvoiceMapping(**invoice.mapping), invoice.currency)
                session.add_all(
                    InvoiceLine(invoice_id=invoice_id, place=place, **asdict(line)) for place, line in lines
                )
                invoice.lines += len(lines)
                invoice.micros += sum(line.micros for _, line in lines)
                invoice.currency = invoice.currency or next((line.currency for _, line in lines), None)
            now = utc_now()
            for row in rows:
                row.decision = "mended" if decision == "mend" else "dropped"
                row.mended = dict(values) if values else None
                row.decided_by, row.decided_at = caller.actor, now
            invoice.rejected -= len(rows)
            invoice.state = "held" if invoice.rejected else "ready"
            note(
                session, actor=caller.actor, action="invoice.rejects_resolved", of=("invoice", str(invoice_id)),
                request_id=request_id,
                after={"decision": decision, "rows": len(rows), "places": [row.place for row in rows[:SHOWN]],
                       "values": dict(values) if values else None, "state": invoice.state},
            )  # fmt: skip
            await session.flush()
            return await self._told_one(session, invoice)

    async def discard(self, caller: Principal, invoice_id: UUID, request_id: str) -> None:
        """Take back what was filed, with all that was read of it, so that the file can be read otherwise.

        Raises: NotFound; StateConflict once it is matched.
        """
        async with acting_for(self._database, caller) as session:
            await let_take(session, DELETED_WITHIN)
            invoice = await _get(session, invoice_id, locked=True)
            if invoice.state == "matched":
                raise StateConflict("The invoice is matched: what was found rests on it.")
            await session.execute(delete(Invoice).where(Invoice.id == invoice_id))
            note(
                session, actor=caller.actor, action="invoice.discarded", of=("invoice", str(invoice_id)),
                request_id=request_id,
                before={"supplier": invoice.supplier, "number": invoice.number, "state": invoice.state,
                        "sha256": invoice.content_hash.hex()},
            )  # fmt: skip

    async def _told(self, session: AsyncSession, rows: Sequence[Invoice]) -> list[dict[str, Any]]:
        months = {row.month for row in rows}
        final = {*await session.scalars(select(BillingPeriod.month).where(BillingPeriod.month.in_(months)))}
        today = await today_of(session)
        return [
            {
                **{name: getattr(row, name) for name in Invoice.__table__.c.keys()},  # noqa: SIM118 - of a collection
                "period": f"{row.month:%Y-%m}",
                "period_state": "final" if row.month in final else state_of(row.month, today),
                "sha256": row.content_hash.hex(),
                "already_filed": False,
            }
            for row in rows
        ]

    async def _told_one(self, session: AsyncSession, row: Invoice) -> dict[str, Any]:
        [told] = await self._told(session, [row])
        return told


def _previewed(found: Looked) -> dict[str, Any]:
    first = found.first
    return {
        "profile": found.profile, "guessed": found.guessed, "mapping": found.mapping.as_json(),
        "headers": found.headers, "unused": found.unused, "rows": len(first.lines) + len(first.rejects),
        "complete": first.ended, "lines": len(first.lines), "rejected": len(first.rejects),
        "currency": found.currency, "micros": first.micros,
        "sample": [{"place": place, **asdict(line)} for place, line in first.lines[:SHOWN]],
        "rejects": [
            {"place": one.place, "line": one.line, "text": one.text,
             "faults": [fault.as_json() for fault in one.faults]} for one in first.rejects[:SHOWN]
        ],
    }  # fmt: skip


async def _account(session: AsyncSession, asked: UUID | None) -> UUID:
    """Raises: InvalidRequest where there is no such account, or where there are several and none is named."""
    found = (await session.scalars(select(Account.id).order_by(Account.created_at).limit(2))).all()
    if asked is None and len(found) == 1:
        return found[0]
    if asked is None:
        raise InvalidRequest(Fault("account_id", "is required, for there are several upstream accounts"))
    if await session.get(Account, asked) is None:
        raise InvalidRequest(Fault("account_id", "is no upstream account of this gateway"))
    return asked


async def _of_content(session: AsyncSession, account: UUID, content: bytes) -> Invoice | None:
    found = select(Invoice).where(Invoice.account_id == account, Invoice.content_hash == content)
    return await session.scalar(found)


async def _get(session: AsyncSession, invoice_id: UUID, *, locked: bool = False) -> Invoice:
    """Raises: NotFound."""
    if (found := await session.get(Invoice, invoice_id, with_for_update=locked)) is None:
        raise NotFound
    return found


async def _undecided(session: AsyncSession, invoice_id: UUID, places: Sequence[int] | None) -> Sequence[InvoiceReject]:
    """Raises: InvalidRequest for places that are not kept aside; StateConflict for those that were decided."""
    asked = select(InvoiceReject).where(InvoiceReject.invoice_id == invoice_id).order_by(InvoiceReject.place)
    if places is None:
        return (await session.scalars(asked.where(InvoiceReject.decision.is_(None)))).all()
    rows = (await session.scalars(asked.where(InvoiceReject.place.in_(places)))).all()
    known = {row.place for row in rows}
    if missing := [place for place in places if place not in known]:
        raise InvalidRequest(*(Fault("/places", f"row {place} is not kept aside") for place in missing))
    if decided := [row for row in rows if row.decision is not None]:
        raise StateConflict(f"Row {decided[0].place} was {decided[0].decision} by {decided[0].decided_by} already.")
    return rows


def _misplaced(decision: str, values: Mapping[str, str] | None) -> list[Fault]:
    if decision == "drop" and values:
        return [Fault("/values", "does not go with drop; remove it, or mend")]
    if decision == "mend" and not values:
        return [Fault("/values", f"is required to mend: a value for each of {', '.join(FIELDS)} that is wrong")]
    strange = [name for name in values or {} if name not in FIELDS]
    return [Fault(f"/values/{name}", f"is not a member of a line; there are {', '.join(FIELDS)}") for name in strange]


def _mended(
    rows: Sequence[InvoiceReject], values: Mapping[str, str], mapping: InvoiceMapping, currency: str | None
) -> list[tuple[int, Line]]:
    """Raises: InvalidRequest, naming all that is wrong still."""
    lines, faults = [], []
    for row in rows:
        try:
            lines.append((row.place, line_of(row.cells | dict(values), mapping, currency)))
        except BadRow as bad:
            faults += [Fault(f"/values/{one.column}", f"row {row.place}: {one.detail}") for one in bad.faults]
    if faults:
        raise InvalidRequest(*faults)
    return lines
