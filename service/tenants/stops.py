"""The money stop: purchases are stopped everywhere, for a tenant, or for an upstream account.

The admission reads the stops in the transaction that writes an intent, and a sender whose admission is older than a
second sends nothing: so no purchase leaves more than a second after a stop, on any replica. All else goes on.
"""

from typing import Any, Literal
from uuid import UUID

import structlog
from sqlalchemy import delete, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.actions import Action
from service.audit.entries import note
from service.db import Database
from service.kit.errors import Fault, InvalidRequest
from service.tenants.administration import Author
from service.tenants.models import Account, Stop, Tenant
from service.tenants.version import bump

StopScope = Literal["global", "tenant", "account"]
# The stop of everything that lasts until a restored ledger knows what was bought since; only that ends it.
RECOVERING = "recovering"
log = structlog.get_logger()


class Stops:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[dict[str, Any]]:
        """What is stopped, the latest first."""
        async with self._database.acting(duty="admin") as session:
            found = await session.scalars(select(Stop).order_by(Stop.at.desc(), Stop.scope, Stop.id))
            return [_told(one) for one in found]

    async def recover(self, author: Author, reason: str) -> None:
        """The ledger was put back to an earlier moment: buy nothing until a sweep has found what was bought since."""
        async with self._database.acting(duty="admin") as session:
            await session.execute(text("SELECT begin_recovery(:who, :why)"), {"who": author.actor, "why": reason})

    async def recovered(self, author: Author, reason: str) -> bool:
        """Nothing can have been bought since, as somebody knows: end it without a sweep. False where there is none."""
        async with self._database.acting(duty="admin") as session:
            ended = await session.scalar(
                delete(Stop).where(Stop.scope == "global", Stop.id == RECOVERING).returning(Stop.at)
            )
            if ended is not None:
                note(
                    session, actor=author.actor, action="recovery.ended", of=("global", ""),
                    before={"recovering": True}, after={"recovering": False, "reason": reason},
                )  # fmt: skip
                await bump(session)
        return ended is not None

    async def stop(self, author: Author, scope: StopScope, of: str | None, reason: str) -> dict[str, Any]:
        """Stop purchases. What is stopped already stays so, with its first reason.

        Raises: IdempotencyKeyReused; InvalidRequest where there is no such tenant or account.
        """
        async with self._database.acting(duty="admin") as session:
            if (named := await author.once.before(session)) is not None:
                return named.answer
            key = await _key(session, scope, of)
            began = await session.scalar(
                insert(Stop)
                .values(scope=scope, id=key, reason=reason, actor=author.actor)
                .on_conflict_do_nothing()
                .returning(Stop.at)
            )
            if began is not None:
                await _record(session, author, "purchases.stopped", scope, key, reason)
            told = _told((await session.scalars(select(Stop).where(Stop.scope == scope, Stop.id == key))).one())
            await author.once.keep(session, answer=told)
        if began is not None:
            log.warning("purchases stopped", scope=scope, of=key, actor=author.actor)
        return told

    async def resume(self, author: Author, scope: StopScope, of: str | None, reason: str) -> dict[str, Any]:
        """Let purchases go on, save where another stop holds them up. What was not stopped stays so.

        Raises: as `stop`.
        """
        async with self._database.acting(duty="admin") as session:
            if (named := await author.once.before(session)) is not None:
                return named.answer
            key = await _key(session, scope, of)
            ended = await session.scalar(delete(Stop).where(Stop.scope == scope, Stop.id == key).returning(Stop.at))
            if ended is not None:
                await _record(session, author, "purchases.resumed", scope, key, reason)
            told = {"scope": scope, "id": key or None, "stopped": False, "reason": None, "actor": None, "at": None}
            await author.once.keep(session, answer=told)
        if ended is not None:
            log.warning("purchases resumed", scope=scope, of=key, actor=author.actor)
        return told


async def _key(session: AsyncSession, scope: StopScope, of: str | None) -> str:
    """The id under which a stop is kept. An account goes by its id or its name."""
    if scope == "global":
        if of is not None:
            raise InvalidRequest(Fault("/id", "goes with the scopes tenant and account; leave it out"))
        return ""
    if of is None:
        raise InvalidRequest(Fault("/id", f"is required: which {scope}?"))
    if scope == "tenant":
        found: object = await session.scalar(select(Tenant.id).where(Tenant.id == of))
    else:
        found = await session.scalar(select(Account.id).where(or_(Account.id == _uuid(of), Account.name == of)))
    if found is None:
        raise InvalidRequest(Fault("/id", f"there is no such {scope}"))
    return str(found)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _record(
    session: AsyncSession, author: Author, action: Action, scope: StopScope, key: str, reason: str
) -> None:
    stopped = action == "purchases.stopped"
    note(
        session,
        actor=author.actor,
        action=action,
        of=(scope, key),
        tenant=key if scope == "tenant" else None,
        before={"stopped": not stopped},
        after={"stopped": stopped, "reason": reason},
        request_id=author.request_id,
    )
    await bump(session)


def _told(stop: Stop) -> dict[str, Any]:
    return {
        "scope": stop.scope,
        "id": stop.id or None,
        "stopped": True,
        "reason": stop.reason,
        "actor": stop.actor,
        "at": stop.at,
    }
