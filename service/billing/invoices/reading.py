"""What the worker does: reads invoices line by line, a batch a transaction.

How far it is stands in the row of the invoice and is moved with the lines themselves. So a worker that dies leaves
nothing half done: whoever goes on begins after the last row that was stored, and no line is read twice or lost.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from tempfile import TemporaryFile
from time import monotonic
from typing import IO, Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import ARRAY, BigInteger, Date, Text, bindparam, delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.billing.invoices.batches import Batch, Reader, Reject
from service.billing.invoices.lines import Line
from service.billing.invoices.mapping import InvoiceMapping
from service.billing.invoices.models import Invoice, InvoicePart
from service.billing.invoices.sheets import open_sheet
from service.db import Database
from service.kit.errors import InvalidRequest
from service.observability.metrics import INVOICE_ROWS, INVOICES

ROWS = 5000
# Beyond it, it is not the rows that are wrong.
MOST_REJECTED = 10_000
TOO_MANY = (
    f"More than {MOST_REJECTED} rows cannot be read: not these are wrong, but the mapping, or the file. Discard the"
    " invoice, and preview the file by another profile."
)
LONGEST_PROBLEM = 1000
# One that another worker goes on with is left alone, until it stands still for so long.
STANDS_STILL = 5.0
WORKER = "worker"
TYPES = {
    "place": BigInteger, "line_ref": Text, "subscription_id": Text, "phone_number": Text, "user_id": Text, "kind": Text,
    "begins": Date, "ends": Date, "quantity": BigInteger, "micros": BigInteger, "currency": Text, "description": Text,
}  # fmt: skip
NAMES = ", ".join(TYPES)
STORE = text(
    f"INSERT INTO invoice_lines (invoice_id, {NAMES})"  # noqa: S608 - our own names
    f" SELECT :invoice, * FROM unnest({', '.join(f':{name}' for name in TYPES)})"
).bindparams(*(bindparam(name, type_=ARRAY(kind)) for name, kind in TYPES.items()))
KEEP = text(
    "INSERT INTO invoice_rejects (invoice_id, place, line, cells, text, faults)"
    " SELECT :invoice, r.place, r.line, r.cells, r.text, r.faults FROM jsonb_to_recordset(CAST(:rejects AS jsonb))"
    " AS r (place bigint, line bigint, cells jsonb, text text, faults jsonb)"
)
log = structlog.get_logger()


@dataclass(slots=True)
class _Open:
    """An invoice that this worker reads. `file`: what was stored in parts."""

    id: UUID
    file: IO[bytes]
    reader: Reader


class InvoiceReading:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._open: _Open | None = None
        # Of those that another worker reads: how far they were, and when that was seen.
        self._moving: dict[UUID, tuple[int, float]] = {}

    async def step(self) -> bool:
        """Read a batch of the oldest invoice that nobody else reads. Returns whether there was one."""
        if self._open is None:
            self._open = await self._next()
        if self._open is None:
            return False
        mine = self._open
        before = mine.reader.through
        try:
            batch = await asyncio.to_thread(mine.reader.batch, ROWS)
        except InvalidRequest as error:
            await self._fail(mine.id, before, error.detail)
            self.close()
            return True
        if not await self._store(mine, batch, before) or batch.ended:
            self.close()
        return True

    def close(self) -> None:
        """Let go of the file; whoever reads next goes on from what is stored."""
        if self._open is not None:
            self._open.file.close()
            self._open = None

    async def _next(self) -> _Open | None:
        async with self._database.acting() as session:
            waiting = (
                await session.scalars(select(Invoice).where(Invoice.state == "reading").order_by(Invoice.seq).limit(20))
            ).all()
        self._moving = {one.id: self._moving[one.id] for one in waiting if one.id in self._moving}
        found = next((one for one in waiting if not self._moves(one)), None)
        if found is None:
            return None
        try:
            return await self._opened(found)
        except InvalidRequest as error:
            await self._fail(found.id, found.read_through, error.detail)
            return None

    def _moves(self, invoice: Invoice) -> bool:
        """Whether another worker goes on with it."""
        if (seen := self._moving.get(invoice.id)) is None:
            return False
        if seen[0] != invoice.read_through:
            self._moving[invoice.id] = (invoice.read_through, monotonic())
            return True
        return monotonic() - seen[1] < STANDS_STILL

    async def _opened(self, invoice: Invoice) -> _Open:
        """Raises: InvalidRequest."""
        file = TemporaryFile()  # noqa: SIM115 - closed when it is read
        try:
            place = 0
            while (part := await self._part(invoice.id, place)) is not None:
                await asyncio.to_thread(file.write, part)
                place += 1
            reader = await asyncio.to_thread(_reader, file, invoice)
        except BaseException:
            file.close()
            raise
        return _Open(invoice.id, file, reader)

    async def _part(self, invoice_id: UUID, place: int) -> bytes | None:
        async with self._database.acting() as session:
            asked = select(InvoicePart.body).where(InvoicePart.invoice_id == invoice_id, InvoicePart.place == place)
            return await session.scalar(asked)

    async def _store(self, mine: _Open, batch: Batch, before: int) -> bool:
        """Returns False where it is not where it was when the rows were read: another worker goes on with it."""
        async with self._database.acting() as session:
            invoice = await _locked(session, mine.id, before)
            if invoice is None:
                self._moving[mine.id] = (before, monotonic())
                return False
            if batch.lines:
                await session.execute(STORE, {"invoice": mine.id, **_columns(batch.lines)})
            if batch.rejects:
                rejects = orjson.dumps([_told(one) for one in batch.rejects]).decode()
                await session.execute(KEEP, {"invoice": mine.id, "rejects": rejects})
            invoice.lines += len(batch.lines)
            invoice.rejected += len(batch.rejects)
            invoice.micros += batch.micros
            invoice.currency = mine.reader.currency
            invoice.read_through = batch.through
            invoice.size_read = invoice.size if batch.ended else min(invoice.size, mine.reader.bytes_read)
            if invoice.rejected > MOST_REJECTED:
                await _end(session, invoice, "failed", TOO_MANY)
                batch.ended = True
            elif batch.ended:
                await _end(session, invoice, "held" if invoice.rejected else "ready", None)
        INVOICE_ROWS.labels("read").inc(len(batch.lines))
        INVOICE_ROWS.labels("kept_aside").inc(len(batch.rejects))
        return True

    async def _fail(self, invoice_id: UUID, before: int, problem: str) -> None:
        async with self._database.acting() as session:
            if (invoice := await _locked(session, invoice_id, before)) is not None:
                await _end(session, invoice, "failed", problem[:LONGEST_PROBLEM])


def _reader(file: IO[bytes], invoice: Invoice) -> Reader:
    """Raises: InvalidRequest."""
    mapping = InvoiceMapping(**invoice.mapping)
    reader = Reader(open_sheet(file, mapping), mapping, invoice.currency)
    if invoice.read_through:
        reader.skip(invoice.read_through)
    return reader


async def _locked(session: AsyncSession, invoice_id: UUID, through: int) -> Invoice | None:
    return await session.scalar(
        select(Invoice)
        .where(Invoice.id == invoice_id, Invoice.state == "reading", Invoice.read_through == through)
        .with_for_update(skip_locked=True)
    )


async def _end(session: AsyncSession, invoice: Invoice, state: str, problem: str | None) -> None:
    invoice.state, invoice.problem = state, problem
    await session.execute(delete(InvoicePart).where(InvoicePart.invoice_id == invoice.id))
    after = {"state": state, "lines": invoice.lines, "rejected": invoice.rejected, "micros": invoice.micros}
    note(session, actor=WORKER, action="invoice.read", of=("invoice", str(invoice.id)), after=after)
    INVOICES.labels(state).inc()
    log.info("an invoice was read", invoice=str(invoice.id), problem=problem, **after)


def _columns(lines: Sequence[tuple[int, Line]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {"place": [place for place, _ in lines]}
    for name in TYPES:
        if name != "place":
            member = attrgetter(name)
            found[name] = [member(line) for _, line in lines]
    return found


def _told(reject: Reject) -> dict[str, Any]:
    return {
        "place": reject.place, "line": reject.line, "cells": dict(reject.cells), "text": reject.text,
        "faults": [fault.as_json() for fault in reject.faults],
    }  # fmt: skip
