"""One schedule: a phase of faults, healing, and the time until everything must be decided. A seed says it all."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Protocol

import structlog

from service.kit import clock
from service.kit.types import OrganizationId, TenantId, new_id
from service.numbers.ledger import Ledger
from service.numbers.repository import Numbers
from service.numbers.sending import lease
from service.numbers.steps import LEASE, Steps
from service.quotas.gate import Gate
from service.reconciliation.doubts import Doubts
from service.reconciliation.sightings import LOOK_LEASE, Sightings
from service.tenants.principals import Principal
from tests.fakes.doubts import DoubtsInMemory
from tests.fakes.gate import GateInMemory
from tests.fakes.ledger import LedgerInMemory
from tests.fakes.numbers import NumbersInMemory
from tests.fakes.sightings import SightingsInMemory
from tests.fakes.steps import StepsInMemory
from tests.fakes.world import World
from tests.simulation.callers import Callers
from tests.simulation.carrier import Carrier, uuid_of
from tests.simulation.loop import SimulatedLoop
from tests.simulation.machines import RESOLVE_EVERY, UPSTREAM_TIMEOUT, WINDOW, WRITE_OFF, Cluster
from tests.simulation.network import Network, Trace, at_once
from tests.simulation.oracle import Truths, violations
from tests.simulation.rates import Rates
from tests.simulation.seams import Journal, Run
from tests.simulation.weather import Weather

# A Tuesday, at noon.
BEGINS = datetime(2026, 5, 5, 12, tzinfo=UTC).timestamp()
FAULTS_LAST = 90.0
STEPS_AT_MOST = 400_000
PASSES = 3


class VirtualTime(clock.Source):
    """The loop's time for every clock, and a chance of its own for ids."""

    def __init__(self, loop: SimulatedLoop, chance: Random) -> None:
        self._loop = loop
        self._chance = chance

    def monotonic(self) -> float:
        return self._loop.time()

    def wall(self) -> float:
        return self._loop.time()

    def random_bytes(self, count: int) -> bytes:
        return self._chance.randbytes(count)


class Backend(Protocol):
    """Where the state of a schedule is kept. `world` is filled before `open` and is what it holds after `read`."""

    ledger: Ledger
    steps: Steps
    numbers: Numbers
    sightings: Sightings
    doubts: Doubts
    gate: Gate
    run: Run

    def open(self, world: World) -> None: ...

    def read(self) -> World: ...

    def flush(self) -> None: ...


class InMemory:
    def open(self, world: World) -> None:
        self._world = world
        self.ledger: Ledger = LedgerInMemory(world)
        self.steps: Steps = StepsInMemory(world)
        self.numbers: Numbers = NumbersInMemory(world)
        self.sightings: Sightings = SightingsInMemory(world, window=timedelta(seconds=WINDOW))
        self.doubts: Doubts = DoubtsInMemory(world)
        self._gate = GateInMemory()
        self.gate: Gate = self._gate
        self.run: Run = at_once

    def read(self) -> World:
        return self._world

    def flush(self) -> None:
        self._gate.flush()


@dataclass(slots=True)
class Report:
    """What one schedule came to. `share`: of calls that met a fault, while there were any."""

    seed: int
    digest: str
    violations: list[str]
    purchases: int
    calls: int
    share: float
    listings: int
    trace: list[str] | None = field(default=None, repr=False)


def run(seed: int, *, backend: Backend | None = None, keep_trace: bool = False) -> Report:
    """Run the schedule of a seed to its end, and judge it."""
    chance = Random(seed)
    loop = SimulatedLoop(Random(chance.random()), start=BEGINS, steps=STEPS_AT_MOST)
    with virtual_time(VirtualTime(loop, Random(chance.random()))):
        schedule = Schedule(seed, chance, loop, backend or InMemory(), Trace(keep=keep_trace))
        try:
            loop.run_until_complete(schedule.play())
        except Exception as error:
            schedule.broken = f"the schedule itself: {type(error).__name__}: {error}"
        report = schedule.report()
        loop.close()
    return report


@contextmanager
def virtual_time(source: clock.Source) -> Iterator[None]:
    real, clock.source = clock.source, source
    try:
        yield
    finally:
        clock.source = real


def be_silent() -> None:
    """The services' own logs say nothing here: a schedule has thousands of lines."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=True
    )


class Schedule:
    def __init__(self, seed: int, chance: Random, loop: SimulatedLoop, backend: Backend, trace: Trace) -> None:
        self.seed = seed
        self.broken: str | None = None
        self._chance = chance
        self._loop = loop
        self._trace = trace
        self._backend = backend
        self._pause = RESOLVE_EVERY
        self._healthy = asyncio.Event()

        organizations = ["o1", "o2"][: chance.choice((1, 1, 2))]
        self._users = {one: [f"{one}-u{n}" for n in range(chance.choice((1, 2, 3)))] for one in organizations}
        self._weather = Weather.drawn(chance)
        self._rates = Rates.drawn(chance)
        self._carrier = Carrier(
            Random(chance.random()),
            now=loop.time,
            directory=self._users,
            rates=self._rates,
            stock=chance.choice((3, 8)),
            longest_lag=WINDOW * 0.6,
            named_again=self._told,
        )
        self._world = World()
        self._principals = self._people(organizations)
        backend.open(self._world)
        self._network = Network(loop, Random(chance.random()), self._weather, trace)
        self._journal = Journal(loop.time, Random(chance.random()))
        self._cluster = Cluster(
            loop,
            backend,
            self._network,
            self._carrier,
            self._journal,
            lambda: self._pause,
            apis=chance.choice((1, 2, 3)),
            workers=chance.choice((1, 1, 2)),
        )
        self._callers = Callers(
            Random(chance.random()), self._cluster, self._principals, self._users, ["313", "415"], loop.time
        )

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
                world.add_user(organization, user, exclusive=chance.random() < 0.4, upstream_uuid=known)
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
        chance = self._chance
        callers = [
            asyncio.create_task(
                self._callers.live(f"c{n}", wishes=chance.choice((1, 2, 4)), every=8.0, healthy=self._healthy)
            )
            for n in range(chance.choice((1, 3, 5)))
        ]
        await self._be_hostile()
        self._share = self._network.faults / max(1, self._network.calls)
        self._heal()
        await asyncio.wait(callers)
        for caller in callers:
            caller.result()
        # What was sent has ended, what was claimed has lapsed, and all is settled: from here on it is looked at.
        await self._wait(lease(UPSTREAM_TIMEOUT) + max(LEASE, LOOK_LEASE.total_seconds()) + WINDOW)
        await self._wait(PASSES * RESOLVE_EVERY, pause=RESOLVE_EVERY)
        self._open_before_write_off = violations(self._truths(), written_off=False)
        await self._wait(WRITE_OFF)
        await self._wait(PASSES * RESOLVE_EVERY, pause=RESOLVE_EVERY)

    async def _be_hostile(self) -> None:
        weather, chance, cluster = self._weather, self._chance, self._cluster
        ends = self._loop.time() + FAULTS_LAST
        while self._loop.time() < ends:
            await asyncio.sleep(1.0)
            if chance.random() < weather.kills:
                cluster.kill(chance.randrange(cluster.size), back_after=chance.choice((0.1, 5.0, 40.0)))
            if chance.random() < weather.freezes:
                cluster.freeze(chance.randrange(cluster.size), chance.choice((0.5, 5.0, 15.0, 40.0)))
            if chance.random() < weather.flushes:
                self._backend.flush()
            if chance.random() < weather.strangers_buy:
                self._stranger_buys()
            if chance.random() < weather.strangers_release:
                self._carrier.stranger_releases()

    def _stranger_buys(self) -> None:
        """In the dashboard; but not for users of whom an operator vouched that nobody does."""
        organization = self._chance.choice([*self._users])
        user = self._chance.choice(self._users[organization])
        if not self._world.is_exclusive(organization, user):
            self._carrier.stranger_buys(organization, user, self._chance.choice(("313", "415")))

    def _told(self) -> list[str]:
        """Numbers of which some answer has told: what else there is no answer names as if it were new."""
        return [phone_number for _, phone_number, _ in self._callers.bought]

    def _heal(self) -> None:
        self._network.note("healed")
        self._network.weather = Weather()
        self._carrier.heal()
        self._healthy.set()

    async def _wait(self, seconds: float, pause: float = 20.0) -> None:
        self._pause = pause
        await asyncio.sleep(seconds)

    def _truths(self) -> Truths:
        return Truths(self._backend.read(), self._carrier, self._journal, self._callers.heard, self._loop.time())

    def report(self) -> Report:
        found = [self.broken] if self.broken else []
        found += [f"nobody heard: {one.get('exception')!r}" for one in self._loop.unhandled]
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
            trace=self._trace.lines,
        )


def describe(seed: int) -> dict[str, Any]:
    """What a seed draws, for a person who reads its trace."""
    chance = Random(seed)
    chance.random()
    loop = SimulatedLoop(Random(0), start=BEGINS)
    with virtual_time(VirtualTime(loop, Random(chance.random()))):
        schedule = Schedule(seed, chance, loop, InMemory(), Trace())
    return {"weather": str(schedule._weather), "rates": schedule._rates, "users": schedule._users}
