"""Teli's analytics beside a month that is final: what it counts by user, and what the ledger has. The worker asks.

The close does not wait for it. Where Teli cannot be asked, or what it says cannot be read, nothing is known, and it is
asked again every hour for a week. Analytics are counted in whole days of UTC, and say nothing of which number.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.billing.analytics.models import PeriodAnalytics
from service.billing.models import BillingPeriod
from service.db import Database
from service.kit.clock import utc_now
from service.kit.errors import ServiceError
from service.kit.money import months_later
from service.teli.analytics import Counted, read_counts
from service.teli.client import Upstreams

ASKED_AGAIN = timedelta(hours=1)
ASKED_FOR = timedelta(days=7)
MOST_SHOWN = 1000
AT_ONCE = 20
NOTHING = Counted(0, 0, 0, 0)
ENTER = text("""
    INSERT INTO period_analytics (month, account_id, organization_id, state)
    SELECT p.month, n.account_id, n.organization_id, 'pending'
    FROM billing_periods p
    JOIN numbers n ON n.acquired_at < p.month + interval '1 month'
                  AND (n.released_at IS NULL OR n.released_at >= p.month)
    WHERE p.closed_at > clock_timestamp() - CAST(:within AS interval)
      AND NOT EXISTS (SELECT FROM period_analytics a WHERE a.month = p.month)
    GROUP BY 1, 2, 3 ON CONFLICT DO NOTHING""")
OURS = text("""
    WITH held AS (
      SELECT n.id, n.user_id, n.acquired_at >= :starts AS is_new FROM numbers n
      WHERE n.account_id = :account AND n.organization_id = :organization AND n.acquired_at < :ends
        AND (n.released_at IS NULL OR n.released_at >= :starts)
    ), counted AS (
      SELECT user_id, count(*) AS rentals, count(*) FILTER (WHERE is_new) AS purchases FROM held GROUP BY 1
    ), charged AS (
      SELECT n.user_id, coalesce(sum(c.micros) FILTER (WHERE c.kind <> 'setup'), 0) AS rental_micros,
             coalesce(sum(c.micros) FILTER (WHERE c.kind = 'setup'), 0) AS purchase_micros
      FROM charges c JOIN numbers n ON n.id = c.number_id AND n.account_id = :account
      WHERE c.month = :month AND c.organization_id = :organization AND c.corrects IS NULL GROUP BY 1
    )
    SELECT user_id, coalesce(rentals, 0) AS rentals, coalesce(purchases, 0) AS purchases,
           coalesce(rental_micros, 0)::bigint AS rental_micros, coalesce(purchase_micros, 0)::bigint AS purchase_micros
    FROM counted FULL JOIN charged USING (user_id)""")
FORMS = text("""
    SELECT id, id FROM users WHERE organization_id = :organization
    UNION ALL
    SELECT upstream_uuid, id FROM users WHERE organization_id = :organization AND upstream_uuid IS NOT NULL""")
log = structlog.get_logger()


class AnalyticsWitness:
    def __init__(self, database: Database, upstreams: Upstreams) -> None:
        self._database, self._upstreams = database, upstreams

    async def look(self) -> None:
        """Ask for what was not compared yet, a few organisations at a time."""
        async with self._database.acting() as session:
            await session.execute(ENTER, {"within": ASKED_FOR})
            now = utc_now()
            due = await session.execute(
                select(PeriodAnalytics.month, PeriodAnalytics.account_id, PeriodAnalytics.organization_id)
                .join(BillingPeriod, BillingPeriod.month == PeriodAnalytics.month)
                .where(
                    PeriodAnalytics.state.in_(("pending", "unknown")),
                    BillingPeriod.closed_at > now - ASKED_FOR,
                    or_(PeriodAnalytics.asked_at.is_(None), PeriodAnalytics.asked_at < now - ASKED_AGAIN),
                )
                .order_by(PeriodAnalytics.month, PeriodAnalytics.account_id, PeriodAnalytics.organization_id)
                .limit(AT_ONCE)
            )
            places = [(month, account, organization) for month, account, organization in due]
        for month, account, organization in places:
            await self._compare(month, account, organization)

    async def _compare(self, month: date, account: UUID, organization: str) -> None:
        theirs = await self._theirs(month, account, organization)
        async with self._database.acting() as session:
            row = await session.get(PeriodAnalytics, (month, account, organization), with_for_update=True)
            if row is None or row.state not in ("pending", "unknown"):
                return
            row.asked_at = utc_now()
            if theirs is None:
                row.state = "unknown"
                return
            asked = {"month": month, "account": account, "organization": organization}
            ours = await _ours(session, asked)
            known = await session.execute(FORMS, {"organization": organization})
            forms = {str(form): str(user) for form, user in known}
            found = differences(ours, {forms.get(user, user): counted for user, counted in theirs.items()})
            row.state = "differs" if found else "agrees"
            row.users, row.differences = len(ours.keys() | theirs.keys()), found[:MOST_SHOWN]
            note(
                session, actor="worker", action="period.compared", of=("period", f"{month:%Y-%m}"),
                after={"organization_id": organization, "state": row.state, "differences": len(found)},
            )  # fmt: skip
        log.info("a month was compared", month=f"{month:%Y-%m}", organization=organization, differences=len(found))

    async def _theirs(self, month: date, account: UUID, organization: str) -> Mapping[str, Counted] | None:
        """None where nothing was told."""
        try:
            teli = await self._upstreams.of(account)
        except ServiceError:
            return None
        last = months_later(month, 1) - timedelta(days=1)
        return read_counts(await teli.purchases(organization, start=month, end=last))


async def _ours(session: AsyncSession, asked: dict[str, Any]) -> dict[str, Counted]:
    starts = datetime.combine(asked["month"], time(), UTC)
    days = {"starts": starts, "ends": months_later(starts, 1)}
    rows = await session.execute(OURS, asked | days)
    return {row.user_id: Counted(row.rentals, row.purchases, row.rental_micros, row.purchase_micros) for row in rows}


def differences(ours: Mapping[str, Counted], theirs: Mapping[str, Counted]) -> list[dict[str, Any]]:
    """Each user of whom the two do not say the same, by user. Who is not named has nothing."""
    found = []
    for user in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(user, NOTHING), theirs.get(user, NOTHING)
        if mine != other:
            found.append({"user_id": user, "ours": asdict(mine), "theirs": asdict(other)})
    return found
