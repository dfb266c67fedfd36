"""One schedule: a phase of faults, healing, and the time until everything must be decided. A seed says it all."""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Protocol, TypeVar

import structlog

import service.numbers.steps
import service.reconciliation.sightings
import tests.fakes.sightings
import tests.fakes.steps
from service.kit import clock
from service.kit.types import OrganizationId, TenantId, new_id
from service.numbers.grace import Grace
from service.numbers.ledger import Ledger
from service.numbers.repository import Numbers
from service.numbers.sending import lease
from service.numbers.steps import Steps
from service.orders.orders import Orders
from service.orders.placing import Placing
from service.orders.queue import OrderQueue
from service.orders.work import OrderWork
from service.quotas.administration import LIMITS
from service.quotas.gate import Gate
from service.quotas.models import Quota
from service.reconciliation.doubts import Doubts
from service.reconciliation.sightings import Sightings
from service.tenants.principals import Principal
from tests.fakes.doubts import DoubtsInMemory
from tests.fakes.gate import GateInMemory
from tests.fakes.grace import GraceInMemory
from tests.fakes.ledger import LedgerInMemory
from tests.fakes.numbers import NumbersInMemory
from tests.fakes.orders import OrderQueueInMemory, OrdersInMemory, OrderWorkInMemory, PlacingInMemory
from tests.fakes.sightings import SightingsInMemory
from tests.fakes.steps import StepsInMemory
from tests.fakes.world import World
from tests.simulation.callers import Callers
from tests.simulation.carrier import WAYS, Carrier, uuid_of
from tests.simulation.loop import SimulatedLoop
from tests.simulation.machines import (
    GRACE,
    LONGEST_PAUSE,
    LOOK_LEASE,
    MARK_KEEP,
    PRICE,
    RESOLVE_EVERY,
    STEP_LEASE,
    UPSTREAM_TIMEOUT,
    WINDOW,
    WRITE_OFF,
    Cluster,
    Role,
    Stores,
)
from tests.simulation.network import Network, Trace, at_once
from tests.simulation.operators import Operator
from tests.simulation.oracle import Truths, violations
from tests.simulation.orderers import Orderers
from tests.simulation.rates import Rates
from tests.simulation.seams import Journal
from tests.simulation.weather import Weather

T = TypeVar("T")

# A Tuesday, at noon.
BEGINS = datetime(2026, 5, 5, 12, tzinfo=UTC).timestamp()
FAULTS_LAST = (60.0, 120.0, 180.0)
# The network heals first: what takes several calls comes to its end, at a Teli that still fails.
TELI_FAILS_ON = (0.0, 60.0)
STEPS_AT_MOST = 400_000
CRASHED = "the schedule itself"
PASSES = 3
PRELUDE = 8.0
ASKED_AGAIN = 3
# More ids than one step draws.
DRAWS = 1 << 16
SCALED = (
    (service.numbers.steps, "LEASE", STEP_LEASE),
    (service.numbers.steps, "LONGEST_PAUSE", LONGEST_PAUSE),
    (tests.fakes.steps, "LEASE", STEP_LEASE),
    (tests.fakes.steps, "LONGEST_PAUSE", LONGEST_PAUSE),
    (service.reconciliation.sightings, "LOOK_LEASE", timedelta(seconds=LOOK_LEASE)),
    (tests.fakes.sightings, "LOOK_LEASE", timedelta(seconds=LOOK_LEASE)),
)


class VirtualTime(clock.Source):
    """The loop's time for every clock, and a chance of its own for ids.

    Within a step of a store ids are counted instead, from a number that is the step's: a database can count too.
    """

    def __init__(self, loop: SimulatedLoop, chance: Random) -> None:
        self._loop = loop
        self._chance = chance
        self._steps = 0
        self._drawn: int | None = None

    def monotonic(self) -> float:
        return self._loop.time()

    def wall(self) -> float:
        """In whole microseconds, as Postgres counts them."""
        return round(self._loop.time(), 6)

    def random_bytes(self, count: int) -> bytes:
        if self._drawn is None:
            return self._chance.randbytes(count)
        self._drawn += 1
        return (self._drawn - 1).to_bytes(count)

    @contextmanager
    def step(self) -> Iterator[int]:
        """While a store works. Gives the number from which its ids are counted."""
        self._steps += 1
        self._drawn = begins = self._steps * DRAWS
        try:
            yield begins
        finally:
            self._drawn = None


def time_now() -> VirtualTime:
    assert isinstance(clock.source, VirtualTime)
    return clock.source


class Backend(Protocol):
    """Where the state of a schedule is kept. `world` is filled before `open` and is what it holds after `read`."""

    def open(self, world: World) -> None: ...

    def of(self, role: Role) -> Stores: ...

    def read(self) -> World: ...

    def flush(self) -> None: ...


class InMemory:
    def open(self, world: World) -> None:
        self._world = world
        self.ledger: Ledger = LedgerInMemory(world)
        self.steps: Steps = StepsInMemory(world)
        self.numbers: Numbers = NumbersInMemory(world)
        self.grace: Grace = GraceInMemory(world, grace=GRACE)
        self.sightings: Sightings = SightingsInMemory(world, window=timedelta(seconds=WINDOW))
        self.doubts: Doubts = DoubtsInMemory(world)
        self.placing: Placing = PlacingInMemory(world, limits_at=PRICE)
        self.orders: Orders = OrdersInMemory(world)
        self.queue: OrderQueue = OrderQueueInMemory(world)
        self.order_work: OrderWork = OrderWorkInMemory(world)
        self._gate = GateInMemory()
        self.gate: Gate = self._gate

    def of(self, role: Role) -> Stores:
        return Stores(
            self.ledger,
            self.steps,
            self.numbers,
            self.grace,
            self.sightings,
            self.doubts,
            self.placing,
            self.orders,
            self.queue,
            self.order_work,
            gate=self.gate,
            run=self.run,
        )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        with time_now().step():
            return at_once(work)

    def read(self) -> World:
        return self._world

    def flush(self) -> None:
        self._gate.flush()


@dataclass(slots=True)
class Report:
    """What one schedule came to. `share`: of calls that met a fault, while there were any.

    `releases`: of these `restored` were taken back. `recycled`: purchases of ours of a number given back before.
    `orders`: of these `cancelled` were, and `ordered` numbers were bought for them.
    """

    seed: int
    digest: str
    violations: list[str]
    purchases: int
    calls: int
    share: float
    listings: int
    releases: int
    restored: int
    recycled: int
    orders: int
    cancelled: int
    ordered: int
    trace: list[str] | None = field(default=None, repr=False)


def run(seed: int, *, backend: Backend | None = None, keep_trace: bool = False) -> Report:
    """Run the schedule of a seed to its end, and judge it."""
    with prepared(seed, backend or InMemory(), Trace(keep=keep_trace)) as schedule:
        return schedule.judged()


@contextmanager
def prepared(seed: int, backend: Backend, trace: Trace) -> Iterator["Schedule"]:
    """The schedule of a seed, all drawn and nothing begun, in its own time."""
    chance = Random(seed)
    loop = SimulatedLoop(Random(chance.random()), start=BEGINS, steps=STEPS_AT_MOST)
    with virtual_time(VirtualTime(loop, Random(chance.random()))):
        yield Schedule(seed, chance, loop, backend, trace)
        loop.close()


@contextmanager
def virtual_time(source: clock.Source) -> Iterator[None]:
    """The clock of the loop, and what the product fixes in seconds to the scale of the simulation."""
    real, clock.source = clock.source, source
    unscaled = [(module, name, getattr(module, name)) for module, name, _ in SCALED]
    for module, name, value in SCALED:
        setattr(module, name, value)
    try:
        yield
    finally:
        clock.source = real
        for module, name, value in unscaled:
            setattr(module, name, value)


def be_silent() -> None:
    """The services' own logs say nothing here: a schedule has thousands of lines. Nothing is kept of it by the loggers,
    for other tests of this process hear what they say.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False
    )


class Schedule:
    def __init__(self, seed: int, chance: Random, loop: SimulatedLoop, backend: Backend, trace: Trace) -> None:
        self.seed = seed
        self.broken: str | None = None
        self._chance = chance
        # A chance of their own: where nobody orders a schedule goes as if there were no orders. It is drawn so that
        # those which show the rarest of the planted faults, one in thousands, have none.
        of_orders = Random(f"orders 841 of {seed}")
        self._orders = [of_orders.choice((1, 1, 2)) for _ in range(of_orders.choice((0, 0, 1, 2)))]
        self._loop = loop
        self._trace = trace
        self._backend = backend
        self._pause = RESOLVE_EVERY
        self._whole_at = 0.0
        self._healthy = asyncio.Event()

        organizations = ["o1", "o2"][: chance.choice((1, 1, 2))]
        self._users = {one: [f"{one}-u{n}" for n in range(chance.choice((1, 2, 3)))] for one in organizations}
        self._weather = Weather.drawn(chance)
        self._rates = Rates.drawn(chance)
        self._carrier = Carrier(
            Random(chance.random()),
            now=loop.time,
            directory=self._users,
            stock=chance.choice((2, 3, 8)),
            longest_lag=WINDOW * 0.6,
            named_again=self._told,
        )
        self._carrier.nicknames = chance.choice(WAYS)
        self._faults_last = chance.choice(FAULTS_LAST)
        self._world = World()
        self._principals = self._people(organizations)
        backend.open(self._world)
        # At first all is well: what is held has been listed before anything is bought.
        self._network = Network(loop, Random(chance.random()), Weather(), trace)
        self._journal = Journal(loop.time, Random(chance.random()))
        self._cluster = Cluster(
            loop,
            backend,
            self._network,
            self._carrier,
            self._journal,
            lambda: self._pause,
            principals=self._principals,
            sells_to_orders=next(iter(self._world.accounts)) if self._orders else None,
            apis=chance.choice((1, 2, 3)),
            workers=chance.choice((1, 1, 2)),
        )
        self._callers = Callers(
            Random(chance.random()), self._cluster, self._principals, self._users, ["313", "415"], loop.time
        )
        self._orderers = Orderers(of_orders, self._cluster, self._callers, self._principals, self._users, loop.time)
        self._wishes = [chance.choice((1, 2, 4, 6)) for _ in range(chance.choice((1, 3, 5)))]
        self._operator = Operator(
            Random(chance.random()), self._cluster, self._journal, decides=chance.choice((0.0, 0.9, 0.9))
        )

    def drawn(self) -> dict[str, Any]:
        """In words, for a person."""
        return {
            "weather": str(self._weather),
            "rates": {one.name: round(rate, 3) for one in fields(Rates) if (rate := getattr(self._rates, one.name))},
            "users": {one: [self._told_of(one, user) for user in users] for one, users in self._users.items()},
            "nicknames": self._carrier.nicknames,
            "account": [f"{account.mode} mode, {len(self._world.slots[account.id])} slots"
                        for account in self._world.accounts.values()],
            "tenants": {" ".join(key).strip(): self._limits_of(quota) for key, quota in self._world.quotas.items()},
            "existing": [one.phone_number for one in self._world.existing.values()],
            "processes": f"{len(self._cluster.apis)} APIs, {len(self._cluster.workers)} workers",
            "wishes": self._wishes,
            "orders": self._orders,
        }  # fmt: skip

    def _limits_of(self, quota: Quota) -> str:
        limits = {name: value for name in LIMITS if (value := getattr(quota, name)) is not None}
        return f"{quota.mode} {limits}"

    def _told_of(self, organization: str, user: str) -> str:
        return f"{user}, exclusive" if self._world.is_exclusive(organization, user) else user

    def judged(self) -> Report:
        try:
            self._loop.run_until_complete(self.play())
        except Exception as error:
            self.broken = f"{CRASHED}: {type(error).__name__}: {error}"
        return self.report()

    def _limit_others(self) -> None:
        """Limits of organisations, users and the deployment, and others than of what is held."""
        chance, world = self._chance, self._world
        organization, users = chance.choice(list(self._users.items()))
        scopes: tuple[dict[str, str], ...] = (
            {"scope": "organization", "organization_id": organization},
            {"scope": "user", "organization_id": organization, "user_id": chance.choice(users)},
            {"scope": "deployment"},
        )
        for scope in scopes:
            if chance.random() < 0.3:
                name = chance.choice(("numbers_held", "numbers_held", *LIMITS))
                mode = chance.choice(("enforced", "enforced", "enforced", "shadow", "off"))
                world.limit(**scope, mode=mode, **{name: chance.choice((1, 2, 4, 8))})

    def _people(self, organizations: list[str]) -> list[Principal]:
        """What administrators filed, and what the account held before."""
        chance, world = self._chance, self._world
        account = world.add_account(
            slots=chance.choice((1, 3, 64)),
            teli_tenant_id="teli",
            mode=chance.choice(("lane", "mark")),
            listed_at=datetime.fromtimestamp(BEGINS - 60, UTC),
        )
        for organization, users in self._users.items():
            world.add_organization(organization)
            for user in users:
                known = uuid_of(user) if chance.random() < 0.5 else None
                world.add_user(organization, user, exclusive=chance.random() < 0.5, upstream_uuid=known)
            for _ in range(chance.choice((0, 0, 1, 2))):
                before = self._carrier.stranger_buys(organization, users[0], chance.choice(("313", "415")))
                if before is not None:
                    world.add_existing(
                        account.id,
                        before.row_id,
                        before.phone_number,
                        organization_id=organization,
                        user_id=before.user,
                        nickname=before.nickname,
                    )
            # Bought before an operator vouched that nobody does, and undecided still.
            if chance.random() < 0.3:
                self._carrier.stranger_buys(organization, chance.choice(users), chance.choice(("313", "415")))
        self._limit_others()
        found = []
        for n in range(chance.choice((1, 2, 3))):
            tenant, granted = f"t{n}", organizations[: chance.choice((1, 2))]
            world.add_tenant(tenant, account.id, granted, limit=chance.choice((1, 2, 4, 8, None)))
            found.append(
                Principal(
                    key_id=new_id(),
                    kind="service",
                    tenant_id=TenantId(tenant),
                    tag=f"TAG0{n}",
                    account_id=account.id,
                    teli_tenant_id="teli",
                    organization_ids=tuple(map(OrganizationId, granted)),
                    sees=(),
                    scopes=frozenset({"*"}),
                    idempotency_required=False,
                    expires_at=None,
                )
            )
        return found

    async def play(self) -> None:
        await asyncio.sleep(PRELUDE)
        self._journal.sending = self._strike
        self._network.weather, self._network.calls = self._weather, 0
        self._carrier.rates = self._rates
        callers = [
            asyncio.create_task(self._callers.live(f"c{n}", wishes=wishes, every=8.0, healthy=self._healthy))
            for n, wishes in enumerate(self._wishes)
        ]
        callers += [
            asyncio.create_task(self._orderers.live(f"o{n}", orders=orders, healthy=self._healthy))
            for n, orders in enumerate(self._orders)
        ]
        operator = asyncio.create_task(self._operator.work())
        await self._be_hostile()
        self._share = self._network.faults / max(1, self._network.calls)
        self._network.note("healed")
        self._network.weather = Weather()
        await asyncio.sleep(self._chance.choice(TELI_FAILS_ON))
        self._heal()
        await asyncio.wait(callers)
        for caller in callers:
            caller.result()
        # What was sent has ended, what was claimed has lapsed, and all is settled: from here on it is looked at.
        # A row that vanished takes a window to be a ghost, and what else is absent is so only after that.
        frozen = max(0.0, self._cluster.thawed_at - self._loop.time(), self._whole_at - self._loop.time())
        await self._wait(frozen + lease(UPSTREAM_TIMEOUT) + max(STEP_LEASE, LOOK_LEASE) + 3 * WINDOW, pause=20.0)
        await self._wait(PASSES * RESOLVE_EVERY, pause=RESOLVE_EVERY)
        truths = self._truths()
        self._open_before_write_off = violations(truths, written_off=False)
        open_still = any(one.state == "unresolved" for one in truths.world.intents.values())
        await self._wait(WRITE_OFF if open_still else MARK_KEEP + LONGEST_PAUSE, pause=50.0)
        await self._wait(PASSES * RESOLVE_EVERY, pause=RESOLVE_EVERY)
        await self._callers.ask_again(ASKED_AGAIN)
        await self._wait(lease(UPSTREAM_TIMEOUT), pause=RESOLVE_EVERY)
        if any(one.state in ("sending", "doubtful") for one in self._truths().world.intents.values()):
            await self._wait(lease(UPSTREAM_TIMEOUT) + WINDOW + PASSES * RESOLVE_EVERY, pause=RESOLVE_EVERY)
        operator.cancel()

    async def _be_hostile(self) -> None:
        weather, chance = self._weather, self._chance
        ends = self._loop.time() + self._faults_last
        while self._loop.time() < ends:
            await asyncio.sleep(1.0)
            if chance.random() < weather.kills:
                self._kill(self._victim())
            if chance.random() < weather.freezes:
                self._freeze(self._victim())
            if chance.random() < weather.cuts:
                self._cut(self._victim())
            if chance.random() < weather.flushes:
                self._backend.flush()
            if chance.random() < weather.strangers_buy:
                self._stranger_buys()
            if chance.random() < weather.strangers_release:
                self._stranger_releases()

    def _strike(self, name: str) -> None:
        """In the middle of what must not be done twice."""
        if self._chance.random() < self._network.weather.strikes:
            self._chance.choice((self._kill, self._freeze, self._cut))(self._cluster.names.index(name))

    def _kill(self, number: int) -> None:
        self._cluster.kill(number, back_after=self._chance.choice((0.1, 5.0, 40.0)))

    def _freeze(self, number: int) -> None:
        self._cluster.freeze(number, self._chance.choice((0.5, 5.0, 15.0, 40.0, 150.0)))

    def _cut(self, number: int) -> None:
        seconds = self._chance.choice((15.0, 60.0, 200.0, 200.0))
        self._network.cut(self._cluster.names[number], seconds)
        self._whole_at = max(self._whole_at, self._loop.time() + seconds)

    def _victim(self) -> int:
        """Any process, mostly one that waits for Teli: what matters happens then."""
        busy = self._journal.waiting_for_teli()
        named = [n for n, name in enumerate(self._cluster.names) if name in busy]
        if named and self._chance.random() < 0.75:
            return self._chance.choice(named)
        return self._chance.randrange(self._cluster.size)

    def _stranger_buys(self) -> None:
        """In the dashboard; but not for users of whom an operator vouched that nobody does.

        Whoever buys there may name a number as they like: also as one is named that was bought for somebody else.
        """
        organization = self._chance.choice([*self._users])
        user = self._chance.choice(self._users[organization])
        if self._world.is_exclusive(organization, user):
            return
        doubts = [one for one in self._backend.read().intents.values() if one.state == "doubtful"]
        others = [one.mark for one in doubts if one.user_id != user]
        nickname = self._chance.choice((None, "", "Front desk", *others))
        self._carrier.stranger_buys(organization, user, self._chance.choice(("313", "415")), nickname)

    def _stranger_releases(self) -> None:
        """In the dashboard, mostly what was bought last; but no number of an exclusive user whose row was never seen.

        Sold to us anew for that user, without its mark, such a number is a doubt that ends only when a person has
        decided the first: elimination finds its row again and again, and the ledger cannot take it.
        """
        seen = {one.upstream_row_id for one in self._backend.read().numbers.values()}
        if others := [
            number
            for number, one in self._carrier.held.items()
            if one.who == "stranger" or one.row_id in seen or not self._world.is_exclusive(one.organization, one.user)
        ]:
            self._carrier.stranger_releases(others[-1] if self._chance.random() < 0.5 else self._chance.choice(others))

    def _told(self) -> list[str]:
        """Numbers that the ledger holds: what else there is no answer names as if it were new."""
        return sorted(one.phone_number for one in self._backend.read().numbers.values() if one.state != "released")

    def _heal(self) -> None:
        self._network.note("Teli healed")
        self._carrier.heal()
        self._healthy.set()

    async def _wait(self, seconds: float, *, pause: float) -> None:
        """For so long once every worker has begun to pause no longer than that."""
        seconds += self._pause if pause < self._pause else 0.0
        self._pause = pause
        await asyncio.sleep(seconds)

    def _truths(self) -> Truths:
        callers = self._callers
        return Truths(
            self._backend.read(),
            self._carrier,
            self._journal,
            callers.heard,
            callers.deeds,
            self._orderers.deeds,
            self._loop.time(),
        )

    def report(self) -> Report:
        found = [self.broken] if self.broken else []
        found += [f"nobody heard: {one.get('exception')!r}" for one in self._loop.unhandled]
        world = self._backend.read()
        releases = [one.outcome for one in world.steps.values() if one.kind == "release"]
        orders = world.orders.values()
        if not self.broken:
            found += self._open_before_write_off + violations(self._truths(), written_off=True)
        return Report(
            seed=self.seed,
            digest=self._trace.digest(),
            violations=list(dict.fromkeys(found)),
            purchases=len(self._carrier.bought),
            calls=self._network.calls,
            share=getattr(self, "_share", 0.0),
            listings=self._journal.listings,
            releases=len(releases),
            restored=releases.count("restored"),
            recycled=self._carrier.recycled,
            orders=len(orders),
            cancelled=sum(one.cancelled_at is not None for one in orders),
            ordered=sum(one.outcome == "done" for one in world.order_items.values()),
            trace=self._trace.lines,
        )


def describe(seed: int) -> dict[str, Any]:
    """What a seed draws, for a person who reads its trace."""
    with prepared(seed, InMemory(), Trace()) as schedule:
        return schedule.drawn()
