"""The promises, held against what the carrier really sold."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from service.numbers.marks import mark_of
from tests.chaos.stage import Stage
from tests.chaos.workload import Workload, final, operations
from tests.numbers.ledger import check

OPEN_INTENTS = """
    SELECT id, state FROM intents WHERE tenant_id = ANY($1) AND state NOT IN ('owned', 'refused')
"""
# The mark of a number whose release waits for a person waits with it.
OPEN_STEPS = """
    SELECT s.id, s.state FROM steps s WHERE s.tenant_id = ANY($1) AND s.state IN ('waiting', 'running')
      AND NOT (s.kind = 'unmark' AND EXISTS (
        SELECT FROM steps r WHERE r.number_id = s.number_id AND r.kind = 'release' AND r.state = 'unresolved'))
"""
# The places of a dead replica lapse after three seconds.
QUEUED = "SELECT intent_id, queue FROM send_queue WHERE alive_until > clock_timestamp()"
OVER_QUOTA = """
    SELECT tenant_id, used, reserved FROM quotas WHERE tenant_id = ANY($1) AND used + reserved > numbers_held
"""
# Where the write-off comes after seconds, a machine that stands still may be slower; then the number is an orphan.
PRESUMED_WRONGLY = """
    SELECT o.phone_number FROM orphans o JOIN intents i ON i.id = o.intent_id WHERE i.decision = 'presumed'
"""
EVERYTHING = """
    SELECT 'intent' AS kind, to_jsonb(i) - '{wish,answer}'::text[] FROM intents i WHERE tenant_id = ANY($1)
    UNION ALL SELECT 'number', to_jsonb(n) FROM numbers n WHERE tenant_id = ANY($1)
    UNION ALL SELECT 'step', to_jsonb(s) - 'answer' FROM steps s WHERE tenant_id = ANY($1)
    UNION ALL SELECT 'orphan', to_jsonb(o) FROM orphans o
    UNION ALL SELECT 'look', to_jsonb(l) FROM looks l
"""


async def still_open(stage: Stage, tenants: Sequence[str]) -> set[str]:
    """What is not decided yet: intents, steps owed to numbers, and places in the queue."""
    assert await stage.sql(OVER_QUOTA, tenants) == []
    undecided = [row for query in (OPEN_INTENTS, OPEN_STEPS) for row in await stage.sql(query, tenants)]
    return {str(row[0]) for row in (*undecided, *await stage.sql(QUEUED))}


async def rows_of(stage: Stage, tenants: Sequence[str]) -> str:
    return "\n".join(f"{kind}: {row}" for kind, row in await stage.sql(EVERYTHING, tenants))


async def audit(stage: Stage, workloads: Sequence[Workload]) -> None:
    """After everything is decided. Raises: AssertionError."""
    tenants = [one.tenant.id for one in workloads]
    await check(stage)
    assert await stage.sql(OVER_QUOTA, tenants) == []
    assert await stage.sql("SELECT * FROM send_slots WHERE intent_id IS NOT NULL") == []
    assert await stage.sql(QUEUED) == []
    await _sold_once_and_kept(stage, tenants)
    for workload in workloads:
        for key, heard in workload.heard.items():
            assert len(final(heard)) <= 1, f"two answers for {key}: {heard}"
            assert len(operations(heard)) <= 1, f"two operations for {key}: {heard}"
            statuses = [status for status, _ in heard]
            if 200 in statuses:
                later = set(statuses[statuses.index(200) :])
                assert later == {200}, f"{key} was bought, and then {later}"


async def _sold_once_and_kept(stage: Stage, tenants: Sequence[str]) -> None:
    sold = [one for one in await stage.teli.purchases() if one["organization_id"] == stage.organization]
    assert all(mark_of(one["nickname"]) for one in sold), "a purchase that carries no mark"
    by_mark: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in sold:
        by_mark[mark_of(one["nickname"]) or ""].append(one)
    assert [found for found in by_mark.values() if len(found) > 1] == [], "bought twice"

    held = {one["phone_number"] for one in sold if one["released_at"] is None}
    numbers = await stage.sql("SELECT phone_number, state FROM numbers")
    ours = {number for number, state in numbers if state == "active"}
    given_back = {number for number, state in numbers if state in ("releasing", "released")}
    explained = {number for (number,) in await stage.sql(PRESUMED_WRONGLY)}
    assert held - ours - explained == set(), "at the carrier, and lost here"
    assert ours - held == set(), "held here, and not at the carrier"
    assert given_back & held == set(), "given back here, and not at the carrier"
    intents = await stage.sql("SELECT mark FROM intents WHERE state = 'owned' AND tenant_id = ANY($1)", tenants)
    assert max(Counter(intents).values(), default=0) <= 1, "two intents of a key own a number"
