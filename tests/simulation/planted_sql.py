"""Faults in the SQL itself, each planted for as long as a block lasts: what a careless hand might write."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.simulation.postgres import InPostgres


@dataclass(frozen=True, slots=True)
class Planted:
    """A text of the SQL that reads otherwise. `function` of the database, or None for the stores' statements.

    `without`: an index that would stop the fault before it does harm. `shown_by`: a seed that showed it once, to be
    tried first.
    """

    name: str
    function: str | None
    old: str
    new: str
    without: str | None = None
    shown_by: int = 0


FAULTS = (
    Planted(
        "what is reserved does not count towards the quota",
        "quota_limits",
        "allowed := q.numbers_held; used := q.used;\n    reserved := q.reserved + q.ordered;",
        "allowed := q.numbers_held; used := q.used;\n    reserved := 0;",
        shown_by=40,
    ),
    Planted(
        "a key that was answered buys again after a minute",
        "admit",
        "found_key.state = 'refused' AND found_key.decision NOT IN ('presumed', 'operator')\n"
        "                      AND found_key.decided_at",
        "found_key.decided_at",
        without="one_open_intent_per_key",
        shown_by=9,
    ),
    Planted(
        "an undelivered answer is taken over again and again",
        "admit",
        "UPDATE intents SET undelivered_at = NULL WHERE id = missed.id;",
        "",
        shown_by=9,
    ),
    Planted("a slot is not given back", "settle", "slot = i.slot AND intent_id = i.id", "slot = i.slot AND false"),
    Planted(
        "a doubt gives its reservation back",
        "settle",
        "  ELSIF next_state = 'doubtful' THEN\n    SELECT u.exclusive",
        "  ELSIF next_state = 'doubtful' THEN\n"
        "    UPDATE quotas SET reserved = greatest(reserved - 1, 0) WHERE tenant_id = tenant;\n    SELECT u.exclusive",
        shown_by=13,
    ),
    Planted(
        "a refusal decides what is owned already",
        "settle",
        "WHEN verdict = 'refused' AND i.state IN ('sending', 'doubtful', 'unresolved') THEN 'refused'",
        "WHEN verdict = 'refused' THEN 'refused'",
        shown_by=33,
    ),
    Planted(
        "a number that was given back counts as held",
        "held_elsewhere",
        "AND n.state <> 'released' AND",
        "AND",
        shown_by=5,
    ),
    Planted(
        "a send that lapsed gives its reservation back",
        "lapse_sends",
        "    PERFORM record_event(",
        "    UPDATE quotas SET reserved = greatest(reserved - 1, 0) WHERE tenant_id = i.tenant_id;\n"
        "    PERFORM record_event(",
        shown_by=2,
    ),
    Planted(
        "a release that is taken back counts on",
        "take_release_back",
        "q.releases := q.releases - 1;",
        "NULL;",
        shown_by=1,
    ),
    Planted(
        "a look is never claimed again after its lease",
        None,
        "coalesce(was.lease_until, '-infinity') < clock_timestamp()",
        "was.lease_until IS NULL",
    ),
)


@contextmanager
def planted(fault: Planted, backend: InPostgres) -> Iterator[None]:
    """The database, or what is asked of it, as the fault has it."""
    index = None
    if fault.without is not None:
        index = backend.sql("SELECT indexdef FROM pg_indexes WHERE indexname = $1", fault.without)[0][0]
        backend.sql(f"DROP INDEX {fault.without}")
    try:
        if fault.function is None:
            with backend.rewriting(fault.old, fault.new) as rewritten:
                yield
            assert rewritten, f"no statement says {fault.old!r}"
        else:
            with _function(fault, fault.function, backend):
                yield
    finally:
        if index is not None:
            backend.empty()
            backend.sql(index)


@contextmanager
def _function(fault: Planted, function: str, backend: InPostgres) -> Iterator[None]:
    as_it_is = backend.sql("SELECT pg_get_functiondef($1::regproc)", function)[0][0]
    assert as_it_is.count(fault.old) == 1, f"{function} does not say {fault.old!r} once"
    backend.sql(as_it_is.replace(fault.old, fault.new))
    try:
        yield
    finally:
        backend.sql(as_it_is)
