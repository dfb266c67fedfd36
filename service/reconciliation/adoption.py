"""What an orphan becomes: who may have it, who held its number before, and the number as the ledger files it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import broken_constraint
from service.kit.clock import rfc3339
from service.kit.errors import Fault, StateConflict
from service.kit.phone import E164, pretty
from service.kit.types import new_id
from service.numbers.marks import mark_of, without_mark
from service.numbers.models import Intent, Number
from service.reconciliation.doubts import DOUBTS
from service.reconciliation.models import ExistingNumber, Orphan, UpstreamRow
from service.tenants.models import Grant, Tenant, User

MOST_NAMED = 5
# What of a number, and of a row, there can be but one that holds it.
ONLY_ONE = ("one_live_acquisition", "one_owner_of_a_row")


async def row_of(session: AsyncSession, orphan: Orphan) -> UpstreamRow | None:
    """The orphan's row as it was last listed; None where it has none.

    Raises: StateConflict where Teli lists it no more.
    """
    if orphan.row_id is None:
        return None
    row = await session.get(UpstreamRow, (orphan.account_id, orphan.row_id))
    if row is not None and row.gone_at is not None:
        raise StateConflict(
            f"Teli lists this number no more, since {rfc3339(row.gone_at)}: ignore it, unless it is listed again."
        )
    return row


async def claimed_by_doubts(session: AsyncSession, orphan: Orphan) -> None:
    """Raises: StateConflict where a purchase in doubt may have bought it, which is to be decided before."""
    if orphan.intent_id is not None:
        return
    whose = [Intent.user_id == orphan.user_id] if orphan.user_id is not None else []
    doubts = await session.scalars(
        select(Intent.id)
        .where(
            Intent.account_id == orphan.account_id,
            Intent.organization_id == orphan.organization_id,
            Intent.state.in_(DOUBTS),
            Intent.admitted_at < orphan.created_at,
            *whose,
        )
        .order_by(Intent.admitted_at)
        .limit(MOST_NAMED)
    )
    if named := ", ".join(map(str, doubts)):
        raise StateConflict(
            f"A purchase in doubt may have bought this number; decide that first, or ignore this orphan: {named}."
        )


async def held_before_us(session: AsyncSession, orphan: Orphan) -> None:
    """Raises: StateConflict where it has no row, and its E.164 stands for one that was there before Numbergate: to give
    it back would be to give that one back.
    """
    if orphan.row_id is None and await session.scalar(
        select(ExistingNumber.phone_number)
        .where(
            ExistingNumber.account_id == orphan.account_id,
            ExistingNumber.phone_number == orphan.phone_number,
            ExistingNumber.gone_at.is_(None),
        )
        .limit(1)
    ):
        raise StateConflict(
            f"{orphan.phone_number} was there before Numbergate and is listed still: ignore this orphan, or decide once"
            " it is listed no more."
        )


async def faults_of(session: AsyncSession, orphan: Orphan, *, tenant: str, user: str, to_keep: bool) -> list[Fault]:
    """What is wrong with this tenant and user as those of the orphan. The session acts for the tenant.

    `to_keep`: it is to hold the number, and not merely to give it back.
    """
    faults = []
    organization = orphan.organization_id
    if organization is None or await session.get(Grant, (tenant, organization)) is None:
        faults.append(Fault("/tenant_id", "has no grant for the organisation that Teli names"))
    elif to_keep and (await session.get_one(Tenant, tenant)).state == "closed":
        faults.append(Fault("/tenant_id", "was closed: nobody could use the number; name another, or release it"))
    if orphan.user_id not in (None, user):
        faults.append(Fault("/user_id", "is not the user that the orphan names"))
    elif organization is not None and await session.get(User, (organization, user)) is None:
        faults.append(Fault("/user_id", "is not filed as a user of the organisation that Teli names"))
    return faults


async def held_before(session: AsyncSession, orphan: Orphan, row: UpstreamRow | None) -> Number | None:
    """The acquisition that the orphan's row shows to be over: its own row was there first, and is gone."""
    if row is None:
        return None
    found: Number | None = await session.scalar(
        select(Number)
        .join(
            UpstreamRow,
            (UpstreamRow.account_id == Number.account_id) & (UpstreamRow.row_id == Number.upstream_row_id),
        )
        .where(
            Number.account_id == orphan.account_id,
            Number.phone_number == orphan.phone_number,
            Number.state != "released",
            Number.upstream_row_id != row.row_id,
            UpstreamRow.gone_at.is_not(None),
            # One whose row came later holds it now, and the orphan's is only slow to vanish.
            UpstreamRow.first_seen_at < row.first_seen_at,
        )
    )
    return found


async def number_of(
    session: AsyncSession, orphan: Orphan, row: UpstreamRow | None, *, tenant: str, user: str, at: datetime
) -> Number:
    """The orphan as a number of the tenant, confirmed where it has its row; in no session yet, and `active`."""
    intent = await session.get(Intent, orphan.intent_id) if orphan.intent_id is not None else None
    upstream = row.nickname if row is not None else orphan.nickname
    if orphan.row_id is None and upstream is None and intent is not None:
        upstream = (intent.mark + (intent.wish.get("nickname") or "")).rstrip()
    number = adopted(orphan, upstream, tenant=tenant, user=user, acquired_at=at, confirmed_at=at)
    if not number.marked and intent is not None:
        number.mark = intent.mark
    return number


def adopted(
    of: Orphan | UpstreamRow,
    nickname: str | None,
    *,
    tenant: str,
    user: str,
    acquired_at: datetime,
    confirmed_at: datetime,
) -> Number:
    """A number that no purchase of ours brought, as the tenant's; `nickname`: as Teli has it. In no session yet."""
    carried = mark_of(nickname)
    return Number(
        id=new_id(),
        tenant_id=tenant,
        account_id=of.account_id,
        organization_id=of.organization_id,
        user_id=user,
        phone_number=of.phone_number,
        pretty=pretty(E164(of.phone_number)),
        area_code=of.phone_number[2:5],
        nickname=without_mark(nickname),
        upstream_nickname=nickname,
        state="active",
        tags=[],
        intent_id=None,
        mark=carried or "",
        marked=carried is not None,
        acquired_at=acquired_at,
        upstream_row_id=of.row_id,
        confirmed_at=confirmed_at if of.row_id else None,
    )


def held_by_another(error: IntegrityError) -> bool:
    """Whether what could not be written is that the number, or its row, is held twice."""
    return broken_constraint(error) in ONLY_ONE
