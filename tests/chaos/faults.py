"""What can be done to a running stack from outside, each undone again: a process, a server, a link, a clock, a disk.

A fault is injected, held for some seconds while callers go on, and undone; what is undone last is told by the rig.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import asyncpg

from service.embedded import EmbeddedPostgres, EmbeddedValkey
from tests.chaos.child import Child
from tests.chaos.stage import Stage
from tests.simulator.program import Simulator
from tests.support.debian import program
from tests.support.redis_servers import told
from tests.support.wire import Wire

# Seconds for which most faults are held; a frozen process for longer than a caller waits, and than a send may take.
HELD, FROZEN = 1.5, 4.0
STORM, SLOW_CALLERS = 400, 150
# libfaketime is installed beside the program of this name.
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


@dataclass
class Rig:
    """A stack of processes of its own. `redis`, `upstream`: the links to these; each process has its own to Postgres.

    `disk`: the small file system that Postgres' files lie on, where there is one.
    """

    stage: Stage
    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    simulator: Simulator
    redis: Wire
    upstream: Wire
    chance: Random
    home: Path
    disk: Path | None = None
    old: list[Path] = field(default_factory=list)

    @property
    def apis(self) -> list[Child]:
        return [self.stage.api, *self.stage.others]

    @property
    def workers(self) -> list[Child]:
        return [self.stage.worker, *self.stage.more_workers]

    def postgres_links(self) -> list[Wire]:
        return [one.wire for one in (*self.apis, *self.workers)]


Fault = Callable[[Rig], Awaitable[None]]
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    def named(injected: Fault) -> Fault:
        FAULTS[name] = injected
        return injected

    return named


# -- Processes ---------------------------------------------------------------------------------------------------------


@fault("API: SIGKILL")
async def api_killed(rig: Rig) -> None:
    await rig.chance.choice(rig.apis).again()


@fault("all APIs: SIGKILL")
async def apis_killed(rig: Rig) -> None:
    for one in rig.apis:
        await one.again()


@fault("worker: SIGKILL")
async def worker_killed(rig: Rig) -> None:
    await rig.chance.choice(rig.workers).again()


@fault("API: SIGSTOP")
async def api_frozen(rig: Rig) -> None:
    async with frozen(rig.chance.choice(rig.apis).process.pid):
        await asyncio.sleep(FROZEN)


@fault("worker: SIGSTOP")
async def worker_frozen(rig: Rig) -> None:
    async with frozen(rig.chance.choice(rig.workers).process.pid):
        await asyncio.sleep(FROZEN)


@fault("Teli: SIGSTOP")
async def teli_frozen(rig: Rig) -> None:
    async with frozen(rig.simulator.process.pid):
        await asyncio.sleep(FROZEN)


@asynccontextmanager
async def frozen(pid: int) -> AsyncIterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


# -- Postgres ----------------------------------------------------------------------------------------------------------


@fault("Postgres: SIGKILL")
async def postgres_killed(rig: Rig) -> None:
    await rig.postgres.kill()
    await rig.postgres.start()


@fault("Postgres: immediate restart")
async def postgres_restarted_at_once(rig: Rig) -> None:
    await rig.postgres.restart("immediate")


@fault("Postgres: fast restart, down for a while")
async def postgres_restarted(rig: Rig) -> None:
    await rig.postgres.stop("fast")
    await asyncio.sleep(HELD)
    await rig.postgres.start()


@fault("Postgres: every backend SIGKILL")
async def backend_killed(rig: Rig) -> None:
    """Of one that dies so, Postgres ends all others, and recovers."""
    found = await rig.stage.sql(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1"
    )
    for (pid,) in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@fault("Postgres: a table locked")
async def table_locked(rig: Rig) -> None:
    """Whoever admits waits, with a connection of the pool in hand, until there is none left."""
    connection = await asyncpg.connect(rig.stage.url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE intents IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(FROZEN)
    finally:
        await connection.close()


@fault("Postgres: no connection left")
async def connections_exhausted(rig: Rig) -> None:
    taken: list[asyncpg.Connection] = []
    for one in rig.postgres_links():
        one.cut()
    try:
        while True:
            taken += [await asyncpg.connect(rig.stage.url)]
    except asyncpg.PostgresError:
        await asyncio.sleep(HELD)
    finally:
        for connection in taken:
            await connection.close()


@fault("Postgres: disk full")
async def disk_full(rig: Rig) -> None:
    assert rig.disk is not None
    filling = rig.disk / "filling"
    try:
        with filling.open("wb") as file, suppress(OSError):
            while True:
                file.write(b"\0" * (1 << 20))
                file.flush()
        await asyncio.sleep(FROZEN)
    finally:
        filling.unlink()
        if rig.postgres._process is None or rig.postgres._process.returncode is not None:  # As it does on a full WAL.
            await rig.postgres.start()


# -- Valkey ------------------------------------------------------------------------------------------------------------


@fault("Valkey: FLUSHALL every 50 ms")
async def flushed(rig: Rig) -> None:
    for _ in range(int(HELD / 0.05)):
        await told(rig.valkey.url, "FLUSHALL")
        await asyncio.sleep(0.05)


@fault("Valkey: SIGKILL")
async def valkey_killed(rig: Rig) -> None:
    await rig.valkey.stop("immediate")
    await asyncio.sleep(HELD)
    await rig.valkey.start()


@fault("Valkey: SIGSTOP")
async def valkey_frozen(rig: Rig) -> None:
    async with frozen(rig.valkey.pid):
        await asyncio.sleep(HELD)


@fault("Valkey: restarted from an old state")
async def valkey_set_back(rig: Rig) -> None:
    kept = rig.valkey.home / "appendonlydir"
    old = rig.home / "old"
    if not old.exists():
        await asyncio.to_thread(shutil.copytree, kept, old)
        await asyncio.sleep(HELD)
    await rig.valkey.stop("immediate")
    await asyncio.to_thread(shutil.rmtree, kept)
    await asyncio.to_thread(shutil.copytree, old, kept)
    await rig.valkey.start()


@fault("Valkey: out of memory")
async def valkey_full(rig: Rig) -> None:
    await told(rig.valkey.url, "CONFIG", "SET", "maxmemory", "1")
    try:
        await asyncio.sleep(HELD)
    finally:
        await told(rig.valkey.url, "CONFIG", "SET", "maxmemory", "0")


@fault("Valkey: read-only")
async def valkey_read_only(rig: Rig) -> None:
    await told(rig.valkey.url, "REPLICAOF", "127.0.0.1", "1")
    try:
        await asyncio.sleep(HELD)
    finally:
        await told(rig.valkey.url, "REPLICAOF", "NO", "ONE")


# -- Links -------------------------------------------------------------------------------------------------------------

Link = Callable[[Rig], list[Wire]]
LINKS: dict[str, Link] = {
    "Postgres": lambda rig: rig.postgres_links(),
    "Redis": lambda rig: [rig.redis],
    "Teli": lambda rig: [rig.upstream],
}


async def reset(wires: list[Wire]) -> None:
    for _ in range(5):
        for wire in wires:
            wire.cut()
        await asyncio.sleep(HELD / 5)


async def refused(wires: list[Wire]) -> None:
    for wire in wires:
        await wire.down()
    await asyncio.sleep(HELD)
    for wire in wires:
        await wire.up()


async def black_hole(wires: list[Wire]) -> None:
    """Questions arrive, and no answer does; then whoever waited is cut off."""
    for wire in wires:
        wire.mute = True
    await asyncio.sleep(2 * HELD)
    for wire in wires:
        wire.mute = False
        wire.cut()


async def slow(wires: list[Wire]) -> None:
    for wire in wires:
        wire.lag = 0.4
    await asyncio.sleep(2 * HELD)
    for wire in wires:
        wire.lag = 0.0


async def flapping(wires: list[Wire]) -> None:
    for _ in range(4):
        for wire in wires:
            await wire.down()
        await asyncio.sleep(0.2)
        for wire in wires:
            await wire.up()
        await asyncio.sleep(0.3)


def of_link(link: Link, done: Callable[[list[Wire]], Awaitable[None]]) -> Fault:
    return lambda rig: done(link(rig))


for where, link in LINKS.items():
    for what, done in (
        ("reset again and again", reset), ("refused", refused), ("black hole", black_hole), ("slow", slow),
        ("flapping", flapping),
    ):  # fmt: skip
        FAULTS[f"link to {where}: {what}"] = of_link(link, done)


@fault("one API cut off from Postgres")
async def partition(rig: Rig) -> None:
    await refused([rig.chance.choice(rig.apis).wire])


# -- Clocks and callers ------------------------------------------------------------------------------------------------


async def clock(rig: Rig, jump: str) -> None:
    """One API and one worker run with another clock than everybody else, and then with the right one again."""
    program("faketime", "faketime")
    which = [rig.chance.choice(rig.apis), rig.chance.choice(rig.workers)]
    for one in which:
        await one.again(LD_PRELOAD=FAKETIME, FAKETIME=jump, DONT_FAKE_MONOTONIC="1", FAKETIME_NO_CACHE="1")
    await asyncio.sleep(2 * FROZEN)
    for one in which:
        await one.again()


@fault("clock an hour ahead")
async def clock_ahead(rig: Rig) -> None:
    await clock(rig, "+1h")


@fault("clock an hour behind")
async def clock_behind(rig: Rig) -> None:
    await clock(rig, "-1h")


@fault("a storm of connections")
async def storm(rig: Rig) -> None:
    async with AsyncExitStack() as opened:
        for one in rig.apis:
            for _ in range(STORM // len(rig.apis)):
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(one.url).port)
                    opened.callback(writer.close)
        await asyncio.sleep(HELD)


@fault("slow callers")
async def slow_callers(rig: Rig) -> None:
    """Each sends a byte of a request's head now and then."""
    async with AsyncExitStack() as opened:
        writers = []
        for number in range(SLOW_CALLERS):
            url = rig.apis[number % len(rig.apis)].url
            _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
            opened.callback(writer.close)
            writers.append(writer)
        for byte in b"GET /v1":
            for writer in writers:
                with suppress(OSError):
                    writer.write(bytes([byte]))
            await asyncio.sleep(HELD / 7)
