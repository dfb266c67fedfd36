"""A stack of real processes under load, one fault after another: what was promised to callers is so after each.

Three APIs, two workers, PostgreSQL with fsync, Valkey with its log, and the simulator as Teli, all of the tests' own.
With `CHAOS_SEED` the order is that of the run that printed it; with `CHAOS_INJECTIONS` there are so many; and with
`CHAOS_TABLE` a table of them is written to that file.
"""

import asyncio
import os
import subprocess
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from itertools import cycle, islice
from pathlib import Path
from random import Random, SystemRandom
from statistics import median

import httpx
import pytest

from service.embedded import EmbeddedPostgres, EmbeddedValkey, temporary_data_dir
from service.embedded.ports import free_port
from service.migrations import migrate
from service.tenants.administration import TENANT_SCOPES
from tests.chaos.audit import rows_of
from tests.chaos.faults import FAULTS, Rig
from tests.chaos.history import Customer, History
from tests.chaos.stage import TIMES, stage
from tests.chaos.strike import begin_in_lane_mode
from tests.conftest import TEMPLATE, Engines, execute
from tests.simulator.program import Simulator
from tests.support.wire import Wire

pytestmark = [pytest.mark.processes, pytest.mark.full, pytest.mark.timeout(7200)]

INJECTIONS = int(os.environ.get("CHAOS_INJECTIONS") or 300)
SEED = int(os.environ.get("CHAOS_SEED") or SystemRandom().randrange(1_000_000))
CALLERS, QUOTAS = 8, (100_000, 20)
BEFORE, AFTER = 0.5, 0.5
RECOVERED_WITHIN = 30.0
DISK = "512m"
Tell = Callable[[str, object], None]
HURRIED = TIMES | {"NUMBERGATE_UPSTREAM_TIMEOUT": "3", "NUMBERGATE_ANSWER_WITHIN": "3"} | {
    "NUMBERGATE_SETTLING_WINDOW": "4", "NUMBERGATE_WRITE_OFF": "5", "NUMBERGATE_MARK_KEEP": "86400",
}  # fmt: skip


@asynccontextmanager
async def rig(chance: Random) -> AsyncIterator[Rig]:
    with ExitStack() as files:
        data = files.enter_context(temporary_data_dir())
        disk = files.enter_context(small_disk(data / "disk"))
        simulator = Simulator()
        files.callback(simulator.kill)
        async with (
            EmbeddedPostgres(disk or data) as postgres,
            EmbeddedValkey(data, free_port(), persistent=True) as valkey,
            Wire(valkey.url) as redis,
            Wire(simulator.url) as upstream,
        ):
            engines = Engines(postgres, valkey)
            await execute(engines, f"CREATE DATABASE {TEMPLATE}")
            await migrate(postgres.superuser_url(TEMPLATE))
            async with stage(
                engines, TEMPLATE, simulator, apis=3, workers=2, redis_url=redis.url, times=HURRIED,
                teli_url=upstream.url,
            ) as opened:  # fmt: skip
                yield Rig(opened, postgres, valkey, simulator, redis, upstream, chance, data, disk)


@contextmanager
def small_disk(place: Path) -> Iterator[Path | None]:
    """A small file system for Postgres, where one may be mounted; else None, and no disk fills up."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(place)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield place if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


async def injected(rig: Rig, history: History, name: str, number: int) -> float:
    """The seconds from the end of the fault until every API sells, and all that was open then is decided."""
    stop = asyncio.Event()
    callers = [asyncio.create_task(history.call(one, stop, f"f{number}")) for one in range(CALLERS)]
    try:
        await asyncio.sleep(BEFORE)
        await FAULTS[name](rig)
        began = time.monotonic()
        async with asyncio.timeout(4 * RECOVERED_WITHIN):
            for place, one in enumerate(rig.apis):
                probe = History(rig.stage, [one.url], history.customers, history.chance)
                while not await probe.buy(history.customers[0], f"probe-{number}-{place}"):
                    await asyncio.sleep(0.05)
            sells = time.monotonic() - began
            await asyncio.sleep(AFTER)
    finally:
        stop.set()
        await asyncio.gather(*callers)
    await history.settle()
    began = time.monotonic()
    async with asyncio.timeout(4 * RECOVERED_WITHIN):
        while await history.undecided():
            await asyncio.sleep(0.1)
    return sells + time.monotonic() - began


async def test_whatever_breaks_what_callers_were_promised_is_so(record_property: Tell):
    chance = Random(SEED)
    names = chance.sample(list(FAULTS), len(FAULTS))
    recovered: dict[str, list[float]] = defaultdict(list)
    broken: dict[str, list[str]] = {}
    async with rig(chance) as opened, httpx.AsyncClient(trust_env=False) as http:
        if opened.disk is None:
            names.remove("Postgres: disk full")
        # By keys that do not see what others of the organisation hold.
        scopes = [one for one in TENANT_SCOPES if one != "inventory:org"]
        customers = [Customer(await opened.stage.tenant(http, quota=one, scopes=scopes), one) for one in QUOTAS]
        history = History(opened.stage, [one.url for one in opened.apis], customers, chance)
        await begin_in_lane_mode(opened.stage, lane=False)
        for number, name in enumerate(islice(cycle(names), INJECTIONS)):
            try:
                recovered[name].append(await injected(opened, history, name, number))
                if found := await history.check():
                    broken[f"{number} {name}"] = found
            except BaseException as error:
                error.add_note(f"{number}: {name}, seed {SEED}; broken before: {broken}")
                error.add_note(await rows_of(opened.stage, [one.tenant.id for one in customers]))
                raise
            if os.environ.get("CHAOS_TABLE"):
                Path(os.environ["CHAOS_TABLE"]).write_text(table(recovered, broken))
        statuses = history.statuses
    assert broken == {}
    seconds = sorted(one for many in recovered.values() for one in many)
    assert seconds[-1] < RECOVERED_WITHIN, recovered
    record_property(
        "told",
        f"{len(seconds)} faults of {len(recovered)} kinds injected, seed {SEED}, under {CALLERS} callers at 3 APIs and"
        f" 2 workers: {statuses.total()} requests"
        f" ({', '.join(f'{count} × {status}' for status, count in sorted(statuses.items()))}), no promise broken;"
        f" recovered after {median(seconds):.1f} s (median), {seconds[-1]:.1f} s at most",
    )


def table(recovered: dict[str, list[float]], broken: dict[str, list[str]]) -> str:
    lines = ["| Fault | Runs | Promises held | Recovery, median | worst |", "|---|---|---|---|---|"]
    for name, seconds in sorted(recovered.items()):
        held = len(seconds) - sum(one.endswith(f" {name}") for one in broken)
        lines.append(f"| {name} | {len(seconds)} | {held} | {median(seconds):.1f} s | {max(seconds):.1f} s |")
    told = [f"\n{name}: {what}" for name, found in broken.items() for what in found]
    return "\n".join([*lines, *told]) + "\n"
