"""Changing one number, for its tenant or by an administrator: all that was asked for in one transaction, or nothing.

What Teli must be told is owed in the same transaction, as a `push`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import Database
from service.http.conditions import Tags
from service.idempotency.once import Once
from service.kit.errors import Fault, InvalidRequest, NotFound, StateConflict
from service.kit.types import TenantId
from service.numbers.auth import STAFF, check_may_set
from service.numbers.lookup import Named, meant, revision_of
from service.numbers.members import CHANGEABLE, KEPT_HERE
from service.numbers.models import Number, Step
from service.numbers.policy import foreign_agents
from service.numbers.repository import By, Change, agents_in_force, change_number, check_seen, links_of
from service.tenants.models import Tenant, User
from service.tenants.policy import Policy
from service.tenants.principals import Principal


@dataclass(frozen=True, slots=True)
class Edited:
    """`step_id`: the push that Teli is owed; None where it is told nothing."""

    number_id: UUID
    tenant: TenantId
    step_id: UUID | None


class Editing:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def edit(
        self, caller: Principal, which: Named, change: Change, *, if_match: Tags | None, request_id: str, once: Once
    ) -> Edited:
        """Commit what differs of `change`. A retry with the same key changes nothing more.

        Raises: ScopeMissing, NotYourTenant, NotYourUser; NotFound, also for what the caller may not see or, seeing it,
            not change; EtagMismatch; StateConflict for a number that can no longer be changed; InvalidRequest for
            agents against the policy of its tenant, and a holder whom its organisation does not have.
        """
        check_may_set(caller, change.given)
        if change.holder_user_id is not None:
            caller.check_user(change.holder_user_id)
        async with acting_for_owner(self._database, caller, which, once) as (session, tenant, once):
            before = await once.before(session)
            if before is not None and before.step_id is not None:
                await check_seen(session, caller, Step, before.step_id)
                step = await session.get_one(Step, before.step_id)
                return Edited(step.number_id, tenant, step.id)
            if before is not None:
                return Edited(UUID(before.answer["number_id"]), tenant, None)
            number = await held(session, tenant, which)
            shown = await _shown(session, number)
            if if_match is not None:
                if_match.check(revision_of(shown))
            if number.state not in CHANGEABLE:
                raise StateConflict(f"This number is {number.state}; it can no longer be changed.")
            wanted = change.named()
            given = frozenset(name for name in wanted if wanted[name] != shown[name])
            change = replace(change, given=given)
            await _check(session, number, change, await _policy(session, caller, tenant))
            step_id = None
            if given:
                step_id = await change_number(session, number, change, By(caller.actor, request_id))
            if step_id is not None:
                await once.keep(session, step_id=step_id)
            else:
                await once.keep(session, answer={"number_id": str(number.id)})
        return Edited(number.id, tenant, step_id)


@asynccontextmanager
async def acting_for_owner(
    database: Database, caller: Principal, which: Named, once: Once
) -> AsyncIterator[tuple[AsyncSession, TenantId, Once]]:
    """A transaction in the name of the tenant whose number it is: the caller's own, or for an administrator the one
    that has it. With it that tenant, and the request's `once` as one of that caller.

    Raises: NotYourTenant; NotFound, for an administrator.
    """
    if caller.may(STAFF):
        tenant = await _owner(database, caller, which)
        duty, sees, once = "admin", caller.sees, once.by(caller.actor)
    else:
        tenant = caller.tenant
        duty, sees, once = "service", (), replace(once, owner=tenant)
    async with database.acting(tenant=tenant, duty=duty, sees=sees, bounds=caller.bounds) as session:
        yield session, tenant, once


async def _owner(database: Database, caller: Principal, which: Named) -> TenantId:
    async with database.acting(sees=caller.sees) as session:
        found = await session.scalar(meant(select(Number.tenant_id), which))
    if found is None:
        raise NotFound
    return TenantId(found)


async def held(session: AsyncSession, tenant: TenantId, which: Named) -> Number:
    """The tenant's number that is meant, locked. Raises: NotFound."""
    query = meant(select(Number).where(Number.tenant_id == tenant), which)
    found = await session.scalar(query.with_for_update())
    if found is None:
        raise NotFound
    return found


async def _shown(session: AsyncSession, number: Number) -> dict[str, object]:
    """What of a number may be changed, as it is shown."""
    links = await links_of(session, number.id)
    kept = {name: getattr(number, name) for name in ("id", "state", "nickname", *KEPT_HERE)}
    return kept | agents_in_force(links)


async def _policy(session: AsyncSession, caller: Principal, tenant: TenantId) -> Policy:
    if caller.tenant_id == tenant:
        return caller.policy
    return (await session.get_one(Tenant, tenant)).policy


async def _check(session: AsyncSession, number: Number, change: Change, policy: Policy) -> None:
    faults = foreign_agents(policy, change.named())
    holder = change.holder_user_id if "holder_user_id" in change.given else None
    if holder is not None and await session.get(User, (number.organization_id, holder)) is None:
        faults.append(Fault("/holder_user_id", "is no user of the number's organisation that is filed here"))
    if faults:
        raise InvalidRequest(*faults)
