"""Any order of admissions, answers, lapses and late proof, on the real functions in Postgres: what must always hold."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.numbers.sql_calls import Send, connect
from tests.support.gateway import ORGANIZATION, Gateway

LEADS_TO = {
    "sending": {"owned", "refused", "doubtful"},
    "doubtful": {"owned", "refused", "unresolved"},
    "unresolved": {"owned", "refused"},
    "owned": set(),
    "refused": set(),
}
LIMIT = 3
USERS = ("one", "two", "exclusive")

# Each row is something wrong.
WRONG = """
  SELECT 'counters' AS what, q.tenant_id AS whose FROM quotas q
    WHERE q.used <> (SELECT count(*) FROM numbers n WHERE n.tenant_id = q.tenant_id AND n.state <> 'released')
       OR q.reserved <> (SELECT count(*) FROM intents i WHERE i.tenant_id = q.tenant_id
                         AND i.state IN ('sending', 'doubtful', 'unresolved'))
  UNION ALL SELECT 'a slot kept', s.slot::text FROM send_slots s LEFT JOIN intents i ON i.id = s.intent_id
    WHERE s.intent_id IS NOT NULL AND i.state IS DISTINCT FROM 'sending'
  UNION ALL SELECT 'a slot lost', i.id::text FROM intents i JOIN send_slots s USING (account_id, slot)
    WHERE i.state = 'sending' AND i.lease_until > clock_timestamp() AND s.intent_id IS DISTINCT FROM i.id
  UNION ALL SELECT 'a lane kept', i.id::text FROM intents i
    JOIN users u ON (u.organization_id, u.id) = (i.organization_id, i.user_id)
    WHERE i.holds_lane AND i.state <> 'sending' AND NOT (i.state IN ('doubtful', 'unresolved') AND u.exclusive)
  UNION ALL SELECT 'an open key twice', i.idempotency_key FROM intents i
    WHERE i.idempotency_key IS NOT NULL AND i.state <> 'refused'
    GROUP BY i.tenant_id, i.idempotency_key HAVING count(*) > 1
  UNION ALL SELECT 'owned without its number', i.id::text FROM intents i
    LEFT JOIN numbers n ON n.id = i.number_id AND n.intent_id = i.id
    WHERE (i.state = 'owned') <> (n.id IS NOT NULL) OR (i.state <> 'owned' AND i.number_id IS NOT NULL)
  UNION ALL SELECT 'decided without an answer', i.id::text FROM intents i
    WHERE (i.state IN ('owned', 'refused')) <> (i.answer IS NOT NULL)
       OR (i.state IN ('owned', 'refused')) <> (i.decided_at IS NOT NULL)
  UNION ALL SELECT 'proof thrown away', e.intent_id::text FROM evidence e JOIN intents i ON i.id = e.intent_id
    WHERE e.body LIKE '+1%' AND i.state IN ('owned', 'refused')
      AND NOT EXISTS (SELECT FROM numbers n WHERE n.intent_id = i.id AND n.phone_number = e.body)
      AND NOT EXISTS (SELECT FROM orphans o WHERE o.intent_id = i.id AND o.phone_number = e.body)
      -- Heard while it was open, of a number that another held or was sold: a doubt then, for a person to judge since.
      AND NOT EXISTS (SELECT FROM numbers n WHERE n.account_id = i.account_id AND n.phone_number = e.body
                      AND n.intent_id <> i.id)
      AND NOT EXISTS (SELECT FROM orphans o WHERE o.account_id = i.account_id AND o.phone_number = e.body)
  UNION ALL SELECT 'an orphan twice', o.phone_number FROM orphans o
    GROUP BY o.intent_id, o.phone_number HAVING count(*) > 1
"""

STEP = st.one_of(
    st.tuples(st.just("admit"), st.sampled_from([0, 1]), st.sampled_from(USERS), st.sampled_from([None, "a", "b"]),
              st.sampled_from([60, 60, -1])),
    st.tuples(st.just("settle"), st.integers(0, 5), st.sampled_from(["owned", "owned", "refused", "doubtful"]),
              st.integers(0, 2)),
    st.tuples(st.sampled_from(["lapse", "unresolve", "a minute passes", "marks", "lanes"])),
)  # fmt: skip


class Run:
    """One history, beside what the ledger says of it."""

    def __init__(self, gateway: Gateway, api: asyncpg.Connection, tenants: list[str], account: str) -> None:
        self.gateway, self.api, self.tenants, self.account = gateway, api, tenants, account
        self.sends: list[Send] = []
        self.heard: Counter[str] = Counter()
        self.states: dict[str, str] = {}
        self.numbers: list[str] = []

    async def begin(self) -> None:
        """Whatever a run before has left open is refused, and the limit stands LIMIT above what is held."""
        for open_id, tenant in await self.gateway.sql(
            "SELECT id, tenant_id FROM intents WHERE state IN ('sending', 'doubtful', 'unresolved')"
        ):
            await Send(tenant, self.account, id=open_id).settle(self.api, "refused")
        await self.gateway.sql("UPDATE quotas SET numbers_held = used + :limit", limit=LIMIT)
        await self.gateway.sql("UPDATE accounts SET mode = 'lane'")
        [(bought,)] = await self.gateway.sql("SELECT count(*) FROM numbers")
        [(orphaned,)] = await self.gateway.sql("SELECT count(*) FROM orphans")
        self.numbers = [f"+1313{2_000_000 + 10 * (bought + orphaned) + place}" for place in range(3)]
        self.prefix = f"{bought}-{orphaned}-{len(await self.gateway.sql('SELECT id FROM intents'))}-"

    async def step(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("admit", tenant, user, key, lease):
                await self._admit(self.tenants[tenant], user, key and self.prefix + key, lease)
            case ("settle", place, verdict, number) if self.sends:
                await self._settle(self.sends[place % len(self.sends)], verdict, self.numbers[number])
            case ("lapse",):
                await self.gateway.sql("SELECT lapse_sends(100)")
            case ("unresolve",):
                await self.gateway.sql("UPDATE intents SET state = 'unresolved' WHERE state = 'doubtful'")
            case ("a minute passes",):
                await self.gateway.sql("UPDATE intents SET decided_at = decided_at - interval '61 seconds'")
            case ("marks",):
                await self.gateway.sql("UPDATE accounts SET mode = 'mark'")
            case ("lanes",):
                await self.gateway.sql("UPDATE accounts SET mode = 'lane'")

    async def _admit(self, tenant: str, user: str, key: str | None, lease: float) -> None:
        [(room, lane_mode, taken)] = await self.gateway.sql(
            "SELECT q.used + q.reserved < q.numbers_held, a.mode = 'lane',"
            " EXISTS (SELECT FROM intents WHERE user_id = :user AND holds_lane)"
            " FROM quotas q, accounts a WHERE q.tenant_id = :tenant",
            tenant=tenant,
            user=user,
        )
        known = await self.gateway.sql(
            "SELECT id::text FROM intents WHERE tenant_id = :tenant AND idempotency_key = :key"
            " AND (state <> 'refused' OR decided_at > now() - interval '60 seconds')",
            tenant=tenant,
            key=key,
        )
        send = Send(tenant, self.account, key=key, user=user, lease=lease)
        try:
            said = await send.admit(self.api)
        except asyncpg.PostgresError as error:
            if error.sqlstate != "NG001" or room or known:
                raise
            return
        if known:
            assert (said["outcome"], said["intent_id"]) == ("known", known[0][0])
        elif lane_mode and taken:
            assert said["outcome"] == "busy"
            await self.api.execute("DELETE FROM send_queue")
        else:
            assert said["outcome"] == "admitted"
            assert room
            self.sends.append(send)
            self.states[str(send.id)] = "sending"

    async def _settle(self, send: Send, verdict: str, number: str) -> None:
        said = await send.settle(self.api, verdict, number if verdict == "owned" else None)
        self.heard[str(send.id)] += 1
        assert said["moved"] == (said["state"] != self.states[str(send.id)])

    async def check(self) -> None:
        assert await self.gateway.sql(WRONG) == []
        rows = await self.gateway.sql(
            "SELECT i.id::text, i.state, (SELECT count(*) FROM evidence e WHERE e.intent_id = i.id) FROM intents i"
            " WHERE i.id = ANY (:ids)",
            ids=[send.id for send in self.sends],
        )
        for intent, state, pieces in rows:
            before = self.states[intent]
            assert state == before or state in LEADS_TO[before], f"{before} to {state}"
            assert pieces == self.heard[intent]
            self.states[intent] = state
        assert len(rows) == len(self.sends)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(database_url, "numbergate_api")
    yield connection
    await connection.close()


@pytest.fixture
async def run_of(gateway: Gateway, api: asyncpg.Connection) -> Run:
    await gateway.sql(
        "INSERT INTO users (organization_id, id, exclusive)"
        " SELECT :o, u, u = 'exclusive' FROM unnest(:users ::text[]) u",
        o=ORGANIZATION,
        users=list(USERS),
    )
    [(account,)] = await gateway.sql("SELECT id::text FROM accounts")
    tenants = [(await gateway.tenant(quota=LIMIT)).id for _ in range(2)]
    return Run(gateway, api, tenants, account)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
)
@given(steps=st.lists(STEP, min_size=4, max_size=14))
async def test_whatever_happens_in_whatever_order_states_counters_and_evidence_agree(
    run_of: Run, steps: list[tuple[Any, ...]]
):
    run = Run(run_of.gateway, run_of.api, run_of.tenants, run_of.account)
    await run.begin()
    for step in steps:
        await run.step(step)
        await run.check()
