"""A person at work on the list of doubts: some are refused by decision, rightly or not."""

import asyncio
from random import Random

from service.db import CommitUnknown
from service.http.problems import MEDIA_TYPE, problem_body
from service.idempotency.answers import Answer
from service.kit.clock import rfc3339, utc_now
from service.kit.errors import ServiceError
from service.numbers.errors import NothingBought
from service.reconciliation.judgement import Doubt
from tests.simulation.machines import Cluster
from tests.simulation.seams import Journal

LOOKS_EVERY = 10.0
# Until what is on a screen is decided; by then it may have been decided otherwise.
THINKS_FOR = (0.0, 0.0, 60.0, 200.0)


class Operator:
    """`decides`: the share of unresolved doubts that are refused, 0 to 1."""

    def __init__(self, chance: Random, cluster: Cluster, journal: Journal, *, decides: float) -> None:
        self._chance = chance
        self._cluster = cluster
        self._journal = journal
        self._decides = decides

    async def work(self) -> None:
        seen = 0
        while self._decides:
            await asyncio.sleep(LOOKS_EVERY)
            fresh, seen = self._journal.absent[seen:], len(self._journal.absent)
            for _, doubt in fresh:
                if self._chance.random() < self._decides:
                    await asyncio.sleep(self._chance.choice(THINKS_FOR))
                    await self._refuse(doubt)

    async def _refuse(self, doubt: Doubt) -> None:
        """As `service.reconciliation.decisions` does it, through the same ledger."""
        error = NothingBought("an operator looked, and found no purchase")
        answer = Answer(error.status, {"content-type": MEDIA_TYPE}, problem_body(error, doubt.request_id).decode())
        question = {
            "tenant_id": doubt.tenant_id,
            "intent_id": str(doubt.id),
            "request_id": "decision",
            "actor": "operator",
            "verdict": "refused",
            "reason": "operator",
            "evidence": {"at": rfc3339(utc_now()), "kind": "operator", "detail": "not on the invoice"},
            "answer": answer.as_json(),
        }
        machine = self._chance.choice(self._cluster.apis)
        if machine.process.alive:
            work = machine.process.start(machine.ledger.settle(question))
            await asyncio.wait({work}, timeout=5)
            if work.done() and not isinstance(work.exception(), ServiceError | CommitUnknown | None):
                work.result()
