"""The fuzzer at work: so many requests, and what was wrong with the answers."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

from starlette.types import ASGIApp

from tests.fuzz.asking import Answer, Ask, put
from tests.fuzz.cast import Cast
from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.oracle import Oracle
from tests.fuzz.values import Schema

ENDS_ALL = ("stop_purchases", "put_deployment_quotas")
WORKED_EVERY = 200


@dataclass
class Report:
    """`found`: after how many requests a planted fault did harm in an answer that the oracle saw a fault in."""

    asked: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    succeeded: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)
    log: list[tuple[Ask, Answer]] = field(default_factory=list)

    def told(self, operations: set[str]) -> str:
        never = sorted(operations - self.succeeded) or "none"
        return (
            f"{self.asked} fuzzed requests: {dict(sorted(self.statuses.items()))}; never answered with success: {never}"
        )


async def fuzz(
    app: ASGIApp,
    document: Schema,
    cast: Cast,
    *,
    seed: int,
    requests: int,
    did_harm: set[str] | None = None,
    planted: int | None = None,
) -> Report:
    """`did_harm`: to which planted faults add their names; when so many are found, it ends sooner."""
    fuzzer, oracle, report = Fuzzer(document, cast.known, seed), Oracle(document, cast), Report()
    harm = set() if did_harm is None else did_harm
    for ask in islice(fuzzer.asks(), requests):
        harm.clear()
        answer = await put(app, ask)
        fuzzer.heard(ask, answer)
        report.asked += 1
        report.log.append((ask, answer))
        report.statuses[answer.status] += 1
        if answer.status < 300:
            report.succeeded.add(ask.operation)
        if found := oracle.faults(ask, answer):
            report.faults.append(f"{ask}\n  {answer.status} {'; '.join(found)}\n  {answer.body[:300]!r}")
            for name in harm:
                report.found.setdefault(name, report.asked)
        if len(report.found) == planted:
            break
        if ask.operation in ENDS_ALL and answer.status == 200:
            await cast.mend()
        if report.asked % WORKED_EVERY == 0:
            await cast.work()
    return report
