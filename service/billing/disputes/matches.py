"""Matches of invoices: asked for, looked at, and what came of each line."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, FromClause, Select, Text, and_, cast, func, select, text, union_all
from sqlalchemy.dialects.postgresql import insert

from service.audit.entries import note
from service.billing.auth import acting_for
from service.billing.disputes.models import DisputeLine, InvoiceFinding, InvoiceMatch
from service.billing.invoices.models import Invoice, InvoiceLine
from service.db import Database
from service.exports.exports import Export, Exports
from service.exports.formats import Column, Format, Kind, Query
from service.kit.errors import NotFound, StateConflict
from service.kit.pagination import Cursors
from service.numbers.models import Number
from service.prices.pricing import Pricing
from service.tenants.principals import Principal

KINDS: dict[str, Kind] = {
    "finding": "whole", "place": "whole", "verdict": "word", "number_id": "uuid", "kind": "word", "begins": "day",
    "ends": "day", "line_begins": "day", "line_ends": "day", "quantity": "whole", "expected_micros": "whole",
    "charged_micros": "whole", "difference_micros": "whole", "other_place": "whole", "dispute_id": "uuid",
    "other_invoice_id": "uuid", "price_ids": "texts",
}  # fmt: skip
FINDING = InvoiceFinding.__table__
# Lines that simply match, beyond a place, as findings of their own: of parts enough for so many, one by one, for the
# planner takes a part to hold ten. Where an older worker matched the invoice since, each has a finding already.
MATCHED = (
    text("""
    SELECT l.invoice_id, l.place AS finding, l.place, 'matched' AS verdict, u.number_id, l.kind, l.begins, l.ends,
           ARRAY[u.price_id] AS price_ids, l.micros AS expected_micros, l.micros AS charged_micros,
           CAST(0 AS bigint) AS difference_micros, CAST(NULL AS bigint) AS other_place,
           CAST(NULL AS uuid) AS other_invoice_id, CAST(NULL AS jsonb) AS evidence
    FROM (
      SELECT p.*, sum(p.lines) OVER (ORDER BY p.part) - p.lines AS lines_before
      FROM matched_lines p
      WHERE p.invoice_id = CAST(:invoice AS uuid) AND p.part >= CAST(:after AS bigint) / 1000
    ) p
    CROSS JOIN LATERAL unnest(p.places, p.number_ids, p.price_ids) u (place, number_id, price_id)
    CROSS JOIN LATERAL (
      SELECT * FROM invoice_lines l WHERE l.invoice_id = p.invoice_id AND l.place = u.place OFFSET 0) l
    WHERE p.lines_before <= CAST(:most AS bigint) + 1000 AND u.place > CAST(:after AS bigint)
      AND NOT EXISTS (SELECT FROM invoice_findings f WHERE f.invoice_id = p.invoice_id AND f.finding = u.place)
    ORDER BY u.place LIMIT CAST(:most AS bigint)""")
    .columns(*(FINDING.c[name] for name in (
        "invoice_id", "finding", "place", "verdict", "number_id", "kind", "begins", "ends", "price_ids",
        "expected_micros", "charged_micros", "difference_micros", "other_place", "other_invoice_id", "evidence",
    )))
)  # fmt: skip
# More than an invoice has lines.
ALL = 1 << 40
# Invoices that have been read to their end, with every row that was rejected decided.
READ = ("ready", "matched")


class Matches:
    def __init__(self, database: Database, cursors: Cursors, exports: Exports, pricing: Pricing) -> None:
        self._database, self._cursors, self._exports, self._pricing = database, cursors, exports, pricing

    async def ask(self, caller: Principal, invoice_id: UUID, tolerance: int, request_id: str) -> dict[str, Any]:
        """The worker is to match it, anew where that was done before. Raises: NotFound; StateConflict."""
        await self._pricing.ensure_default()
        async with acting_for(self._database, caller) as session:
            invoice = await session.get(Invoice, invoice_id)
            if invoice is None:
                raise NotFound
            if invoice.state not in READ:
                raise StateConflict(_not_read(invoice.state), state=invoice.state)
            wanted = {"state": "queued", "tolerance": tolerance, "asked_by": caller.actor}
            anew = wanted | {"asked_at": func.clock_timestamp(), "tries": 0, "ended_at": None, "problem": None}
            filed = await session.scalar(
                insert(InvoiceMatch)
                .values(invoice_id=invoice_id, **wanted)
                .on_conflict_do_update(
                    index_elements=["invoice_id"], set_=anew, where=InvoiceMatch.state.in_(("done", "failed"))
                )
                .returning(InvoiceMatch.invoice_id)
            )
            if filed is None:
                raise StateConflict("It is being matched already; look at it until it is done.")
            note(
                session, actor=caller.actor, action="invoice.match_asked", of=("invoice_match", str(invoice_id)),
                after={"tolerance": tolerance}, request_id=request_id,
            )  # fmt: skip
        return await self.get(caller, invoice_id)

    async def get(self, caller: Principal, invoice_id: UUID) -> dict[str, Any]:
        """Raises: NotFound, also where it was never asked for."""
        async with acting_for(self._database, caller) as session:
            found = (
                await session.execute(
                    select(InvoiceMatch, Invoice)
                    .join(Invoice, Invoice.id == InvoiceMatch.invoice_id)
                    .where(InvoiceMatch.invoice_id == invoice_id)
                )
            ).one_or_none()
        if found is None:
            raise NotFound
        match, invoice = found
        verdicts = match.summary or [] if match.state == "done" else []
        return {
            "invoice_id": invoice_id, "state": match.state, "period": f"{invoice.month:%Y-%m}",
            "currency": invoice.currency, "tolerance": match.tolerance, "asked_at": match.asked_at,
            "asked_by": match.asked_by, "ended_at": match.ended_at, "problem": match.problem, "lines": invoice.lines,
            "charged_micros": sum(one["charged_micros"] for one in verdicts),
            "expected_micros": sum(one["expected_micros"] for one in verdicts),
            "difference_micros": sum(one["difference_micros"] for one in verdicts),
            "verdicts": verdicts,
            "basis": match.basis if match.state == "done" else None,
        }  # fmt: skip

    async def findings(
        self, caller: Principal, invoice_id: UUID, verdicts: Sequence[str], *, limit: int, cursor: str | None
    ) -> dict[str, Any]:
        """In the order of the invoice, what is missing in it last. Raises: NotFound; StateConflict; InvalidRequest."""
        query = {"list": "findings", "invoice": str(invoice_id), "verdicts": sorted(verdicts)}
        after = 0 if cursor is None else self._cursors.open(query, cursor)[0]
        found_in = _found_in(invoice_id, verdicts, after=after, most=limit + 1)
        rows = _rows(_shown(found_in), found_in).limit(limit + 1)
        async with acting_for(self._database, caller) as session:
            match = await self._done(caller, invoice_id)
            found = [dict(row) for row in (await session.execute(rows)).mappings()]
        among = [one for one in match["verdicts"] if not verdicts or one["verdict"] in verdicts]
        more = len(found) > limit
        return {
            "items": found[:limit],
            "next_cursor": self._cursors.seal(query, [found[limit - 1]["finding"]]) if more else None,
            "total": {"value": sum(one["findings"] for one in among), "exact": True},
        }

    async def export(self, caller: Principal, invoice_id: UUID, verdicts: Sequence[str], wanted: Format) -> Export:
        """Every one that is meant. Raises: as `findings`, and as `Exports.make`."""
        await self._done(caller, invoice_id)
        found_in = _found_in(invoice_id, verdicts)
        shown = _shown(found_in)
        shown |= {"evidence": cast(shown["evidence"], Text), "price_ids": cast(shown["price_ids"], ARRAY(Text))}
        columns = [Column(name, value, KINDS.get(name, "text")) for name, value in shown.items()]
        return await self._exports.make(
            Query("findings", columns, _rows(shown, found_in)),
            wanted,
            whose=caller.actor,
            acting=lambda database: acting_for(database, caller),
        )

    async def _done(self, caller: Principal, invoice_id: UUID) -> dict[str, Any]:
        match = await self.get(caller, invoice_id)
        if match["state"] != "done":
            raise StateConflict(f"The match is {match['state']}; look at it until it is done.", state=match["state"])
        return match


def _found_in(invoice_id: UUID, verdicts: Sequence[str], *, after: int = 0, most: int = ALL) -> FromClause:
    """The first `most` findings beyond one, or all of them; those of lines that simply match are made up."""
    written = select(*(FINDING.c[column.key] for column in MATCHED.selected_columns)).where(
        FINDING.c.invoice_id == invoice_id, FINDING.c.finding > after
    )
    if verdicts:
        written = written.where(FINDING.c.verdict.in_(verdicts))
    written = written.order_by(FINDING.c.finding).limit(most)
    if verdicts and "matched" not in verdicts:
        return written.subquery("found")
    matched = select(MATCHED.bindparams(invoice=invoice_id, after=after, most=most).subquery("matched"))
    return union_all(written, matched).subquery("found")


def _shown(found_in: FromClause) -> dict[str, ColumnElement[Any]]:
    of, line, number = found_in.c, InvoiceLine.__table__.c, Number.__table__.c
    names = ("finding", "place", "verdict", "number_id")
    rest = (
        "kind", "begins", "ends", "expected_micros", "charged_micros", "difference_micros", "other_place",
        "other_invoice_id",
    )  # fmt: skip
    return {
        **{name: of[name] for name in names},
        "phone_number": func.coalesce(number.phone_number, line.phone_number),
        "subscription_id": func.coalesce(line.subscription_id, number.subscription_id),
        **{name: of[name] for name in rest},
        "line_begins": line.begins,
        "line_ends": line.ends,
        "quantity": line.quantity,
        "description": line.description,
        "price_ids": of.price_ids,
        "dispute_id": DisputeLine.__table__.c.dispute_id,
        "evidence": of.evidence,
    }


def _rows(shown: dict[str, ColumnElement[Any]], found_in: FromClause) -> Select[Any]:
    of = found_in.c
    disputed = and_(
        DisputeLine.open,
        DisputeLine.invoice_id == of.invoice_id,
        DisputeLine.place.is_not_distinct_from(of.place),
        DisputeLine.number_id.is_not_distinct_from(of.number_id),
        DisputeLine.kind == of.kind,
        DisputeLine.begins.is_not_distinct_from(of.begins),
    )
    return (
        select(*(value.label(name) for name, value in shown.items()))
        .select_from(found_in)
        .outerjoin(InvoiceLine, and_(InvoiceLine.invoice_id == of.invoice_id, InvoiceLine.place == of.place))
        .outerjoin(Number, Number.id == of.number_id)
        .outerjoin(DisputeLine, disputed)
        .order_by(of.finding)
    )


def _not_read(state: str) -> str:
    if state == "held":
        return "Rows of it were rejected: decide each of them first."
    return "It could not be read." if state == "failed" else "It is still being read; look at it until it is ready."
