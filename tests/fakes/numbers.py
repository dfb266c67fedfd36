"""Owned numbers in memory."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import NoResultFound

from service.agents.models import AgentLink
from service.idempotency.once import UNKEYED, Once
from service.kit.clock import utc_now
from service.kit.errors import InvalidRequest, NotFound, StateConflict
from service.kit.phone import E164
from service.kit.types import TenantId
from service.numbers.marks import mark_of
from service.numbers.members import CHANGEABLE
from service.numbers.models import Number, Step
from service.numbers.policy import foreign_agents
from service.numbers.repository import (
    DIRECTIONS,
    AlreadyReleased,
    Change,
    Numbers,
    Releasing,
    RowTaken,
    meant,
)
from service.quotas.counting import HELD
from service.teli.listing import Row
from service.tenants.models import User
from service.tenants.principals import Principal
from tests.fakes import quotas
from tests.fakes.world import World, alter, copy_of, made


class NumbersInMemory(Numbers):
    def __init__(self, world: World) -> None:
        self._world = world

    async def get(self, number_id: UUID, tenant: TenantId | None) -> Number:
        return copy_of(self._one(number_id, tenant))

    async def with_question(self, number_id: UUID, tenant: TenantId | None) -> tuple[Number, bool]:
        number = self._one(number_id, tenant)
        return copy_of(number), self._in_question(number)

    def _in_question(self, number: Number) -> bool:
        """The function `number_in_question`."""
        own = self._world.rows.get((number.account_id, number.upstream_row_id)) if number.upstream_row_id else None
        return (own is not None and own.gone_at is not None) or any(self._sharing(number))

    def _sharing(self, number: Number) -> Iterator[str]:
        """What else its E.164 stands for."""
        world, account, phone_number = self._world, number.account_id, number.phone_number
        not_anothers = {number.upstream_row_id, *self._earlier_rows(number)}
        for (of, _), rows in world.rows_at.items():
            for row in rows.values() if of == account else ():
                if row.phone_number == phone_number and row.gone_at is None and row.row_id not in not_anothers:
                    yield f"row {row.row_id}"
        for orphan in world.orphans_at.get(account, ()):
            if orphan.phone_number == phone_number and orphan.state == "open" and orphan.row_id is None:
                yield f"orphan {orphan.id}"
        for (of, _), doubts in world.open_intents.items():
            for one in doubts.values() if of == account else ():
                if one.named_number == phone_number and one.state in ("doubtful", "unresolved"):
                    yield f"doubt {one.id}"

    def _one(self, number_id: UUID, tenant: TenantId | None) -> Number:
        if (found := self._seen(number_id, tenant)) is None:
            raise NoResultFound
        return found

    def _seen(self, number_id: UUID, tenant: TenantId | None) -> Number | None:
        found = self._world.numbers.get(number_id)
        return found if found is not None and tenant in (None, found.tenant_id) else None

    # -- Confirming ----------------------------------------------------------------------------------------------------

    async def admitted_at(self, number: Number, tenant: TenantId | None) -> datetime:
        held = self._one(number.id, tenant)
        assert held.intent_id is not None
        return self._world.intents[held.intent_id].admitted_at

    async def user_uuid(self, number: Number, tenant: TenantId | None) -> str | None:
        user = self._user_of(number, tenant)
        return user.upstream_uuid if user else None

    async def learn_user(self, number: Number, uuid: str, tenant: TenantId | None) -> None:
        user = self._user_of(number, tenant)
        # One that an operator declared exclusive is no tenant's to change.
        if user is not None and (tenant is None or not user.exclusive):
            alter(user, upstream_uuid=uuid)

    def _user_of(self, number: Number, tenant: TenantId | None) -> User | None:
        """Users are seen through a grant."""
        organization = number.organization_id
        if tenant is not None and (tenant, organization) not in self._world.grants:
            return None
        return self._world.users.get((organization, number.user_id))

    async def confirm(
        self, number: Number, row: Row, tenant: TenantId | None, *, unmark_after: float, request_id: str | None
    ) -> None:
        world, held = self._world, self._seen(number.id, tenant)
        if held is None or held.confirmed_at is not None:
            return
        if world.owners.get((held.account_id, row.row_id), held) is not held:
            raise RowTaken
        if world.is_anothers_row(held, row.row_id):
            raise RowTaken
        marked = mark_of(row.nickname) == number.mark
        world.confirm(
            held,
            row.row_id,
            upstream_created_at=row.created_at,
            subscription_id=row.subscription_id,
            marked=marked,
            **({} if marked else {"upstream_nickname": row.nickname or ""}),
        )
        if marked:
            world.owe(number.tenant_id, number.id, "unmark", after=unmark_after, request_id=request_id, given=[])
        world.explain_orphan(held)
        world.note("number.confirmed")
        world.tell("number.confirmed")
        account, mode = world.accounts[number.account_id], "mark" if marked else "lane"
        if number.mark and account.mode != mode:
            alter(account, mode=mode, mode_changed_at=utc_now())
            world.note("account.mode_learned")
            world.revision += 1

    async def unmarked(self, step: Step, has: str, tenant: TenantId | None) -> None:
        alter(self._one(step.number_id, tenant), marked=False, upstream_nickname=has)
        self._world.note("number.unmarked")
        self._world.tell("number.unmarked")

    # -- Changing ------------------------------------------------------------------------------------------------------

    async def want(
        self, caller: Principal, phone_number: E164, change: Change, *, request_id: str, once: Once = UNKEYED
    ) -> UUID:
        world, tenant = self._world, caller.tenant
        if (named := world.before(once)) is not None and named.step_id is not None:
            return named.step_id
        if faults := foreign_agents(caller.policy, change.named()):
            raise InvalidRequest(*faults)
        number = next((one for one in self._acquisitions(tenant, phone_number) if one.state != "released"), None)
        if number is None:
            raise NotFound
        if number.state not in CHANGEABLE:
            raise StateConflict(f"This number is {number.state}; it can no longer be changed.")
        members = change.named()
        if "nickname" in members:
            alter(number, nickname=members["nickname"])
        for direction in DIRECTIONS:
            if f"{direction}_agent_id" in members:
                self._link(number, direction, members[f"{direction}_agent_id"])
        given = sorted(change.given)
        step = world.owe(tenant, number.id, "push", actor=caller.actor, request_id=request_id, given=given)
        world.note("number.changed")
        world.tell("number.changed")
        world.keep(once, step_id=step.id)
        return step.id

    def _acquisitions(self, tenant: str, phone_number: str) -> list[Number]:
        """The tenant's acquisitions of this E.164, newest first."""
        found = [
            number
            for account_id in self._world.accounts
            for number in self._world.acquisitions.get((account_id, phone_number), ())
            if number.tenant_id == tenant
        ]
        return sorted(found, key=lambda number: (number.acquired_at, number.id), reverse=True)

    def _link(self, number: Number, direction: str, agent: str | None) -> None:
        links = self._world.links.setdefault(number.id, {})
        if (link := links.get(direction)) is None:
            links[direction] = made(
                AgentLink, number_id=number.id, direction=direction, tenant_id=number.tenant_id, desired=agent
            )
        else:
            alter(link, desired=agent, state="pending", updated_at=utc_now())

    async def with_links(
        self, number_id: UUID, tenant: TenantId | None
    ) -> tuple[Number, Mapping[str, AgentLink], bool]:
        number, in_question = await self.with_question(number_id, tenant)
        return number, {one: copy_of(link) for one, link in self._world.links_of(number_id).items()}, in_question

    async def pushed(self, number: Number, body: Mapping[str, str], tenant: TenantId | None) -> None:
        held = self._seen(number.id, tenant)
        if held is not None and "nickname" in body:
            alter(held, upstream_nickname=body["nickname"])
        self._answered(number, body, tenant, state="confirmed")

    async def push_refused(
        self, step: Step, number: Number, body: Mapping[str, str], said: str, tenant: TenantId | None
    ) -> None:
        held = self._seen(number.id, tenant)
        if held is not None and "nickname" in body and (held.nickname or "") == (number.nickname or ""):
            has = number.upstream_nickname or ""
            kept = has[len(number.mark.rstrip()) :].lstrip() if mark_of(has) == number.mark else has
            alter(held, nickname=kept or None)
        self._answered(number, body, tenant, state="refused")
        self._world.note("number.change_refused")
        self._world.tell("number.change_refused")

    def _answered(self, number: Number, body: Mapping[str, str], tenant: TenantId | None, *, state: str) -> None:
        for direction, link in self._world.links_of(number.id).items():
            agent = body.get(f"{direction}_agent_id")
            if agent is None or (link.desired or "") != agent or tenant not in (None, link.tenant_id):
                continue
            confirmed: dict[str, Any] = {"confirmed": agent or None} if state == "confirmed" else {}
            alter(link, state=state, updated_at=utc_now(), **confirmed)

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
        if (named := self._world.before(once)) is not None:
            return Releasing(named.step_id) if named.step_id is not None else AlreadyReleased.of(named.answer)
        outcome = self._give_back(caller, phone_number, acquisition, request_id)
        if isinstance(outcome, Releasing):
            self._world.keep(once, step_id=outcome.step_id)
        else:
            self._world.keep(once, answer=outcome.as_json())
        return outcome

    def _give_back(
        self, caller: Principal, phone_number: E164, acquisition: UUID | None, request_id: str
    ) -> Releasing | AlreadyReleased:
        world, tenant = self._world, caller.tenant
        number = meant(self._acquisitions(tenant, phone_number), acquisition)
        if number.state == "released":
            assert number.released_at is not None
            return AlreadyReleased(number.id, number.released_at)
        if number.state == "releasing":
            under_way = [step for step in world.steps_of[number.id] if step.kind == "release"]
            if not under_way:
                raise NoResultFound
            return Releasing(max(under_way, key=lambda step: step.created_at).id)
        if number.state == "release_scheduled":
            owed = world.release_owed(number.id)
            alter(owed, due_at=utc_now(), actor=caller.actor, request_id=request_id)
            self._begin_releasing(number)
            return Releasing(owed.id)
        told = {"was": "missing"} if number.state == "missing" else None
        quotas.count_release(world, number, utc_now())
        if number.state not in HELD:
            world.count_held(number, 1)
        step = world.owe(tenant, number.id, "release", actor=caller.actor, request_id=request_id, given=[], answer=told)
        self._begin_releasing(number)
        return Releasing(step.id)

    def _begin_releasing(self, number: Number) -> None:
        alter(number, state="releasing")
        self._world.note("number.releasing")
        self._world.tell("number.releasing")

    async def grace_is_over(self, step: Step, tenant: TenantId | None) -> bool:
        number = self._one(step.number_id, tenant)
        if number.state == "release_scheduled":
            if self._world.still_held(step, tenant) is None:
                return False
            self._begin_releasing(number)
        return number.state == "releasing"

    async def earlier_rows(self, number: Number) -> Iterable[str]:
        return self._earlier_rows(number)

    async def shared_by(self, number: Number) -> str | None:
        return ", ".join(sorted(self._sharing(number))) or None

    def _earlier_rows(self, number: Number) -> list[str]:
        return [
            one.upstream_row_id
            for one in self._world.acquisitions.get((number.account_id, number.phone_number), ())
            if one.acquired_at < number.acquired_at and one.upstream_row_id
        ]

    async def released(self, step: Step, tenant: TenantId | None) -> datetime:
        number = self._one(step.number_id, tenant)
        if number.state == "released" and number.released_at is not None:
            return number.released_at
        return self._world.close_as_released(number)

    async def release_unresolved(self, step: Step, number: Number, why: str, tenant: TenantId | None) -> None:
        self._world.note("number.release_unresolved")
        self._world.tell("number.release_unresolved")
