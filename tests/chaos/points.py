"""Every moment at which a process may die between two of its steps, by name.

A step is a public async method of a seam: one transaction, one request to Teli, or one script in Redis. A point lies
before and after each, and there are finer ones where more than one thing happens inside.
"""

import importlib
import inspect
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from service.numbers.ledger import Ledger
from service.numbers.repository import Numbers
from service.numbers.steps import Steps
from service.quotas.gate import Gate
from service.teli.client import TeliClient

# Inside a create, by what httpx tells of the exchange.
EXCHANGE = {
    "connection.connect_tcp.complete": "TeliClient.create:connected",
    "http11.send_request_headers.started": "TeliClient.create:first_byte",
    "http11.send_request_body.complete": "TeliClient.create:request_sent",
    "http11.receive_response_headers.complete": "TeliClient.create:headers_received",
}
# Inside a transaction: the question with these bytes is on its way to Postgres, and its answer is never read.
QUESTIONS = {
    "Ledger.admit:question_sent": b'"lease_seconds"',
    "Ledger.settle:question_sent": b'"verdict"',
    "Database.acting:commit_sent": b"COMMIT",
}
OF_CAMPAIGNS = "only for campaigns, of which the workload has none: tests/campaigns breaks their creation off"
# What the workload does not pass, by method, and why. Whatever it should pass and does not is a fault of the tests.
NOT_PASSED = {
    "Gate.count": "only of a tenant that has a rate; nothing of a purchase comes after it",
    "Gate.undelivered": "only for callers without a key, and all of the workload's have one",
    "Ledger.keep_lost": "only where Postgres lost a commit: a fail-over to a copy that lagged",
    "Ledger.undelivered": "only for callers without a key, and all of the workload's have one",
    "Numbers.admitted_at": "only for a row that is listed without its mark, and says when it was made",
    "Numbers.earlier_rows": "only where another row of the number's E.164 is listed",
    "Numbers.grace_is_over": "only for a release that was scheduled; the workload gives back at once",
    "Numbers.release_unresolved": "only for what a person must decide: a release that Teli answers by 404",
    "Sightings.explained": "only for an exclusive user of an account whose nicknames are dropped",
    "TeliClient.agents": "only where a listing shows an agent by another id than it was linked by",
    "TeliClient.call": "only for a call that was listed without its numbers, or that somebody asks for",
    "TeliClient.campaign": OF_CAMPAIGNS,
    "TeliClient.campaigns": OF_CAMPAIGNS,
    "TeliClient.create_campaign": OF_CAMPAIGNS,
    "TeliClient.close": "only after all work, at an orderly end",
    "TeliClient.move_campaign": OF_CAMPAIGNS,
    "TeliClient.organizations": "only before a first purchase and once a sweep; killed there by a test of its own",
}


def seams() -> tuple[type, ...]:
    return (Ledger, Steps, Numbers, Gate, TeliClient, *_of_reconciliation())


def _of_reconciliation() -> Iterator[type]:
    """What listings showed and what is doubted, in the ledger: the classes of those modules that ask it anything."""
    for name in ("service.reconciliation.sightings", "service.reconciliation.doubts"):
        if find_spec(name) is not None:
            module = importlib.import_module(name)
            for _, found in inspect.getmembers(module, inspect.isclass):
                if found.__module__ == name and any(methods(found)):
                    yield found


def methods(seam: type) -> Iterator[tuple[str, Any]]:
    """The public async methods of a seam, by name."""
    for name, method in vars(seam).items():
        if not name.startswith("_") and inspect.iscoroutinefunction(method):
            yield name, method


def steps() -> list[str]:
    """`Seam.method` of each step."""
    return [f"{seam.__name__}.{name}" for seam in seams() for name, _ in methods(seam)]


def points() -> list[str]:
    """All of them that the workload passes, in a fixed order."""
    around = [f"{step}:{side}" for step in steps() if step not in NOT_PASSED for side in ("before", "after")]
    return [*around, *EXCHANGE.values(), *QUESTIONS]
