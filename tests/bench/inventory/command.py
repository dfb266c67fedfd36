"""`./dev bench inventory`: searches of a large inventory, held to hand-written SQL in the same run.

Every question is asked in turn by hand, by the service's own code, and over HTTP, so that whatever else the machine
does falls on all three. The answers must be the same. Told are medians and p99, and their ratios.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from tests.bench.inventory.data import LARGEST, Wanted
from tests.bench.inventory.exports import exports
from tests.bench.inventory.ledger import ledger
from tests.bench.inventory.questions import PAGE, Ask, Question, questions
from tests.bench.inventory.ways import Answer, InProcess, Ways, ways
from tests.bench.inventory.writes import writes

LEAST_ROUNDS, MOST_ROUNDS = 5, 201
DEEP = 10_000
WALKED_BY = 1000
# The orders that are walked to a page far down.
DEPTHS = ("the largest organisation", "the largest, by number", "the largest, by nickname")
Told = Callable[[str], None]


def parser_into(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--numbers", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make the ledger here, or find it again")
    parser.add_argument("--seconds", type=float, default=6, help="that a question is asked for, at most")
    parser.add_argument("--only", metavar="TEXT", default="", help="only questions with this in their name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")


async def inventory(asked: argparse.Namespace) -> dict[str, Any]:
    began = time.monotonic()

    def told(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)

    wanted = Wanted(asked.numbers, asked.seed)
    async with ledger(wanted, asked.keep, told) as url, ways(url) as all_ways:
        report: dict[str, Any] = {"of": await _about(url, wanted)}
        every = questions(*await _samples(url))
        chosen = [one for one in every if asked.only in one.name]
        print(PAGES_HEAD, flush=True)
        report["pages"] = [await _measure(one, all_ways, asked.seconds) for one in chosen]
        report["spread"] = _spread(report["pages"])
        if not asked.only:
            deep = [one for one in every if one.name in DEPTHS]
            print(DEPTHS_HEAD, flush=True)
            report["depths"] = [await _depth(one, all_ways.in_process, asked.seconds) for one in deep]
            report["exports"] = await exports(url, all_ways.over_http, rounds=3)
            report["writes"] = await writes(url, rows=min(20_000, asked.numbers // 10), rounds=3)
        report["of"]["load after"] = os.getloadavg()
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=2) + "\n")
    return report


# -- Pages -------------------------------------------------------------------------------------------------------------

PAGES_HEAD = (
    f"{'a page of 100 and its total':56} {'by hand p50':>11} {'p99':>8} {'statement p50':>13} {'p99':>8} {'ratio':>6}"
    f" {'call p50':>9} {'ratio':>6} {'HTTP p50':>9} {'p99':>8} {'rounds':>6}   (ms)"
)


async def _measure(question: Question, all_ways: Ways, seconds: float) -> dict[str, Any]:
    ways_by_name: dict[str, Callable[[Question, Ask], Awaitable[Answer]]] = {
        "by_hand": all_ways.by_hand, "in_process": all_ways.in_process, "over_http": all_ways.over_http
    }  # fmt: skip
    for ask in question.asks:  # Once each, unmeasured: caches are warm, and all must say the same.
        answers = [await way(question, ask) for way in ways_by_name.values()]
        _check_same(question, ask, answers)
    taken: dict[str, list[Answer]] = {name: [] for name in ways_by_name}
    names = list(ways_by_name)
    until = time.monotonic() + seconds
    rounds = 0
    while rounds < LEAST_ROUNDS or (rounds < MOST_ROUNDS and time.monotonic() < until):
        ask = question.asks[rounds % len(question.asks)]
        for name in names[rounds % 3 :] + names[: rounds % 3]:
            taken[name].append(await ways_by_name[name](question, ask))
        rounds += 1
    by_hand = _figures([one.seconds for one in taken["by_hand"]])
    statement = _figures([one.statements for one in taken["in_process"]])
    call = _figures([one.seconds for one in taken["in_process"]])
    http = _figures([one.seconds for one in taken["over_http"]])
    row = {
        "question": question.name, "rounds": rounds, "by_hand": by_hand, "statement": statement, "call": call,
        "http": http, "statement_ratio": _ratio(statement, by_hand), "call_ratio": _ratio(call, by_hand),
        "total": taken["by_hand"][-1].total,
    }  # fmt: skip
    print(
        f"{question.name:56} {by_hand['p50']:11.2f} {by_hand['p99']:8.2f} {statement['p50']:13.2f}"
        f" {statement['p99']:8.2f} {row['statement_ratio']:6.2f} {call['p50']:9.2f} {row['call_ratio']:6.2f}"
        f" {http['p50']:9.2f} {http['p99']:8.2f} {rounds:6}",
        flush=True,
    )
    return row


def _check_same(question: Question, ask: Ask, answers: Sequence[Answer]) -> None:
    first, *others = answers
    for other in others:
        # Estimates may differ; and of a word a search may have no more than an estimate.
        by_estimate = not other.total["exact"] and (not first.total["exact"] or "q" in ask.params)
        totals_differ = other.total != first.total and not by_estimate
        if other.ids != first.ids or totals_differ:
            raise SystemExit(
                f"{question.name}, {ask.params}: by hand {len(first.ids)} rows of {first.total}, by the service"
                f" {len(other.ids)} of {other.total}, or others, or in another order"
            )


def _figures(seconds: list[float]) -> dict[str, float]:
    """p50 and p99 in ms; of fewer than a hundred p99 is the longest."""
    ordered = sorted(seconds)
    return {
        "p50": round(1000 * median(ordered), 3),
        "p99": round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 3),
    }


def _ratio(one: dict[str, float], other: dict[str, float]) -> float:
    return round(one["p50"] / other["p50"], 2)


def _spread(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How the slowest question stands to the quickest."""
    found = {}
    for way in ("by_hand", "statement", "call", "http"):
        best, worst = (pick(rows, key=lambda row: row[way]["p50"]) for pick in (min, max))
        ratio = round(worst[way]["p50"] / best[way]["p50"], 1)
        found[way] = {"best": best["question"], "worst": worst["question"], "ratio": ratio}
        print(f"slowest to quickest, {way}: {ratio:.1f} ({worst['question']}; {best['question']})")
    return found


# -- Depth -------------------------------------------------------------------------------------------------------------

DEPTHS_HEAD = f"{'a page far down':56} {'page':>7} {'first p50':>10} {'deep p50':>10} {'ratio':>6}   (ms)"


async def _depth(question: Question, asking: InProcess, seconds: float) -> dict[str, Any]:
    """The first page against the ten thousandth, or the last but one where there are fewer."""
    [ask] = question.asks
    cursor = before = None
    walked = 0
    while walked < DEEP * PAGE:
        body, _ = await asking.page(question, ask, limit=WALKED_BY, cursor=cursor)
        if body["next_cursor"] is None:
            cursor = before
            walked -= WALKED_BY
            break
        before, cursor = cursor, body["next_cursor"]
        walked += WALKED_BY
    taken: dict[str, list[float]] = {"first": [], "deep": []}
    until = time.monotonic() + seconds
    while len(taken["deep"]) < LEAST_ROUNDS or (len(taken["deep"]) < MOST_ROUNDS and time.monotonic() < until):
        for name, at in (("first", None), ("deep", cursor)):
            _, took = await asking.page(question, ask, limit=PAGE, cursor=at)
            taken[name].append(took)
    first, deep = _figures(taken["first"]), _figures(taken["deep"])
    row = {
        "question": question.name,
        "page": walked // PAGE,
        "first": first,
        "deep": deep,
        "ratio": _ratio(deep, first),
    }
    print(
        f"{question.name:56} {row['page']:7} {first['p50']:10.2f} {deep['p50']:10.2f} {row['ratio']:6.2f}", flush=True
    )
    return row


# -- What it was of ----------------------------------------------------------------------------------------------------


async def _about(url: str, wanted: Wanted) -> dict[str, Any]:
    connection = await asyncpg.connect(url)
    sizes = await connection.fetch(
        "SELECT relname, pg_relation_size(oid) AS bytes FROM pg_class WHERE"
        " 'numbers'::regclass IN (oid, (SELECT indrelid FROM pg_index WHERE indexrelid = oid)) ORDER BY bytes DESC"
    )
    about = {
        "numbers": wanted.numbers,
        "seed": wanted.seed,
        "largest": await connection.fetchval("SELECT count(*) FROM numbers WHERE organization_id = $1", LARGEST),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "postgres": await connection.fetchval("SHOW server_version"),
        "shared_buffers": await connection.fetchval("SHOW shared_buffers"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load before": os.getloadavg(),
        "sizes": {row["relname"]: row["bytes"] for row in sizes},
    }
    await connection.close()
    print(", ".join(f"{name} {value}" for name, value in about.items() if name != "sizes"))
    print("MB: " + ", ".join(f"{row['relname']} {row['bytes'] // 2**20}" for row in sizes), flush=True)
    return about


async def _samples(url: str) -> tuple[list[str], datetime]:
    connection = await asyncpg.connect(url)
    numbers = await connection.fetch(
        "SELECT phone_number FROM numbers WHERE state <> 'released' ORDER BY id LIMIT 8"  # By a digest: anywhere.
    )
    until = await connection.fetchval("SELECT date_trunc('day', max(acquired_at)) FROM numbers")
    await connection.close()
    return [row["phone_number"] for row in numbers], until
