"""`./dev bench billing`: a month closed with a million numbers, and an invoice for it matched, by turns with one
hand-written INSERT … SELECT and with DuckDB on the same rows; and what callers of the API notice of a close.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from service.db import Database, open_database
from service.embedded import temporary_data_dir
from service.kit.clock import utc_now
from service.kit.crypto import Secret
from service.kit.money import months_later
from service.tenants.administration import Administration, Author
from service.tenants.principals import Principals
from service.tenants.version import VersionWatch
from tests.bench.billing import matching
from tests.bench.billing.closing import ByHand, InDuckDB, Ours
from tests.bench.billing.ledger import with_facts
from tests.bench.inventory.data import LARGEST, Wanted
from tests.bench.inventory.ledger import ledger
from tests.bench.inventory.questions import questions
from tests.bench.inventory.ways import SECRET, Ways, ways

LEAST_PROBES = 100
# The months before the one that is closed are final, and charged nothing: one is closed after the other.
EMPTY = """
    TRUNCATE charges, billing_periods CASCADE;
    INSERT INTO billing_periods (month, rule, facts_through, prices_through, charges, hash, closed_by, doubts)
      SELECT date_trunc('month', now() AT TIME ZONE 'UTC') - interval '2 months', '{}', max(seq), 0, 0, '', 'bench',
             '[]'
      FROM number_facts"""


def parser_into(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--numbers", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make the ledger here, or find it again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")


async def billing(asked: argparse.Namespace) -> dict[str, Any]:
    began = time.monotonic()

    def told(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)

    month = months_later(utc_now().date().replace(day=1), -1)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(ledger(Wanted(asked.numbers, asked.seed), asked.keep, told))
        await with_facts(url)
        told("facts and prices")
        connection = await asyncpg.connect(url)
        stack.push_async_callback(connection.close)
        database = open_database(url, "numbergate_api", pool=2, statement_timeout=600)
        stack.push_async_callback(database.engine.dispose)
        issued = await Administration(database, Secret(SECRET), key_environment="bench").issue_staff_key(
            Author("bench"), "finance", "bench"
        )
        finance = await Principals(database, Secret(SECRET), VersionWatch(database)).of(issued.key)
        folder = Path(stack.enter_context(temporary_data_dir()))
        duck = InDuckDB(url, folder, month)
        await duck.load()
        told("copied out for DuckDB")
        at_work = open_database(url, "numbergate_worker", pool=2, statement_timeout=600)
        stack.push_async_callback(at_work.engine.dispose)
        report = {
            "of": {"numbers": asked.numbers, "month": f"{month:%Y-%m}", "load before": os.getloadavg()},
            "close": await _close(
                connection, Ours(database, finance, month), ByHand(connection, month), duck, asked.rounds
            ),
            "match": await _match(connection, at_work, folder, month, asked.rounds),
        }
        async with ways(url) as all_ways:
            matched = matching.Ours(connection, at_work)
            await matched.ready()
            report["meanwhile matched"] = await _meanwhile_matched(all_ways, matched)
            await connection.execute(EMPTY)
            report["meanwhile"] = await _meanwhile(all_ways, issued.key, month)
        report["of"]["load after"] = os.getloadavg()
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=2) + "\n")
    return report


async def _close(
    connection: "asyncpg.Connection[asyncpg.Record]", ours: Ours, by_hand: ByHand, duck: InDuckDB, rounds: int
) -> dict[str, Any]:
    await connection.execute(
        "DROP TABLE IF EXISTS bench.charges; CREATE TABLE bench.charges (LIKE charges INCLUDING INDEXES)"
    )

    async def empty() -> None:
        await connection.execute(EMPTY + "; TRUNCATE bench.charges")

    taken = await _by_turns({"ours": ours, "by hand": by_hand, "DuckDB": duck}, empty, rounds)
    counted = "SELECT count(*), sum(micros)::bigint FROM "
    sums = {
        "ours": tuple(await connection.fetchrow(counted + "charges") or ()),
        "by hand": tuple(await connection.fetchrow(counted + "bench.charges") or ()),
        "DuckDB": duck.sums(),
    }
    if len({*sums.values()}) > 1:
        raise RuntimeError(f"they charge different sums: {sums}")
    [lines, _] = sums["ours"] or (0, 0)
    return taken.told("close", lines)


async def _match(
    connection: "asyncpg.Connection[asyncpg.Record]", database: Database, folder: Path, month: date, rounds: int
) -> dict[str, Any]:
    lines = await matching.file_invoice(connection, month)
    ways_of: dict[str, matching.Way] = {
        "ours": matching.Ours(connection, database),
        "by hand": matching.ByHand(connection),
        "DuckDB": matching.InDuckDB(connection, folder),
    }

    async def ready() -> None:
        for way in ways_of.values():
            await way.ready()

    taken = await _by_turns(ways_of, ready, rounds)
    matching.same({name: await way.sums() for name, way in ways_of.items()})
    return taken.told("match", lines)


@dataclass
class Taken:
    """The seconds of each round by each way; `most`: the most memory, in bytes, that ours had in any."""

    seconds: dict[str, list[float]]
    most: int = 0

    def told(self, what: str, lines: int) -> dict[str, Any]:
        middle = {name: median(times) for name, times in self.seconds.items()}
        spread = {name: (max(times) - min(times)) / middle[name] for name, times in self.seconds.items()}
        for name in self.seconds:
            print(
                f"{what}, {name:8} {lines} lines in {middle[name]:.2f} s, {lines / middle[name]:.0f} lines a second,"
                f" spread {spread[name]:.2f}; ours takes {middle['ours'] / middle[name]:.2f} times that",
                flush=True,
            )
        print(f"{what}: at most {self.most / 2**20:.0f} MiB of the database's own memory more than before", flush=True)
        best = min(middle[name] for name in middle if name != "ours")
        return {
            "lines": lines, "seconds": middle, "spread": spread, "ratio": middle["ours"] / best,
            "MiB": self.most / 2**20,
        }  # fmt: skip


async def _by_turns(
    ways_of: Mapping[str, Callable[[], Awaitable[None]]], ready: Callable[[], Awaitable[None]], rounds: int
) -> Taken:
    taken = Taken({name: [] for name in ways_of})
    for _ in range(rounds):
        await ready()
        for name, way in ways_of.items():
            async with Resident() as resident:
                began = time.perf_counter()
                await way()
                taken.seconds[name].append(time.perf_counter() - began)
            if name == "ours":
                taken.most = max(taken.most, resident.most)
    return taken


async def _probe(ask: Callable[[], Awaitable[float]], until: Callable[[], bool]) -> list[float]:
    """Seconds of each call, sorted; `ask` makes one and tells how long it took."""
    times: list[float] = []
    while not until() or len(times) < LEAST_PROBES:
        times.append(await ask())
        await asyncio.sleep(0.005)
    return sorted(times)


def _told(of: str, quiet: list[float], meanwhile: list[float], seconds: float) -> dict[str, Any]:
    told = {
        "seconds": seconds,
        "quiet p99": quiet[int(0.99 * len(quiet))], "meanwhile p99": meanwhile[int(0.99 * len(meanwhile))],
        "quiet p50": median(quiet), "meanwhile p50": median(meanwhile), "probes": len(meanwhile),
    }  # fmt: skip
    print(
        f"{of}: p50 {told['meanwhile p50'] * 1e3:.1f} ms, p99 {told['meanwhile p99'] * 1e3:.1f} ms;"
        f" quiet {told['quiet p50'] * 1e3:.1f} and {told['quiet p99'] * 1e3:.1f}",
        flush=True,
    )
    return told


async def _meanwhile_matched(all_ways: Ways, match: Callable[[], Awaitable[None]]) -> dict[str, Any]:
    """How long a user's listing takes a tenant, before an invoice is matched by another process and meanwhile."""
    http, key = all_ways.over_http.http, all_ways.over_http.keys["tenant"]
    params = {"organization_id": LARGEST, "user_id": "user-0-1", "limit": "100"}

    async def ask() -> float:
        began = time.perf_counter()
        answer = await http.get("/v1/voice/phone-numbers", params=params, headers={"X-API-Key": key})
        if answer.status_code != 200:
            raise RuntimeError(f"a user's listing: {answer.status_code} {answer.text}")
        return time.perf_counter() - began

    quiet = await _probe(ask, lambda: True)
    began = time.perf_counter()
    matched = asyncio.ensure_future(match())
    meanwhile = await _probe(ask, matched.done)
    await matched
    return _told("a user's listing while an invoice is matched", quiet, meanwhile, time.perf_counter() - began)


async def _meanwhile(all_ways: Ways, finance: str, month: date) -> dict[str, Any]:
    """How long a page of the inventory takes a caller, before a month is closed by the same process and meanwhile."""
    [question] = [one for one in questions(["+13132000000"], utc_now()) if one.name == "the largest organisation"]
    http = all_ways.over_http.http

    async def ask() -> float:
        return (await all_ways.over_http(question, question.asks[0])).seconds

    quiet = await _probe(ask, lambda: True)
    began = time.perf_counter()
    as_finance = {"X-API-Key": finance}

    async def close() -> None:
        answer = await http.post(f"/v1/billing/periods/{month:%Y-%m}/close", headers=as_finance)
        state = answer.json()["state"]
        while state == "closing":
            await asyncio.sleep(0.2)
            months = (await http.get("/v1/billing/periods", headers=as_finance)).json()["items"]
            [state] = [one["state"] for one in months if one["period"] == f"{month:%Y-%m}"]
        if state != "final":
            raise RuntimeError(f"the month was not closed, and is {state}")

    closing = asyncio.create_task(close())
    meanwhile = await _probe(ask, closing.done)
    await closing
    return _told("a page of the inventory while a month is closed", quiet, meanwhile, time.perf_counter() - began)


class Resident:
    """The most memory of their own that all processes of Postgres had, beyond what they had at first. Bytes."""

    most = 0

    async def __aenter__(self) -> "Resident":
        self._before = _anonymous()
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()

    async def _watch(self) -> None:
        while True:
            self.most = max(self.most, _anonymous() - self._before)
            await asyncio.sleep(0.05)


def _anonymous() -> int:
    """RssAnon of the processes that are called postgres."""
    sizes = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            told = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if told["Name"].strip() == "postgres":
            sizes += int(told.get("RssAnon", "0 kB").split()[0]) * 1024
    return sizes
