"""What may be asked about orders of new numbers: placed, sent by turns, cancelled in the middle, closed."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from service.idempotency.once import UNKEYED, Once
from service.kit.clock import utc_now
from service.kit.types import OrganizationId, UserId
from service.orders.buying import place_of
from service.orders.models import Order, OrderItem
from service.orders.placing import ItemWanted, OrderWanted
from tests.fakes.purchases import Purchases
from tests.fakes.scene import FIRST, KEYS, ORGANIZATIONS, PHONES, REPLICAS, SECOND, TAGS, TENANTS, USERS, principal

PRICE = 3
REASONS = ("out_of_stock", "never_sent", "rate_limited", "bad_request", "presumed", "operator")


class Ordering(Purchases):
    async def order(self, chance: Random) -> None:
        tenant = chance.choice(list(TENANTS))
        granted = [one for one in ORGANIZATIONS[tenant] if (tenant, one) in self.world.grants]
        if not granted:
            return  # Its users are not seen, and Teli would be asked for them.
        organization = chance.choice(granted)
        quantity = chance.choice((1, 1, 2, 3, 5))
        wanted = OrderWanted(
            organization_id=OrganizationId(organization),
            items=tuple(ItemWanted(UserId(chance.choice(USERS[organization]))) for _ in range(quantity)),
            area_codes=("313", "212"),
            fulfilment=chance.choice(("best_effort", "best_effort", "all")),
            deadline=chance.choice((None, utc_now() + timedelta(seconds=chance.choice((1, 50))))),
        )
        once = UNKEYED
        if chance.random() < 0.4:
            once = Once(tenant, "orders", chance.choice(KEYS), chance.choice((b"\x00", b"\x00", b"\x01")))
        self.count += 1
        caller = replace(principal(tenant), scopes=frozenset({"numbers:create"}))
        await self.both.ask("placing", "place", caller, wanted, f"request {self.count}", once)

    async def send_ordered(self, chance: Random) -> None:
        """As a worker does: what is claimed is admitted, or put back, or left to lapse."""
        account = chance.choice((FIRST, FIRST, SECOND))
        users = sorted({one for of_organization in USERS.values() for one in of_organization})
        left_out = {
            "without": [one for one in TENANTS if chance.random() < 0.1],
            "without_users": [one for one in users if chance.random() < 0.1],
        }
        pairs = await self.both.ask_both(
            "queue", "claim", account, most=chance.choice((1, 2, 4)), role="worker", **left_out
        )
        if any(isinstance(one, Exception) for one in pairs):
            return
        for real, twin in zip(*pairs, strict=True):
            order, item = (real[0], twin[0]), (real[1], twin[1])
            self.both.still.pass_time(chance.choice((0.0, 0.0, 0.3, 16.0)))
            outcome = chance.choice(("admit", "admit", "admit", "put_back", "lapse", "cancel"))
            if outcome == "cancel":
                await self._cancel(twin[0], chance)
            if outcome in ("admit", "cancel"):
                said = await self._admit(self._asking(twin[0], twin[1], chance))
                busy = getattr(said, "outcome", None) == "busy"
                outcome = "put_back" if busy else "admitted"
            if outcome == "put_back":
                after, busy = chance.choice((0, 1.0)), chance.random() < 0.5
                await self.both.ask("queue", "put_back", order, item, after=after, busy=busy, role="worker")

    def _asking(self, order: Order, item: OrderItem, chance: Random) -> dict[str, Any]:
        assert order.tenant_id is not None
        self.count += 1
        ask: dict[str, Any] = {
            "tenant_id": order.tenant_id,
            "intent_id": str(self.new_uuid()),
            "organization_id": item.organization_id,
            "user_id": item.user_id,
            "area_code": "313",
            "near": ["313"],
            "wish": {"nickname": None, "cost_center": None, "tags": [], "inbound_agent_id": None,
                     "outbound_agent_id": None},
            "key": None,
            "fingerprint": "",
            "mark": f"[{TAGS[order.tenant_id]}ORD{self.count:06d}] ",
            "request_id": f"request {self.count}",
            "replica": str(chance.choice(REPLICAS)),
            "price": PRICE,
            "lease_seconds": chance.choice((5.0, 210.0)),
            "by_account": True,
            "order_id": str(order.id),
            "seq": item.seq,
            "tries": item.tries,
            "place": str(place_of(item)),
        }  # fmt: skip
        self.intents.append(ask)
        return ask

    async def settle_ordered(self, chance: Random) -> None:
        bought = [one for one in self.world.intents.values() if one.order_id is not None and one.state != "owned"]
        if not bought:
            return
        intent = chance.choice(bought)
        verdict = chance.choice(("owned", "refused", "refused", "doubtful"))
        question: dict[str, Any] = {
            "tenant_id": intent.tenant_id, "intent_id": str(intent.id), "request_id": "r", "actor": "key:1",
            "verdict": verdict, "reason": chance.choice(REASONS) if verdict == "refused" else "because",
            "evidence": {"at": utc_now().isoformat(), "kind": "answer", "status": 200, "headers": {}, "body": "{}"},
        }  # fmt: skip
        if verdict == "owned":
            sold = {"id": str(self.new_uuid()), "phone_number": chance.choice(PHONES), "pretty": "", "area_code": "313"}
            question["number"] = sold
        if verdict != "doubtful":
            question["answer"] = {"status": 200 if verdict == "owned" else 409, "headers": {}, "body": "text"}
        await self.both.ask("ledger", "settle", question)

    async def cancel(self, chance: Random) -> None:
        if self.world.orders:
            await self._cancel(chance.choice(list(self.world.orders.values())), chance)

    async def _cancel(self, order: Order, chance: Random) -> None:
        tenant = order.tenant_id if chance.random() < 0.9 else chance.choice(list(TENANTS))
        assert tenant is not None
        caller = replace(principal(tenant), scopes=frozenset({"numbers:create"}))
        which = order.id if chance.random() < 0.95 else UUID(int=5)
        await self.both.ask("orders", "cancel", caller, which, "cancel", UNKEYED)

    async def give_up(self, chance: Random) -> None:
        over = await self.both.ask(
            "queue", "over", role="worker", arrange=lambda found: sorted(found, key=lambda one: one.order_id)
        )
        for one in over:
            if chance.random() < 0.7:
                given = ("cancelled", None) if one.cancelled_at else ("failed", "deadline_passed")
                await self.both.ask("queue", "give_up", one.order_id, None, *given, role="worker")
        if self.world.orders and chance.random() < 0.3:
            order = chance.choice(list(self.world.orders.values()))
            await self.both.ask(
                "queue", "give_up", order.id, [0], "failed", "no_numbers_available", "in words", role="worker"
            )

    async def close_orders(self, chance: Random) -> None:
        await self.both.ask("order_work", "close", role="worker")

    async def sold_out(self, chance: Random) -> None:
        self.both.still.pass_time(chance.choice((0, 0, 301)))
        await self.both.ask("queue", "sold_out", chance.choice((FIRST, SECOND)), role="worker")
