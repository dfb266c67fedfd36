"""Tenants do not meet: by the service, and below it by row-level security in roles that cannot bypass it."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from service.db import CALLER, Caller, Database, Role, WrongRole, open_database
from tests.conftest import OpenGateway
from tests.http.refusals import nothing_happens, problem
from tests.support.gateway import AUTHOR, NUMBERS, ORGANIZATION, USER, Gateway, Tenant

# By catalogue, not by list: a table that comes later is held to the same.
TENANT_TABLES = """
    SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,
           ARRAY(SELECT p.polcmd::text FROM pg_policy p WHERE p.polrelid = c.oid)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = 'tenant_id'
    ORDER BY c.relname"""
HOOK = """INSERT INTO webhook_endpoints (id, tenant_id, url, state, sealed, key_id, position)
  VALUES (:id, :tenant, 'https://127.0.0.1/', 'active', 'x', 'x', 1)"""
SERVICE_SCOPES = ("numbers:create", "numbers:read", "numbers:release", "agents:link")


@dataclass
class Filled:
    """A gateway whose ledger holds rows of every kind, of two tenants."""

    gateway: Gateway
    one: Tenant
    other: Tenant
    number: dict[str, Any]
    operation: str
    tables: list[str]


BUDGETED = """INSERT INTO budgets (id, tenant_id, currency, amount, created_by)
  VALUES (gen_random_uuid(), :tenant, 'USD', 1, 'a test')"""
CHARGED = """
    WITH closed AS (
      INSERT INTO billing_periods (month, rule, facts_through, prices_through, charges, hash, closed_by, doubts)
      VALUES ('2020-01-01', '{}', 0, 0, 0, '', 'a test', '[]') ON CONFLICT DO NOTHING)
    INSERT INTO charges (month, place, number_id, phone_number, kind, begins, ends, due, micros, currency, price_id,
      tenant_id, organization_id, user_id, tags)
    SELECT '2020-01-01', f.seq, f.number_id, '+13135550100', 'setup', '2020-01-01', '2020-01-02', '2020-01-01', 1,
      'USD', f.number_id, f.tenant_id, f.organization_id, f.user_id, f.tags
    FROM number_facts f WHERE f.tenant_id = :tenant LIMIT 1
"""


async def trade(gateway: Gateway, tenant: Tenant) -> dict[str, Any]:
    """Everything a tenant can do: buy, link, rename, release, and be left in doubt, with proof of another number."""
    kept = await tenant.bought(key=f"kept {tenant.id}".replace(" ", "-"), inbound_agent_id="agent_1")
    await gateway.follow_up()
    body = {"nickname": "Mine", "outbound_agent_id": "agent_2"}
    changed = await tenant.send("POST", f"{NUMBERS}/{kept['phone_number']}/update-agent", json=body)
    assert changed.status_code == 200, changed.text
    gone = await tenant.bought()
    await gateway.follow_up()
    assert (await tenant.send("DELETE", f"{NUMBERS}/{gone['phone_number']}")).status_code in (200, 202)
    await gateway.teli.arm("server_error")
    doubt = await tenant.buy(prefer="wait=1")
    assert doubt.status_code == 202, doubt.text
    # What only a restart or a late answer brings about is written here by hand.
    await gateway.sql(
        "INSERT INTO orphans (account_id, tenant_id, organization_id, user_id, phone_number, reason)"
        " SELECT account_id, id, :org, :user, '+13135550100', 'late_proof' FROM tenants WHERE id = :tenant",
        org=ORGANIZATION, user=USER, tenant=tenant.id,
    )  # fmt: skip
    await gateway.sql(
        "INSERT INTO decided_on (intent_id, tenant_id, kind, payload)"
        " SELECT id, tenant_id, 'absent', 'x' FROM intents WHERE tenant_id = :tenant AND state = 'doubtful'",
        tenant=tenant.id,
    )
    filed = text(
        "WITH filed AS (INSERT INTO campaigns (id, tenant_id, account_id, organization_id, user_id, campaign_id,"
        " caller_id, voice_agent_id, leads, invalid_leads, fingerprint, state, actor, request_id, lease_until, look_at)"
        " SELECT gen_random_uuid(), id, account_id, :org, :user, id, '+13135550100', 'agent_1', 1, 0, 'x', 'sending',"
        " 'a test', 'r', now(), now() FROM tenants WHERE id = :tenant RETURNING id, tenant_id)"
        " INSERT INTO campaign_numbers (campaign, number_id, tenant_id) SELECT id, :number, tenant_id FROM filed"
    )
    async with gateway.services.database.acting(tenant=tenant.id) as session:
        await session.execute(
            filed, {"org": ORGANIZATION, "user": USER, "tenant": tenant.id, "number": UUID(kept["id"])}
        )
    await gateway.sql("UPDATE campaigns SET state = 'ended'")
    saved = await tenant.send("POST", "/v1/filters", json={"name": "mine", "filters": {}})
    assert saved.status_code == 201, saved.text
    await gateway.sql(
        "INSERT INTO drifts (id, number_id, tenant_id, member, ours, theirs, state, since, seen_at)"
        " VALUES (gen_random_uuid(), CAST(:number AS uuid), :tenant, 'nickname', 'a', 'b', 'open', now(), now())",
        number=kept["id"], tenant=tenant.id,
    )  # fmt: skip
    many = {"action": "preview", "selection": {"user_id": USER}, "change": {"release": {}}}
    shown = await tenant.send("POST", "/v1/numbers/bulk", json=many)
    assert shown.json()["count"] == 1, shown.text
    async with gateway.services.database.acting(duty="finance", sees=["*"]) as session:
        await session.execute(text(CHARGED), {"tenant": tenant.id})
        await session.execute(text(BUDGETED), {"tenant": tenant.id})
    await gateway.sql(
        "INSERT INTO quota_alerts (tenant_id, limit_name, percent) VALUES (:tenant, 'numbers_held', 80)",
        tenant=tenant.id,
    )
    await gateway.sql(
        "INSERT INTO order_shares (account_id, tenant_id) SELECT account_id, id FROM tenants WHERE id = :tenant",
        tenant=tenant.id,
    )
    await gateway.worker.numbering.number()
    async with gateway.services.database.acting(tenant=tenant.id) as session:
        await session.execute(text(HOOK), {"tenant": tenant.id, "id": uuid4()})
    await gateway.sql(
        "INSERT INTO webhook_deliveries (endpoint_id, seq, id, tenant_id, event_id, kind, state, attempts)"
        " SELECT id, 1, gen_random_uuid(), tenant_id, gen_random_uuid(), 'x', 'delivered', 1 FROM webhook_endpoints"
        " WHERE tenant_id = :tenant", tenant=tenant.id,
    )  # fmt: skip
    return kept


@pytest.fixture
async def filled(gateway: Gateway) -> Filled:
    one, other = (
        await gateway.tenant(),
        await gateway.tenant(scopes=["numbers:create", "numbers:read", "numbers:release", "agents:link"]),
    )
    number = await trade(gateway, one)
    await trade(gateway, other)
    tables = [name for name, *_ in await gateway.sql(TENANT_TABLES)]
    return Filled(gateway, one, other, number, number["operation_id"], tables)


async def as_role(database: Database, statement: str, *, tenant: str | None = None, **values: Any) -> list[Any]:
    """The first column of what the statement answers."""
    async with database.acting(tenant=tenant) as session:
        return list((await session.execute(text(statement), values)).scalars())


async def refused(database: Database, statement: str, *, tenant: str | None = None, **values: Any) -> bool:
    """Whether Postgres refuses the statement for want of a right or a policy; if not, what it did is undone."""
    try:
        async with database.acting(tenant=tenant) as session:
            await session.execute(text(statement), values)
            await session.rollback()
    except ProgrammingError as error:
        return getattr(error.orig, "sqlstate", None) == "42501"
    return False


async def touched(database: Database, statement: str, *, tenant: str, **values: Any) -> list[Any]:
    """The tenants of the rows that an UPDATE or DELETE would reach; none where it is refused altogether."""
    if await refused(database, statement, tenant=tenant, **values):
        return []
    return await as_role(database, f"{statement} RETURNING tenant_id", tenant=tenant, **values)


async def test_anothers_number_is_the_same_404_as_no_number(filled: Filled):
    gateway, stranger, theirs, nobodys = filled.gateway, filled.other, filled.number["phone_number"], "+13135559999"

    async def told(method: str, path: str, **kwargs: Any) -> tuple[int, bytes, list[str]]:
        answer = await stranger.send(method, path, **kwargs)
        body = answer.content.replace(answer.headers["x-request-id"].encode(), b"-")
        return answer.status_code, body, sorted(set(answer.headers) - {"x-request-id"})

    async with nothing_happens(gateway):
        for method, path, kwargs in (
            ("POST", f"{NUMBERS}/{{}}/update-agent", {"json": {"nickname": "Mine now"}}),
            ("POST", f"{NUMBERS}/{{}}/update-agent", {"json": {"inbound_agent_id": ""}}),
            ("DELETE", f"{NUMBERS}/{{}}", {}),
            ("DELETE", f"{NUMBERS}/{{}}?id={filled.number['id']}", {}),
        ):
            one, other = (
                await told(method, path.format(theirs), **kwargs),
                await told(method, path.format(nobodys), **kwargs),
            )
            assert one == other, f"{method} {path}"
            assert one[0] == 404
            assert b"urn:problem:not_found" in one[1]
        operations = [
            await told("GET", f"/v1/operations/{one}") for one in (filled.operation, filled.number["id"], uuid4())
        ]
        assert operations[0] == operations[1] == operations[2]
        assert operations[0][0] == 404
        for known, unknown in ((theirs, nobodys), (filled.number["id"], uuid4())):
            assert await told("GET", f"/v1/numbers/{known}") == await told("GET", f"/v1/numbers/{unknown}")
        assert (await told("GET", f"/v1/numbers/{theirs}"))[0] == 404
        answer = await stranger.get(f"{NUMBERS}?user_id={USER}&organization_id={ORGANIZATION}")
        assert theirs not in answer.text
        assert filled.one.id not in answer.text
        whole = await stranger.get(f"{NUMBERS}?user_id={USER}&organization_id={ORGANIZATION}&is_admin=true")
        problem(whole, 403, "scope_missing")
        elsewhere = await stranger.get(f"{NUMBERS}?user_id={USER}&organization_id=another")
        problem(elsewhere, 403, "not_your_organization")


async def test_an_idempotency_key_of_another_tenant_is_nobodys(filled: Filled):
    """The same key, the same body, another tenant: another number."""
    body = await filled.other.bought(key=f"kept-{filled.one.id}", inbound_agent_id="agent_1")
    assert body["phone_number"] != filled.number["phone_number"]


async def test_every_table_with_a_tenant_is_under_forced_row_level_security(gateway: Gateway):
    tables = await gateway.sql(TENANT_TABLES)
    assert len(tables) >= 12
    for name, enabled, forced, commands in tables:
        assert enabled, name
        assert forced, name
        assert commands, name


async def test_without_a_tenant_the_api_role_sees_no_row_of_any(filled: Filled):
    database = filled.gateway.services.database
    for table in filled.tables:
        [[rows]] = await filled.gateway.sql(f"SELECT count(*) FROM {table}")
        assert rows > 0, f"{table} is empty, so it proves nothing"
        assert await as_role(database, f"SELECT count(*) FROM {table}") == [0], table
        assert await as_role(database, f"SELECT count(*) FROM {table}", tenant="") == [0], table
        assert await as_role(database, f"SELECT count(*) FROM {table}", tenant="nobody") == [0], table

    # And where nobody has said anything at all, as on a connection fresh from the server.
    async with database.engine.connect() as bare:
        for table in filled.tables:
            assert (await bare.execute(text(f"SELECT count(*) FROM {table}"))).scalar() == 0, table


async def test_with_a_tenant_the_api_role_sees_that_tenants_rows_only(filled: Filled):
    database, gateway, one = filled.gateway.services.database, filled.gateway, filled.one
    # Keys are an administrator's, what a doubt was decided on is an operator's; a tenant reads none, its own neither.
    hidden = {"api_keys", "decided_on"}
    for table in filled.tables:
        [[own]] = await gateway.sql(f"SELECT count(*) FROM {table} WHERE tenant_id = :id", id=one.id)
        seen = await as_role(database, f"SELECT tenant_id FROM {table}", tenant=one.id)
        assert seen == [one.id] * (0 if table in hidden else own), table
        assert own > 0, table


async def test_a_tenant_writes_no_row_of_another(filled: Filled):
    database, one, other = filled.gateway.services.database, filled.one.id, filled.other.id
    for table in filled.tables:
        columns = await filled.gateway.sql(
            "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:t AS regclass) AND attnum > 0 AND attidentity = ''"
            " AND attname <> 'tenant_id'", t=table
        )  # fmt: skip
        names = ", ".join(["tenant_id", *(f'"{name}"' for [name] in columns)])
        [[row]] = await filled.gateway.sql(
            f"SELECT to_jsonb(t)::text FROM {table} t WHERE tenant_id = :id LIMIT 1", id=one
        )
        copied = f"SELECT {names} FROM jsonb_populate_record(NULL::{table}, CAST(CAST(:row AS text) AS jsonb))"
        theirs = row.replace(one, other)
        assert await refused(database, f"INSERT INTO {table} ({names}) {copied}", tenant=one, row=theirs), table

        for statement in (f"UPDATE {table} SET tenant_id = tenant_id", f"DELETE FROM {table}"):
            reached = await touched(database, f"{statement} WHERE tenant_id = :other", tenant=one, other=other)
            assert reached == [], statement
        assert (await filled.gateway.sql(f"SELECT count(*) FROM {table} WHERE tenant_id = :id", id=other))[0][0] > 0


async def test_a_tenant_cannot_give_its_row_away(filled: Filled):
    database, one, other = filled.gateway.services.database, filled.one.id, filled.other.id
    for table in filled.tables:
        statement = f"UPDATE {table} SET tenant_id = :other WHERE tenant_id = :one"
        assert await touched(database, statement, tenant=one, one=one, other=other) == [], table


APPENDED_ONLY = ("audit", "audit_chain", "evidence")


@pytest.mark.parametrize("table", APPENDED_ONLY)
async def test_what_is_appended_cannot_be_changed_or_taken_back(filled: Filled, table: str):
    for database in (filled.gateway.services.database, filled.gateway.worker.database):
        [[column]] = await filled.gateway.sql(
            "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:t AS regclass) AND attnum = 2", t=table
        )
        for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            assert await refused(database, statement, tenant=filled.one.id), statement


async def test_an_event_stays_as_it_was_written_until_it_was_kept_long_enough(filled: Filled):
    """The worker numbers it, and forgets what was numbered; it changes nothing else, and the API nothing at all."""
    gateway, tenant = filled.gateway, filled.one.id
    await gateway.sql("UPDATE outbox SET seq = NULL WHERE id IN (SELECT max(id) FROM outbox GROUP BY tenant_id)")
    for column in ("at", "tenant_id", "kind", "number_id", "payload"):
        for database in (gateway.services.database, gateway.worker.database):
            assert await refused(database, f"UPDATE outbox SET {column} = {column}", tenant=tenant), column
    for statement in ("UPDATE outbox SET seq = seq", "DELETE FROM outbox"):
        assert await refused(gateway.services.database, statement, tenant=tenant), statement
    await as_role(gateway.worker.database, "DELETE FROM outbox RETURNING tenant_id")
    assert await gateway.sql("SELECT count(*), count(seq) FROM outbox") == [(2, 0)]


async def test_no_role_has_more_rights_than_it_needs(gateway: Gateway):
    """Read from the catalogue, so that a right granted later is seen here."""
    granted = await gateway.sql(
        "SELECT r.rolname, c.relname, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r"
        " ON r.oid = a.grantee WHERE c.relnamespace = 'public'::regnamespace AND r.rolname <> 'numbergate_owner'"
    )
    rights = {(role, table, right) for role, table, right in granted}
    assert {right for _, _, right in rights} <= {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert {right for role, _, right in rights if role == "numbergate_finance"} == {"SELECT"}
    deletes = {(role, table) for role, table, right in rights if right == "DELETE"}
    assert {table for role, table in deletes if role == "numbergate_worker"} == {
        "send_queue",
        # Kept for thirty days.
        "decided_on",
        "listings",
        "sessions",
        # As long as they are kept, and only once they are numbered.
        "outbox",
        "webhook_deliveries",
        # As long as is promised.
        "idempotency_keys",
        # Until their logins would have ended by themselves.
        "answered_logins",
        # Previews that nobody applied.
        "orders",
        # Until it is told of which number they were.
        "bare_calls",
        # What one listing alone showed; thirty days after it was settled.
        "drifts",
        # Once the invoice is read.
        "invoice_parts",
        # As long as a limit is nearly used up.
        "quota_alerts",
        # Three years after the row was gone.
        "possession",
        # As the invoice is matched anew.
        "invoice_findings",
        "matched_lines",
        # That of a recovery, once it is over.
        "stops",
    }
    assert {table for role, table in deletes if role == "numbergate_api"} == {
        "grants",
        "budgets",
        # Of a campaign that was refused, and is asked for anew from other numbers.
        "campaign_numbers",
        # By their owners, and administrators of the organisation in which they are shared.
        "saved_filters",
        # By finance, of one that was read by a wrong mapping, as long as nothing rests on it.
        "invoices",
        # Of other scopes than the tenants, as an administrator, where no limit is left.
        "quotas",
        "send_queue",
        "stops",
        # By the tenant whose they are.
        "webhook_endpoints",
    }
    assert not {(role, table) for role, table, right in rights if right == "UPDATE" and table in APPENDED_ONLY}
    everybody = await gateway.sql(
        "SELECT relname FROM pg_class c, aclexplode(c.relacl) a"
        " WHERE a.grantee = 0 AND relnamespace = 'public'::regnamespace"
    )
    assert everybody == []
    functions = await gateway.sql(
        "SELECT proname FROM pg_proc p LEFT JOIN LATERAL aclexplode(p.proacl) a ON true"
        " WHERE pronamespace = 'public'::regnamespace AND (p.proacl IS NULL OR a.grantee = 0)"
    )
    assert functions == [], "a function that everybody may call"


@pytest.fixture
async def login(gateway: Gateway, database_url: str) -> AsyncIterator[str]:
    """A login that may only become the api role, as in production; its URL."""
    name = f"api_login_{uuid4().hex[:8]}"
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw' IN ROLE numbergate_api NOINHERIT")
    yield re.sub(r"//[^@]*@", f"//{name}:pw@", database_url)
    await connection.execute(f"DROP ROLE {name}")
    await connection.close()


async def test_the_api_role_cannot_become_anybody_else(gateway: Gateway, login: str):
    database = open_database(login, "numbergate_api", pool=1)
    try:
        for role in ("numbergate_owner", "numbergate_worker", "numbergate_finance", "postgres"):
            assert "permission denied" in await refused_text(database, f"SET ROLE {role}"), role
            assert "permission denied" in await refused_text(database, f"SET SESSION AUTHORIZATION {role}"), role
        assert "permission denied" in await refused_text(
            database, "ALTER TABLE numbers DISABLE ROW LEVEL SECURITY", owner=True
        )
        assert "permission denied" in await refused_text(database, "CREATE TABLE mine (x int)")
        assert "permission denied" in await refused_text(database, "ALTER ROLE numbergate_api BYPASSRLS")
        assert "row-level security" in await refused_text(database, "SET row_security = off; SELECT 1 FROM numbers")
    finally:
        await database.engine.dispose()


async def refused_text(database: Database, statement: str, *, owner: bool = False) -> str:
    """What Postgres says to a script of statements; `owner`: only the table's owner may do it."""
    async with database.engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert isinstance(raw, asyncpg.Connection)
        with pytest.raises(asyncpg.PostgresError) as failure:
            await raw.execute(statement)
    return str(failure.value).replace("must be owner of table", "permission denied") if owner else str(failure.value)


WRONG: dict[str, tuple[Role, str]] = {
    "another role": ("numbergate_worker", ""),
    "a superuser": ("numbergate_api", "ALTER ROLE numbergate_api SUPERUSER"),
    "one that bypasses row-level security": ("numbergate_api", "ALTER ROLE numbergate_api BYPASSRLS"),
    "the owner of a table": ("numbergate_api", "ALTER TABLE outbox OWNER TO numbergate_api"),
    "a member of the owner": ("numbergate_api", "GRANT numbergate_owner TO numbergate_api"),
    "the right one, over a table that is not under row-level security": (
        "numbergate_api",
        "ALTER TABLE numbers DISABLE ROW LEVEL SECURITY",
    ),
    "the right one, over a table whose owner is not held": (
        "numbergate_api",
        "ALTER TABLE intents NO FORCE ROW LEVEL SECURITY",
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_process_does_not_start_in_a_role_that_may_too_much(gateway: Gateway, database_url: str, name: str):
    role, statement = WRONG[name]
    connection = await asyncpg.connect(database_url)
    database = open_database(database_url, role, pool=1)
    try:
        if statement:
            await connection.execute(statement)
        with pytest.raises(WrongRole):
            await database.check_role("numbergate_api")
    finally:
        await connection.execute("ALTER ROLE numbergate_api NOSUPERUSER NOBYPASSRLS")
        await connection.execute("REVOKE numbergate_owner FROM numbergate_api")
        await database.engine.dispose()
        await connection.close()


async def test_the_right_roles_may_start(gateway: Gateway):
    await gateway.services.database.check_role("numbergate_api")
    await gateway.worker.database.check_role("numbergate_worker")


async def test_whether_a_user_is_exclusive_is_not_a_tenants_to_say(gateway: Gateway, tenant: Tenant):
    database = gateway.services.database
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, "theirs", {"exclusive": True})
    files = "INSERT INTO users (organization_id, id, exclusive) VALUES (:org, :id, :exclusive)"
    new = {"org": ORGANIZATION, "id": "new"}
    change = "UPDATE users SET {} WHERE id = :id RETURNING id"

    assert await refused(database, files, tenant=tenant.id, exclusive=True, **new)
    assert not await refused(database, files, tenant=tenant.id, exclusive=False, **new)
    assert await refused(database, change.format("exclusive = true"), tenant=tenant.id, id=USER)
    for changes in ("exclusive = false", "name = 'x'"):
        assert await as_role(database, change.format(changes), tenant=tenant.id, id="theirs") == []
    learnt = change.format("upstream_uuid = 'u'")
    assert await as_role(database, learnt, tenant=tenant.id, id=USER) == [USER]
    assert await gateway.sql("SELECT exclusive FROM users ORDER BY id") == [(False,), (True,)]


async def test_nobody_sees_all_but_by_a_policy(filled: Filled, database_url: str):
    connection = await asyncpg.connect(database_url)
    bypassing = await connection.fetch(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'numbergate%' AND (rolsuper OR rolbypassrls)"
    )
    assert bypassing == []
    await connection.execute("SET ROLE numbergate_finance")
    tenants = await connection.fetch("SELECT DISTINCT tenant_id FROM numbers")
    assert {row["tenant_id"] for row in tenants} == {filled.one.id, filled.other.id}
    await connection.execute("RESET ROLE; DROP POLICY finance_reads ON numbers; SET ROLE numbergate_finance")
    assert await connection.fetch("SELECT FROM numbers") == []
    await connection.close()

    database = filled.gateway.services.database
    async with database.acting(duty="admin", sees=["*"]) as session:
        seen = (await session.scalars(text("SELECT DISTINCT tenant_id FROM numbers"))).all()
    assert set(seen) == {filled.one.id, filled.other.id}
    async with database.acting(duty="admin") as session:
        assert (await session.scalars(text("SELECT tenant_id FROM numbers"))).all() == []


async def test_a_callers_transaction_is_the_callers_whatever_it_claims(filled: Filled):
    database, one, other = filled.gateway.services.database, filled.one.id, filled.other.id
    seen, settings = "SELECT DISTINCT tenant_id FROM numbers", "SELECT current_setting('numbergate.duty', true)"

    async def claimed(statement: str, **claims: Any) -> list[Any]:
        async with database.acting(tenant=other, duty="admin", sees=["*"], **claims) as session:
            return list((await session.scalars(text(statement))).all())

    before = CALLER.set(Caller(one, ()))
    try:
        assert await claimed(seen) == [one]
        assert await claimed(settings) == ["service"]
        assert await claimed("SELECT id FROM api_keys") == []
        # Nor do the database's own functions, which say for whom they act by themselves.
        async with database.acting() as session:
            await session.execute(text("SELECT act_as(:other, 'operator', '{*}')"), {"other": other})
            assert set(await session.scalars(text("SELECT tenant_id FROM idempotency_keys"))) == {one}
        assert set(await claimed(seen, by_itself=True)) == {one, other}
        CALLER.set(Caller(None, (ORGANIZATION,)))
        assert set(await claimed(seen)) == set()
        async with database.acting(sees=[ORGANIZATION]) as session:
            assert set(await session.scalars(text(seen))) == {one, other}
    finally:
        CALLER.reset(before)
    assert set(await claimed(seen)) == {one, other}


async def test_no_setting_leaks_over_a_pooled_connection(filled: Filled, database_url: str):
    database = open_database(database_url, "numbergate_api", pool=1)
    try:
        for turn in range(1000):
            tenant = (filled.one.id, filled.other.id)[turn % 2]
            seen = set(await as_role(database, "SELECT tenant_id FROM numbers", tenant=tenant))
            assert seen == {tenant}, turn
            if turn % 100 == 0:
                assert await as_role(database, "SELECT tenant_id FROM numbers") == [], turn
                with pytest.raises(ZeroDivisionError):  # A transaction that ends badly leaves nothing behind either.
                    async with database.acting(tenant=tenant, duty="admin", sees=["*"]):
                        raise ZeroDivisionError
                async with database.engine.connect() as bare:
                    left = await bare.execute(text("SELECT current_setting('numbergate.tenant_id', true)"))
                    assert not left.scalar(), turn
    finally:
        await database.engine.dispose()


async def test_two_tenants_at_once_on_one_pool_see_their_own(filled: Filled, database_url: str):
    database = open_database(database_url, "numbergate_api", pool=4)

    async def look(tenant: str) -> None:
        for _ in range(50):
            assert set(await as_role(database, "SELECT tenant_id FROM numbers", tenant=tenant)) == {tenant}

    try:
        await asyncio.gather(*(look(tenant) for tenant in (filled.one.id, filled.other.id) * 8))
    finally:
        await database.engine.dispose()


async def test_who_sees_an_organisation_whole_still_changes_nothing_of_others(
    open_gateway: OpenGateway, filled: Filled
):
    supervisor = await filled.gateway.tenant()  # With inventory:org.
    listed = await supervisor.get(f"{NUMBERS}?user_id={USER}&organization_id={ORGANIZATION}&is_admin=true")
    assert filled.number["phone_number"] in listed.text
    async with nothing_happens(filled.gateway):
        path = f"{NUMBERS}/{filled.number['phone_number']}"
        problem(await supervisor.send("DELETE", path), 404, "not_found")
        problem(await supervisor.send("POST", f"{path}/update-agent", json={"nickname": "x"}), 404, "not_found")
