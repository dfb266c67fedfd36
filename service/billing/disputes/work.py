"""What the worker does of invoices that are to be matched: each in one transaction, begun anew where it broke."""

import json
from datetime import timedelta
from time import perf_counter
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Update, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.billing.book import present_rule
from service.billing.charging import ChargingRule
from service.billing.disputes.crediting import Credit, Owed, credited
from service.billing.disputes.models import (
    Dispute,
    DisputeCredit,
    DisputeLine,
    InvoiceFinding,
    InvoiceMatch,
    MatchedLines,
)
from service.billing.invoices.models import Invoice, InvoiceLine
from service.billing.models import BillingPeriod, NumberFact
from service.db import Database, let_take
from service.kit.clock import utc_now
from service.observability.metrics import MATCH_SECONDS, MATCHES
from service.prices.models import PriceRow

# Longer than a million lines take; whoever is killed meanwhile leaves it to another after that.
LEASE = timedelta(minutes=20)
# How soon one that its worker is at still is looked at again, though its lease ran out.
LOOKED_AT_AGAIN = timedelta(minutes=1)
MOST_TRIES = 3
# After a fault, which may be a connection that was lost, and pass.
TRIED_AGAIN = timedelta(seconds=10)
CLAIM = text("""
    UPDATE invoice_matches SET state = 'running', lease_until = clock_timestamp() + :lease, tries = tries + 1
    WHERE invoice_id = (
      SELECT invoice_id FROM invoice_matches
      WHERE state = 'queued' OR (state = 'running' AND lease_until < clock_timestamp())
      ORDER BY asked_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING invoice_id, tolerance, tries""")
# All at once, and never one by one: nothing is known beforehand of how many rows there will be.
PLANNED = text("""
    SELECT set_config('enable_nestloop', 'off', true),
           set_config('work_mem', '96MB', true), set_config('jit', 'off', true)""")
# What simply matches, nearly all of it, is kept by the thousand: rows of their own took a third of the time.
FIND = text("""
    WITH found AS MATERIALIZED (
      SELECT m.* FROM match_invoice(:invoice, :month, :through, :priced, CAST(:rule AS jsonb), :tolerance) m
    ), matched AS (
      INSERT INTO matched_lines (invoice_id, part, lines, micros, places, number_ids, price_ids)
      SELECT :invoice, m.place / 1000, count(*), sum(m.charged)::bigint, array_agg(m.place), array_agg(m.number_id),
             array_agg(m.price_ids[1])
      FROM found m WHERE m.plain GROUP BY m.place / 1000
    )
    INSERT INTO invoice_findings (invoice_id, finding, place, verdict, number_id, kind, begins, ends, price_ids,
                                  expected_micros, charged_micros, difference_micros, other_place, other_invoice_id)
    SELECT :invoice, m.finding, m.place, m.verdict, m.number_id, m.kind, m.begins, m.ends, m.price_ids, m.expected,
           m.charged, m.charged - m.expected, m.other, m.other_invoice_id
    FROM found m WHERE NOT m.plain""")
# What there is to say for each that is not as it was expected: how long it was held, what listings showed, and where it
# was charged before.
EXPLAIN = text("""
    UPDATE invoice_findings f SET evidence = (
      SELECT jsonb_strip_nulls(jsonb_build_object(
        'phone_number', coalesce(n.phone_number, l.phone_number), 'subscription_id', n.subscription_id,
        'acquired_at', n.acquired_at, 'released_at', n.released_at, 'state', n.state,
        'shown', (
          SELECT jsonb_agg(jsonb_build_object('row_id', s.row_id, 'from', s.shown_from, 'until', s.until)
                           ORDER BY s.shown_from)
          FROM (
            SELECT p.row_id, p.shown_from, coalesce(p.last_shown_at, (
                     SELECT max(k.began_at) FROM upstream_rows u
                     JOIN listings k ON k.account_id = u.account_id AND k.organization_id = u.organization_id
                     WHERE u.account_id = p.account_id AND u.row_id = p.row_id AND k.complete)) AS until
            FROM possession p
            WHERE p.account_id = :account AND p.phone_number = coalesce(n.phone_number, l.phone_number)
            ORDER BY p.shown_from DESC LIMIT 20
          ) s),
        'charged_before', (
          SELECT jsonb_build_object('invoice_id', i.id, 'number', i.number, 'period', to_char(i.month, 'YYYY-MM'),
                                    'place', b.place, 'line_ref', b.line_ref, 'micros', b.micros)
          FROM invoices i JOIN invoice_lines b ON b.invoice_id = i.id
          WHERE i.id = f.other_invoice_id AND b.place = f.other_place)))
      FROM (VALUES (f.number_id, f.place)) o (number_id, place)
      LEFT JOIN numbers n ON n.id = o.number_id
      LEFT JOIN invoice_lines l ON l.invoice_id = f.invoice_id AND l.place = o.place)
    WHERE f.invoice_id = :invoice AND f.verdict <> 'matched'""")
SUMMED = text("""
    SELECT verdict, sum(findings)::bigint AS findings, sum(expected)::bigint AS expected_micros,
           sum(charged)::bigint AS charged_micros, sum(charged - expected)::bigint AS difference_micros
    FROM (
      SELECT verdict, 1 AS findings, expected_micros AS expected, charged_micros AS charged
      FROM invoice_findings WHERE invoice_id = :invoice
      UNION ALL
      SELECT 'matched', lines, micros, micros FROM matched_lines WHERE invoice_id = :invoice
    ) told
    GROUP BY verdict ORDER BY verdict""")
log = structlog.get_logger()


class _StillAtIt(Exception):
    """Whoever began it holds the invoice: a lock ends with its worker, a lease only guesses when."""


class MatchWork:
    """`patient`: whose statements may take as many seconds as `within`."""

    def __init__(self, database: Database, patient: Database, *, within: float) -> None:
        self._database, self._patient, self._within = database, patient, within

    async def run(self) -> None:
        """Match whatever waits, one invoice after the other."""
        while await self._next():
            continue

    async def _next(self) -> bool:
        async with self._database.acting() as session:
            claimed = (await session.execute(CLAIM, {"lease": LEASE})).one_or_none()
        if claimed is None:
            return False
        began = perf_counter()
        try:
            if claimed.tries > MOST_TRIES:
                raise RuntimeError(f"was begun {MOST_TRIES} times, and never ended")
            await self._match(claimed.invoice_id, claimed.tolerance)
        except _StillAtIt:
            async with self._database.acting() as session:
                again = {"tries": InvoiceMatch.tries - 1, "lease_until": func.clock_timestamp() + LOOKED_AT_AGAIN}
                await session.execute(_claimed(claimed.invoice_id, claimed.tries).values(again))
        except Exception as error:
            log.error("an invoice could not be matched", invoice=str(claimed.invoice_id), exc_info=error)
            async with self._database.acting() as session:
                await session.execute(_claimed(claimed.invoice_id, claimed.tries).values(_after_fault(claimed.tries)))
            if claimed.tries >= MOST_TRIES:
                MATCHES.labels("failed").inc()
        else:
            MATCHES.labels("matched").inc()
            MATCH_SECONDS.observe(perf_counter() - began)
        return True

    async def _match(self, invoice_id: UUID, tolerance: int) -> None:
        """Raises: _StillAtIt."""
        async with self._patient.acting() as session:
            invoice = await session.get(Invoice, invoice_id, with_for_update={"skip_locked": True})
            if invoice is None:
                raise _StillAtIt
            final = await session.get(BillingPeriod, invoice.month)
            # Of a month that is final too from all that is known by now: what came to light late was held all the same.
            rule = ChargingRule(**final.rule) if final is not None else await present_rule(session)
            through = await session.scalar(select(func.coalesce(func.max(NumberFact.seq), 0)))
            priced = await session.scalar(select(func.coalesce(func.max(PriceRow.seq), 0)))
            await let_take(session, self._within)
            await session.execute(PLANNED)
            for found in (InvoiceFinding, MatchedLines):
                await session.execute(delete(found).where(found.invoice_id == invoice_id))
            await _follow_credits(session, invoice)
            asked = {
                "invoice": invoice_id, "month": invoice.month, "through": through, "priced": priced,
                "rule": json.dumps(rule.as_json()), "tolerance": tolerance,
            }  # fmt: skip
            await session.execute(FIND, asked)
            await session.execute(text("SELECT set_config('enable_nestloop', 'on', true)"))
            await session.execute(EXPLAIN, {"invoice": invoice_id, "account": invoice.account_id})
            summary = [dict(one) for one in (await session.execute(SUMMED, {"invoice": invoice_id})).mappings()]
            told = {
                "final": final is not None, "charging_rule": rule.as_json(), "facts_through": through,
                "prices_through": priced,
            }  # fmt: skip
            done = update(InvoiceMatch).where(InvoiceMatch.invoice_id == invoice_id)
            await session.execute(
                done.values(
                    state="done", summary=summary, basis=told, problem=None, lease_until=None,
                    ended_at=func.clock_timestamp(),
                )
            )  # fmt: skip
            invoice.state = "matched"


def _after_fault(tries: int) -> dict[str, Any]:
    """A match is begun anew, and has failed for good with its last try."""
    if tries < MOST_TRIES:
        return {"lease_until": func.clock_timestamp() + TRIED_AGAIN}
    problem = f"It could not be matched, though it was tried {MOST_TRIES} times; the log says why. Ask for it again."
    return {"state": "failed", "problem": problem, "lease_until": None, "ended_at": func.clock_timestamp()}


def _claimed(invoice_id: UUID, tries: int) -> Update:
    """As this worker claimed it, if no other did since."""
    return update(InvoiceMatch).where(
        InvoiceMatch.invoice_id == invoice_id, InvoiceMatch.state == "running", InvoiceMatch.tries == tries
    )


async def _follow_credits(session: AsyncSession, invoice: Invoice) -> None:
    """What the invoice gives back of what was disputed in others. A credit that is known stays with what it is for."""
    known = select(DisputeCredit.place).where(DisputeCredit.invoice_id == invoice.id)
    lines = await session.scalars(
        select(InvoiceLine).where(
            InvoiceLine.invoice_id == invoice.id,
            InvoiceLine.kind == "credit",
            InvoiceLine.micros < 0,
            InvoiceLine.place.not_in(known),
        )
    )
    told = [Credit(one.place, -one.micros, one.phone_number, one.subscription_id) for one in lines]
    if not told:
        return
    disputed = await session.execute(
        select(DisputeLine, Dispute)
        .join(Dispute, Dispute.id == DisputeLine.dispute_id)
        .where(
            Dispute.account_id == invoice.account_id,
            Dispute.invoice_id != invoice.id,
            Dispute.currency == invoice.currency,
            Dispute.state.in_(("submitted", "accepted", "credited")),
            DisputeLine.credited_micros < DisputeLine.micros,
        )
        .order_by(Dispute.seq, DisputeLine.line)
        .with_for_update(of=(Dispute, DisputeLine))
    )
    rows = {(line.dispute_id, line.line): (line, dispute) for line, dispute in disputed}
    owed = [
        Owed(line.dispute_id, line.line, line.micros - line.credited_micros, line.phone_number, line.subscription_id)
        for line, _ in rows.values()
    ]
    given = credited(told, owed)
    if not given:
        return
    await session.execute(insert(DisputeCredit), [{"invoice_id": invoice.id, **one._asdict()} for one in given])
    for one in given:
        rows[one.dispute_id, one.line][0].credited_micros += one.micros
    await session.flush()
    disputes = {dispute.id: dispute for _, dispute in rows.values()}
    for dispute_id in dict.fromkeys(one.dispute_id for one in given):
        await _note_credit(session, disputes[dispute_id], invoice)


async def _note_credit(session: AsyncSession, dispute: Dispute, invoice: Invoice) -> None:
    """A dispute of which all has been given back is settled."""
    before = {"state": dispute.state, "credited_micros": dispute.credited_micros}
    its = DisputeLine.dispute_id == dispute.id
    on_invoices = await session.scalar(select(func.sum(DisputeLine.credited_micros)).where(its))
    dispute.credited_micros = max(dispute.credited_micros, int(on_invoices or 0))
    if dispute.credited_micros == dispute.micros:
        dispute.state = "credited"
    dispute.changed_by, dispute.changed_at = "worker", utc_now()
    note(
        session, actor="worker", action="dispute.credited", of=("dispute", str(dispute.id)), before=before,
        after={"state": dispute.state, "credited_micros": dispute.credited_micros, "invoice_id": str(invoice.id)},
    )  # fmt: skip
