"""The send deadline, and Postgres failing at the worst moments: nothing is sent twice, nothing heard is lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import count

import asyncpg
import pytest

from service.embedded import EmbeddedPostgres, temporary_data_dir
from service.migrations import migrate
from service.observability.metrics import ALARMS
from tests.conftest import Engines, OpenGateway, execute
from tests.numbers.ledger import busy_slots, check, intents, quota
from tests.support.gateway import Gateway, Tenant
from tests.support.wire import Wire

ADMISSION, SETTLEMENT = b'"lease_seconds"', b'"verdict"'


async def until_state(gateway: Gateway, tenant: Tenant, *states: str) -> None:
    async with asyncio.timeout(10):
        while await intents(gateway, tenant) != list(states):
            await asyncio.sleep(0.02)


async def test_an_admission_that_took_longer_than_a_second_is_not_sent(gateway: Gateway, database_url: str):
    tenant = await gateway.tenant(quota=1)
    blocker = await asyncpg.connect(database_url)
    async with blocker.transaction():
        await blocker.execute("SELECT FROM quotas WHERE tenant_id = $1 FOR UPDATE", tenant.id)
        buying = asyncio.create_task(tenant.buy(key="k"))
        await asyncio.sleep(1.3)
    answer = await buying
    await blocker.close()

    assert (answer.status_code, answer.json()["code"]) == (503, "upstream_unavailable")
    assert "retry-after" in answer.headers
    assert await intents(gateway, tenant) == ["refused"]
    assert await quota(gateway, tenant) == (0, 0)
    assert await gateway.sql("SELECT kind, detail FROM evidence") == [("never_sent", "DeadlinePassed")]
    assert (await gateway.teli.counts())["creates"] == 0
    await check(gateway)


async def test_an_admission_cut_off_before_it_arrives_or_after_its_commit_is_never_sent(
    open_gateway: OpenGateway, database_url: str
):
    async with Wire(database_url) as wire, open_gateway(api_database_url=wire.url) as gateway:
        tenant = await gateway.tenant(quota=1)
        for lose, left in ((wire.lose_question, []), (wire.lose_answer, ["refused"])):
            lose(ADMISSION)
            began = time.monotonic()
            answer = await tenant.buy(key="k")

            assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
            assert time.monotonic() - began < 4
            await until_state(gateway, tenant, *left)
            await asyncio.sleep(0.3)
            assert await quota(gateway, tenant) == (0, 0)
        assert wire.lost == 2
        assert (await gateway.teli.counts())["creates"] == 0
        assert await busy_slots(gateway) == 0
        # The key keeps that refusal for its minute, and then buys.
        assert (await tenant.buy(key="k")).json()["code"] == "upstream_unavailable"
        await gateway.sql("UPDATE intents SET decided_at = decided_at - interval '61 seconds'")
        await gateway.flush_redis()
        assert (await tenant.buy(key="k")).status_code == 200
        await check(gateway)


async def test_an_admission_that_commits_after_its_connection_was_lost_is_refused_too(
    open_gateway: OpenGateway, database_url: str
):
    """Its statement outlives the connection: where it is not there yet, it may come yet."""
    async with Wire(database_url) as wire, open_gateway(api_database_url=wire.url) as gateway:
        tenant = await gateway.tenant(quota=1)
        blocker = await asyncpg.connect(database_url)
        async with blocker.transaction():
            await blocker.execute("SELECT FROM quotas WHERE tenant_id = $1 FOR UPDATE", tenant.id)
            wire.cut_after(ADMISSION)
            answer = await tenant.buy(key="k")
            await asyncio.sleep(0.5)
            assert await intents(gateway, tenant) == []
        await blocker.close()

        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        await until_state(gateway, tenant, "refused")
        assert await quota(gateway, tenant) == (0, 0)
        assert (await gateway.teli.counts())["creates"] == 0
        await check(gateway)


async def test_a_settlement_cut_off_before_or_after_its_commit_is_brought_again_and_decided_once(
    open_gateway: OpenGateway, database_url: str
):
    async with Wire(database_url) as wire, open_gateway(api_database_url=wire.url) as gateway:
        tenant = await gateway.tenant()
        for number, lose in enumerate((wire.lose_question, wire.lose_answer)):
            lose(SETTLEMENT)
            answer = await tenant.buy(key=f"k{number}")

            assert answer.status_code == 200
            assert wire.lost == number + 1
        assert await intents(gateway, tenant) == ["owned", "owned"]
        assert await quota(gateway, tenant) == (2, 0)
        assert (await gateway.teli.counts())["bought"] == 2
        kept = await gateway.sql("SELECT count(*) FROM evidence GROUP BY intent_id ORDER BY intent_id")
        assert kept == [(1,), (2,)]
        await check(gateway)


async def test_a_refusal_and_a_late_proof_that_are_brought_twice_count_once(
    open_gateway: OpenGateway, database_url: str
):
    async with Wire(database_url) as wire, open_gateway(api_database_url=wire.url) as gateway:
        tenant = await gateway.tenant(quota=1)
        await gateway.teli.arm("out_of_stock")
        wire.lose_answer(SETTLEMENT)
        assert (await tenant.buy()).status_code == 409
        assert await quota(gateway, tenant) == (0, 0)
        await gateway.teli.arm("html_error")
        wire.lose_answer(SETTLEMENT)
        assert (await tenant.buy()).status_code == 202
        assert await quota(gateway, tenant) == (0, 1)
        await check(gateway)


@pytest.fixture(scope="module")
async def own_postgres() -> AsyncIterator[EmbeddedPostgres]:
    """One that may be stopped."""
    with temporary_data_dir() as data:
        async with EmbeddedPostgres(data, fast=True) as postgres:
            await migrate(postgres.superuser_url())
            yield postgres


async def test_postgres_gone_and_back_while_teli_answers(open_gateway: OpenGateway, own_postgres: EmbeddedPostgres):
    async with open_gateway(database_url=own_postgres.superuser_url(), answer_within=0.5) as gateway:
        tenant = await gateway.tenant()
        before = await tenant.buy(key="before")
        assert before.status_code == 200
        await gateway.teli.hold("answering")
        buying = asyncio.create_task(tenant.buy(key="k"))
        await gateway.teli.until_held()
        await own_postgres.stop()
        await gateway.teli.release_holds()

        answer = await buying
        assert answer.status_code == 202
        operation_id = answer.json()["operation_id"]
        gone = await tenant.buy(key="other")
        assert (gone.status_code, gone.json()["code"]) == (503, "storage_unavailable")
        # Redis still tells what it knows; the caller is known for some seconds.
        assert (await gateway.teli.counts())["creates"] == 2

        await own_postgres.start()
        async with asyncio.timeout(10):
            while (await tenant.get(f"/v1/operations/{operation_id}")).status_code != 200:
                await asyncio.sleep(0.05)
        assert (await tenant.operation(operation_id, wait=10))["state"] == "succeeded"
        replay = await tenant.buy(key="k")
        assert (replay.status_code, replay.headers["idempotent-replayed"]) == (200, "true")
        assert (await tenant.buy(key="k2")).status_code == 200
        assert (await gateway.teli.counts())["creates"] == 3
        await check(gateway)


async def test_after_a_restart_of_postgres_the_first_request_is_served(
    open_gateway: OpenGateway, own_postgres: EmbeddedPostgres
):
    """Every pooled connection is dead then, which the driver knows."""
    async with open_gateway(database_url=own_postgres.superuser_url()) as gateway:
        tenant, keys = await gateway.tenant(), count()
        for end in (own_postgres.stop, lambda: own_postgres.stop("immediate"), own_postgres.kill):
            # With keys: without, those after the restart would take over what these were not told.
            await asyncio.gather(*(tenant.buy(key=str(next(keys))) for _ in range(10)))
            superuser = await asyncpg.connect(own_postgres.superuser_url())
            await superuser.execute("CHECKPOINT")  # This one does not wait for its disk.
            await superuser.close()
            await end()
            await own_postgres.start()

            answers = await asyncio.gather(*(tenant.buy() for _ in range(10)))

            assert {answer.status_code for answer in answers} == {200}
        await check(gateway)


async def test_draining_lets_a_purchase_finish_and_begins_no_other(open_gateway: OpenGateway):
    async with open_gateway() as gateway:
        tenant = await gateway.tenant()
        await gateway.teli.hold("answering")
        buying = asyncio.create_task(tenant.buy(key="k"))
        await gateway.teli.until_held()
        draining = asyncio.create_task(gateway.services.numbers.provisioning.drain())
        await asyncio.sleep(0.05)

        assert (await tenant.buy()).json()["code"] == "draining"
        await gateway.teli.release_holds()
        assert (await buying).status_code == 200
        await draining
        assert (await tenant.buy(key="k")).headers["idempotent-replayed"] == "true"


async def test_draining_past_its_time_leaves_a_doubt_with_its_evidence(open_gateway: OpenGateway):
    async with open_gateway(answer_within=0.3) as gateway:
        tenant = await gateway.tenant(quota=1)
        await gateway.teli.hold("bought")
        answer = await tenant.buy(key="k")
        assert answer.status_code == 202
        began = time.monotonic()

        await gateway.services.numbers.provisioning.drain()

        assert time.monotonic() - began < 4
        assert await intents(gateway, tenant) == ["doubtful"]
        assert await quota(gateway, tenant) == (0, 1)
        assert await gateway.sql("SELECT kind, detail FROM evidence") == [
            ("broken", "stopped listening: this process is stopping")
        ]
        assert (await gateway.teli.counts())["creates"] == 1


@pytest.mark.parametrize(
    "trouble",
    ["ALTER DATABASE {name} CONNECTION LIMIT 0", "ALTER DATABASE {name} SET default_transaction_read_only = on"],
    ids=["no connection left", "read only"],
)
async def test_a_server_that_cannot_serve_is_a_503_everywhere_and_never_a_500(
    open_gateway: OpenGateway, engines: Engines, database_url: str, trouble: str
):
    name = database_url.rsplit("/", 1)[1]
    login = engines.postgres.url(name, "cramped", "pw")
    await execute(engines, "DROP ROLE IF EXISTS cramped")
    await execute(engines, "CREATE ROLE cramped LOGIN PASSWORD 'pw' IN ROLE numbergate_api")
    async with open_gateway(api_database_url=login) as gateway:
        tenant = await gateway.tenant()
        assert (await tenant.buy()).status_code == 200
        await execute(engines, trouble.format(name=name))
        await gateway.services.database.engine.dispose()

        bought = await tenant.buy(key="k")
        ready = await gateway.http.get("/readyz")

        assert (bought.status_code, bought.json()["code"]) == (503, "storage_unavailable")
        assert ready.status_code == (503 if "LIMIT" in trouble else 200)
        assert (await gateway.teli.counts())["creates"] == 1
        await execute(engines, f"ALTER DATABASE {name} CONNECTION LIMIT -1")


async def test_a_sale_whose_intent_the_ledger_has_lost_is_an_orphan_and_an_alarm(
    gateway: Gateway, tenant: Tenant, database_url: str
):
    await gateway.teli.hold("answering")
    buying = asyncio.create_task(tenant.buy(prefer="wait=5"))
    await gateway.teli.until_held()
    superuser = await asyncpg.connect(database_url)
    await superuser.execute("DELETE FROM intents")
    await superuser.close()
    before = ALARMS.labels("proof_not_written")._value.get()
    await gateway.teli.release_holds()

    answer = await buying

    assert answer.status_code == 202
    [purchase] = await gateway.teli.purchases()
    assert await gateway.sql("SELECT phone_number, tenant_id, reason FROM orphans") == [
        (purchase["phone_number"], tenant.id, "intent_lost")
    ]
    assert ALARMS.labels("proof_not_written")._value.get() == before + 1
