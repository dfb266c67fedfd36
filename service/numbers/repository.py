"""Owned numbers in Postgres: each method is one transaction, with its audit row and its event.

The seam between what confirm, changes and release decide and where it is kept; they speak to nothing below it.
`tenant` None is the worker, who works for all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

import structlog
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.agents.models import AgentLink
from service.audit.actions import ACTIONS
from service.audit.entries import note
from service.db import UNBOUND, Database
from service.idempotency.keys import KEPT_AFTER_RELEASE
from service.idempotency.models import IdempotencyKey
from service.idempotency.once import UNKEYED, Once
from service.kit.clock import rfc3339, utc_now
from service.kit.errors import InvalidRequest, NotFound, StateConflict
from service.kit.phone import E164
from service.kit.types import TenantId
from service.numbers.campaigning import check_no_campaign
from service.numbers.errors import released_before
from service.numbers.marks import mark_of
from service.numbers.members import CHANGEABLE, KEPT_HERE
from service.numbers.models import Intent, Number, Step
from service.numbers.policy import foreign_agents
from service.numbers.steps import called_for_at, owe, still_held
from service.numbers.telling import tell
from service.observability.metrics import LANE_MODE
from service.quotas.counting import HELD, count_held, count_release
from service.teli.listing import Row
from service.tenants.models import Account, User
from service.tenants.principals import Principal
from service.tenants.version import bump

WORKER = "worker"
DIRECTIONS = ("inbound", "outbound")
LATE_RETRY = timedelta(days=7)
# A row that is listed, be it in another organisation, unless it is an earlier acquisition's; a purchase that is proved
# and has no row yet; a doubt whose answer named it. As the function `number_in_question` has them, but told by name.
SHARED_BY = text("""
    SELECT 'row ' || r.row_id FROM upstream_rows r
    WHERE r.account_id = :account AND r.phone_number = :phone_number AND r.gone_at IS NULL AND r.row_id <> :row
    AND (SELECT e.acquired_at < :acquired_at FROM numbers e
         WHERE e.account_id = r.account_id AND e.upstream_row_id = r.row_id) IS NOT TRUE
    UNION ALL
    SELECT 'orphan ' || o.id FROM orphans o
    WHERE o.account_id = :account AND o.phone_number = :phone_number AND o.state = 'open' AND o.row_id IS NULL
    UNION ALL
    SELECT 'doubt ' || i.id FROM intents i
    WHERE i.account_id = :account AND i.named_number = :phone_number AND i.state IN ('doubtful', 'unresolved')
""")
log = structlog.get_logger()


class RowTaken(Exception):
    """The row is another acquisition's, perhaps of a tenant that may not be seen, or was there before the purchase."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a number. Only the members named in `given` count; null clears."""

    given: frozenset[str]
    nickname: str | None = None
    inbound_agent_id: str | None = None
    outbound_agent_id: str | None = None
    cost_center: str | None = None
    tags: tuple[str, ...] = ()
    holder_user_id: str | None = None

    def named(self) -> dict[str, Any]:
        """As it is kept and told: `tags` a list."""
        return {name: list(self.tags) if name == "tags" else getattr(self, name) for name in sorted(self.given)}


@dataclass(frozen=True, slots=True)
class By:
    """Who has something done with a number, for the audit log, and as part of which order, if of one."""

    actor: str
    request_id: str | None
    order_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Releasing:
    """The release is committed and owed; the step is the operation."""

    step_id: UUID


@dataclass(frozen=True, slots=True)
class AlreadyReleased:
    number_id: UUID
    released_at: datetime

    def as_json(self) -> dict[str, str]:
        return {"number_id": str(self.number_id), "released_at": rfc3339(self.released_at)}

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        return cls(UUID(stored["number_id"]), datetime.fromisoformat(stored["released_at"]))


class Numbers:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, number_id: UUID, tenant: TenantId | None) -> Number:
        async with self._database.acting(tenant=tenant) as session:
            return await session.get_one(Number, number_id)

    async def with_question(self, number_id: UUID, tenant: TenantId | None) -> tuple[Number, bool]:
        """A number as it stands, and whether it is in question: somebody else may have its E.164 by now.

        Its row is known to be listed no more, or the E.164 stands under another row too, in proof without a row, or in
        the answer of a doubt.
        """
        async with self._database.acting(tenant=tenant) as session:
            return await self._with_question(session, number_id)

    async def _with_question(self, session: AsyncSession, number_id: UUID) -> tuple[Number, bool]:
        asked = select(Number, func.number_in_question(Number.id)).where(Number.id == number_id)
        number, in_question = (await session.execute(asked)).one()
        return number, bool(in_question)

    # -- Confirming ----------------------------------------------------------------------------------------------------

    async def admitted_at(self, number: Number, tenant: TenantId | None) -> datetime:
        """When its purchase was admitted, by the ledger's clock: nothing was sent before."""
        async with self._database.acting(tenant=tenant) as session:
            return (await session.execute(select(Intent.admitted_at).where(Intent.id == number.intent_id))).scalar_one()

    async def user_uuid(self, number: Number, tenant: TenantId | None) -> str | None:
        """The other form of the id of the number's user, where it is known."""
        async with self._database.acting(tenant=tenant) as session:
            uuid: str | None = await session.scalar(
                select(User.upstream_uuid).where(
                    User.organization_id == number.organization_id, User.id == number.user_id
                )
            )
        return uuid

    async def learn_user(self, number: Number, uuid: str, tenant: TenantId | None) -> None:
        async with self._database.acting(tenant=tenant) as session:
            await session.execute(
                update(User)
                .where(User.organization_id == number.organization_id, User.id == number.user_id)
                .values(upstream_uuid=uuid)
            )

    async def confirm(
        self, number: Number, row: Row, tenant: TenantId | None, *, unmark_after: float, request_id: str | None
    ) -> None:
        """File the row of a number, and with it whether marks come back; nothing where it was confirmed meanwhile.

        An orphan of that row is none any more. `unmark_after`: seconds until its mark is to be taken off.
        Raises: RowTaken.
        """
        marked = mark_of(row.nickname) == number.mark
        found = {
            "upstream_row_id": row.row_id,
            "upstream_created_at": row.created_at,
            "subscription_id": row.subscription_id,
            "marked": marked,
            **({} if marked else {"upstream_nickname": row.nickname or ""}),
        }
        try:
            # The account's mode is nobody's but an administrator's to change, and learned here for all.
            async with self._database.acting(tenant=tenant, duty="admin", by_itself=True) as session:
                confirmed = await session.scalar(
                    update(Number)
                    .where(Number.id == number.id, Number.confirmed_at.is_(None))
                    .values(confirmed_at=func.clock_timestamp(), **found)
                    .returning(Number.id)
                )
                if confirmed is None:
                    return
                if await session.scalar(select(func.anothers_row(number.intent_id, number.mark, row.row_id))):
                    raise RowTaken
                await session.execute(select(func.explain_orphan(number.account_id, row.row_id)))
                if marked:
                    await owe(session, number.tenant_id, number.id, "unmark", after=unmark_after, request_id=request_id)
                _note(
                    session, number, "confirmed", after={"row_id": row.row_id, "marked": marked}, request_id=request_id
                )
                await tell(session, number, "number.confirmed", row_id=row.row_id)
                # One that never had a mark tells nothing by having none.
                if number.mark:
                    await self._learn_mode(session, number.account_id, "mark" if marked else "lane")
        except IntegrityError as error:
            raise RowTaken from error

    async def _learn_mode(self, session: AsyncSession, account_id: UUID, mode: str) -> None:
        changed = await session.execute(
            update(Account)
            .where(Account.id == account_id, Account.mode != mode)
            .values(mode=mode, mode_changed_at=func.clock_timestamp())
            .returning(Account.name)
        )
        if (name := changed.scalar_one_or_none()) is not None:
            before = {"mode": "lane" if mode == "mark" else "mark"}
            note(
                session, actor=WORKER, action="account.mode_learned", of=("account", name), before=before,
                after={"mode": mode},
            )  # fmt: skip
            await bump(session)
            LANE_MODE.labels(name).set(mode == "lane")
            (log.info if mode == "mark" else log.warning)("account mode changed", account=name, mode=mode)

    async def unmarked(self, step: Step, has: str, tenant: TenantId | None) -> None:
        """The row's nickname carries no mark of ours any more; `has` is what it carries."""
        async with self._database.acting(tenant=tenant) as session:
            number = await session.get_one(Number, step.number_id)
            number.marked, number.upstream_nickname = False, has
            _note(session, number, "unmarked", before={"marked": True}, after={"marked": False}, of=step)
            await tell(session, number, "number.unmarked")

    # -- Changing ------------------------------------------------------------------------------------------------------

    async def want(
        self, caller: Principal, phone_number: E164, change: Change, *, request_id: str, once: Once = UNKEYED
    ) -> UUID:
        """Commit what is wanted. Returns the push step's id, which is the operation.

        Raises: IdempotencyKeyReused; InvalidRequest for agents that the tenant's policy forbids; NotFound;
            StateConflict for a number that is being released.
        """
        async with self._database.acting(tenant=caller.tenant, bounds=caller.bounds) as session:
            if (named := await once.before(session)) is not None and named.step_id is not None:
                await check_seen(session, caller, Step, named.step_id)
                return named.step_id
            if faults := foreign_agents(caller.policy, change.named()):
                raise InvalidRequest(*faults)
            number = await number_of(session, caller.tenant, phone_number)
            if number.state not in CHANGEABLE:
                raise StateConflict(f"This number is {number.state}; it can no longer be changed.")
            step_id = await change_number(session, number, change, By(caller.actor, request_id))
            assert step_id is not None
            await once.keep(session, step_id=step_id)
        return step_id

    async def with_links(
        self, number_id: UUID, tenant: TenantId | None
    ) -> tuple[Number, Mapping[str, AgentLink], bool]:
        """A number as it stands, its links by direction, and whether it is in question."""
        async with self._database.acting(tenant=tenant) as session:
            number, in_question = await self._with_question(session, number_id)
            return number, await links_of(session, number_id), in_question

    async def pushed(self, number: Number, body: Mapping[str, str], tenant: TenantId | None) -> None:
        """Teli has what was sent."""
        async with self._database.acting(tenant=tenant) as session:
            if "nickname" in body:
                await session.execute(
                    update(Number).where(Number.id == number.id).values(upstream_nickname=body["nickname"])
                )
            await self._mark_links(session, number, body, state="confirmed")

    async def push_refused(
        self, step: Step, number: Number, body: Mapping[str, str], said: str, tenant: TenantId | None
    ) -> None:
        """What Teli will not have is wanted no longer: the nickname is again what Teli has, the link says refused."""
        async with self._database.acting(tenant=tenant) as session:
            if "nickname" in body:
                has = number.upstream_nickname or ""
                kept = has[len(number.mark.rstrip()) :].lstrip() if mark_of(has) == number.mark else has
                await session.execute(
                    update(Number)
                    .where(Number.id == number.id, func.coalesce(Number.nickname, "") == (number.nickname or ""))
                    .values(nickname=kept or None)
                )
            await self._mark_links(session, number, body, state="refused")
            refused: dict[str, Any] = {"refused": sorted(body), "said": said}
            _note(session, number, "change_refused", after=refused, of=step)
            await tell(session, number, "number.change_refused", **refused)

    async def _mark_links(self, session: AsyncSession, number: Number, body: Mapping[str, str], *, state: str) -> None:
        """Only what was sent is confirmed or refused: something else may be wanted by now."""
        for direction in DIRECTIONS:
            if (agent := body.get(f"{direction}_agent_id")) is not None:
                confirmed = {"confirmed": agent or None} if state == "confirmed" else {}
                await session.execute(
                    update(AgentLink)
                    .where(
                        AgentLink.number_id == number.id,
                        AgentLink.direction == direction,
                        func.coalesce(AgentLink.desired, "") == agent,
                    )
                    .values(state=state, updated_at=func.clock_timestamp(), **confirmed)
                )

    # -- Releasing -----------------------------------------------------------------------------------------------------

    async def begin_release(
        self,
        caller: Principal,
        phone_number: E164,
        *,
        acquisition: UUID | None,
        request_id: str,
        force: bool = False,
        once: Once = UNKEYED,
    ) -> Releasing | AlreadyReleased:
        """Commit that this number is to be released; asking again changes nothing. `force`: under a campaign too.

        Raises: IdempotencyKeyReused; NotFound; StateConflict where an earlier acquisition may be meant, and where a
            campaign calls from it; QuotaExceeded.
        """
        async with self._database.acting(tenant=caller.tenant, bounds=caller.bounds) as session:
            if (named := await once.before(session)) is not None:
                if named.step_id is not None:
                    await check_seen(session, caller, Step, named.step_id)
                    return Releasing(named.step_id)
                released = AlreadyReleased.of(named.answer)
                await check_seen(session, caller, Number, released.number_id)
                return released
            outcome = await self._begin_release(session, caller, phone_number, acquisition, request_id, force=force)
            if isinstance(outcome, Releasing):
                await once.keep(session, step_id=outcome.step_id)
            else:
                await once.keep(session, answer=outcome.as_json())
        return outcome

    async def _begin_release(
        self,
        session: AsyncSession,
        caller: Principal,
        phone_number: E164,
        acquisition: UUID | None,
        request_id: str,
        *,
        force: bool,
    ) -> Releasing | AlreadyReleased:
        held = (
            await session.scalars(
                select(Number)
                .where(Number.tenant_id == caller.tenant, Number.phone_number == phone_number)
                .order_by(Number.acquired_at.desc())
                .with_for_update()
            )
        ).all()
        number = meant(held, acquisition)
        if number.state == "released":
            assert number.released_at is not None
            return AlreadyReleased(number.id, number.released_at)
        if number.state == "releasing":
            under_way = await session.scalars(
                select(Step.id)
                .where(Step.number_id == number.id, Step.kind == "release")
                .order_by(Step.created_at.desc())
                .limit(1)
            )
            return Releasing(under_way.one())
        if not force:
            await check_no_campaign(session, number.id)
        return Releasing(await release_number(session, number, By(caller.actor, request_id), asked=True))

    async def earlier_rows(self, number: Number) -> Iterable[str]:
        """The rows of acquisitions of this E.164 before this one, whoever held them."""
        async with self._database.acting() as session:
            found = await session.scalars(
                select(Number.upstream_row_id).where(
                    Number.account_id == number.account_id,
                    Number.phone_number == number.phone_number,
                    Number.acquired_at < number.acquired_at,
                    Number.upstream_row_id.is_not(None),
                )
            )
            return [row_id for row_id in found if row_id]

    async def shared_by(self, number: Number) -> str | None:
        """What else the E.164 of a confirmed number stands for; None for nothing. The worker's alone to know."""
        of = {
            "account": number.account_id,
            "phone_number": number.phone_number,
            "row": number.upstream_row_id,
            "acquired_at": number.acquired_at,
        }
        async with self._database.acting() as session:
            return ", ".join(sorted(await session.scalars(SHARED_BY, of))) or None

    async def grace_is_over(self, step: Step, tenant: TenantId | None) -> bool:
        """The number of this release cannot be restored any more. False where it was, just before; be it that it has
        been scheduled anew since, for that has a grace of its own.
        """
        async with self._database.acting(tenant=tenant) as session:
            number = await session.get_one(Number, step.number_id, with_for_update=True)
            if number.state == "release_scheduled":
                if await session.scalar(select(Step.id).where(still_held(step))) is None:
                    return False
                number.state = "releasing"
                by = By(step.actor or WORKER, step.request_id)
                await _tell_releasing(session, number, by, was="release_scheduled")
            return number.state == "releasing"

    async def released(self, step: Step, tenant: TenantId | None) -> datetime:
        """The number is given back; also where that was filed before. Returns when."""
        async with self._database.acting(tenant=tenant) as session:
            number = await session.get_one(Number, step.number_id, with_for_update=True)
            if number.state == "released" and number.released_at is not None:
                return number.released_at
            return await close_as_released(
                session, number, actor=step.actor or WORKER, why="released at Teli", request_id=step.request_id
            )

    async def release_unresolved(self, step: Step, number: Number, why: str, tenant: TenantId | None) -> None:
        """The number stays `releasing`, its quota held, until a person decides."""
        async with self._database.acting(tenant=tenant) as session:
            _note(session, number, "release_unresolved", actor=WORKER, after={"why": why}, request_id=step.request_id)
            await tell(session, number, "number.release_unresolved", why=why)


async def check_seen(session: AsyncSession, caller: Principal, kind: type[Number | Step], which: UUID) -> None:
    """An idempotency key is its tenant's; what it names need not be within the bounds of the API key that repeats it.

    Raises: NotFound.
    """
    if caller.bounds != UNBOUND and await session.get(kind, which) is None:
        raise NotFound


async def number_of(session: AsyncSession, tenant: TenantId, phone_number: E164) -> Number:
    """The tenant's live acquisition of this E.164, locked.

    Raises: NotFound, also for what belongs to another tenant.
    """
    found = await session.scalar(
        select(Number)
        .where(Number.tenant_id == tenant, Number.phone_number == phone_number, Number.state != "released")
        .with_for_update()
    )
    if found is None:
        raise NotFound
    return found


async def links_of(session: AsyncSession, number_id: UUID) -> Mapping[str, AgentLink]:
    found = await session.scalars(select(AgentLink).where(AgentLink.number_id == number_id))
    return {link.direction: link for link in found}


async def change_number(session: AsyncSession, number: Number, change: Change, by: By) -> UUID | None:
    """File what is wanted of a number, locked by the caller. Returns the push that it owes Teli; None where Teli is
    told nothing.
    """
    links = await links_of(session, number.id)
    kept = {name: getattr(number, name) for name in KEPT_HERE}
    after = change.named()
    before = {name: value for name, value in (wanted_of(number, links) | kept).items() if name in after}
    for name in change.given.intersection(("nickname", *KEPT_HERE)):
        setattr(number, name, after[name])
    for direction in DIRECTIONS:
        if f"{direction}_agent_id" in change.given:
            await _want_agent(session, number, direction, after[f"{direction}_agent_id"])
    told = sorted(change.given.difference(KEPT_HERE))
    step_id = None
    if told:
        step_id = await owe(
            session,
            number.tenant_id,
            number.id,
            "push",
            actor=by.actor,
            request_id=by.request_id,
            given=told,
            order_id=by.order_id,
        )
    _note(session, number, "changed", actor=by.actor, before=before, after=after, request_id=by.request_id)
    await tell(session, number, "number.changed", **after)
    return step_id


async def _want_agent(session: AsyncSession, number: Number, direction: str, agent: str | None) -> None:
    wanted = {"desired": agent, "state": "pending", "updated_at": func.clock_timestamp()}
    await session.execute(
        insert(AgentLink)
        .values(number_id=number.id, direction=direction, tenant_id=number.tenant_id, **wanted)
        .on_conflict_do_update(index_elements=["number_id", "direction"], set_=wanted)
    )


async def release_number(session: AsyncSession, number: Number, by: By, *, asked: bool) -> UUID:
    """File that a number, locked by the caller and neither released nor being so, is to be given back.

    `asked`: by its tenant, who is held to its limits. Returns the release that it owes Teli. Raises: QuotaExceeded.
    """
    was = number.state
    if was == "release_scheduled":
        return await _bring_forward(session, number, by)
    number.state = "releasing"
    step_id = await owe(
        session,
        number.tenant_id,
        number.id,
        "release",
        actor=by.actor,
        request_id=by.request_id,
        told={"was": was} if was == "missing" else None,
        order_id=by.order_id,
    )
    owner = number.tenant_id, number.organization_id, number.user_id
    if was not in HELD:  # It is held again, if only in order to be given back.
        await count_held(session, *owner, 1)
    await count_release(session, *owner, asked=asked, at=called_for_at(step_id))
    await _tell_releasing(session, number, by, was=was)
    return step_id


async def _bring_forward(session: AsyncSession, number: Number, by: By) -> UUID:
    """The release that is owed at the end of the grace is wanted now; it is counted already. Returns its id."""
    number.state = "releasing"
    owed = (
        update(Step)
        .where(Step.number_id == number.id, Step.kind == "release", Step.state.in_(("waiting", "running")))
        .values(due_at=func.clock_timestamp(), actor=by.actor, request_id=by.request_id, order_id=by.order_id)
        .returning(Step.id)
    )
    step_id = (await session.scalars(owed)).one()
    await _tell_releasing(session, number, by, was="release_scheduled")
    return step_id


async def _tell_releasing(session: AsyncSession, number: Number, by: By, *, was: str) -> None:
    _note(
        session,
        number,
        "releasing",
        actor=by.actor,
        before={"state": was},
        after={"state": "releasing"},
        request_id=by.request_id,
    )
    await tell(session, number, "number.releasing")


async def close_as_released(
    session: AsyncSession, number: Number, *, actor: str, why: str, request_id: str | None = None
) -> datetime:
    """File that a number, locked by the caller, is no longer held: its quota is free, the fact audited and told."""
    before = number.state
    number.state, number.released_at = "released", utc_now()
    if before in HELD:
        await count_held(session, number.tenant_id, number.organization_id, number.user_id, -1)
    if number.intent_id is not None:
        await _let_key_expire(session, number, number.released_at + KEPT_AFTER_RELEASE)
    _note(
        session,
        number,
        "released",
        actor=actor,
        before={"state": before},
        after={"state": "released", "why": why},
        request_id=request_id,
    )
    await tell(session, number, "number.released")
    return number.released_at


async def _let_key_expire(session: AsyncSession, number: Number, at: datetime) -> None:
    """The key that bought this number, where there was one, has lived long enough then."""
    named = select(Intent.idempotency_key).where(Intent.id == number.intent_id).scalar_subquery()
    await session.execute(
        update(IdempotencyKey)
        .where(
            IdempotencyKey.tenant_id == number.tenant_id,
            IdempotencyKey.scope == "create",
            IdempotencyKey.key == named,
        )
        .values(expires_at=at)
    )


def meant(held: Sequence[Number], acquisition: UUID | None) -> Number:
    """Which acquisition a DELETE means; `held` is newest first.

    Raises: NotFound; StateConflict.
    """
    if acquisition is not None:
        if found := next((number for number in held if number.id == acquisition), None):
            return found
        raise NotFound
    if not held:
        raise NotFound
    newest, *earlier = held
    lately = [one for one in earlier if one.released_at and one.released_at > utc_now() - LATE_RETRY]
    if newest.state != "released" and lately:
        raise released_before(lately[0].id, newest.id)
    return newest


def wanted_of(number: Number, links: Mapping[str, AgentLink]) -> dict[str, str | None]:
    """What callers want of a number, as they name it."""
    agents = {f"{one}_agent_id": links[one].desired if one in links else None for one in DIRECTIONS}
    return {"nickname": number.nickname, **agents}


def agents_in_force(links: Mapping[str, AgentLink]) -> dict[str, str | None]:
    """The agents as they are shown: those that are wanted, or, where Teli refused one, the one before it."""
    shown = {one: link.confirmed if link.state == "refused" else link.desired for one, link in links.items()}
    return {f"{one}_agent_id": shown.get(one) for one in DIRECTIONS}


def _note(
    session: AsyncSession,
    number: Number,
    action: str,
    *,
    actor: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any],
    request_id: str | None = None,
    of: Step | None = None,
) -> None:
    """`of`: the step in whose course it happens, which names the actor and the request."""
    note(
        session,
        actor=actor or (of and of.actor) or WORKER,
        action=ACTIONS[f"number.{action}"],
        of=("number", str(number.id)),
        tenant=number.tenant_id,
        before=before,
        after=after,
        request_id=of.request_id if of else request_id,
    )
