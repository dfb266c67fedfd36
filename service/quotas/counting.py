"""Counting what is held and given back, always in the transaction that changes it, in every quota it counts in."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
import structlog
from sqlalchemy import ARRAY, BigInteger, ColumnElement, Text, cast, func, select, text, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from service.observability.metrics import QUOTA_SHADOW
from service.quotas.errors import refusal_of
from service.quotas.models import Quota

# States of a number that counts as held. One that is missing was given up as held when that was decided.
HELD = ("active", "release_scheduled", "releasing")
log = structlog.get_logger()


async def hold_quotas(session: AsyncSession) -> None:
    """Whoever counts more than once in a transaction holds all quotas before: else two could wait for one another."""
    await session.execute(text("LOCK TABLE quotas IN EXCLUSIVE MODE"))


async def count_held(session: AsyncSession, tenant: str, organization: str, user: str, by: Literal[1, -1]) -> None:
    """One number more or one less; past a limit too, for what is counted here exists already."""
    await session.execute(select(func.count_held(tenant, organization, user, by)))


async def recount_users(session: AsyncSession, organization: str, *users: str) -> None:
    """Anew from what is written, where a number has gone from one to another; `hold_quotas` came before."""
    theirs = select(Quota.user_id).filter_by(scope="user", tenant_id="", organization_id=organization)
    for user in await session.scalars(theirs.where(Quota.user_id.in_(users)).order_by(Quota.user_id)):
        await session.execute(select(func.recount_quota("user", "", organization, user)))


async def passed_limits(session: AsyncSession, tenant: str, organization: str, user: str) -> list[dict[str, Any]]:
    """The limits of numbers held that are passed by what this owner counts in: scope, limit, and what is held."""
    covered = tuple_(Quota.scope, Quota.tenant_id, Quota.organization_id, Quota.user_id).in_(
        scopes_of(tenant, organization, user)
    )
    held = Quota.used + Quota.reserved + Quota.ordered
    passed = select(Quota.scope, Quota.numbers_held, held).where(
        covered, Quota.mode != "off", held > Quota.numbers_held
    )
    return [{"scope": scope, "limit": limit, "held": held} for scope, limit, held in await session.execute(passed)]


def scopes_of(tenant: str, organization: str, user: str) -> list[tuple[str, str, str, str]]:
    """The keys of all quotas that a number of this owner counts in."""
    return [
        ("tenant", tenant, "", ""),
        ("organization", "", organization, ""),
        ("user", "", organization, user),
        ("deployment", "", "", ""),
    ]


async def count_release(
    session: AsyncSession, tenant: str, organization: str, user: str, *, asked: bool, at: ColumnElement[datetime]
) -> None:
    """A number is to be given back, as of `at`. `asked`: by its tenant, who is held to its limits.

    Raises: QuotaExceeded.
    """
    counting = session.scalar(select(func.count_release(tenant, organization, user, asked, at)))
    tell_shadow(await refusing(counting))


@dataclass(frozen=True, slots=True)
class Reserved:
    """`counted_at`: when all of it counts. `standing`: every limit as it stands without it, and what it asks."""

    counted_at: datetime
    standing: list[dict[str, Any]]


async def reserve_order(
    session: AsyncSession,
    tenant: str,
    organization: str,
    users: Mapping[str, int],
    *,
    price: int,
    dry: bool = False,
) -> Reserved:
    """Reserve so many purchases for each user, all or none; with `dry` only look whether it could be done.

    Raises: QuotaExceeded, RateLimited.
    """
    call = func.reserve_order(
        tenant,
        organization,
        cast(list(users), ARRAY(Text)),
        cast(list(users.values()), ARRAY(BigInteger)),
        cast(price, BigInteger),
        func.clock_timestamp(),
        dry,
    )
    said = await refusing(session.scalar(select(call)))
    tell_shadow(said["shadow"])
    return Reserved(datetime.fromisoformat(said["counted_at"]), said["standing"])


async def refusing(call: Awaitable[Any]) -> Any:
    """What a function of the database answers that may refuse by a limit. Raises: QuotaExceeded, RateLimited."""
    try:
        return await call
    except DBAPIError as error:
        # SQLAlchemy's error wraps its driver's, which wraps asyncpg's.
        cause = getattr(error.orig, "__cause__", None)
        if getattr(cause, "sqlstate", None) != "NG001":
            raise
        raise refusal_of(orjson.loads(getattr(cause, "detail", None) or "{}")) from None


async def take_release_back(
    session: AsyncSession, tenant: str, organization: str, user: str, *, at: ColumnElement[datetime]
) -> None:
    """A number is not to be given back after all, which was counted as of `at`; its step is cancelled by now."""
    await session.execute(select(func.take_release_back(tenant, organization, user, at)))


def tell_shadow(words: list[dict[str, Any]] | None) -> None:
    """Limits in shadow mode that would have refused: counted and reported, and nothing more."""
    for word in words or ():
        QUOTA_SHADOW.labels(word["scope"], word["limit_name"]).inc()
        log.warning("a limit in shadow mode would have refused", **{f"quota_{name}": word[name] for name in word})
