"""Numbers that an account held before: what is listed and known of them, and how one becomes a tenant's.

A row that Teli lists is the proof that a number is held; without one nothing is adopted, whatever a file says.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, Text, any_, cast, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.numbers.repository import By, Change, change_number
from service.numbers.steps import owe
from service.numbers.telling import tell
from service.observability.metrics import LIMITS_PASSED
from service.quotas.counting import count_held, passed_limits
from service.reconciliation.adoption import adopted
from service.reconciliation.doubts import DOUBTS
from service.reconciliation.importable import Held, Known, Listed, Reason, Said, objection
from service.reconciliation.models import ExistingNumber, Orphan, UpstreamRow
from service.tenants.models import Grant, Tenant, User

log = structlog.get_logger()
ROWS = text(
    """
    SELECT r.account_id, r.row_id, r.phone_number, r.organization_id, r.user_id, r.nickname, r.first_seen_at,
           EXISTS (SELECT FROM listings l WHERE l.account_id = r.account_id AND l.organization_id = r.organization_id
                   AND l.complete AND l.began_at >= r.first_seen_at) AS complete,
           CASE WHEN o.state = 'open' THEN 'orphan' WHEN o.id IS NULL AND e.row_id IS NOT NULL THEN 'existing' END
             AS listed_as,
           o.id AS orphan_id, o.state AS orphan_state, o.tenant_id AS orphan_tenant_id,
           o.id IS NOT NULL AND o.intent_id IS NULL AND EXISTS (
             SELECT FROM intents i WHERE i.account_id = o.account_id AND i.organization_id = o.organization_id
             AND i.state = ANY (CAST(:doubts AS text[])) AND i.admitted_at < o.created_at
             AND (o.user_id IS NULL OR i.user_id = o.user_id)) AS claimed,
           e.upstream_created_at AS created_at,
           EXISTS (SELECT FROM numbers n WHERE n.account_id = r.account_id AND n.upstream_row_id = r.row_id) AS ours
    FROM accounts a CROSS JOIN unnest(CAST(:numbers AS text[])) AS wanted(phone_number)
    JOIN upstream_rows r ON r.account_id = a.id AND r.phone_number = wanted.phone_number AND r.gone_at IS NULL
    LEFT JOIN existing_numbers e ON e.account_id = r.account_id AND e.row_id = r.row_id
    LEFT JOIN orphans o ON o.account_id = r.account_id AND o.row_id = r.row_id
    WHERE a.id = coalesce(CAST(:account AS uuid), a.id)
    """
)
HELD = text(
    """
    SELECT n.phone_number, n.tenant_id, n.state, r.gone_at IS NOT NULL AS gone
    FROM accounts a CROSS JOIN unnest(CAST(:numbers AS text[])) AS wanted(phone_number)
    JOIN numbers n ON n.account_id = a.id AND n.phone_number = wanted.phone_number AND n.state <> 'released'
    LEFT JOIN upstream_rows r ON r.account_id = n.account_id AND r.row_id = n.upstream_row_id
    WHERE a.id = coalesce(CAST(:account AS uuid), a.id)
    """
)
LEFT = text(
    """
    SELECT DISTINCT r.phone_number FROM existing_numbers e
    JOIN upstream_rows r ON r.account_id = e.account_id AND r.row_id = e.row_id AND r.gone_at IS NULL
    WHERE e.account_id = coalesce(CAST(:account AS uuid), e.account_id)
      AND r.organization_id = coalesce(CAST(:organization AS text), r.organization_id)
      AND NOT EXISTS (SELECT FROM numbers n WHERE n.account_id = e.account_id AND n.upstream_row_id = e.row_id)
    ORDER BY r.phone_number LIMIT :most
    """
)


@dataclass(frozen=True, slots=True)
class Sighted:
    """What is known of numbers: rows of each that are listed, and who holds each."""

    rows: Mapping[str, Sequence[Listed]]
    held: Mapping[str, Held]


async def left_to_import(
    session: AsyncSession, *, account: UUID | None, organization: str | None, most: int
) -> Sequence[str]:
    """Numbers of before that are listed and are nobody's here, in their order."""
    values = {"account": account, "organization": organization, "most": most}
    return (await session.scalars(LEFT, values)).all()


async def sighted(session: AsyncSession, numbers: Collection[str], account: UUID | None) -> Sighted:
    """What the session may see of these numbers; of one account, or of all."""
    asked = {"numbers": list(set(numbers)), "account": account}
    rows: dict[str, list[Listed]] = {}
    for row in await session.execute(ROWS, asked | {"doubts": list(DOUBTS)}):
        rows.setdefault(row.phone_number, []).append(Listed(**row._mapping))
    held = {row.phone_number: Held(**row._mapping) for row in await session.execute(HELD, asked)}
    return Sighted(rows, held)


async def known_of(session: AsyncSession, tenants: Collection[str], owners: Collection[tuple[str, str]] = ()) -> Known:
    """`owners`: organisations and users."""
    named = any_(cast(list(tenants), ARRAY(Text)))
    found = await session.scalars(select(Tenant).where(Tenant.id == named))
    grants = await session.execute(select(Grant.tenant_id, Grant.organization_id).where(Grant.tenant_id == named))
    return Known(
        {tenant.id: tenant.state for tenant in found},
        frozenset((tenant, organization) for tenant, organization in grants),
        await users_among(session, owners),
    )


async def users_among(session: AsyncSession, owners: Collection[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Those of these organisations and users that are filed."""
    ids = any_(cast([user for _, user in owners], ARRAY(Text)))
    found = await session.execute(select(User.organization_id, User.id).where(User.id == ids))
    return frozenset((organization, user) for organization, user in found) & set(owners)


async def adopt(
    session: AsyncSession, row: Listed, wanted: Mapping[str, Any], by: By, *, mark_keep: float
) -> tuple[UUID, Sequence[Mapping[str, Any]]] | None:
    """The row is the tenant's from now on, as it was shown that it would be; it counts, past a limit too, for it exists
    and is paid. Returns the number's id, and the limits it passes; None where an orphan was decided meanwhile.

    `mark_keep`: seconds until a mark that it carries is to be taken off.
    Raises: sqlalchemy.exc.IntegrityError where another acquisition holds it (`held_by_another`).
    """
    if row.orphan_id is not None and not await _explained(session, row):
        return None
    upstream = await session.get_one(UpstreamRow, (row.account_id, row.row_id))
    at = await session.scalar(select(func.clock_timestamp()))
    assert at is not None
    tenant, price = str(wanted["tenant_id"]), wanted["price"]
    number = adopted(
        upstream,
        row.nickname,
        tenant=tenant,
        user=wanted["user_id"],
        acquired_at=datetime.fromisoformat(wanted["acquired_at"]),
        confirmed_at=at,
    )
    number.cost_center, number.tags = wanted["cost_center"], list(wanted["tags"])
    number.upstream_created_at = row.created_at
    if price is not None:
        number.price_setup, number.price_monthly = price["setup"], price["monthly"]
        number.price_currency = price["currency"]
    session.add(number)
    await session.execute(
        update(ExistingNumber)
        .where(ExistingNumber.account_id == row.account_id, ExistingNumber.row_id == row.row_id)
        .values(gone_at=func.clock_timestamp())
    )
    # After the rows of the number, as everywhere: then nobody waits for one who waits for him.
    await session.flush()
    owner = tenant, number.organization_id, number.user_id
    await count_held(session, *owner, 1)
    passed = await passed_limits(session, *owner)
    for one in passed:
        LIMITS_PASSED.labels(one["scope"]).inc()
        log.warning("a limit is passed by what was imported", number=str(number.id), **one)
    told = {**wanted, "row_id": row.row_id, "listed_as": row.listed_as, "limits_passed": list(passed)}
    note(
        session,
        actor=by.actor,
        action="number.imported",
        of=("number", str(number.id)),
        tenant=tenant,
        after={"phone_number": number.phone_number, "state": number.state, **told},
        request_id=by.request_id,
    )
    await tell(session, number, "number.imported")
    if wanted["nickname"] not in (None, number.nickname):
        await change_number(session, number, Change(frozenset({"nickname"}), nickname=wanted["nickname"]), by)
    if number.marked:
        await owe(session, tenant, number.id, "unmark", after=mark_keep, request_id=by.request_id)
    return number.id, passed


async def judged(session: AsyncSession, said: Said, account: UUID | None) -> tuple[Listed | None, Reason | None]:
    """The row of a number, and why it is left alone, as both stand now."""
    found = await sighted(session, [said.phone_number], account)
    rows, held = found.rows.get(said.phone_number, ()), found.held.get(said.phone_number)
    owners = [(row.organization_id, user) for row in rows for user in (row.user_id, said.user_id) if user is not None]
    known = await known_of(session, [said.tenant_id], owners)
    reason = objection(said, rows, held, known)
    return (rows[0] if rows else None), reason


async def _explained(session: AsyncSession, row: Listed) -> bool:
    decided = await session.execute(
        update(Orphan)
        .where(Orphan.id == row.orphan_id, Orphan.state == "open")
        .values(state="adopted")
        .returning(Orphan.id)
    )
    return decided.first() is not None
