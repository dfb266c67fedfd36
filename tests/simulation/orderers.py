"""Those who order many numbers at once, and think again: they ask again with the same key, and cancel, also twice."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any, Literal
from uuid import UUID

from service.idempotency.once import UNKEYED, Once
from service.kit.clock import utc_now
from service.kit.errors import ServiceError, StorageUnavailable
from service.kit.types import OrganizationId, UserId
from service.orders.placing import ItemWanted, OrderWanted
from service.tenants.principals import Principal
from tests.simulation.callers import Callers
from tests.simulation.machines import Cluster, Machine

EVERY = 10.0
MANY = (1, 1, 2, 2, 3, 5)
# Seconds: during the faults, or long enough that all can be had.
DEADLINES = (15.0, 60.0, 150.0, 150.0)
THINKS_AGAIN_AFTER = (0.01, 0.5, 2.0, 5.0, 10.0, 40.0)
SCOPES = frozenset({"numbers:create"})


@dataclass(slots=True)
class OrderDeed:
    """That numbers be ordered, or no more. Times are its process's; `at`: when what came of it was heard, if ever.

    `order`: as the answer named it, or as it was asked for. `refused`: the code of the error, which had no effect.
    """

    began: float
    kind: Literal["order", "cancel"]
    tenant: str
    key: str
    at: float = math.inf
    order: UUID | None = None
    refused: str | None = None


class Orderers:
    def __init__(self, chance: Random, cluster: Cluster, callers: Callers, principals: list[Principal],
                 users: dict[str, list[str]], now: Callable[[], float]) -> None:  # fmt: skip
        self.deeds: list[OrderDeed] = []
        self._chance = chance
        self._cluster = cluster
        self._callers = callers
        self._principals = [replace(one, scopes=SCOPES) for one in principals]
        self._users = users
        self._now = now

    async def live(self, name: str, *, orders: int, healthy: asyncio.Event) -> None:
        for n in range(orders):
            await asyncio.sleep(self._chance.uniform(0, 2 * EVERY))
            principal = self._chance.choice(self._principals)
            order_id = await self._order(principal, f"{name}-{n}", healthy)
            if order_id is not None and self._chance.random() < 0.5:
                await asyncio.sleep(self._chance.choice(THINKS_AGAIN_AFTER))
                await asyncio.gather(
                    *(self._cancel(principal, f"{name}-{n}", order_id) for _ in range(self._chance.choice((1, 1, 2))))
                )

    async def _order(self, principal: Principal, key: str, healthy: asyncio.Event) -> UUID | None:
        """With one key until it is known what became of it, or patience is over."""
        chance = self._chance
        organization = chance.choice([*principal.organization_ids])
        users = self._users[organization]
        wanted = OrderWanted(
            organization_id=OrganizationId(organization),
            items=tuple(ItemWanted(UserId(chance.choice(users))) for _ in range(chance.choice(MANY))),
            area_codes=chance.choice((("313",), ("313", "415"), ("415", "313"))),
            nickname=chance.choice((None, "Sales {n}")),
            fulfilment=chance.choice(("best_effort", "best_effort", "best_effort", "all")),
            deadline=utc_now() + timedelta(seconds=chance.choice(DEADLINES)),
        )
        for _ in range(16):
            deed = OrderDeed(self._now(), "order", principal.tenant, key)
            once = Once(principal.tenant, "orders", key, b"\x07")

            async def place(machine: Machine, deed: OrderDeed = deed, once: Once = once) -> None:
                deed.order = await machine.placing.place(principal, wanted, f"order {key}", once)

            if await self._do(deed, place):
                return deed.order
            if healthy.is_set() and chance.random() < 0.5:
                return None
            await asyncio.sleep(chance.choice((0.1, 1.0, 5.0)))
        return None

    async def _cancel(self, principal: Principal, key: str, order_id: UUID) -> None:
        for _ in range(4):
            deed = OrderDeed(self._now(), "cancel", principal.tenant, key, order=order_id)

            async def cancel(machine: Machine) -> None:
                await machine.orders.cancel(principal, order_id, "cancel", UNKEYED)

            if await self._do(deed, cancel):
                return
            await asyncio.sleep(self._chance.choice((0.1, 1.0, 5.0)))

    async def _do(self, deed: OrderDeed, work: Callable[[Machine], Any]) -> bool:
        """Whether it is known what became of it."""
        self.deeds.append(deed)
        machine = self._chance.choice(self._cluster.apis)
        try:
            await self._callers.request(machine, work(machine))
        except (TimeoutError, StorageUnavailable):  # It may have its effect yet.
            return False
        except ServiceError as error:
            deed.refused = error.code
        deed.at = self._now()
        return True
