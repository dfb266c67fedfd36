"""The gateway's processes in the simulation: the services as at work, over seams that break."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol
from uuid import UUID

from service.db import CommitUnknown
from service.kit.crypto import Secret
from service.kit.errors import ServiceError
from service.kit.types import TenantId
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
from service.orders.buying import Buying
from service.orders.orders import Orders
from service.orders.placing import Placing
from service.orders.queue import OrderQueue
from service.orders.work import OrderWork
from service.quotas.gate import Gate
from service.reconciliation.doubts import Doubts
from service.reconciliation.drifts import Drifts
from service.reconciliation.judgement import Observation
from service.reconciliation.resolver import Resolver
from service.reconciliation.sightings import Sightings
from service.tenants.directory import Directory
from service.tenants.principals import Principal, Principals
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
    placing: Placing
    orders: Orders
    queue: OrderQueue
    order_work: OrderWork
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
    placing: Placing
    orders: Orders
    buying: Buying
    order_work: OrderWork


class Tenants(Principals):
    """Who acts for a tenant; of keys nothing is asked here."""

    def __init__(self, principals: Sequence[Principal]) -> None:
        self._principals = {one.tenant: one for one in principals}

    async def of_tenant(self, tenant_id: str) -> Principal:
        return self._principals[TenantId(tenant_id)]


class NoDrift(Drifts):
    """Nobody changes rows in the dashboard here, and what Teli's lists show late is for drift's own tests."""

    def __init__(self) -> None:
        pass

    async def see(self, seen: Observation) -> None:
        pass


def start(
    process: Process,
    stores: Stores,
    network: Network,
    carrier: Carrier,
    journal: Journal,
    principals: Sequence[Principal],
) -> Machine:
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
    placing, orders, queue, order_work = (
        seam(kind, Store(network, kind.__name__.lower(), store, stores.run))
        for kind, store in (
            (Placing, stores.placing),
            (Orders, stores.orders),
            (OrderQueue, stores.queue),
            (OrderWork, stores.order_work),
        )
    )
    tenants = seam(Principals, Store(network, "principals", Tenants(principals), at_once))
    doubts = seam(Doubts, DoubtsStore(network, "doubts", stores.doubts, stores.run, journal))
    gate = seam(Gate, GateStore(network, "gate", stores.gate, at_once))
    teli = SimulatedTeli(network, carrier, journal, listen=UPSTREAM_TIMEOUT)
    drain = Drain(ANSWER_WITHIN)
    upstreams = OneUpstream(teli)
    window = timedelta(seconds=WINDOW)
    confirmation = Confirmation(numbers, upstreams, mark_keep=MARK_KEEP, window=window)
    provisioning = Provisioning(
        ledger=ledger,
        gate=gate,
        sending=Sending(ledger, gate, upstreams, drain),
        directory=seam(Directory, Store(network, "directory", object(), stores.run)),
        secret=SECRET,
        drain=drain,
        answer_within=ANSWER_WITHIN,
        upstream_timeout=UPSTREAM_TIMEOUT,
        price=PRICE,
    )
    return Machine(
        process=process,
        gate=gate,
        provisioning=provisioning,
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
        placing=placing,
        orders=orders,
        buying=Buying(queue, provisioning, tenants),
        order_work=order_work,
    )


def put_to_work(machine: Machine, pause: Callable[[], float], sells_to_orders: UUID | None) -> None:
    """Begin the worker's jobs, each again and again. `sells_to_orders`: the account, where anybody orders at all."""
    for name, job in (
        ("follow-ups", machine.follow_ups.begin_due),
        ("lapses", lambda: machine.ledger.lapse(limit=100)),
        ("doubts", machine.resolver.run),
    ):
        machine.process.start(_repeat(job, pause), name=name)
    if sells_to_orders is None:
        return
    for name, of_orders in (
        ("ordered numbers", lambda: _buy(machine.buying, sells_to_orders)),
        ("what orders give up", machine.buying.give_up),
        ("orders", machine.order_work.close),
    ):
        # Orders are looked at more often than doubts.
        machine.process.start(_repeat(of_orders, lambda: pause() / 2), name=name)


async def _buy(buying: Buying, account: UUID) -> None:
    while await buying.send(account):
        continue


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
        principals: Sequence[Principal],
        sells_to_orders: UUID | None,
        apis: int,
        workers: int,
    ) -> None:
        self._loop = loop
        self._stores = stores
        self._network = network
        self._carrier = carrier
        self._journal = journal
        self._pause = pause
        self._principals = principals
        self._sells_to_orders = sells_to_orders
        self.thawed_at = 0.0
        self.apis = [self._begin(f"api{n}", works=False) for n in range(apis)]
        self.workers = [self._begin(f"worker{n}", works=True) for n in range(workers)]

    def _begin(self, name: str, *, works: bool) -> Machine:
        stores = self._stores.of("worker" if works else "api")
        process = self._loop.process(name)
        machine = start(process, stores, self._network, self._carrier, self._journal, self._principals)
        if works:
            put_to_work(machine, self._pause, self._sells_to_orders)
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
