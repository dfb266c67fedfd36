"""What a tenant may have, has, and what is counted, as the tenant itself sees it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from service.db import Database
from service.kit.clock import rfc3339
from service.kit.pagination import Cursors
from service.kit.types import TenantId
from service.quotas.administration import STANDING, of_tenant
from service.quotas.counting import HELD
from service.quotas.models import Quota
from service.tenants.principals import Principal

ROWS_PATH = "/v1/quotas/{name}/rows"
# The rows that a limit counts: numbers held, purchases that were made or are not decided, releases asked for.
NUMBERS = (
    "SELECT 'number' AS kind, id, id AS about, acquired_at AS at, state, phone_number, 'used' AS counts_as FROM numbers"
    " WHERE tenant_id = :tenant AND state = ANY(:held) AND state <> 'released'"
)
PURCHASES = (
    "SELECT 'purchase' AS kind, i.id, i.id AS about, i.admitted_at AS at, i.state, n.phone_number,"
    " CASE WHEN {used} THEN 'used' ELSE 'reserved' END AS counts_as"
    " FROM intents i LEFT JOIN numbers n ON n.id = i.number_id"
    " WHERE i.tenant_id = :tenant AND {which}"
)
# What orders have still to send: no intent has been begun for it, so it is named by its place in the order.
ORDERED = (
    "SELECT 'ordered' AS kind, CAST(md5(i.order_id || '/' || i.seq) AS uuid) AS id, i.order_id AS about,"
    " i.counted_at AS at, i.outcome AS state, NULL AS phone_number, 'reserved' AS counts_as FROM order_items i"
    " WHERE i.tenant_id = :tenant AND i.outcome = 'waiting' AND i.counted_at IS NOT NULL AND {which}"
)
RELEASES = (
    "SELECT 'release' AS kind, s.id, s.id AS about, s.created_at AS at, s.state, n.phone_number, 'used' AS counts_as"
    " FROM steps s JOIN numbers n ON n.id = s.number_id"
    " WHERE s.kind = 'release' AND s.tenant_id = :tenant AND {period}"
)
IN_DOUBT = "i.state IN ('doubtful', 'unresolved')"
# As two conditions, each of which has an index.
OPEN = f"(i.state = 'sending' OR {IN_DOUBT})"
# The range is for the index; of the period is what has its date, wherever and however often midnight comes.
PERIOD = "{at} >= clock_timestamp() - interval '33 days' AND date_trunc('{period}', {at} AT TIME ZONE :zone) = :began"


def purchases_of(period: str) -> str:
    in_it = PERIOD.format(at="coalesce(i.counted_at, i.admitted_at)", period=period)
    bought = PURCHASES.format(used="i.state = 'owned'", which=f"i.state <> 'refused' AND {in_it}")
    return f"{bought} UNION ALL {ORDERED.format(which=PERIOD.format(at='i.counted_at', period=period))}"


ROWS = {
    "numbers_held": f"{NUMBERS} UNION ALL {PURCHASES.format(used='false', which=OPEN)}"
    f" UNION ALL {ORDERED.format(which='true')}",
    "purchases_per_day": purchases_of("day"),
    "purchases_per_month": purchases_of("month"),
    "spend_per_month": purchases_of("month"),
    "releases_per_month": RELEASES.format(period=PERIOD.format(at="s.created_at", period="month")),
    "doubts_open": PURCHASES.format(used=IN_DOUBT, which=OPEN),
    "concurrent_creates": PURCHASES.format(used="true", which="i.state = 'sending'"),
}
# Their parts are all above.
PAGES = {
    name: text(
        f"SELECT * FROM ({rows}) counted WHERE (at, id) > (CAST(CAST(:at AS text) AS timestamptz),"  # noqa: S608  # nosec B608
        " CAST(CAST(:after AS text) AS uuid)) ORDER BY at, id LIMIT :most"
    )
    for name, rows in ROWS.items()
}
TOTALS = {name: text(f"SELECT count(*) FROM ({rows}) counted") for name, rows in ROWS.items()}  # noqa: S608  # nosec
PATHS = {
    "number": "/v1/numbers/{}",
    "purchase": "/v1/operations/{}",
    "release": "/v1/operations/{}",
    "ordered": "/v1/orders/{}",
}
# The period that a limit counts, by the calendar of the tenant's time zone.
BEGAN = text(
    "SELECT q.time_zone, date_trunc(:period, clock_timestamp() AT TIME ZONE q.time_zone) AS began"
    " FROM quotas q WHERE q.scope = 'tenant' AND q.tenant_id = :tenant"
)


class QuotaView:
    def __init__(self, database: Database, cursors: Cursors, *, price: int) -> None:
        """`price`: micro-units that a purchase is reckoned at."""
        self._database = database
        self._cursors = cursors
        self._price = price

    async def of(self, tenant: TenantId) -> dict[str, Any]:
        """Every limit of the tenant with its use, and where the rows that are counted can be seen."""
        of = of_tenant(tenant)
        async with self._database.acting(tenant=tenant) as session:
            quota = await session.get_one(Quota, tuple(of.key.values()))
            standing = (await session.execute(STANDING, {**of.key, "price": self._price})).all()
        return {
            "tenant_id": tenant,
            "mode": quota.mode,
            "time_zone": quota.time_zone,
            "requests_per_second": quota.requests_per_second,
            "burst": quota.burst,
            "limits": [
                {
                    "name": one.name,
                    "scope": "tenant",
                    "scope_id": tenant,
                    "limit": one.allowed,
                    "used": one.used,
                    "reserved": one.reserved,
                    "left": None if one.allowed is None else max(0, one.remains),
                    "resets_at": one.resets_at,
                    "counted": ROWS_PATH.format(name=one.name),
                }
                for one in standing
                if one.name in ROWS
            ],
        }

    async def rows(self, caller: Principal, name: str, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """A page of the rows that the limit of this name counts now and the caller may see, the oldest first.

        Raises: InvalidRequest for a cursor of another query.
        """
        tenant = caller.tenant
        query = {"list": "quota rows", "tenant": tenant, "name": name}
        at, after = self._cursors.open(query, cursor) if cursor else ("-infinity", str(UUID(int=0)))
        values = {"tenant": tenant, "held": list(HELD)}
        async with self._database.acting(tenant=tenant, bounds=caller.bounds) as session:
            period = "day" if name == "purchases_per_day" else "month"
            now = (await session.execute(BEGAN, {"period": period, "tenant": tenant})).one()
            values |= {"zone": now.time_zone, "began": now.began}
            total = await session.scalar(TOTALS[name], values)
            rows = (await session.execute(PAGES[name], values | {"at": at, "after": after, "most": limit + 1})).all()
        page = rows[:limit]
        return {
            "items": [
                {
                    "kind": one.kind,
                    "id": one.id,
                    "at": one.at,
                    "state": one.state,
                    "phone_number": one.phone_number,
                    "counts_as": one.counts_as,
                    "path": PATHS[one.kind].format(one.about),
                }
                for one in page
            ],
            "next_cursor": self._cursors.seal(query, _position(page[-1].at, page[-1].id))
            if len(rows) > limit
            else None,
            "total": {"value": total, "exact": True},
        }


def _position(at: datetime, row: UUID) -> list[str]:
    return [rfc3339(at), str(row)]
