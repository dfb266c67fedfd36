"""What numbers cost, by the price book, the supplier's rule and the facts: the same amounts as statements have."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import ARRAY, DateTime, Text, Uuid, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import Database
from service.kit.money import Micros, Price
from service.kit.types import new_id
from service.prices.models import PriceRow

# From when on the deployment's default price holds, where nothing else is filed.
ALWAYS = date(1970, 1, 1)
EVER = datetime(1970, 1, 1, tzinfo=UTC)
# A price is filed, or a month is closed: a month is reckoned from what was filed before.
ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('numbergate billing'))")
FEW, AT_ONCE = 100, 5_000
MANY = text("SELECT set_config('enable_nestloop', :nested, true)")
OF_NEW = text("SELECT setup, monthly, currency FROM price_of_new(:organization, :area, CAST(:rule AS jsonb))")
COSTS_OF = text("SELECT * FROM costs_of(:ids, :after, :until, CAST(:rule AS jsonb))").bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("after", type_=ARRAY(DateTime(timezone=True))),
    bindparam("until", type_=ARRAY(DateTime(timezone=True))),
    bindparam("rule", type_=Text),
)
NEXT_CHARGE = text(
    "SELECT (c.next_charge_at AT TIME ZONE (r.rule->>'time_zone'))::date AS day, r.rule->>'time_zone' AS zone"
    " FROM charging_rule r, LATERAL costs_of(ARRAY[:id], ARRAY[:ever], ARRAY[NULL::timestamptz], r.rule) c"
    " WHERE c.next_charge_at IS NOT NULL"
).bindparams(bindparam("id", type_=Uuid), bindparam("ever", value=EVER, type_=DateTime(timezone=True)))


@dataclass(frozen=True, slots=True)
class Asked:
    """A number, and of which time beside its whole life the charges are wanted: due after the day of `after`, and no
    later than that of `until`; None is now.
    """

    number_id: UUID
    after: datetime = EVER
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class NumberCosts:
    """Micro-units of `currency`, that of its price today. `price_id`: of the version; None of an import's own.

    `to_date`: what was due by today; `within`: what is due in the time that was asked for. What was charged in another
    currency is in neither. `next_charge_at`: the beginning of the day, by the supplier's rule; None where none comes.
    """

    price_id: UUID | None
    monthly: Micros
    currency: str
    to_date: Micros
    within: Micros
    next_charge_at: datetime | None
    next_charge: Micros


class Pricing:
    """`default`: the price that the book begins with. `rule`: the supplier's, until another is filed."""

    def __init__(self, database: Database, *, default: Price, rule: Mapping[str, Any]) -> None:
        self._database, self._default, self._rule = database, default, orjson.dumps(dict(rule)).decode()
        self._has_default = False
        self.rule = rule

    @property
    def default_currency(self) -> str:
        return self._default.currency

    async def ensure_default(self) -> None:
        """The deployment's default price is the first version of the book, from the first time it is needed on.

        By the gateway itself: whoever only reads has it filed too.
        """
        if self._has_default:
            return
        price = self._default
        row = {"id": new_id(), "since": ALWAYS, "setup": price.setup, "monthly": price.monthly,
               "currency": price.currency, "reason": "the deployment's default price",
               "created_by": "numbergate"}  # fmt: skip
        known = select(PriceRow.id).where(
            PriceRow.organization_id.is_(None), PriceRow.number_type.is_(None), PriceRow.area_code.is_(None)
        )
        async with self._database.acting(duty="finance", sees=["*"], by_itself=True) as session:
            await session.execute(ONE_AT_A_TIME)
            if await session.scalar(known.limit(1)) is None:
                await session.execute(insert(PriceRow).values(**row))
        self._has_default = True

    async def of_new(self, session: AsyncSession, organization: str, area_code: str) -> Price:
        """What a number costs that is bought today: of the type that was bought there last, for Teli names it then."""
        asked = {"organization": organization, "area": area_code, "rule": self._rule}
        found = (await session.execute(OF_NEW, asked)).one()
        return Price(found.setup, found.monthly, found.currency)

    async def costs_of(self, session: AsyncSession, asked: Sequence[Asked]) -> dict[UUID, NumberCosts]:
        """Of numbers that the session sees: few by one statement, many by one for thousands each."""
        costs: dict[UUID, NumberCosts] = {}
        # Postgres takes what is reckoned of them for a row or two, and would go through all for each.
        if len(asked) > FEW:
            await session.execute(MANY, {"nested": "off"})
        for part in batched(asked, AT_ONCE):
            found = await session.execute(
                COSTS_OF,
                {
                    "ids": [one.number_id for one in part],
                    "after": [one.after for one in part],
                    "until": [one.until for one in part],
                    "rule": self._rule,
                },
            )
            costs |= {
                one.number_id: NumberCosts(
                    one.price_id, one.monthly, one.currency, one.to_date, one.within, one.next_charge_at,
                    one.next_charge,
                )
                for one in found
            }  # fmt: skip
        if len(asked) > FEW:
            await session.execute(MANY, {"nested": "on"})
        return costs


async def next_charge_at(session: AsyncSession, number_id: UUID) -> datetime | None:
    """When the day begins on which a number that the session sees is charged next, by the rule that finance filed.
    None where none is filed, or no charge is to come.
    """
    found = (await session.execute(NEXT_CHARGE, {"id": number_id})).one_or_none()
    # Where clocks go back to midnight there are two of it. The day begins with the first; Postgres takes the other.
    return None if found is None else datetime.combine(found.day, time(), ZoneInfo(found.zone)).astimezone(UTC)


def batched(asked: Sequence[Asked], size: int) -> Iterator[Sequence[Asked]]:
    return (asked[place : place + size] for place in range(0, len(asked), size))
