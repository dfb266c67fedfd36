"""Disputes with the supplier: opened from findings, sent, decided, and settled by what later invoices give back."""

import hashlib
from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Select, Text, and_, cast, func, literal, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.billing.auth import acting_for
from service.billing.disputes.models import (
    Dispute,
    DisputeAttachment,
    DisputeCredit,
    DisputeLine,
    DisputeNote,
    InvoiceMatch,
)
from service.billing.invoices.models import Invoice, InvoiceLine
from service.db import Database, count_up
from service.exports.exports import Export, Exports
from service.exports.formats import Column, Format, Kind, Query
from service.idempotency.once import Once
from service.kit.errors import Fault, InvalidRequest, NotFound, StateConflict
from service.kit.pagination import Cursors, total
from service.kit.types import new_id
from service.tenants.principals import Principal

DisputeState = Literal["open", "submitted", "accepted", "rejected", "credited"]
# From which state each can be reached.
REACHED_FROM: dict[DisputeState, Sequence[DisputeState]] = {
    "submitted": ("open",),
    "accepted": ("submitted",),
    "rejected": ("submitted", "accepted"),
    "credited": ("submitted", "accepted"),
}
MOST_LINES, MOST_ATTACHMENTS, MOST_NOTES = 100_000, 20, 1000
KINDS: dict[str, Kind] = {
    "line": "whole", "place": "whole", "verdict": "word", "number_id": "uuid", "kind": "word", "begins": "day",
    "ends": "day", "line_begins": "day", "line_ends": "day", "expected_micros": "whole", "charged_micros": "whole",
    "disputed_micros": "whole", "credited_micros": "whole",
}  # fmt: skip
# What is owed back: a line that charges too much, or a credit that did not come, less what was given back of it before
# the dispute that it was in was rejected. Each is in one dispute at most that is open, or was credited.
TAKEN = text("""
    INSERT INTO dispute_lines (dispute_id, line, invoice_id, finding, place, verdict, number_id, phone_number,
                               subscription_id, kind, begins, ends, expected_micros, charged_micros, micros, evidence,
                               open)
    SELECT :dispute, row_number() OVER (ORDER BY f.finding), f.invoice_id, f.finding, f.place, f.verdict, f.number_id,
           coalesce(n.phone_number, l.phone_number), coalesce(l.subscription_id, n.subscription_id), f.kind, f.begins,
           f.ends, f.expected_micros, f.charged_micros, f.difference_micros - coalesce(g.micros, 0), f.evidence, true
    FROM invoice_findings f
    LEFT JOIN (
      SELECT o.place, o.number_id, o.kind, o.begins, sum(o.credited_micros)::bigint AS micros FROM dispute_lines o
      WHERE o.invoice_id = :invoice AND NOT o.open AND o.credited_micros > 0 GROUP BY 1, 2, 3, 4
    ) g ON g.kind = f.kind AND g.place IS NOT DISTINCT FROM f.place AND g.number_id IS NOT DISTINCT FROM f.number_id
       AND g.begins IS NOT DISTINCT FROM f.begins
    LEFT JOIN invoice_lines l ON l.invoice_id = f.invoice_id AND l.place = f.place
    LEFT JOIN numbers n ON n.id = f.number_id
    WHERE f.invoice_id = :invoice AND f.difference_micros > coalesce(g.micros, 0)
      AND (f.verdict = ANY (:verdicts) OR f.finding = ANY (:findings))
      AND NOT (f.verdict = ANY (:verdicts) AND NOT f.finding = ANY (:findings) AND EXISTS (
        SELECT FROM dispute_lines o WHERE o.open AND o.invoice_id = f.invoice_id AND o.kind = f.kind
          AND o.place IS NOT DISTINCT FROM f.place AND o.number_id IS NOT DISTINCT FROM f.number_id
          AND o.begins IS NOT DISTINCT FROM f.begins))
    ORDER BY f.finding LIMIT :most""")


class Disputes:
    def __init__(self, database: Database, cursors: Cursors, exports: Exports) -> None:
        self._database, self._cursors, self._exports = database, cursors, exports

    async def open(
        self,
        caller: Principal,
        invoice_id: UUID,
        *,
        verdicts: Sequence[str],
        findings: Sequence[int],
        title: str,
        request_id: str,
    ) -> dict[str, Any]:
        """Of what an invoice charges too much: all that has one of these verdicts, and is in no dispute that is open or
        was credited, and those that are named.

        Raises: NotFound; InvalidRequest for findings that are none, or charge nothing too much; StateConflict.
        """
        dispute_id = new_id()
        async with acting_for(self._database, caller) as session:
            invoice = await session.get(Invoice, invoice_id)
            match = await session.get(InvoiceMatch, invoice_id)
            if invoice is None:
                raise NotFound
            if match is None or match.state != "done":
                raise StateConflict("The invoice is not matched; ask for that, and look at it until it is done.")
            dispute = Dispute(
                id=dispute_id, invoice_id=invoice_id, account_id=invoice.account_id, state="open", title=title,
                currency=invoice.currency, lines=0, micros=0, created_by=caller.actor, changed_by=caller.actor,
            )  # fmt: skip
            session.add(dispute)
            await session.flush()
            asked = {
                "dispute": dispute_id, "invoice": invoice_id, "verdicts": list(verdicts), "findings": list(findings),
                "most": MOST_LINES + 1,
            }  # fmt: skip
            try:
                async with session.begin_nested():
                    await session.execute(TAKEN, asked)
            except IntegrityError:
                raise StateConflict(
                    "One of these findings is in a dispute that is open or was credited; leave it out."
                ) from None
            its = DisputeLine.dispute_id == dispute_id
            summed = select(func.count(), func.coalesce(func.sum(DisputeLine.micros), 0)).where(its)
            lines, micros = (await session.execute(summed)).one()
            await self._check_taken(session, dispute_id, findings, lines)
            dispute.lines, dispute.micros = lines, int(micros)
            self._note(session, caller, "dispute.opened", dispute, request_id, invoice_id=str(invoice_id))
        return await self.get(caller, dispute_id)

    async def _check_taken(self, session: AsyncSession, dispute_id: UUID, findings: Sequence[int], lines: int) -> None:
        """Raises: InvalidRequest, StateConflict."""
        if lines > MOST_LINES:
            raise InvalidRequest(Fault("", f"is of more than {MOST_LINES} findings; dispute them in parts"))
        taken = await session.scalars(
            select(DisputeLine.finding).where(
                DisputeLine.dispute_id == dispute_id, DisputeLine.finding.in_(list(findings))
            )
        )
        if left := sorted({*findings} - {*taken}):
            raise InvalidRequest(
                Fault("/findings", f"{left[0]} is no finding of the invoice that charges too much; leave it out")
            )
        if not lines:
            raise StateConflict("There is nothing to dispute: nothing that is meant charges too much and is open.")

    async def page(
        self, caller: Principal, *, state: str | None, invoice_id: UUID | None, limit: int, cursor: str | None
    ) -> dict[str, Any]:
        """The last opened first. Raises: InvalidRequest for a cursor that is not of this list."""
        query = {"list": "disputes", "state": state, "invoice": invoice_id and str(invoice_id)}
        asked = [Dispute.state == state] if state else []
        asked += [Dispute.invoice_id == invoice_id] if invoice_id else []
        rows: Select[Any] = select(Dispute).where(*asked).order_by(Dispute.seq.desc()).limit(limit + 1)
        if cursor is not None:
            rows = rows.where(Dispute.seq < self._cursors.open(query, cursor)[0])
        async with acting_for(self._database, caller) as session:
            found = (await session.scalars(rows)).all()
            counted = await count_up(session, select(Dispute.id).where(*asked))
        more = len(found) > limit
        return {
            "items": found[:limit],
            "next_cursor": self._cursors.seal(query, [found[limit - 1].seq]) if more else None,
            "total": total(counted),
        }

    async def get(self, caller: Principal, dispute_id: UUID) -> dict[str, Any]:
        """With notes, attachments, what it is about by verdict, and by which invoices it was given back.

        Raises: NotFound.
        """
        async with acting_for(self._database, caller) as session:
            dispute = await session.get(Dispute, dispute_id)
            if dispute is None:
                raise NotFound
            notes = (await session.scalars(
                select(DisputeNote).where(DisputeNote.dispute_id == dispute_id).order_by(DisputeNote.at)
            )).all()  # fmt: skip
            attachments = (await session.execute(
                select(*(getattr(DisputeAttachment, name) for name in ("id", "at", "by", "name", "media_type", "size")))
                .where(DisputeAttachment.dispute_id == dispute_id).order_by(DisputeAttachment.at)
            )).mappings().all()  # fmt: skip
            verdicts = (await session.execute(
                select(
                    DisputeLine.verdict, func.count().label("lines"),
                    func.sum(DisputeLine.micros).label("disputed_micros"),
                    func.sum(DisputeLine.credited_micros).label("credited_micros"),
                ).where(DisputeLine.dispute_id == dispute_id)
                .group_by(DisputeLine.verdict).order_by(DisputeLine.verdict)
            )).mappings().all()  # fmt: skip
            given = (await session.execute(
                select(
                    DisputeCredit.invoice_id, Invoice.number, DisputeCredit.place, DisputeCredit.line,
                    DisputeCredit.micros, DisputeCredit.at,
                ).join(Invoice, Invoice.id == DisputeCredit.invoice_id)
                .where(DisputeCredit.dispute_id == dispute_id)
                .order_by(DisputeCredit.at, DisputeCredit.place, DisputeCredit.line).limit(1000)
            )).mappings().all()  # fmt: skip
            invoice = await session.get_one(Invoice, dispute.invoice_id)
        shown = {name: getattr(dispute, name) for name in SHOWN}
        return shown | {
            "supplier": invoice.supplier, "invoice_number": invoice.number, "period": f"{invoice.month:%Y-%m}",
            "verdicts": verdicts, "notes": notes, "attachments": attachments, "credits": given,
        }  # fmt: skip

    async def move(
        self,
        caller: Principal,
        dispute_id: UUID,
        to: DisputeState,
        *,
        credited: int | None,
        reason: str | None,
        request_id: str,
    ) -> dict[str, Any]:
        """From a state that comes before: of two that decide at once, one does. `credited`: micro-units given back, all
        of them where it is not said.

        Raises: NotFound; StateConflict; InvalidRequest for more than is disputed, or where nothing is given back.
        """
        async with acting_for(self._database, caller) as session:
            dispute = await self._locked(session, dispute_id)
            if dispute.state not in REACHED_FROM[to]:
                raise StateConflict(
                    f"The dispute is {dispute.state}: {to} is what only one that is"
                    f" {' or '.join(REACHED_FROM[to])} becomes.",
                    state=dispute.state,
                )
            before = {"state": dispute.state, "credited_micros": dispute.credited_micros}
            if to == "credited":
                given = dispute.micros if credited is None else credited
                if not dispute.credited_micros <= given <= dispute.micros or not given:
                    least = max(1, dispute.credited_micros)
                    told = f"must be {least} to {dispute.micros}: what invoices gave back, and what is disputed"
                    raise InvalidRequest(Fault("/credited_micros", told))
                dispute.credited_micros = given
            dispute.state, dispute.changed_by = to, caller.actor
            await session.execute(
                update(Dispute).where(Dispute.id == dispute_id).values(changed_at=func.clock_timestamp())
            )
            if to == "rejected":  # What it was about may be disputed anew.
                await session.execute(
                    update(DisputeLine).where(DisputeLine.dispute_id == dispute_id).values(open=False)
                )
            if reason is not None:
                session.add(DisputeNote(id=new_id(), dispute_id=dispute_id, by=caller.actor, text=reason))
            note(
                session, actor=caller.actor, action="dispute.moved", of=("dispute", str(dispute_id)), before=before,
                after={"state": to, "credited_micros": dispute.credited_micros}, request_id=request_id,
            )  # fmt: skip
        return await self.get(caller, dispute_id)

    async def add_note(
        self, caller: Principal, dispute_id: UUID, written: str, request_id: str, once: Once
    ) -> DisputeNote:
        """Raises: IdempotencyKeyReused; NotFound; StateConflict where there are MOST_NOTES."""
        added = DisputeNote(id=new_id(), dispute_id=dispute_id, by=caller.actor, text=written)
        async with acting_for(self._database, caller) as session:
            if (named := await once.before(session)) is not None:
                return await session.get_one(DisputeNote, UUID(named.answer["note_id"]))
            dispute = await self._locked(session, dispute_id)
            await self._check_room(session, dispute_id, DisputeNote, MOST_NOTES)
            session.add(added)
            await session.flush()
            await session.refresh(added)
            self._note(session, caller, "dispute.noted", dispute, request_id, note=str(added.id))
            await once.keep(session, answer={"note_id": str(added.id)})
        return added

    async def attach(
        self, caller: Principal, dispute_id: UUID, *, name: str, media_type: str, body: bytes, request_id: str
    ) -> DisputeAttachment:
        """Kept once: a file that is there already, of the same name, type and content, is that one.

        Raises: NotFound; StateConflict where there are MOST_ATTACHMENTS.
        """
        added = DisputeAttachment(
            id=new_id(), dispute_id=dispute_id, by=caller.actor, name=name, media_type=media_type, size=len(body),
            hash=hashlib.sha256(body).digest(), body=body,
        )  # fmt: skip
        same = select(DisputeAttachment).filter_by(
            dispute_id=dispute_id, name=name, media_type=media_type, hash=added.hash
        )
        async with acting_for(self._database, caller) as session:
            dispute = await self._locked(session, dispute_id)
            if (there := await session.scalar(same.limit(1))) is not None:
                return there
            await self._check_room(session, dispute_id, DisputeAttachment, MOST_ATTACHMENTS)
            session.add(added)
            await session.flush()
            await session.refresh(added)
            told = {"attachment": str(added.id), "name": name, "sha256": added.hash.hex()}
            self._note(session, caller, "dispute.attached", dispute, request_id, **told)
        return added

    async def attachment(self, caller: Principal, dispute_id: UUID, attachment_id: UUID) -> DisputeAttachment:
        """Raises: NotFound."""
        async with acting_for(self._database, caller) as session:
            found = await session.get(DisputeAttachment, attachment_id)
        if found is None or found.dispute_id != dispute_id:
            raise NotFound
        return found

    async def lines(self, caller: Principal, dispute_id: UUID, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """Raises: NotFound; InvalidRequest for a cursor that is not of this list."""
        query = {"list": "dispute lines", "dispute": str(dispute_id)}
        rows = _lines(dispute_id).limit(limit + 1)
        if cursor is not None:
            rows = rows.where(DisputeLine.line > self._cursors.open(query, cursor)[0])
        async with acting_for(self._database, caller) as session:
            dispute = await session.get(Dispute, dispute_id)
            if dispute is None:
                raise NotFound
            found = (await session.execute(rows)).mappings().all()
        more = len(found) > limit
        return {
            "items": found[:limit],
            "next_cursor": self._cursors.seal(query, [found[limit - 1]["line"]]) if more else None,
            "total": {"value": dispute.lines, "exact": True},
        }

    async def export(self, caller: Principal, dispute_id: UUID, wanted: Format) -> Export:
        """Every line, to be sent to the supplier. Raises: NotFound, and as `Exports.make`."""
        await self.get(caller, dispute_id)
        shown = _of_line()
        shown["evidence"] = cast(shown["evidence"], Text)
        columns = [Column(name, value, KINDS.get(name, "text")) for name, value in shown.items()]
        return await self._exports.make(
            Query("dispute", columns, _lines(dispute_id)),
            wanted,
            whose=caller.actor,
            acting=lambda database: acting_for(database, caller),
        )

    async def _locked(self, session: AsyncSession, dispute_id: UUID) -> Dispute:
        """Raises: NotFound."""
        dispute = await session.get(Dispute, dispute_id, with_for_update=True)
        if dispute is None:
            raise NotFound
        return dispute

    async def _check_room(
        self, session: AsyncSession, dispute_id: UUID, kind: type[DisputeNote | DisputeAttachment], most: int
    ) -> None:
        """Raises: StateConflict where a dispute has so many of the kind."""
        there = await session.scalar(select(func.count()).select_from(kind).where(kind.dispute_id == dispute_id))
        if (there or 0) >= most:
            raise StateConflict(f"The dispute has {most} of them already, which is the most it takes.")

    def _note(
        self, session: AsyncSession, caller: Principal, action: Any, dispute: Dispute, request_id: str, **told: str
    ) -> None:
        note(
            session, actor=caller.actor, action=action, of=("dispute", str(dispute.id)), request_id=request_id,
            after={"state": dispute.state, "lines": dispute.lines, "micros": dispute.micros} | told,
        )  # fmt: skip


SHOWN = (
    "id", "invoice_id", "account_id", "state", "title", "currency", "lines", "micros", "credited_micros", "created_at",
    "created_by", "changed_at", "changed_by",
)  # fmt: skip


def _of_line() -> dict[str, Any]:
    of, told = DisputeLine.__table__.c, InvoiceLine.__table__.c
    names = ("line", "place", "verdict", "number_id", "phone_number", "subscription_id", "kind", "begins", "ends")
    return {
        **{name: of[name] for name in names},
        "line_ref": told.line_ref,
        "line_begins": told.begins,
        "line_ends": told.ends,
        "expected_micros": of.expected_micros,
        "charged_micros": of.charged_micros,
        "disputed_micros": of.micros,
        "credited_micros": of.credited_micros,
        "evidence": of.evidence,
    }


def _lines(dispute_id: UUID) -> Select[Any]:
    shown = [value.label(name) for name, value in _of_line().items()]
    of_invoice = and_(InvoiceLine.invoice_id == DisputeLine.invoice_id, InvoiceLine.place == DisputeLine.place)
    rows = select(*shown).select_from(DisputeLine).outerjoin(InvoiceLine, of_invoice)
    return rows.where(DisputeLine.dispute_id == literal(dispute_id)).order_by(DisputeLine.line)
