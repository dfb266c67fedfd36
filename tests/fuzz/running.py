"""The fuzzer at work: so many requests, and what was wrong with the answers."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

from starlette.types import ASGIApp

from tests.fuzz.asking import put
from tests.fuzz.cast import Cast
from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.oracle import Oracle
from tests.fuzz.values import Schema

ENDS_ALL = ("stop_purchases", "put_deployment_quotas")


@dataclass
class Report:
    asked: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    succeeded: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


async def fuzz(
    app: ASGIApp, document: Schema, cast: Cast, *, seed: int, requests: int, until_first: bool = False
) -> Report:
    fuzzer, oracle, report = Fuzzer(document, cast, seed), Oracle(document, cast), Report()
    for ask in islice(fuzzer.asks(), requests):
        answer = await put(app, ask)
        fuzzer.heard(ask, answer)
        report.asked += 1
        report.statuses[answer.status] += 1
        if answer.status < 300:
            report.succeeded.add(ask.operation)
        if found := oracle.faults(ask, answer):
            report.faults.append(f"{ask}\n  {answer.status} {'; '.join(found)}\n  {answer.body[:300]!r}")
            if until_first:
                break
        if ask.operation in ENDS_ALL and answer.status == 200:
            await cast.mend()
    return report
