"""The gateway's processes in the simulation: the services as at work, over seams that break."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from service.db import CommitUnknown
from service.kit.crypto import Secret
from service.kit.errors import ServiceError
from service.numbers.changes import Changes
from service.numbers.confirm import Confirmation
from service.numbers.drain import Drain
from service.numbers.follow_ups import FollowUps
from service.numbers.grace import Grace
from service.numbers.ledger import Ledger
from service.numbers.provisioning import Provisioning
from service.numbers.release import Release
from service.numbers.repository import Numbers
from service.numbers.sending import Sending
from service.numbers.steps import Steps
from service.quotas.gate import Gate
from service.reconciliation.doubts import Doubts
from service.reconciliation.drifts import Drifts
from service.reconciliation.judgement import Observation
from service.reconciliation.resolver import Resolver
from service.reconciliation.sightings import Sightings
from service.tenants.directory import Directory
from tests.simulation.carrier import Carrier
from tests.simulation.loop import Process, SimulatedLoop
from tests.simulation.network import Network, at_once
from tests.simulation.seams import DoubtsStore, GateStore, Journal, Run, SimulatedTeli, Store, seam
from tests.support.upstreams import OneUpstream

SECRET = Secret("a secret of the simulation alone")
ANSWER_WITHIN = 3.0
UPSTREAM_TIMEOUT = 10.0
WINDOW = 60.0
GRACE = timedelta(seconds=20)
WRITE_OFF = 400.0
MARK_KEEP = 45.0
PRICE = 3
RESOLVE_EVERY = 4.0
SWEEP_EVERY = 20.0
# Those that the product does not ask to be set, in the same proportion; each longer than the calls it must outlast.
STEP_LEASE = 30.0
LOOK_LEASE = 30.0
LONGEST_PAUSE = 30.0


Role = Literal["api", "worker"]


@dataclass(frozen=True, slots=True)
class Stores:
    """The state that all processes share, in memory or in Postgres, as those of one role have it."""

    ledger: Ledger
    steps: Steps
    numbers: Numbers
    grace: Grace
    sightings: Sightings
    doubts: Doubts
    gate: Gate
    run: Run


class Shared(Protocol):
    def of(self, role: Role) -> Stores: ...


@dataclass(frozen=True, slots=True)
class Machine:
    """One process: what requests need, and what the worker does."""

    process: Process
    gate: Gate
    provisioning: Provisioning
    numbers: Numbers
    grace: Grace
    follow_ups: FollowUps
    ledger: Ledger
    resolver: Resolver


class NoDrift(Drifts):
    """Nobody changes rows in the dashboard here, and what Teli's lists show late is for drift's own tests."""

    def __init__(self) -> None:
        pass

    async def see(self, seen: Observation) -> None:
        pass


def start(process: Process, stores: Stores, network: Network, carrier: Carrier, journal: Journal) -> Machine:
    """A process with services of its own. What it holds in memory is lost with it."""
    ledger, steps, numbers, grace, sightings = (
        seam(kind, Store(network, kind.__name__.lower(), store, stores.run))
        for kind, store in (
            (Ledger, stores.ledger),
            (Steps, stores.steps),
            (Numbers, stores.numbers),
            (Grace, stores.grace),
            (Sightings, stores.sightings),
        )
    )
    doubts = seam(Doubts, DoubtsStore(network, "doubts", stores.doubts, stores.run, journal))
    gate = seam(Gate, GateStore(network, "gate", stores.gate, at_once))
    teli = SimulatedTeli(network, carrier, journal, listen=UPSTREAM_TIMEOUT)
    drain = Drain(ANSWER_WITHIN)
    upstreams = OneUpstream(teli)
    confirmation = Confirmation(numbers, upstreams, mark_keep=MARK_KEEP)
    window = timedelta(seconds=WINDOW)
    return Machine(
        process=process,
        gate=gate,
        provisioning=Provisioning(
            ledger=ledger,
            gate=gate,
            sending=Sending(ledger, gate, upstreams, drain),
            directory=seam(Directory, Store(network, "directory", object(), stores.run)),
            secret=SECRET,
            drain=drain,
            answer_within=ANSWER_WITHIN,
            upstream_timeout=UPSTREAM_TIMEOUT,
            price=PRICE,
        ),
        numbers=numbers,
        grace=grace,
        follow_ups=FollowUps(
            steps,
            confirmation,
            Changes(numbers, steps, upstreams, confirmation),
            Release(numbers, steps, upstreams, confirmation, settling_window=WINDOW),
            drain,
        ),
        ledger=ledger,
        resolver=Resolver(
            ledger,
            sightings,
            doubts,
            NoDrift(),
            upstreams,
            window=window,
            write_off=timedelta(seconds=WRITE_OFF),
            doubts_every=RESOLVE_EVERY,
            all_every=SWEEP_EVERY,
        ),
    )


def put_to_work(machine: Machine, pause: Callable[[], float]) -> None:
    """Begin the worker's jobs, each again and again."""
    for name, job in (
        ("follow-ups", machine.follow_ups.begin_due),
        ("lapses", lambda: machine.ledger.lapse(limit=100)),
        ("doubts", machine.resolver.run),
    ):
        machine.process.start(_repeat(job, pause), name=name)


async def _repeat(job: Callable[[], Awaitable[object]], pause: Callable[[], float]) -> None:
    while True:
        try:
            while isinstance(found := await job(), Sequence) and found:
                continue
        except (ServiceError, CommitUnknown):
            pass
        await asyncio.sleep(pause())


class Cluster:
    """All processes, each started anew when it has died."""

    def __init__(
        self,
        loop: SimulatedLoop,
        stores: Shared,
        network: Network,
        carrier: Carrier,
        journal: Journal,
        pause: Callable[[], float],
        *,
        apis: int,
        workers: int,
    ) -> None:
        self._loop = loop
        self._stores = stores
        self._network = network
        self._carrier = carrier
        self._journal = journal
        self._pause = pause
        self.thawed_at = 0.0
        self.apis = [self._begin(f"api{n}", works=False) for n in range(apis)]
        self.workers = [self._begin(f"worker{n}", works=True) for n in range(workers)]

    def _begin(self, name: str, *, works: bool) -> Machine:
        stores = self._stores.of("worker" if works else "api")
        machine = start(self._loop.process(name), stores, self._network, self._carrier, self._journal)
        if works:
            put_to_work(machine, self._pause)
        return machine

    def kill(self, number: int, *, back_after: float) -> None:
        """Kill one process; another takes its place after a while."""
        machines, n = (self.apis, number) if number < len(self.apis) else (self.workers, number - len(self.apis))
        victim = machines[n].process
        if not victim.alive:
            return
        victim.kill()
        self._network.note(f"{victim.name} killed")
        works = machines is self.workers

        def back() -> None:
            machines[n] = self._begin(victim.name, works=works)

        self._network.later(back_after, back)

    def freeze(self, number: int, seconds: float) -> None:
        machine = [*self.apis, *self.workers][number]
        machine.process.freeze(seconds)
        self.thawed_at = max(self.thawed_at, self._loop.time() + seconds)
        self._network.note(f"{machine.process.name} frozen for {seconds:.1f} s")

    @property
    def names(self) -> list[str]:
        return [one.process.name for one in (*self.apis, *self.workers)]

    @property
    def size(self) -> int:
        return len(self.apis) + len(self.workers)
