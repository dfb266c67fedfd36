"""`./dev bench [PATH …]`: what the gateway adds to a call, beside a floor and beside the usual way, by turns.

The floor is a raw ASGI program that does the same durable writes and nothing else; the usual way is a gateway as one
writes it from the frameworks' documentation. All run on the same Postgres, whose commits wait for the disk, the same
Valkey and the same stub of a seller, on this machine, which the load shares. Fifty tenants with four users each ask.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from tests.bench.billing import command as billing
from tests.bench.inventory import command as inventory
from tests.bench.paths.kept import compared, read, record
from tests.bench.paths.line import TOO_NOISY, Line, Told
from tests.bench.paths.world import Program, Tenant, World, world

FAST, SLOW = "313", "212"
Asks = Callable[[World, int], list[list[str]]]


def request(tenant_key: str, line: str, *headers: str, body: dict[str, Any] | None = None) -> str:
    told = json.dumps(body).replace(" ", "") if body is not None else ""
    more = [f"Content-Type: application/json\r\nContent-Length: {len(told)}"] if told else []
    return "\r\n".join([f"{line} HTTP/1.1", "Host: 127.0.0.1", f"X-API-Key: {tenant_key}", *headers, *more, "", told])


def shared(tenants: Sequence[Tenant], callers: int, of: Callable[[Tenant, int], str]) -> list[list[str]]:
    """Every caller asks for one tenant after the other, each beginning elsewhere, and for every user of theirs."""
    return [
        [of(tenants[(caller + turn) % len(tenants)], (caller + turn // len(tenants)) % 4) for turn in range(200)]
        for caller in range(callers)
    ]


def creates(area_code: str, *, tenants: int | None = None) -> Asks:
    def asks(found: World, callers: int) -> list[list[str]]:
        def one(tenant: Tenant, user: int) -> str:
            body = {"area_code": area_code, "user_id": tenant.buyers[user], "organization_id": tenant.organization}
            line = "POST /v1/voice/phone-numbers/create"
            return request(tenant.key, line, "Idempotency-Key: k-{n}", body=body)

        return shared(found.tenants[:tenants], callers, one)

    return asks


def replays(found: World, callers: int) -> list[list[str]]:
    """Each asks for the same few purchases again and again: all but the first are told what became of them."""

    def one(tenant: Tenant, user: int) -> str:
        body = {"area_code": FAST, "user_id": tenant.buyers[user], "organization_id": tenant.organization}
        key = f"Idempotency-Key: replayed-{tenant.id}-{user}"
        return request(tenant.key, "POST /v1/voice/phone-numbers/create", key, body=body)

    return shared(found.tenants, callers, one)


def refusals(found: World, callers: int) -> list[list[str]]:
    tenant = found.full
    body = {"area_code": FAST, "user_id": tenant.buyers[0], "organization_id": tenant.organization}
    return [[request(tenant.key, "POST /v1/voice/phone-numbers/create", body=body)]] * callers


def bad_keys(found: World, callers: int) -> list[list[str]]:
    """A key that was mistyped: its checksum says so."""
    wrong = found.tenants[0].key[:-1] + ("0" if found.tenants[0].key[-1] != "0" else "1")
    return [[request(wrong, f"GET /v1/numbers/{found.tenants[0].numbers[0]}")]] * callers


def listings(found: World, callers: int) -> list[list[str]]:
    def one(tenant: Tenant, user: int) -> str:
        query = f"organization_id={tenant.organization}&user_id={tenant.holders[user]}"
        return request(tenant.key, f"GET /v1/voice/phone-numbers?{query}")

    return shared(found.tenants, callers, one)


def numbers(found: World, callers: int) -> list[list[str]]:
    return [
        [
            request(tenant.key, f"GET /v1/numbers/{number}")
            for tenant in [*found.tenants[caller % 50 :], *found.tenants[: caller % 50]]
            for number in tenant.numbers[:4]
        ]
        for caller in range(callers)
    ]


@dataclass(frozen=True, slots=True)
class Case:
    """`figure`: which of a round's is compared; `goal`: the least that ours may be of the floor's, more is better.
    `statuses`: that an answer may have. `usual`: whether the usual way can be asked the same.
    """

    path: str
    asks: Asks
    callers: int
    figure: str
    goal: float | None
    upstream_ms: int = 0
    statuses: tuple[str, ...] = ("200",)
    usual: bool = True
    note: str = ""


CASES = (
    Case("create", creates(FAST), 1, "p50_ms", 1 / 1.5),
    Case("create", creates(FAST), 16, "a_second", None),
    Case("create", creates(FAST), 64, "a_second", 0.8),
    Case("create", creates(FAST, tenants=1), 64, "a_second", None, note="one tenant alone"),
    Case("create", creates(SLOW), 1, "p50_ms", None, upstream_ms=50),
    Case("create", creates(SLOW), 64, "p99_ms", 1 / 1.3, upstream_ms=50),
    Case("replay", replays, 64, "a_second", 0.5),
    Case("quota_refusal", refusals, 64, "a_second", 0.5, statuses=("429",)),
    Case("bad_key", bad_keys, 64, "a_second", 0.5, statuses=("401",)),
    Case("list_user", listings, 1, "p50_ms", 1 / 1.5),
    Case("list_user", listings, 64, "a_second", None),
    Case("number", numbers, 1, "p50_ms", 1 / 1.5),
    Case("number", numbers, 64, "a_second", None),
)
# Of large ledgers, which are made for them: the benches of the inventory and of billing.
LARGE = {"inventory": "inventory", "export": "inventory", "close": "billing", "match": "billing"}
PROCESSES = Case("processes", creates(FAST), 64, "a_second", 1.6, note="two processes beside one")
PATHS = (*dict.fromkeys(case.path for case in CASES), *LARGE, "processes", "idle")


async def load(program: Program, asks: list[list[str]], seconds: float, first: int) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.paths.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    asked = {"port": program.port, "seconds": seconds, "connections": asks, "first": first}
    told, _ = await process.communicate(orjson.dumps(asked))
    found: dict[str, Any] = orjson.loads(told)
    return found


class Rounds:
    """By turns, each program for so many seconds; the first turn of each is for warming up."""

    def __init__(self, found: World, asked: argparse.Namespace) -> None:
        self._world, self._asked = found, asked
        self._first = 0

    async def of(self, case: Case, programs: Sequence[Program]) -> dict[str, list[dict[str, Any]]]:
        """Raises: RuntimeError where an answer is none that was asked for."""
        asks = case.asks(self._world, case.callers)
        taken: dict[str, list[dict[str, Any]]] = {program.name: [] for program in programs}
        for turn in range(self._asked.rounds + 1):
            for program in programs:
                self._first += 1_000_000
                told = await load(program, asks, self._asked.seconds, self._first)
                if turn == 0:
                    continue
                if told["statuses"].keys() - set(case.statuses):
                    raise RuntimeError(f"{program.name} answered {case.path} with {told['statuses']}")
                taken[program.name].append(told)
        return taken


def line_of(case: Case, taken: dict[str, list[dict[str, Any]]]) -> Line:
    figures = {name: [one[case.figure] for one in rounds] for name, rounds in taken.items()}
    middle: dict[str, float] = {name: median(values) for name, values in figures.items()}
    ours, floor, usual = middle["ours"], middle["floor"], middle.get("usual")

    def beside(other: float) -> float:
        return ours / other if case.figure == "a_second" else other / ours

    spread = (max(figures["floor"]) - min(figures["floor"])) / floor
    return Line(
        case.path, case.callers, case.upstream_ms, case.figure, ours, floor, usual, beside(floor),
        None if usual is None else beside(usual), spread, case.goal,
        _met(beside(floor), case.goal, spread), case.note,
    )  # fmt: skip


async def paths(asked: argparse.Namespace) -> None:
    """Raises: SystemExit where a path is none of ours, and where one asked to be compared is worse than is kept."""
    if unknown := sorted({*asked.paths} - {*PATHS}):
        raise SystemExit(f"no path: {', '.join(unknown)}; there are {', '.join(PATHS)}")
    wanted = asked.paths or list(PATHS)
    told = Told(as_json=asked.json)
    if any(path not in LARGE for path in wanted):
        async with world() as found:
            await _small(found, wanted, asked, told)
    with redirect_stdout(sys.stderr):
        for bench in dict.fromkeys(LARGE[path] for path in LARGE if path in wanted):
            for line in await LINES[bench](asked):
                if line.path in wanted:
                    told.line(line)
    # Before they are recorded, or they would be compared with themselves.
    worse = compared(told.lines, read()) if asked.compare else []
    if asked.record:
        record(told.lines, _asked_as(asked))
    if worse:
        raise SystemExit("\n".join(worse))


def _asked_as(asked: argparse.Namespace) -> str:
    """The command, without what is of this machine alone."""
    sizes = {"--rounds": asked.rounds, "--seconds": asked.seconds, "--numbers": asked.numbers}
    options = [f"{name} {value:g}" for name, value in sizes.items() if value is not None]
    return " ".join(["./dev bench", *asked.paths, *options])


async def _small(found: World, wanted: Sequence[str], asked: argparse.Namespace, told: Told) -> None:
    rounds = Rounds(found, asked)
    ours, floor, usual = found.ours(), found.other("floor"), found.other("usual")
    with ExitStack() as stack:
        for program, path in ((ours, "/readyz"), (floor, "/v1/numbers/x"), (usual, "/v1/numbers/x")):
            await asyncio.to_thread(stack.enter_context(program).ready, path)
        if "idle" in wanted:
            told.line(await idle(ours))
        for case in CASES:
            if case.path in wanted:
                told.line(line_of(case, await rounds.of(case, (ours, floor, usual))))
    if "processes" in wanted:
        one, two = found.ours(), found.ours("--workers", "2", name="two")
        with one, two:
            for program in (one, two):
                await asyncio.to_thread(program.ready, "/readyz")
            taken = await rounds.of(PROCESSES, (one, two))
        # What one does is the floor here.
        told.line(line_of(PROCESSES, {"ours": taken["two"], "floor": taken["ours"]}))


async def inventory_lines(asked: argparse.Namespace) -> list[Line]:
    """Of the page of one organisation among all, and of a file of the largest as CSV."""
    report = await inventory.inventory(
        _sized(inventory.parser_into, asked, seconds=2.0, keep=asked.keep and asked.keep / "inventory")
    )
    [page] = [row for row in report["pages"] if row["question"] == "an organisation"]
    [depth] = [row for row in report["depths"] if row["question"] == "the largest organisation"]
    exported = {row["export"]: row for row in report["exports"]}
    by_hand, call = page["by_hand"]["p50"], page["call"]["p50"]
    csv, plain = exported["CSV"]["rows a second"], exported["COPY"]["rows a second"]
    deep = f"page {depth['page']} takes {depth['ratio']} times the first"
    return [
        _large("inventory", "p50_ms", call, by_hand, by_hand / call, 1 / 1.5, deep),
        _large("export", "a_second", csv, plain, csv / plain, 0.6),
    ]


async def billing_lines(asked: argparse.Namespace) -> list[Line]:
    """The close beside one INSERT … SELECT, the match beside DuckDB; seconds of each."""
    report = await billing.billing(
        _sized(billing.parser_into, asked, rounds=asked.rounds, keep=asked.keep and asked.keep / "billing")
    )
    lines = []
    for path, floor in (("close", "by hand"), ("match", "DuckDB")):
        told = report[path]
        ours, other = told["seconds"]["ours"], told["seconds"][floor]
        note, spread = f"{told['lines']} lines", told["spread"][floor]
        lines.append(_large(path, "seconds", ours, other, other / ours, 1 / 1.5, note, spread))
    return lines


LINES = {"inventory": inventory_lines, "billing": billing_lines}


def _sized(
    parser_into: Callable[[argparse.ArgumentParser], None], asked: argparse.Namespace, **other: float | Path | None
) -> argparse.Namespace:
    """What that bench is asked for by itself, but for the size where one was asked for, and for `other`."""
    parser = argparse.ArgumentParser()
    parser_into(parser)
    size = {} if asked.numbers is None else {"numbers": asked.numbers}
    return argparse.Namespace(**vars(parser.parse_args([])) | size | other)


def _large(
    path: str,
    unit: str,
    ours: float,
    floor: float,
    ratio: float,
    goal: float,
    note: str = "",
    spread: float | None = None,
) -> Line:
    return Line(path, 1, 0, unit, ours, floor, None, ratio, None, spread, goal, _met(ratio, goal, spread), note)


def _met(ratio: float, goal: float | None, spread: float | None) -> bool | None:
    return None if goal is None or (spread or 0) > TOO_NOISY else ratio >= goal


async def idle(program: Program, seconds: float = 5.0) -> Line:
    """What a process takes that nobody asks anything: resident memory in MB, and parts of a core."""
    about = Path("/proc", str(program.pid))

    def used() -> float:
        fields = (about / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before, began = used(), time.monotonic()
    await asyncio.sleep(seconds)
    share = (used() - before) / (time.monotonic() - began)
    resident = int((about / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    met = resident < 150 and share < 0.005
    return Line(
        "idle", 0, 0, "resident_mb", round(resident, 1), None, None, None, None, None, 150, met,
        f"{100 * share:.2f} % of a core",
    )  # fmt: skip


def parser_into(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("paths", nargs="*", metavar="PATH", help=f"{', '.join(PATHS)}; without one, all of them")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each")
    parser.add_argument(
        "--compare", action="store_true", help="with the figures kept in docs; fails where a ratio is a quarter worse"
    )
    parser.add_argument("--record", action="store_true", help="the figures, in docs/performance.md and its picture")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make the large ledgers here, or find them again")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round of each program")
    parser.add_argument("--numbers", type=int, help="of inventory and export (ten million), close and match (one)")
