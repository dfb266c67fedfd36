"""Settling a drift: ours is put back at Teli by the step that any change takes, or theirs is taken into the ledger."""

from uuid import UUID

import structlog
from sqlalchemy import any_, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.agents.models import AgentLink
from service.audit.entries import note
from service.db import Database
from service.kit.errors import Fault, InvalidRequest, ServiceError, StateConflict
from service.kit.text import plain
from service.numbers.drift import theirs_of
from service.numbers.marks import mark_of, without_mark
from service.numbers.members import AGENTS, CHANGEABLE, LONGEST_AGENT_ID, LONGEST_NICKNAME
from service.numbers.models import Drift, Number, Step
from service.numbers.policy import foreign_agents
from service.numbers.repository import WORKER, By, agents_in_force, links_of
from service.numbers.steps import owe
from service.numbers.telling import tell
from service.observability.metrics import DRIFT_SETTLED
from service.quotas.counting import hold_quotas, recount_users
from service.reconciliation.drifting import PUT_BACK_AT_MOST, PUT_BACK_WITHIN
from service.tenants.models import Tenant

# Who is named as the author of what was changed at Teli.
UPSTREAM = "upstream"
log = structlog.get_logger()


async def settle_by_policy(database: Database, drift_id: UUID, rule: str) -> None:
    """As the tenant's policy says, `rule`. Where it does not decide, or cannot, why not is filed, and a person does."""
    async with database.acting() as session:
        drift = await session.get_one(Drift, drift_id)
        number = await session.get_one(Number, drift.number_id, with_for_update=True)
        await session.refresh(drift, with_for_update=True)
        if drift.state != "open":
            return
        undecided = await _undecided(session, drift, rule)
        if undecided is None:
            try:
                if rule == "ours_wins":
                    await settle_ours(session, drift, number, By(WORKER, None), reason="policy")
                else:
                    await settle_theirs(session, drift, number, By(UPSTREAM, None), reason="policy")
            except (StateConflict, InvalidRequest) as error:
                undecided = f"the policy cannot be followed: {_told(error)}"
        drift.undecided = undecided


async def settle_ours(session: AsyncSession, drift: Drift, number: Number, by: By, *, reason: str) -> UUID:
    """Owe Teli ours again, by the push that a change owes. Both rows are locked by the caller. Returns the push.

    Raises: StateConflict.
    """
    await _check_as_it_was(session, drift, number)
    if drift.member == "user_id":
        raise StateConflict("Teli lets nobody change whose a number is: have it changed there, or take theirs.")
    # What Teli was seen to have is what it is to be told the difference from.
    if drift.member == "nickname":
        number.upstream_nickname = drift.theirs or ""
    else:
        await _put_link(session, drift, desired=drift.ours, state="pending")
    step_id = await owe(
        session,
        drift.tenant_id,
        drift.number_id,
        "push",
        actor=by.actor,
        request_id=by.request_id,
        given=[drift.member],
    )
    await file_settled(session, drift, number, "ours", by, reason=reason)
    return step_id


async def settle_theirs(session: AsyncSession, drift: Drift, number: Number, by: By, *, reason: str) -> None:
    """Take what Teli has into the ledger. Both rows are locked by the caller.

    Raises: StateConflict; InvalidRequest for what no caller could have asked for, or the tenant's policy forbids.
    """
    await _check_as_it_was(session, drift, number)
    if drift.member == "nickname":
        number.nickname = _may_be_nickname(without_mark(drift.theirs))
        number.upstream_nickname = drift.theirs or ""
    elif drift.member in AGENTS:
        policy = (await session.get_one(Tenant, drift.tenant_id)).policy
        if foreign_agents(policy, {drift.member: drift.theirs}):
            raise _cannot_be_taken("the tenant's policy does not allow that agent")
        _may_be_text(drift.theirs, LONGEST_AGENT_ID)
        await _put_link(session, drift, desired=drift.theirs, state="confirmed")
    else:
        assert drift.theirs is not None
        await hold_quotas(session)
        before, number.user_id = number.user_id, drift.theirs
        await session.flush()
        # That it is held, and what was asked to be given back of it this month, counts with whose it is now.
        await recount_users(session, number.organization_id, before, drift.theirs)
    await file_settled(session, drift, number, "theirs", by, reason=reason)


async def _undecided(session: AsyncSession, drift: Drift, rule: str) -> str | None:
    if drift.member == "user_id":
        return "whose a number is, is for an administrator to decide"
    if rule == "ask":
        return "the tenant's policy is to ask"
    if rule != "ours_wins":
        return None
    put_back = await session.scalar(
        select(func.count()).where(
            Drift.number_id == drift.number_id,
            Drift.member == drift.member,
            Drift.state == "settled",
            Drift.decision == "ours",
            Drift.settled_by == WORKER,
            Drift.settled_at > func.clock_timestamp() - PUT_BACK_WITHIN,
        )
    )
    if (put_back or 0) < PUT_BACK_AT_MOST:
        return None
    return f"ours was put back {put_back} times within a day, and was changed again each time"


async def _check_as_it_was(session: AsyncSession, drift: Drift, number: Number) -> None:
    """Raises: StateConflict where the number is another than the one that drifted."""
    if number.state not in CHANGEABLE:
        raise StateConflict(f"This number is {number.state}; nothing of it is to be settled.", state=number.state)
    owed: UUID | None = await session.scalar(
        select(Step.id)
        .where(
            Step.number_id == number.id,
            Step.kind == "push",
            Step.ended_at.is_(None),
            literal(drift.member) == any_(Step.given),
        )
        .limit(1)
    )
    in_force = {"nickname": number.nickname, "user_id": number.user_id}
    in_force |= agents_in_force(await links_of(session, number.id))
    if owed or in_force[drift.member] != drift.ours:
        raise StateConflict("It was changed here since Teli was last listed; the next listing tells how it stands.")


async def _put_link(session: AsyncSession, drift: Drift, *, desired: str | None, state: str) -> None:
    wanted = {
        "desired": desired,
        "confirmed": drift.theirs,
        "state": state,
        "updated_at": func.clock_timestamp(),
    }
    direction = drift.member.removesuffix("_agent_id")
    await session.execute(
        insert(AgentLink)
        .values(number_id=drift.number_id, direction=direction, tenant_id=drift.tenant_id, **wanted)
        .on_conflict_do_update(index_elements=["number_id", "direction"], set_=wanted)
    )


async def file_settled(
    session: AsyncSession, drift: Drift, number: Number, decision: str, by: By, *, reason: str | None
) -> None:
    """`decision`: ours, theirs or gone. Both rows are locked by the caller."""
    await session.flush()
    await session.execute(
        update(Drift)
        .where(Drift.id == drift.id)
        .values(
            state="settled",
            decision=decision,
            reason=reason,
            settled_by=by.actor,
            settled_at=func.clock_timestamp(),
        )
    )
    theirs = theirs_of(drift)
    stands, was = (theirs, drift.ours) if decision == "theirs" else (drift.ours, theirs)
    note(
        session,
        actor=by.actor,
        action="number.drift_settled",
        of=("number", str(number.id)),
        tenant=drift.tenant_id,
        before={drift.member: was},
        after={drift.member: stands, "decision": decision, "reason": reason},
        request_id=by.request_id,
    )
    await tell(
        session, number, "number.drift_settled", member=drift.member, ours=drift.ours, theirs=theirs, decision=decision
    )
    DRIFT_SETTLED.labels(drift.member, decision).inc()
    log.info("drift settled", number=str(number.id), member=drift.member, decision=decision, by=by.actor)


def _may_be_nickname(text: str | None) -> str | None:
    if mark_of(text):
        raise _cannot_be_taken("it begins like one of our marks")
    return _may_be_text(text, LONGEST_NICKNAME)


def _may_be_text(text: str | None, longest: int) -> str | None:
    try:
        if text is not None and len(plain(text)) > longest:
            raise _cannot_be_taken(f"it is longer than {longest} characters")
    except ValueError as error:
        raise _cannot_be_taken(str(error)) from None
    return text


def _cannot_be_taken(why: str) -> InvalidRequest:
    return InvalidRequest(Fault("/decision", f"theirs cannot be taken: {why}; decide for ours, or change it at Teli"))


def _told(error: ServiceError) -> str:
    return "; ".join(one["detail"] for one in error.members.get("errors", ())) or str(error)
