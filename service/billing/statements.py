"""Statements: what a month charges, for whoever may see it, grouped as is asked or line by line."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, FromClause, any_, func, literal, null, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.auth import acting_for
from service.billing.models import BillingPeriod
from service.billing.periods import COLUMNS, Basis, Periods
from service.billing.printing import Printed
from service.db import Database
from service.exports.exports import Export, Exports
from service.exports.formats import Column, Format, Kind, Query
from service.numbers.models import Number
from service.tenants.principals import NotYourOrganization, NotYourTenant, Principal

GROUPS = ("organization_id", "tenant_id", "user_id", "holder_user_id", "cost_center", "tags", "kind")
MOST_GROUPS = 10_000
MOST_PRINTED = 1_000
KINDS: dict[str, Kind] = {
    "corrects": "day", "begins": "day", "ends": "day", "due": "day", "micros": "whole", "number_id": "uuid",
    "price_id": "uuid", "phone_number": "word", "kind": "word", "tags": "texts",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filters:
    """Whose charges; None is no condition. `user_id`: of whom numbers are, whoever holds them. `tag`: one of them."""

    organization_id: str | None = None
    tenant_id: str | None = None
    user_id: str | None = None
    cost_center: str | None = None
    tag: str | None = None

    def conditions(self, of: FromClause) -> list[ColumnElement[bool]]:
        exactly = [of.c[name] == value for name, value in asdict(self).items() if value is not None and name != "tag"]
        return exactly + ([literal(self.tag) == any_(of.c.tags)] if self.tag is not None else [])


Written = Callable[[Basis, Filters], Query]


class Statements:
    def __init__(self, database: Database, periods: Periods, exports: Exports) -> None:
        self._database, self._periods, self._exports = database, periods, exports

    async def get(self, caller: Principal, month: date, filters: Filters, group_by: Sequence[str]) -> dict[str, Any]:
        """The sums of a month by currency, and of each group; every group's sums add up to the whole.

        Raises: NotYourOrganization, NotYourTenant.
        """
        check_asked(caller, filters)
        basis = await self._periods.basis(caller, month)
        async with acting_for(self._database, caller) as session:
            totals = await _summed(session, basis, filters, ())
            groups = await _summed(session, basis, filters, group_by) if group_by else []
        return {
            "period": f"{month:%Y-%m}",
            "state": basis.state,
            "charging_rule": basis.rule.as_json(),
            "totals": totals,
            "groups": groups,
        }

    async def printed(self, caller: Principal, month: date, filters: Filters) -> Printed:
        """What a page of it shows. Raises: as `get`."""
        check_asked(caller, filters)
        basis = await self._periods.basis(caller, month)
        asked = {name: value for name, value in asdict(filters).items() if value is not None}
        # A nickname is not in what was closed: a final page, which never changes, goes without.
        nickname = null() if basis.state == "final" else Number.__table__.c.nickname
        shown = lines(basis, filters).rows.add_columns(nickname.label("nickname")).limit(MOST_PRINTED + 1)
        async with acting_for(self._database, caller) as session:
            rows = (await session.execute(shown)).mappings().all()
            final = await session.get(BillingPeriod, month)
            return Printed(
                month, basis.state, basis.today, asked, await _summed(session, basis, filters, ()),
                await _summed(session, basis, filters, ("cost_center",)),
                await _summed(session, basis, filters, ("organization_id", "tenant_id")),
                [dict(one) for one in rows[:MOST_PRINTED]], len(rows) > MOST_PRINTED,
                final.hash.hex() if final else None, f"{final.closed_at:%Y-%m-%d}" if final else None,
            )  # fmt: skip

    async def export(
        self,
        caller: Principal,
        month: date,
        filters: Filters,
        wanted: Format,
        written: Written,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> Export:
        """Every line, or so many after the first `offset` of them, `written` as a query.

        Raises: as `get`, and as `Exports.make`.
        """
        check_asked(caller, filters)
        basis = await self._periods.basis(caller, month)
        every = written(basis, filters)
        return await self._exports.make(
            replace(every, rows=every.rows.limit(limit).offset(offset)),
            wanted,
            whose=caller.tenant_id or caller.actor,
            acting=lambda database: acting_for(database, caller),
        )


def lines(basis: Basis, filters: Filters) -> Query:
    """Every line of a month that is meant, by number, then in the order in which they are due."""
    charges = basis.charges()
    shown: dict[str, ColumnElement[Any]] = {
        "period": literal(f"{basis.month:%Y-%m}"),
        "phone_number": Number.__table__.c.phone_number,
        **{name: charges.c[name] for name, _ in COLUMNS},
    }
    columns = [Column(name, value, KINDS.get(name, "text")) for name, value in shown.items()]
    rows = (
        select(*(value.label(name) for name, value in shown.items()))
        .join_from(charges, Number, Number.id == charges.c.number_id)
        .where(*filters.conditions(charges))
        .order_by(*(charges.c[name] for name in ("number_id", "due", "kind", "begins", "corrects")))
    )
    return Query(f"charges-{basis.month:%Y-%m}", columns, rows)


def check_asked(caller: Principal, filters: Filters) -> None:
    """Raises: NotYourOrganization, NotYourTenant."""
    sees = (*caller.sees, *caller.organization_ids)
    if filters.organization_id is not None and "*" not in sees and filters.organization_id not in sees:
        raise NotYourOrganization
    if caller.tenant_id is not None and filters.tenant_id not in (None, caller.tenant_id):
        raise NotYourTenant("tenant_id must be absent or your own.")


async def _summed(
    session: AsyncSession, basis: Basis, filters: Filters, group_by: Sequence[str]
) -> list[dict[str, Any]]:
    """The sums of each group by currency, with its `key`; without groups those of the whole."""
    charges = basis.charges()
    micros = charges.c.micros
    sums = (
        func.coalesce(func.sum(micros), 0).label("micros"),
        func.coalesce(func.sum(micros).filter(charges.c.due <= basis.today), 0).label("so_far"),
        func.count().label("charges"),
        func.count(charges.c.number_id.distinct()).label("numbers"),
        func.coalesce(func.sum(micros).filter(charges.c.corrects.is_not(None)), 0).label("corrections"),
        func.count().filter(charges.c.price_id.is_(None)).label("unpriced"),
    )
    by = [charges.c[name] for name in (*group_by, "currency")]
    found = select(*by, *sums).where(*filters.conditions(charges)).group_by(*by).order_by(*by).limit(MOST_GROUPS)
    rows = (await session.execute(found)).mappings()
    return [({"key": {name: one[name] for name in group_by}} if group_by else {}) | _sums(one) for one in rows]


def _sums(of: Any) -> dict[str, Any]:
    return {
        "currency": of["currency"], "micros": int(of["micros"]), "so_far": int(of["so_far"]),
        "charges": of["charges"], "numbers": of["numbers"], "corrections": int(of["corrections"]),
        "unpriced": of["unpriced"],
    }  # fmt: skip
