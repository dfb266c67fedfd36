"""The price book and the supplier's rule: added to, and never changed for a month that is final."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.billing.accrual import PriceVersion
from service.billing.auth import acting_for
from service.billing.charging import ChargingRule
from service.billing.errors import PeriodFinal, PriceOverlaps
from service.billing.models import BillingPeriod, ChargingRuleRow, NumberFact
from service.billing.prices import Priced
from service.db import Database, broken_constraint, count_up
from service.kit.errors import Fault, InvalidRequest
from service.kit.money import months_later
from service.kit.pagination import Cursors, total
from service.kit.types import new_id
from service.prices.models import PriceRow
from service.prices.pricing import ONE_AT_A_TIME, Pricing
from service.tenants.principals import Principal

ZONE_KNOWN = text("SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = :zone)")
OF_NOBODY = "price_versions_organization_id_fkey"
# Teli has no closed list of types: one that none of the latest facts has is doubted, and filed.
LATEST_FACTS = 10_000


@dataclass(frozen=True, slots=True)
class WantedPrice:
    """A version that is to be filed: for an organisation, type and area, each of which may be any."""

    organization_id: str | None
    number_type: str | None
    area_code: str | None
    since: date
    setup: int
    monthly: int
    currency: str
    reason: str | None


class PriceBook:
    def __init__(self, database: Database, cursors: Cursors, pricing: Pricing) -> None:
        self._database, self._cursors, self._pricing = database, cursors, pricing

    async def page(self, caller: Principal, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """Versions, the one that begins last first. Raises: InvalidRequest for a cursor that is not of this list."""
        await self._pricing.ensure_default()
        query = {"list": "prices"}
        found = select(PriceRow).order_by(PriceRow.since.desc(), PriceRow.id.desc()).limit(limit + 1)
        if cursor is not None:
            since, price_id = self._cursors.open(query, cursor)
            found = found.where(tuple_(PriceRow.since, PriceRow.id) < tuple_(date.fromisoformat(since), UUID(price_id)))
        async with acting_for(self._database, caller) as session:
            rows = (await session.scalars(found)).all()
            counted = await count_up(session, select(PriceRow.id))
        shown = rows[:limit]
        more = len(rows) > limit
        return {
            "items": shown,
            "next_cursor": self._cursors.seal(query, [str(shown[-1].since), str(shown[-1].id)]) if more else None,
            "total": total(counted),
        }

    async def add(self, caller: Principal, wanted: WantedPrice, request_id: str) -> dict[str, Any]:
        """The version, and in `warnings` what may be meant otherwise.

        Raises: InvalidRequest for an organisation that nobody filed; PeriodFinal for a day in a month that is closed;
            PriceOverlaps.
        """
        await self._pricing.ensure_default()
        row = PriceRow(id=new_id(), created_by=caller.actor, **asdict(wanted))
        async with acting_for(self._database, caller) as session:
            await session.execute(ONE_AT_A_TIME)
            if (final := await last_final(session)) is not None and wanted.since < months_later(final, 1):
                first_open = months_later(final, 1)
                raise PeriodFinal(final, mend=f"Let the price begin on {first_open} or later.")
            session.add(row)
            try:
                await session.flush()
            except IntegrityError as error:
                if broken_constraint(error) == OF_NOBODY:
                    unknown = "is of no organisation that is known here; an administrator puts it or syncs it first"
                    raise InvalidRequest(Fault("/organization_id", unknown)) from None
                raise PriceOverlaps(wanted.since) from None
            told = {name: value for name, value in asdict(wanted).items() if value is not None}
            note(
                session, actor=caller.actor, action="price.filed", of=("price", str(row.id)), tenant=None, before=None,
                after=told | {"since": str(wanted.since)}, request_id=request_id,
            )  # fmt: skip
            await session.refresh(row)
            warnings = await _doubts_about(session, wanted.number_type)
        return {column.key: getattr(row, column.key) for column in PriceRow.__table__.c} | {"warnings": warnings}

    async def rule(self, caller: Principal) -> ChargingRule:
        """Of the months that are not closed."""
        async with acting_for(self._database, caller) as session:
            return await present_rule(session)

    async def put_rule(self, caller: Principal, rule: ChargingRule, request_id: str) -> None:
        """For every month that is not closed; those that are keep theirs.

        Raises: InvalidRequest for a zone that Postgres, whose time zone database is its own, does not know: nothing
            could be reckoned by it.
        """
        await self._pricing.ensure_default()
        async with acting_for(self._database, caller) as session:
            if not await session.scalar(ZONE_KNOWN, {"zone": rule.time_zone}):
                raise InvalidRequest(Fault("/time_zone", "is not known to Postgres; name another, or update Postgres"))
            before = await present_rule(session)
            filed = insert(ChargingRuleRow).values(rule=rule.as_json())
            await session.execute(filed.on_conflict_do_update(index_elements=["one"], set_={"rule": rule.as_json()}))
            note(
                session, actor=caller.actor, action="charging_rule.put", of=("charging_rule", "1"), tenant=None,
                before=before.as_json(), after=rule.as_json(), request_id=request_id,
            )  # fmt: skip


async def last_final(session: AsyncSession) -> date | None:
    """The first day of the last month that is closed."""
    return await session.scalar(select(func.max(BillingPeriod.month)))


async def present_rule(session: AsyncSession) -> ChargingRule:
    found = await session.scalar(select(ChargingRuleRow.rule))
    return ChargingRule(**found) if found else ChargingRule()


async def _doubts_about(session: AsyncSession, number_type: str | None) -> list[str]:
    """What is strange about a price for this type."""
    if number_type is None:
        return []
    latest = select(NumberFact.number_type).order_by(NumberFact.seq.desc()).limit(LATEST_FACTS).subquery()
    types = (await session.scalars(select(latest.c.number_type).distinct())).all()
    if number_type in types:
        return []
    there = ", ".join(sorted(one for one in types if one is not None)) or "none"
    return [f"No number that was bought or changed lately has the type {number_type}. Types of these: {there}."]


def priced(row: PriceRow) -> Priced:
    version = PriceVersion(row.id, row.since, row.setup, row.monthly, row.currency)
    return Priced(version, row.organization_id, row.number_type, row.area_code, row.seq)
