"""Changing many numbers at once: first what would become of them is shown, then exactly that is done, or less.

What was shown is kept, each number with how it stood. What stands otherwise when its turn comes is left alone.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any
from uuid import UUID

import structlog

from service.audit.entries import note
from service.db import Database
from service.idempotency.once import Once
from service.inventory.inventory import check_asked
from service.kit.clock import rfc3339, utc_now
from service.kit.errors import NotFound, StateConflict
from service.kit.types import new_id
from service.numbers.campaigning import in_campaigns
from service.observability.metrics import ORDERS
from service.orders.auth import acting_for, check_rights, owner_of, visible_to
from service.orders.errors import NotYourSelection, SelectionExpired, SelectionTooLarge, TooManyPreviews
from service.orders.judgement import (
    SETTABLE,
    WORDS,
    BulkChange,
    Context,
    Facts,
    Reason,
    changed_words,
    differences,
    digest,
    objection,
)
from service.orders.models import Order, OrderItem
from service.orders.repository import MOST, OrderRepository, Selection
from service.orders.tokens import Selected, SelectionTokens
from service.prices.pricing import Asked, NumberCosts, Pricing
from service.tenants.principals import Principal

KINDS = ("release", "change")
LIFE = timedelta(minutes=15)
# Each may hold thousands of numbers.
MOST_PREVIEWS = 20
SAMPLE = 20
SAMPLE_OF_SKIPPED = 5
log = structlog.get_logger()


class Bulk:
    def __init__(self, database: Database, tokens: SelectionTokens, pricing: Pricing) -> None:
        self._database = database
        self._tokens = tokens
        self._pricing = pricing

    async def preview(
        self, caller: Principal, selection: Selection, change: BulkChange, said: Mapping[str, Any], once: Once
    ) -> dict[str, Any]:
        """What the change would do with the numbers that are meant, and the token that has it done.

        `said`: the change as it was asked for. Raises: ScopeMissing; NotYourOrganization, NotYourTenant, NotYourUser;
            SelectionTooLarge, TooManyPreviews; IdempotencyKeyReused.
        """
        check_rights(caller, change.kind, members_of(change))
        visible = visible_to(caller)
        if (holder := (change.sets or {}).get("holder_user_id")) is not None:
            caller.check_user(holder)
        if selection.filters is not None:
            check_asked(caller, selection.filters, visible)
        await self._pricing.ensure_default()
        async with acting_for(self._database, caller) as session:
            orders = OrderRepository(session)
            if (named := await once.before(session)) is not None:
                return self._shown(await seen(orders, caller, UUID(named.answer["order_id"])), caller)
            await self._check_room(orders, caller)
            numbers = await orders.selected(selection, visible)
            if len(numbers) > MOST:
                raise SelectionTooLarge(MOST)
            order = await self._draw(orders, caller, selection, numbers, change, said)
            await once.keep(session, answer={"order_id": str(order.id)})
        return self._shown(order, caller)

    async def undo(self, caller: Principal, order_id: UUID, once: Once) -> dict[str, Any]:
        """The inverse of an order that set something, as a preview: of the numbers that still stand as it left them.

        Raises: as `preview`; NotFound; StateConflict for a release, and while the order is not over.
        """
        async with acting_for(self._database, caller) as session:
            orders = OrderRepository(session)
            undone = await seen(orders, caller, order_id)
            check_rights(caller, undone.kind, settable(undone.change.get("set", {})))
            if (named := await once.before(session)) is not None:
                return self._shown(await seen(orders, caller, UUID(named.answer["order_id"])), caller)
            if undone.kind == "buy":
                raise StateConflict("A purchase cannot be undone: what was bought can be released.")
            if undone.kind == "import":
                raise StateConflict("An import cannot be undone: what it adopted can be released.")
            if undone.kind != "change":
                raise StateConflict("A release cannot be undone: Teli may give the number out anew at once.")
            if undone.ended_at is None or undone.applied_at is None:
                raise StateConflict(f"This order is {undone.state}; wait until it is over, or cancel it first.")
            await self._check_room(orders, caller)
            items = {item.number_id: item for item in await orders.items(order_id, outcome="done")}
            selection = Selection({"undoes": str(order_id)}, ids=tuple(one for one in items if one))
            numbers = await orders.selected(selection, visible_to(caller))
            each = {one.id: _inverse(items[one.id]) for one in numbers}
            moved = {one.id for one in numbers if _moved(items[one.id], one)}
            change = BulkChange("change", each=each)
            said = {"undo": str(order_id), "set": undone.change["set"]}
            order = await self._draw(orders, caller, selection, numbers, change, said, moved=moved, undoes=order_id)
            await once.keep(session, answer={"order_id": str(order.id)})
        return self._shown(order, caller)

    async def apply(self, caller: Principal, token: str, request_id: str, once: Once) -> Order:
        """Set going what was shown: numbers that were changed since are left out, and no other comes in.

        Raises: InvalidSelectionToken, NotYourSelection, SelectionExpired; NotFound, also where the caller may see it
            no more; ScopeMissing where its scopes allow it no more; StateConflict where it was cancelled.
        """
        selected, now = self._tokens.open(token, caller.actor), utc_now()
        async with acting_for(self._database, caller) as session:
            await once.before(session)
            orders = OrderRepository(session)
            order = await orders.get(selected.order_id, lock=True)
            if order is None and selected.expires_at <= now:
                raise SelectionExpired
            if order is None or order.tenant_id != owner_of(caller):
                raise NotFound
            if order.actor != caller.actor:
                raise NotYourSelection
            check_rights(caller, order.kind, settable(order.change.get("set", {})))
            if order.applied_at is None:
                if order.state == "cancelled":
                    raise StateConflict("This preview was cancelled. Ask for a new one.")
                if selected.expires_at <= now:
                    raise SelectionExpired
                await self._set_going(orders, order, selected, request_id, now)
            else:
                once.headers["Idempotent-Replayed"] = "true"
            await once.keep(session, answer={"order_id": str(order.id)})
        return order

    async def _set_going(
        self, orders: OrderRepository, order: Order, selected: Selected, request_id: str, now: datetime
    ) -> None:
        items = await orders.items(order.id)
        kept = digest(order.change, ((item.number_id, item.shown, item.wanted) for item in items))
        if not (compare_digest(selected.digest, order.digest) and compare_digest(order.digest, kept)):
            raise SelectionExpired
        waiting = {item.number_id: item for item in items if item.outcome == "waiting" and item.number_id}
        numbers = await orders.facts_of(waiting)
        since: dict[int, tuple[Reason, str]] = {}
        for number_id, item in waiting.items():
            number = numbers.get(number_id)
            if number is None:
                since[item.seq] = ("not_found", WORDS["not_found"])
            elif changed := differences(item.shown or {}, number, idle_days=idle_days_of(order), now=now):
                since[item.seq] = ("changed_since", changed_words(changed))
        await orders.skip(order.id, since, now)
        order.state, order.applied_at, order.request_id = "pending", now, request_id
        note(
            orders.session,
            actor=order.actor,
            action="order.applied",
            of=("order", str(order.id)),
            tenant=order.tenant_id,
            before={"state": "previewed"},
            after={"state": "pending", "change": order.change, "to_do": order.to_do, "changed_since": len(since)},
            request_id=request_id,
        )
        ORDERS.labels(order.kind, "applied").inc()
        log.info("an order was set going", order=str(order.id), kind=order.kind, numbers=order.to_do)

    async def _check_room(self, orders: OrderRepository, caller: Principal) -> None:
        if await orders.previews_open(caller.actor, utc_now(), KINDS) >= MOST_PREVIEWS:
            raise TooManyPreviews(MOST_PREVIEWS, int(LIFE.total_seconds()))

    async def _draw(
        self,
        orders: OrderRepository,
        caller: Principal,
        selection: Selection,
        numbers: Sequence[Facts],
        change: BulkChange,
        said: Mapping[str, Any],
        *,
        moved: Collection[UUID] = (),
        undoes: UUID | None = None,
    ) -> Order:
        """File what is shown. `moved`: numbers that do not stand any more as the order to be undone left them."""
        owner = owner_of(caller)
        wanted = {one.id: change.wanted_of(one) for one in numbers}
        context = await context_of(orders, owner, numbers, wanted.values())
        left_out: defaultdict[Reason, list[dict[str, Any]]] = defaultdict(list)
        for name in unfound(selection, numbers):
            left_out["not_found"].append({"asked": name})
        items: list[dict[str, Any]] = []
        touched: list[Facts] = []
        to_do: list[Facts] = []
        for number in numbers:
            reason = objection(number, wanted[number.id], context, force=change.force)
            if number.id in moved:
                reason = "changed_since"
            if reason is None:
                to_do.append(number)
            else:
                left_out[reason].append({"id": str(number.id), "phone_number": number.phone_number})
            # What is another tenant's is shown, and no part of this one's order.
            if reason != "not_yours":
                touched.append(number)
                items.append(_item(len(items), number, wanted[number.id], reason))
        released = [Asked(one.id) for one in to_do] if change.kind == "release" else []
        costs = await self._pricing.costs_of(orders.session, released)
        now = utc_now()
        order = Order(
            id=new_id(),
            tenant_id=owner,
            actor=caller.actor,
            kind=change.kind,
            state="previewed",
            change=dict(said),
            selection=dict(selection.said),
            digest=digest(said, ((item["number_id"], item["shown"], item["wanted"]) for item in items)),
            preview=self._preview(to_do, wanted, left_out, costs.values()),
            to_do=len(to_do),
            # Whose limits the order lies within, also where it touches nothing.
            organization_ids=sorted({one.organization_id for one in touched} or caller.bounds.organizations or ()),
            user_ids=sorted({one.user_id for one in touched} or caller.bounds.users or ()),
            undoes=undoes,
            created_at=now,
            # As the token says it: in whole seconds.
            expires_at=(now + LIFE).replace(microsecond=0),
        )
        await orders.add(order, items)
        ORDERS.labels(order.kind, "previewed").inc()
        return order

    def _preview(
        self,
        to_do: Sequence[Facts],
        wanted: Mapping[UUID, Mapping[str, Any] | None],
        left_out: Mapping[Reason, Sequence[Mapping[str, Any]]],
        costs: Iterable[NumberCosts],
    ) -> dict[str, Any]:
        sample = [
            {"id": str(one.id), "phone_number": one.phone_number, **one.shown(), "becomes": wanted[one.id]}
            for one in to_do[:SAMPLE]
        ]
        skipped = sum(map(len, left_out.values()))
        return {
            "count": len(to_do),
            "selected": len(to_do) + skipped,
            "sample": sample,
            "cost": self._cost(costs),
            "skipped": {
                "count": skipped,
                "reasons": [
                    {"reason": reason, "detail": WORDS[reason], "count": len(of), "sample": of[:SAMPLE_OF_SKIPPED]}
                    for reason, of in sorted(left_out.items())
                ],
            },
        }

    def _cost(self, released: Iterable[NumberCosts]) -> dict[str, Any]:
        in_currency: dict[str, list[NumberCosts]] = {self._pricing.default_currency: []}
        for one in released:
            in_currency.setdefault(one.currency, []).append(one)
        told = [_cost_in(currency, costs) for currency, costs in in_currency.items()]
        return told[0] | {"also": told[1:]}

    def _shown(self, order: Order, caller: Principal) -> dict[str, Any]:
        return preview_of(order, caller, self._tokens)


def preview_of(order: Order, caller: Principal, tokens: SelectionTokens) -> dict[str, Any]:
    """A preview as it was shown, with the token that has it done."""
    selected = Selected(order.id, order.expires_at, order.digest)
    return {
        "order_id": order.id,
        "kind": order.kind,
        "state": order.state,
        "expires_at": order.expires_at,
        "token": tokens.seal(selected, caller.actor),
        **order.preview,
    }


def _cost_in(currency: str, released: Sequence[NumberCosts]) -> dict[str, Any]:
    """Micro-units. What a month costs less, and the charges that are ahead and would not come."""
    ahead = sorted(one.next_charge_at for one in released if one.next_charge_at is not None)
    return {
        "currency": currency,
        "monthly_less": sum(one.monthly for one in released),
        "next_charges_avoided": sum(one.next_charge for one in released),
        "first_charge_avoided_at": rfc3339(ahead[0]) if ahead else None,
        "last_charge_avoided_at": rfc3339(ahead[-1]) if ahead else None,
    }


async def context_of(
    orders: OrderRepository,
    owner: str | None,
    numbers: Collection[Facts],
    wanted: Collection[Mapping[str, Any] | None],
) -> Context:
    """What is to be known of others to judge these numbers. `owner`: as `Context.tenant`."""
    holders = {one["holder_user_id"] for one in wanted if one and one.get("holder_user_id")}
    return Context(
        owner,
        await orders.policies({one.tenant_id for one in numbers}),
        await orders.users(holders),
        frozenset(await in_campaigns(orders.session, [one.id for one in numbers])),
    )


async def seen(
    orders: OrderRepository, caller: Principal, order_id: UUID, *, lock: bool = False, kind: str | None = None
) -> Order:
    """`kind`: the one that it must be of. Raises: NotFound, also for what the caller may not see."""
    order = await orders.get(order_id, lock=lock)
    mine = caller.may("admin:read") or (order is not None and order.tenant_id == caller.tenant_id)
    if order is None or not mine or kind not in (None, order.kind):
        raise NotFound
    return order


def members_of(change: BulkChange) -> set[str]:
    tags = {"tags"} if change.tags_add or change.tags_remove else set()
    return {*(change.sets or {}), *tags}


def unfound(selection: Selection, numbers: Sequence[Facts]) -> list[str]:
    """What was named and is not there."""
    if selection.ids is not None:
        known = {one.id for one in numbers}
        return [str(one) for one in selection.ids if one not in known]
    known_numbers = {one.phone_number for one in numbers}
    return [one for one in selection.phone_numbers or () if one not in known_numbers]


def idle_days_of(order: Order) -> int | None:
    """For how long all of it was asked to be idle."""
    found: int | None = order.selection.get("idle_days")
    return found


def _item(seq: int, number: Facts, wanted: Mapping[str, Any] | None, reason: Reason | None) -> dict[str, Any]:
    return {
        "seq": seq,
        "tenant_id": number.tenant_id,
        "account_id": number.account_id,
        "number_id": number.id,
        "phone_number": number.phone_number,
        "shown": number.shown(),
        "wanted": None if wanted is None else dict(wanted),
        "outcome": "skipped" if reason else "waiting",
        "reason": reason,
        "detail": WORDS[reason] if reason else None,
    }


def settable(members: Collection[str]) -> set[str]:
    """The members that a stored change sets: tags are added and taken away by other names."""
    return {name if name in SETTABLE else "tags" for name in members}


def _inverse(item: OrderItem) -> dict[str, Any]:
    shown = item.shown or {}
    return {name: shown.get(name) for name in item.wanted or {}}


def _moved(item: OrderItem, number: Facts) -> bool:
    """Whether a member that the order set is not as it set it."""
    now = number.shown()
    return any(now[name] != value for name, value in (item.wanted or {}).items())
