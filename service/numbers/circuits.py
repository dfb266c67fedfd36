"""The circuit of each upstream account, and how much orders send at a time: one row an account, seen by all replicas.

While a circuit is open the admission lets no purchase through. It is closed by a read that Teli answers, never by a
purchase that is sent to see. Nothing is written while all goes well.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from service.db import CommitUnknown, Database
from service.kit.clock import monotonic
from service.kit.errors import ServiceError, StorageUnavailable
from service.numbers.circuit import HALVED, SLOWED, Pulse, asked_to_wait, felt, rest
from service.numbers.models import AccountFlow
from service.numbers.steps import seconds
from service.observability.metrics import CIRCUITS_OPENED, ORDERS_AT_A_TIME
from service.teli.client import Upstreams
from service.teli.heard import Heard
from service.tenants.models import Account

# While one worker asks Teli, no other does.
PROBED_FOR = 35.0
PROBED_EVERY = 1.0
OPEN = text(
    "INSERT INTO account_flow AS f (account_id, rests_until, opened) SELECT CAST(:account AS uuid),"
    " clock_timestamp() + make_interval(secs => CAST(:rest AS float8)), 1 ON CONFLICT (account_id) DO UPDATE SET"
    " rests_until = excluded.rests_until, opened = 1 WHERE f.rests_until IS NULL"
)
# Once a second at most: what was under way when Teli said so says the same again.
EASE = text(
    "INSERT INTO account_flow AS f (account_id, at_a_time, eased_at, orders_wait_until) SELECT a.id,"
    " greatest(1, orders_slots(a.id) * CAST(:factor AS float8)), clock_timestamp(),"
    " clock_timestamp() + make_interval(secs => CAST(:wait AS float8))"
    " FROM accounts a WHERE a.id = CAST(:account AS uuid)"
    " ON CONFLICT (account_id) DO UPDATE SET eased_at = excluded.eased_at,"
    " at_a_time = greatest(1, coalesce(f.at_a_time, orders_slots(f.account_id)) * CAST(:factor AS float8)),"
    " orders_wait_until = greatest(f.orders_wait_until, excluded.orders_wait_until)"
    " WHERE f.eased_at IS NULL OR f.eased_at < clock_timestamp() - interval '1 second'"
)
GROW = text(
    "UPDATE account_flow SET at_a_time = nullif(least(at_a_time + 1 / at_a_time, orders_slots(account_id)),"
    " orders_slots(account_id)) WHERE account_id = CAST(:account AS uuid) AND at_a_time IS NOT NULL"
)
log = structlog.get_logger()


class Circuits:
    def __init__(self, database: Database, upstreams: Upstreams) -> None:
        self._database = database
        self._upstreams = upstreams
        self._pulses: defaultdict[UUID, Pulse] = defaultdict(Pulse)
        self._eased: frozenset[UUID] = frozenset()
        self._writing: set[asyncio.Task[None]] = set()

    def hear(self, account: UUID, heard: Heard, took: float, *, ordered: bool) -> None:
        """Of one create. `took`: seconds; `ordered`: whether an order sent it. What is to be written is, by itself."""
        pulse, what = self._pulses[account], felt(heard)
        opens = pulse.beat(monotonic(), what)
        slow = what == "well" and pulse.is_slow(took)
        if opens:
            pulse.failures = 0
            self._write(self._open(account))
        if what == "limited":
            self._write(self._ease(account, HALVED, wait=asked_to_wait(heard)))
        elif slow and ordered:
            self._write(self._ease(account, SLOWED, wait=0))
        elif what == "well" and ordered and account in self._eased:
            self._write(self._run(GROW, account=account))

    async def look(self) -> None:
        """How all accounts stand, for the worker's metrics, and so that what was eased grows again."""
        standing = select(AccountFlow.account_id, Account.name, AccountFlow.rests_until, AccountFlow.at_a_time)
        standing = standing.join(Account, Account.id == AccountFlow.account_id)
        async with self._database.acting() as session:
            found = (await session.execute(standing)).all()
        for _, name, rests_until, at_a_time in found:
            ORDERS_AT_A_TIME.labels(name).set(0 if rests_until else at_a_time or float("inf"))
        self._eased = frozenset(one.account_id for one in found if one.at_a_time is not None)

    async def run(self) -> None:
        """Probe whatever has rested, again and again: so that a deployment without a worker buys again too."""
        while True:
            try:
                await self.probe_all()
            except (ServiceError, SQLAlchemyError, CommitUnknown) as error:
                log.debug("circuits could not be looked at", error=str(error)[:300])
            await asyncio.sleep(PROBED_EVERY)

    async def probe_all(self) -> None:
        rested = select(AccountFlow.account_id).where(AccountFlow.rests_until <= func.clock_timestamp())
        async with self._database.acting() as session:
            found = (await session.scalars(rested)).all()
        for account in found:
            await self.probe(account)

    async def probe(self, account: UUID) -> None:
        """Where the account has rested, ask Teli what changes nothing, and close the circuit if it answers."""
        due = (
            update(AccountFlow)
            .where(AccountFlow.account_id == account, AccountFlow.rests_until <= func.clock_timestamp())
            .values(rests_until=func.clock_timestamp() + seconds(PROBED_FOR))
            .returning(AccountFlow.opened)
        )
        async with self._database.acting() as session:
            opened = await session.scalar(due)
        if opened is None:
            return
        try:
            answers = felt(await (await self._upstreams.of(account)).organizations()) == "well"
        except StorageUnavailable:
            raise
        except ServiceError:
            answers = False
        until = None if answers else func.clock_timestamp() + seconds(rest(opened))
        async with self._database.acting() as session:
            await session.execute(
                update(AccountFlow)
                .where(AccountFlow.account_id == account)
                .values(rests_until=until, opened=0 if answers else opened + 1)
            )
        log.warning("an upstream account was asked whether it answers", account=str(account), answers=answers)

    async def written(self) -> None:
        """Once all that is to be written is."""
        while self._writing:
            await asyncio.wait(self._writing)

    async def _open(self, account: UUID) -> None:
        if await self._run(OPEN, account=account, rest=rest(0)):
            CIRCUITS_OPENED.inc()
            log.error("an upstream account fails again and again, and rests", account=str(account))

    async def _ease(self, account: UUID, factor: float, *, wait: float) -> None:
        await self._run(EASE, account=account, factor=factor, wait=wait)

    async def _run(self, statement: Any, **values: Any) -> bool:
        async with self._database.acting(by_itself=True) as session:
            return bool((await session.execute(statement, values)).rowcount)  # type: ignore[attr-defined]

    def _write(self, work: Coroutine[Any, Any, Any]) -> None:
        async def quietly() -> None:
            try:
                await work
            except (StorageUnavailable, SQLAlchemyError) as error:
                log.warning("how Teli takes purchases could not be written", error=str(error)[:300])

        task = asyncio.create_task(quietly())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
