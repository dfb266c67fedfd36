"""Those who call the gateway: they buy, ask again with the same key, give back, rename, and note what they hear."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, TypeVar
from uuid import UUID

import orjson

from service.idempotency.keys import Ask, fingerprint
from service.idempotency.once import UNKEYED
from service.kit.errors import ServiceError, StateConflict, StorageUnavailable
from service.kit.phone import E164
from service.kit.types import OrganizationId, UserId
from service.numbers.purchases import Answered, Pending, Wish
from service.numbers.repository import Change, Releasing
from service.tenants.principals import Principal
from tests.simulation.machines import GRACE, Cluster, Machine

T = TypeVar("T")

# A caller gives up on a connection over which nothing comes.
PATIENCE = 15.0
# Without a key many give up sooner, and ask again: soon, or when the purchase may be unresolved already.
HANGS_UP_AFTER = (0.05, 0.5, 2.0, PATIENCE, PATIENCE)
ASKS_AGAIN_AFTER = (0.01, 0.3, 1.0, 5.0, 30.0, 150.0)
# Who gives back at the end of a grace thinks again at once, or when it ends: a moment before, or as that is noticed.
HESITATES_FOR = (0.1, 0.1, 1.0, 5.0, *(GRACE.total_seconds() + late for late in (-1.0, 0.0, 1.0, 4.0)))
Told = Literal["answered", "pending", "error", "nothing"]


@dataclass(frozen=True, slots=True)
class Heard:
    """What one request for a purchase was told. `body` of an answer; `code` of an error; `operation` and its `state`.

    `joined`: it was told of an equal request's purchase.
    """

    began: float
    at: float
    caller: str
    tenant: str
    key: str | None
    fingerprint: bytes
    request_id: str
    told: Told
    status: int | None = None
    body: str | None = None
    code: str | None = None
    operation: UUID | None = None
    state: str | None = None
    joined: bool = False


@dataclass(slots=True)
class Deed:
    """That a number be given back, at once or later, or be kept after all. Times are its process's.

    `at`: when what came of it was heard, if it ever was; `number`: the number it was done to; `refused`: the code of
    the error, of one that had no effect.
    """

    began: float
    kind: Literal["release", "schedule", "restore"]
    tenant: str
    phone_number: str
    at: float = math.inf
    number: UUID | None = None
    refused: str | None = None


class Callers:
    def __init__(self, chance: Random, cluster: Cluster, principals: list[Principal], users: dict[str, list[str]],
                 area_codes: list[str], now: Callable[[], float]) -> None:  # fmt: skip
        self.heard: list[Heard] = []
        self.deeds: list[Deed] = []
        self.bought: list[tuple[Principal, str, str]] = []
        self._chance = chance
        self._cluster = cluster
        self._principals = principals
        self._users = users
        self._area_codes = area_codes
        self._now = now
        self._requests = 0
        self._asked: dict[tuple[str, str], tuple[Principal, Wish, Ask]] = {}

    async def live(self, name: str, *, wishes: int, every: float, healthy: asyncio.Event) -> None:
        """One caller's life: some purchases, each followed up with care, and now and then another deed."""
        chance = self._chance
        for n in range(wishes):
            await asyncio.sleep(chance.uniform(0, 2 * every))
            principal = chance.choice(self._principals)
            organization = chance.choice([*principal.organization_ids])
            user = chance.choice(self._users[organization])
            key = f"{name}-{n}" if chance.random() < 0.7 else None
            if key and chance.random() < 0.2:
                key = f"shared-{principal.tenant_id}-{chance.randrange(3)}"
                user, area_code = self._users[organization][0], self._area_codes[0]
                organization = principal.organization_ids[0]
                user = self._users[organization][0]
            else:
                area_code = chance.choice(self._area_codes)
            nickname = chance.choice((None, None, "Sales desk"))
            wish = Wish(OrganizationId(organization), UserId(user), area_code, None if key else nickname)
            await self._buy(name, principal, wish, key, healthy)
            while self.bought and chance.random() < 0.6:
                await self._another_deed()

    async def _buy(self, name: str, principal: Principal, wish: Wish, key: str | None, healthy: asyncio.Event) -> None:
        """With a key it asks until it knows, as a careful client does; without one it hopes for the best."""
        ask = Ask(key, fingerprint([wish.organization_id, wish.user_id, wish.area_code, wish.nickname]))
        if key is None:
            while (await self._ask(name, principal, wish, ask)).told in ("nothing", "pending"):
                if self._chance.random() < 0.3:
                    return
                await asyncio.sleep(self._chance.choice(ASKS_AGAIN_AFTER))
            return
        self._asked.setdefault((principal.tenant, key), (principal, wish, ask))
        for _ in range(12):
            heard = await self._ask(name, principal, wish, ask)
            if heard.told == "answered" and heard.status is not None and heard.status < 300:
                return
            if heard.told == "answered" and self._chance.random() < 0.5:
                return
            if heard.code in ("quota_exceeded", "idempotency_key_reused") and self._chance.random() < 0.7:
                return
            if healthy.is_set() and heard.told != "nothing":
                return
            await asyncio.sleep(self._chance.choice((0.1, 1.0, 5.0, 30.0)))

    async def ask_again(self, at_most: int) -> None:
        """Long after, some of the keys once more, as somebody does who has lost the answer."""
        for which in self._chance.sample(sorted(self._asked), min(at_most, len(self._asked))):
            await self._ask("again", *self._asked[which])

    async def _ask(self, name: str, principal: Principal, wish: Wish, ask: Ask) -> Heard:
        self._requests += 1
        request_id = f"r{self._requests}"
        machine = self._chance.choice(self._cluster.apis)
        within = self._chance.choice((None, 0.0, 1.0))
        hangs_up_after = PATIENCE if ask.key else self._chance.choice(HANGS_UP_AFTER)
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        work = self._enter_and_buy(machine, principal, wish, ask, within, gone, request_id)
        began = self._now()

        def note(told: Told, **more: Any) -> Heard:
            tenant = str(principal.tenant_id)
            heard = Heard(began, self._now(), name, tenant, ask.key, ask.fingerprint, request_id, told, **more)
            self.heard.append(heard)
            return heard

        try:
            outcome = await self.request(machine, work, patience=hangs_up_after)
        except TimeoutError:
            gone.set_result(None)
            return note("nothing")
        except ServiceError as error:
            return note("error", code=error.code)
        if isinstance(outcome, Pending):
            return note("pending", operation=outcome.operation_id, state=outcome.state, joined=outcome.joined)
        assert isinstance(outcome, Answered)
        if outcome.answer.status < 300:
            body = orjson.loads(outcome.answer.body)
            self.bought.append((principal, body["phone_number"], body["id"]))
        return note("answered", status=outcome.answer.status, body=outcome.answer.body, joined=outcome.joined)

    async def _enter_and_buy(
        self,
        machine: Machine,
        principal: Principal,
        wish: Wish,
        ask: Ask,
        within: float | None,
        gone: "asyncio.Future[None]",
        request_id: str,
    ) -> Answered | Pending:
        entry = await machine.gate.enter(principal.tenant, ask.key, principal.rate)
        return await machine.provisioning.buy(
            principal, wish, ask, entry, within=within, gone=gone, request_id=request_id
        )

    async def _another_deed(self) -> None:
        """Mostly to what was bought last, of which least is known."""
        principal, number, _ = self._chance.choice((self.bought[-1], self._chance.choice(self.bought)))
        phone_number = E164(number)
        deed = self._chance.choices((self._release, self._rename, self._schedule, self._restore), (7, 4, 4, 1))[0]
        possible = await self._do(deed, principal, phone_number)
        while possible and deed in (self._schedule, self._restore) and self._chance.random() < 0.75:
            await asyncio.sleep(self._chance.choice(HESITATES_FOR))
            deed = self._restore if deed == self._schedule else self._schedule
            possible = await self._do(deed, principal, phone_number)

    async def _do(self, deed: Callable[[Machine, Principal, E164], Coroutine[Any, Any, None]], principal: Principal,
                  phone_number: E164) -> bool:  # fmt: skip
        """Returns False where the number is in no state for it."""
        machine = self._chance.choice(self._cluster.apis)
        try:
            await self.request(machine, deed(machine, principal, phone_number))
        except StateConflict:
            return False
        except (TimeoutError, ServiceError):
            pass
        return True

    async def _release(self, machine: Machine, principal: Principal, phone_number: E164) -> None:
        begun = await self._noted(
            Deed(self._now(), "release", principal.tenant, phone_number),
            machine.numbers.begin_release(principal, phone_number, acquisition=None, request_id="release"),
        )
        if isinstance(begun, Releasing):
            await machine.follow_ups.run_now(principal.tenant, begun.step_id, within=3.0)

    async def _schedule(self, machine: Machine, principal: Principal, phone_number: E164) -> None:
        deed = Deed(self._now(), "schedule", principal.tenant, phone_number)
        asked = {"reason": None, "force": False, "request_id": "later", "once": UNKEYED}
        deed.number = await self._noted(deed, machine.grace.schedule(principal, phone_number, **asked))

    async def _restore(self, machine: Machine, principal: Principal, phone_number: E164) -> None:
        deed = Deed(self._now(), "restore", principal.tenant, phone_number)
        asked = {"reason": None, "request_id": "restore", "once": UNKEYED}
        deed.number = await self._noted(deed, machine.grace.restore(principal, phone_number, **asked))

    async def _noted(self, deed: Deed, work: Awaitable[T]) -> T:
        """Raises: what the work raises."""
        self.deeds.append(deed)
        try:
            said = await work
        except StorageUnavailable:  # It may have its effect yet.
            raise
        except ServiceError as error:
            deed.at, deed.refused = self._now(), error.code
            raise
        deed.at = self._now()
        return said

    async def _rename(self, machine: Machine, principal: Principal, phone_number: E164) -> None:
        change = Change(frozenset({"nickname"}), nickname=self._chance.choice((None, "Front", "Back")))
        step_id = await machine.numbers.want(principal, phone_number, change, request_id="rename")
        await machine.follow_ups.run_now(principal.tenant, step_id, within=3.0)

    async def request(self, machine: Machine, work: Coroutine[Any, Any, T], *, patience: float = PATIENCE) -> T:
        """Over a connection that breaks with its process. Raises: TimeoutError, and what the work raises."""
        if not machine.process.alive:
            work.close()
            await asyncio.sleep(0.05)
            raise TimeoutError
        task = machine.process.start(work)
        done, _ = await asyncio.wait({task}, timeout=patience)
        if not done:
            raise TimeoutError
        return task.result()
