"""The real stores over Postgres in a schedule: each step runs to its end while virtual time stands still.

A loop of its own, in a thread of its own, has the connections. The schedule's loop waits for it: between two steps
nothing is under way, so that one seed gives one order here too. Before each step the database is told what time it is
and from which number ids are counted.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime, timedelta
from threading import Thread
from typing import Any, TypeVar
from uuid import UUID

import uvloop
from sqlalchemy import Date, DateTime, LargeBinary, Uuid, event

from service.db import Database, open_database
from service.kit.clock import utc_now
from service.numbers.grace import Grace
from service.numbers.ledger import Ledger
from service.numbers.repository import Numbers
from service.numbers.steps import Steps
from service.orders.queue import OrderQueue
from service.orders.work import OrderWork
from service.reconciliation.doubts import Doubts
from service.reconciliation.sightings import Sightings
from tests.fakes.both import as_json
from tests.fakes.gate import GateInMemory
from tests.fakes.world import MODELS, World, made
from tests.simulation.machines import GRACE, MARK_KEEP, PRICE, WINDOW, Role, Stores
from tests.simulation.schedule import time_now
from tests.support.ordering import orders_over, placing_over
from tests.support.simulated_time import SimulatedPostgres

T = TypeVar("T")
# Of a machine that has much else to do. A step takes a thousandth of that.
STEP_TAKES_AT_MOST = 60.0


class Hung(BaseException):
    """A step asks again and again, or waits for a lock that nobody gives back. No caller is to take it for a fault."""


class InPostgres:
    """A schedule's state in a database, one schedule after another."""

    def __init__(
        self, postgres: SimulatedPostgres, databases: Mapping[Role, Database], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.patience = STEP_TAKES_AT_MOST
        self._postgres = postgres
        self._databases = databases
        self._loop = loop

    def open(self, world: World) -> None:
        self._gate = GateInMemory()
        self._stores = {role: self._over(database) for role, database in self._databases.items()}
        self.wait_for(self._fill(world))

    async def _fill(self, world: World) -> None:
        await self._postgres.empty()
        await self._postgres.load({name: [as_json(row) for row in rows] for name, rows in world.tables()})

    def _over(self, database: Database) -> Stores:
        return Stores(
            ledger=Ledger(database),
            steps=Steps(database),
            numbers=Numbers(database),
            grace=Grace(database, grace=GRACE),
            sightings=Sightings(database, window=timedelta(seconds=WINDOW)),
            doubts=Doubts(database),
            placing=placing_over(database, limits_at=PRICE),
            orders=orders_over(database),
            queue=OrderQueue(database),
            order_work=OrderWork(database, mark_keep=MARK_KEEP),
            gate=self._gate,
            run=self.run,
        )

    def of(self, role: Role) -> Stores:
        return self._stores[role]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        with time_now().step() as ids_from:
            return self.wait_for(self._step(utc_now(), ids_from, work))

    async def _step(self, at: datetime, ids_from: int, work: Coroutine[Any, Any, T]) -> T:
        await self._postgres.set(at, drawn=ids_from)
        return await work

    def read(self) -> World:
        return world_of(self.wait_for(self._postgres.dump()))

    def flush(self) -> None:
        self._gate.flush()

    def empty(self) -> None:
        self.wait_for(self._postgres.empty())

    def sql(self, statement: str, *values: Any) -> list[Any]:
        return self.wait_for(self._postgres.sql(statement, *values))

    @contextmanager
    def rewriting(self, old: str, new: str) -> Iterator[list[str]]:
        """Every statement of the stores with another text in place of one. Gives those that were rewritten."""
        rewritten: list[str] = []

        def rewrite(_: Any, __: Any, statement: str, parameters: Any, *more: Any) -> tuple[str, Any]:
            if old in statement:
                rewritten.append(statement)
            return statement.replace(old, new), parameters

        engines = [database.engine.sync_engine for database in self._databases.values()]
        for engine in engines:
            event.listen(engine, "before_cursor_execute", rewrite, retval=True)
        try:
            yield rewritten
        finally:
            for engine in engines:
                event.remove(engine, "before_cursor_execute", rewrite)

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Raises: Hung; and what the work raises, unchanged."""
        under_way: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return under_way.result(self.patience)
        except TimeoutError:
            if under_way.done():
                raise
            under_way.cancel()
            raise Hung from None


@contextmanager
def in_postgres(simulated: SimulatedPostgres) -> Iterator[InPostgres]:
    loop = uvloop.new_event_loop()
    thread = Thread(target=loop.run_forever, name="postgres")
    thread.start()

    def there(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    opened = _opened(simulated)
    try:
        postgres, databases = there(opened.__aenter__())
        try:
            yield InPostgres(postgres, databases, loop)
        finally:
            there(opened.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@asynccontextmanager
async def _opened(simulated: SimulatedPostgres) -> AsyncIterator[tuple[SimulatedPostgres, Mapping[Role, Database]]]:
    databases: dict[Role, Database] = {
        "api": open_database(simulated.url, "numbergate_api", pool=1),
        "worker": open_database(simulated.url, "numbergate_worker", pool=1),
    }
    try:
        async with simulated.elsewhere() as postgres:
            yield postgres, databases
    finally:
        for database in databases.values():
            await database.engine.dispose()


# -- From rows to a world ----------------------------------------------------------------------------------------------


def _reads() -> Mapping[str, tuple[Any, Mapping[str, Callable[[str], Any]]]]:
    found = {}
    for model in MODELS:
        of_column: dict[str, Callable[[str], Any]] = {}
        for column in model.__table__.columns:
            if isinstance(column.type, DateTime):
                of_column[column.key] = datetime.fromisoformat
            elif isinstance(column.type, Date):
                of_column[column.key] = date.fromisoformat
            elif isinstance(column.type, Uuid):
                of_column[column.key] = UUID
            elif isinstance(column.type, LargeBinary):
                of_column[column.key] = _bytes
        found[model.__tablename__] = model, of_column
    return found


def _bytes(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("\\x"))


def world_of(tables: Mapping[str, list[dict[str, Any]]]) -> World:
    """What a dump holds, for those who only read it."""
    world = World()
    rows = {name: [_row(name, row) for row in tables[name]] for name in READS}
    world.accounts = {one.id: one for one in rows["accounts"]}
    world.organizations = {one.id: one for one in rows["organizations"]}
    world.users = {(one.organization_id, one.id): one for one in rows["users"]}
    world.tenants = {one.id: one for one in rows["tenants"]}
    world.grants = {(one.tenant_id, one.organization_id): one for one in rows["grants"]}
    world.stops = {(one.scope, one.id): one for one in rows["stops"]}
    world.quotas = {(one.scope, one.tenant_id, one.organization_id, one.user_id): one for one in rows["quotas"]}
    for slot in sorted(rows["send_slots"], key=lambda one: one.slot):
        world.slots.setdefault(slot.account_id, []).append(slot)
    world.queue = {one.intent_id: one for one in rows["send_queue"]}
    world.intents = {one.id: one for one in rows["intents"]}
    world.attempts = {one.intent_id: one for one in rows["attempts"]}
    world.evidence = sorted(rows["evidence"], key=lambda one: one.id)
    world.keys = {(one.tenant_id, one.scope, one.key): one for one in rows["idempotency_keys"]}
    world.numbers = {one.id: one for one in rows["numbers"]}
    for link in rows["agent_links"]:
        world.links.setdefault(link.number_id, {})[link.direction] = link
    world.steps = {one.id: one for one in rows["steps"]}
    world.orders = {one.id: one for one in rows["orders"]}
    world.order_items = {(one.order_id, one.seq): one for one in rows["order_items"]}
    for item in world.order_items.values():
        world.items_of[item.order_id].append(item)
    world.orphans = {one.id: one for one in rows["orphans"]}
    world.existing = {(one.account_id, one.row_id): one for one in rows["existing_numbers"]}
    world.listings = sorted(rows["listings"], key=lambda one: one.id)
    world.rows = {(one.account_id, one.row_id): one for one in rows["upstream_rows"]}
    world.looks = {(one.account_id, one.organization_id): one for one in rows["looks"]}
    world.decided_on = {(one.intent_id, one.kind): one for one in rows["decided_on"]}
    return world


def _row(table: str, values: dict[str, Any]) -> Any:
    model, reads = READS[table]
    for name, read in reads.items():
        if values[name] is not None:
            values[name] = read(values[name])
    return made(model, **values)


READS = _reads()
