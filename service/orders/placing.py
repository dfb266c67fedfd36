"""Ordering many new numbers: checked, its quota reserved at once or refused at once, and filed in one transaction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.db import Database
from service.idempotency.once import Once
from service.kit.clock import utc_now
from service.kit.errors import Fault, InvalidRequest, ServiceError
from service.kit.types import OrganizationId, UserId, new_id
from service.numbers.auth import STAFF
from service.numbers.errors import PurchasesStopped
from service.numbers.members import LONGEST_NICKNAME
from service.numbers.policy import refusal_of
from service.observability.metrics import ORDERS
from service.orders.choosing import Fallback, choices
from service.orders.judgement import digest
from service.orders.models import Order
from service.orders.naming import Template, named_twice
from service.orders.repository import OrderRepository
from service.prices.pricing import Pricing
from service.quotas.counting import Reserved, reserve_order
from service.quotas.errors import QuotaExceeded, RateLimited, told
from service.tenants.directory import Directory
from service.tenants.models import Organization, Stop, Tenant
from service.tenants.principals import Principal

SAMPLE = 5
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ItemWanted:
    """One number of an order. `nickname`: its own, or None for the template's."""

    user_id: UserId
    nickname: str | None = None


@dataclass(frozen=True, slots=True)
class OrderWanted:
    """Many numbers, as they were asked for and checked by themselves."""

    organization_id: OrganizationId
    items: tuple[ItemWanted, ...]
    area_codes: tuple[str, ...]
    fallback: tuple[Fallback, ...] = ()
    nickname: str | None = None
    unique_nicknames: bool = False
    tags: tuple[str, ...] = ()
    cost_center: str | None = None
    inbound_agent_id: str | None = None
    outbound_agent_id: str | None = None
    fulfilment: Literal["best_effort", "all"] = "best_effort"
    deadline: datetime | None = None

    @property
    def users(self) -> Mapping[str, int]:
        """How many are for whom."""
        return Counter(one.user_id for one in self.items)

    @property
    def agents(self) -> dict[str, str | None]:
        return {"inbound_agent_id": self.inbound_agent_id, "outbound_agent_id": self.outbound_agent_id}

    def names(self, code: str) -> list[str | None]:
        """What all of them would be called in one area code, in order."""
        template = Template.of(self.nickname) if self.nickname else None
        return [name_of(template, one.nickname, n, code, one.user_id) for n, one in enumerate(self.items, start=1)]

    def kept(self, among: Sequence[str]) -> dict[str, Any]:
        """`among`: the area codes that are asked for, in order."""
        return {
            "area_codes": list(self.area_codes),
            "fallback": list(self.fallback),
            "choices": list(among),
            "nickname": self.nickname,
            "tags": list(self.tags),
            "cost_center": self.cost_center,
            **self.agents,
            "fulfilment": self.fulfilment,
        }


def name_of(template: Template | None, own: str | None, n: int, code: str, user: str) -> str | None:
    if own is not None or template is None:
        return own
    return template.filled(n=n, area_code=code, user_id=user)


class Placing:
    def __init__(self, database: Database, directory: Directory, pricing: Pricing, *, limits_at: int) -> None:
        """`limits_at`: what a purchase is reckoned at in limits of spending."""
        self._database = database
        self._directory = directory
        self._pricing = pricing
        self._limits_at = limits_at

    async def place(self, caller: Principal, wanted: OrderWanted, request_id: str, once: Once) -> UUID:
        """File the order, with quota for all of it. Returns its id; with a key that was used before, that order's.

        Raises: IdempotencyKeyReused; InvalidRequest, InvalidAreaCode; QuotaExceeded, RateLimited; PurchasesStopped;
            UpstreamUnavailable where users could not be looked up. Nothing is filed then.
        """
        async with self._acting(caller) as session:
            # What this key named already holds, whatever has changed since.
            looked = await session.begin_nested()
            named = await once.before(session)
            await looked.rollback()
        if named is not None:
            return UUID(named.answer["order_id"])
        among, account = await self._checked(caller, wanted)
        async with self._acting(caller) as session:
            if (named := await once.before(session)) is not None:
                return UUID(named.answer["order_id"])
            reserved = await self._reserve(session, caller, wanted)
            order = await self._file(session, caller, wanted, among, account, reserved.counted_at, request_id)
            await once.keep(session, answer={"order_id": str(order.id)})
        ORDERS.labels("buy", "applied").inc()
        log.info("numbers were ordered", order=str(order.id), numbers=order.to_do)
        return order.id

    async def quote(self, caller: Principal, wanted: OrderWanted) -> dict[str, Any]:
        """What such an order would cost and come to, and how its limits stand; nothing is written.

        Raises: as `place`, but for the limits.
        """
        among, _ = await self._checked(caller, wanted)
        refusal: QuotaExceeded | RateLimited | None = None
        standing: list[dict[str, Any]] = []
        reached: list[dict[str, Any]] = []
        await self._pricing.ensure_default()
        async with self._acting(caller) as session:
            price = await self._pricing.of_new(session, wanted.organization_id, among[0])
            try:
                async with session.begin_nested():
                    standing = (await self._reserve(session, caller, wanted, dry=True)).standing
            except (QuotaExceeded, RateLimited) as error:
                refusal = error
                reached = [error.members["quota"], *error.members["also"]] if isinstance(error, QuotaExceeded) else []
        quantity = len(wanted.items)
        return {
            "dry_run": True,
            "quantity": quantity,
            "area_codes": among,
            "nicknames": wanted.names(among[0])[:SAMPLE],
            "price": {
                "currency": price.currency,
                "setup": price.setup * quantity,
                "monthly": price.monthly * quantity,
                "at_once": price.first * quantity,
            },
            "allowed": refusal is None,
            "why_not": refusal and refusal.detail,
            "limits": [*(_limit(one) for one in standing), *(one | {"allowed": False} for one in reached)],
        }

    def _acting(self, caller: Principal) -> Any:
        # Whatever an administrator files is the tenant's.
        duty = "admin" if caller.may(STAFF) else "service"
        return self._database.acting(tenant=caller.tenant, duty=duty, sees=caller.lists_whole, bounds=caller.bounds)

    async def _reserve(
        self, session: AsyncSession, caller: Principal, wanted: OrderWanted, *, dry: bool = False
    ) -> Reserved:
        return await reserve_order(
            session, caller.tenant, wanted.organization_id, wanted.users, price=self._limits_at, dry=dry
        )

    async def _checked(self, caller: Principal, wanted: OrderWanted) -> tuple[list[str], UUID]:
        """The area codes to ask for, and the account that sells. Users who are not filed are looked up at Teli.

        Raises: as `place`.
        """
        if wanted.deadline is not None and wanted.deadline <= utc_now():
            raise InvalidRequest(Fault("/deadline", "has passed; name a time to come, or none"))
        for place, code in enumerate(wanted.area_codes):
            if (refusal := refusal_of(caller.policy, code, wanted.agents)) is not None:
                raise _at(refusal, f"/area_codes/{place}")
        among = choices(wanted.area_codes, wanted.fallback, caller.policy)
        _check_names(wanted, among)
        async with self._acting(caller) as session:
            account = await _account(session, caller.tenant, wanted.organization_id)
            filed = {
                user
                for organization, user in await OrderRepository(session).users(wanted.users)
                if organization == wanted.organization_id
            }
        if unknown := wanted.users.keys() - filed:
            found = await self._directory.file_users(account, wanted.organization_id, unknown, tenant=caller.tenant)
            _check_users(unknown - set(found))
        return among, account

    async def _file(
        self,
        session: AsyncSession,
        caller: Principal,
        wanted: OrderWanted,
        among: Sequence[str],
        account: UUID,
        counted_at: datetime,
        request_id: str,
    ) -> Order:
        now, change = utc_now(), {"buy": wanted.kept(among)}
        order = Order(
            id=new_id(),
            tenant_id=caller.tenant,
            actor=caller.actor,
            kind="buy",
            state="pending",
            change=change,
            selection={},
            digest=digest(change, ()),
            preview={},
            to_do=len(wanted.items),
            organization_ids=[wanted.organization_id],
            user_ids=sorted(wanted.users),
            request_id=request_id,
            created_at=now,
            applied_at=now,
            expires_at=now,
            deadline=wanted.deadline,
        )
        items = [
            {
                "seq": seq,
                "tenant_id": caller.tenant,
                "account_id": account,
                "organization_id": wanted.organization_id,
                "user_id": one.user_id,
                "wanted": {"user_id": one.user_id, "nickname": one.nickname},
                "outcome": "waiting",
                "sold_out": [],
                "counted_at": counted_at,
                "due_at": now,
            }
            for seq, one in enumerate(wanted.items)
        ]
        await OrderRepository(session).add(order, items)
        note(
            session,
            actor=caller.actor,
            action="order.placed",
            of=("order", str(order.id)),
            tenant=caller.tenant,
            after={"state": "pending", "to_do": order.to_do, "organization_id": wanted.organization_id, **change},
            request_id=request_id,
        )
        return order


TOLD = ("limit_name", "scope", "scope_id", "limit", "used", "reserved", "asked", "resets_at")


def _limit(one: Mapping[str, Any]) -> dict[str, Any]:
    """A limit as it stands without the order. Of one that other tenants count in too, only whether there is room."""
    named = told(**{name: one[name] for name in TOLD})
    allowed = one["used"] + one["reserved"] + one["asked"] <= one["limit"]
    if one["scope"] != "tenant":
        named |= dict.fromkeys(("limit", "used", "reserved"))
    return named | {"allowed": allowed}


async def _account(session: AsyncSession, tenant: str, organization: str) -> UUID:
    """The account that sells to this organisation. Raises: PurchasesStopped, while nothing is bought there."""
    found = await session.execute(
        select(Tenant.account_id, Organization.account_id, Tenant.state)
        .select_from(Tenant)
        .outerjoin(Organization, Organization.id == organization)
        .where(Tenant.id == tenant)
    )
    of_tenant, of_organization, state = found.one()
    account: UUID = of_organization or of_tenant
    stopped = {("global", ""), ("tenant", tenant), ("account", str(account))}
    stops = {(one.scope, one.id) for one in await session.scalars(select(Stop))}
    if state != "active" or stops & stopped:
        raise PurchasesStopped(suspended=state != "active")
    return account


def _at(refusal: ServiceError, pointer: str) -> ServiceError:
    for one in refusal.members.get("errors", ()):
        if one["pointer"] == "/area_code":
            one["pointer"] = pointer
    return refusal


def _check_users(unknown: set[str]) -> None:
    """Raises: InvalidRequest."""
    if unknown:
        said = "is not a user of that organisation, here or at Teli"
        raise InvalidRequest(*(Fault("/user_id", f"{one} {said}") for one in sorted(unknown)))


def _check_names(wanted: OrderWanted, among: Sequence[str]) -> None:
    """Raises: InvalidRequest."""
    names = wanted.names(among[0])
    longest = max((len(name) for name in names if name), default=0)
    if longest > LONGEST_NICKNAME:
        raise InvalidRequest(Fault("/nickname", f"makes names of {longest} characters; at most {LONGEST_NICKNAME} fit"))
    # In whichever of the area codes each is had.
    by_code = wanted.nickname is not None and Template.of(wanted.nickname).names_area_code()
    ways = (wanted.names(code) for code in (among if by_code else among[:1]))
    if wanted.unique_nicknames and (twice := named_twice(*ways)) is not None:
        raise InvalidRequest(
            Fault("/nickname", f"would name two of them {twice!r}; put {{n}} into it, or leave unique_nicknames out")
        )
