"""The same key, the same answer: over the HTTP surface, from Redis and from Postgres."""

import asyncio
import time
from functools import partial
from typing import Any

import orjson
import pytest

from service.idempotency.answers import Answer, seal, unseal
from service.kit.crypto import Secret
from tests.conftest import OpenGateway
from tests.idempotency.replays import same
from tests.numbers.ledger import check, intents, quota, use_marks
from tests.support.gateway import AUTHOR, ORGANIZATION, USER, Gateway, Tenant

pytestmark = pytest.mark.every_redis

CREATE = "/v1/voice/phone-numbers/create"


async def test_a_replay_from_redis_and_one_from_postgres_are_the_first_answers_bytes(gateway: Gateway, tenant: Tenant):
    first = await tenant.buy(key="k", nickname="Größe", tags=["a"])
    from_redis = await tenant.buy(key="k", nickname="Größe", tags=["a"])
    await gateway.flush_redis()
    from_postgres = await tenant.buy(key="k", nickname="Größe", tags=["a"])
    again_from_redis = await tenant.buy(key="k", nickname="Größe", tags=["a"])

    assert "idempotent-replayed" not in first.headers
    assert all(same(answer, first) for answer in (from_redis, from_postgres, again_from_redis))
    assert (await gateway.teli.counts())["creates"] == 1


async def test_the_order_of_members_and_white_space_do_not_make_another_request(gateway: Gateway, tenant: Tenant):
    body = {"area_code": "313", "user_id": USER, "organization_id": ORGANIZATION, "nickname": "é"}
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    first = await tenant.send("POST", CREATE, content=orjson.dumps(body), headers=headers)
    turned = orjson.dumps(dict(reversed(body.items())), option=orjson.OPT_INDENT_2).replace(b"\xc3\xa9", b"\\u00e9")

    assert same(await tenant.send("POST", CREATE, content=turned, headers=headers), first)


@pytest.mark.parametrize("flush", [False, True])
async def test_another_body_under_the_same_key_is_refused_wherever_the_first_is_remembered(
    gateway: Gateway, tenant: Tenant, flush: bool
):
    await tenant.bought(key="k")
    if flush:
        await gateway.flush_redis()

    for changed in ({"nickname": "x"}, {"tags": ["a"]}, {"x_unknown": 1}):
        answer = await tenant.buy(key="k", **changed)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert (await gateway.teli.counts())["creates"] == 1


async def test_another_body_is_refused_while_the_first_is_under_way_after_a_doubt_and_after_a_refusal(
    open_gateway: OpenGateway,
):
    async with open_gateway(answer_within=0.3) as gateway, open_gateway() as elsewhere:
        tenant = await gateway.tenant()
        other_replica = Tenant(elsewhere.http, tenant.id, tenant.key)
        await gateway.teli.hold("answering")
        under_way = asyncio.create_task(tenant.buy(key="under-way"))
        await gateway.teli.until_held()
        for one in (tenant, other_replica):
            assert (await one.buy(key="under-way", nickname="x")).status_code == 422
        await gateway.teli.release_holds()
        await under_way
        for key, fault in (("doubt", "html_error"), ("refusal", "out_of_stock")):
            await gateway.teli.arm(fault)
            await tenant.buy(key=key)
            for one in (tenant, other_replica):
                assert (await one.buy(key=key, nickname="x")).status_code == 422


async def test_the_same_key_of_another_tenant_is_another_key(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()

    first, second = await tenant.bought(key="k"), await other.bought(key="k")

    assert first["phone_number"] != second["phone_number"]
    assert (await gateway.teli.counts())["creates"] == 2


@pytest.mark.parametrize("key", ["a", "!", "~" * 255, '"quoted"', 'half"', "8e03978e-40d5-43dd-bc93-6894a57f9324", "'"])
async def test_a_key_may_be_any_printable_ascii(gateway: Gateway, tenant: Tenant, key: str):
    first = await tenant.buy(key=key)

    assert first.status_code == 200
    assert same(await tenant.buy(key=key), first)


async def test_quotes_around_a_key_are_not_part_of_it(gateway: Gateway, tenant: Tenant):
    first = await tenant.buy(key="k")

    assert same(await tenant.buy(key='"k"'), first)


@pytest.mark.parametrize(
    "key", ["", '""', "a b", "é".encode().decode("latin-1"), "x" * 256, '"' + "x" * 256 + '"', "a\tb"]
)
async def test_any_other_key_is_refused_and_named(gateway: Gateway, tenant: Tenant, key: str):
    answer = await tenant.send(
        "POST",
        CREATE,
        json={"area_code": "313", "user_id": USER},
        headers={"Idempotency-Key": key.encode("latin-1")},  # type: ignore[dict-item]
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert (await gateway.teli.counts())["creates"] == 0


async def test_duplicates_that_wait_get_the_firsts_answer_on_every_replica(open_gateway: OpenGateway):
    async with open_gateway() as gateway, open_gateway() as elsewhere:
        tenant = await gateway.tenant()
        there = Tenant(elsewhere.http, tenant.id, tenant.key)
        await gateway.teli.hold("answering")
        first = asyncio.create_task(tenant.buy(key="k"))
        await gateway.teli.until_held()

        waiting = [asyncio.create_task(one.buy(key="k")) for one in (tenant, there) for _ in range(10)]
        hasty = [await one.buy(key="k", prefer="respond-async") for one in (tenant, there)]
        await asyncio.sleep(0.2)
        await gateway.teli.release_holds()

        assert {answer.status_code for answer in hasty} == {202}
        bought = await first
        assert all(same(answer, bought) for answer in await asyncio.gather(*waiting))
        assert {answer.json()["operation_id"] for answer in hasty} == {bought.json()["operation_id"]}
        assert (await gateway.teli.counts())["creates"] == 1


async def test_a_duplicate_of_one_that_waits_for_its_lane_is_told_it_is_in_progress(gateway: Gateway, tenant: Tenant):
    await gateway.teli.hold("answering")
    holder = asyncio.create_task(tenant.buy())
    await gateway.teli.until_held()
    first = asyncio.create_task(tenant.buy(key="k"))
    await asyncio.sleep(0.1)

    duplicate = await tenant.buy(key="k", prefer="wait=0")
    other_body = await tenant.buy(key="k", nickname="x")
    patient = asyncio.create_task(tenant.buy(key="k"))
    await asyncio.sleep(0.1)
    await gateway.teli.release_holds()

    assert (duplicate.status_code, duplicate.json()["code"]) == (409, "idempotency_key_in_progress")
    assert "retry-after" in duplicate.headers
    assert other_body.status_code == 422
    assert (await holder).status_code == (await first).status_code == 200
    assert same(await patient, await first)
    assert (await gateway.teli.counts())["creates"] == 2


async def test_a_refusal_is_replayed_for_a_minute_and_then_the_key_buys_anew(gateway: Gateway, tenant: Tenant):
    await gateway.teli.arm("out_of_stock")
    first = await tenant.buy(key="k")
    assert first.status_code == 409

    for _ in range(2):
        assert same(await tenant.buy(key="k"), first)
        await gateway.flush_redis()
    # Asked again late in its minute it must not begin another one in Redis.
    await gateway.sql("UPDATE intents SET decided_at = decided_at - interval '59 seconds'")
    assert same(await tenant.buy(key="k"), first)
    await gateway.sql("UPDATE intents SET decided_at = decided_at - interval '2 seconds'")

    second = await tenant.buy(key="k")

    assert second.status_code == 200
    assert "idempotent-replayed" not in second.headers
    assert same(await tenant.buy(key="k"), second)
    assert await intents(gateway, tenant) == ["refused", "owned"]
    marks = await gateway.sql("SELECT DISTINCT mark FROM intents")
    assert len(marks) == 1  # The mark names the key.
    await check(gateway)


async def test_after_a_refusals_minute_fifty_at_once_open_one_new_intent(open_gateway: OpenGateway):
    async with open_gateway() as gateway, open_gateway() as elsewhere:
        tenant = await gateway.tenant()
        there = Tenant(elsewhere.http, tenant.id, tenant.key)
        await gateway.teli.arm("out_of_stock")
        await tenant.buy(key="k")
        await gateway.flush_redis()
        await gateway.sql("UPDATE intents SET decided_at = decided_at - interval '61 seconds'")

        answers = await asyncio.gather(*(one.buy(key="k") for one in (tenant, there) for _ in range(25)))

        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert await intents(gateway, tenant) == ["refused", "owned"]
        assert (await gateway.teli.counts())["bought"] == 1


async def test_a_doubt_holds_its_key_for_ever(gateway: Gateway, tenant: Tenant):
    await gateway.teli.arm("html_error")
    first = await tenant.buy(key="k")
    await gateway.sql("UPDATE intents SET admitted_at = admitted_at - interval '30 days'")
    await gateway.flush_redis()

    again = await tenant.buy(key="k", prefer="respond-async")

    assert again.status_code == 202
    assert again.json() == first.json()
    assert (await gateway.teli.counts())["creates"] == 1


async def test_without_a_key_every_request_buys(gateway: Gateway, tenant: Tenant):
    assert (await tenant.bought())["phone_number"] != (await tenant.bought())["phone_number"]


@pytest.mark.parametrize("prefer", ["respond-async", "wait=0", "wait=1", "return=minimal, wait=1"])
async def test_a_caller_that_does_not_wait_gets_its_202_and_later_the_number(
    gateway: Gateway, tenant: Tenant, prefer: str
):
    await tenant.bought()  # Connections are open.
    await gateway.teli.hold("answering")
    began = time.monotonic()

    answer = await tenant.buy(key="k", prefer=prefer)

    assert time.monotonic() - began < gateway.settings.answer_within / 2
    assert answer.status_code == 202
    await gateway.teli.until_held()
    operation_id = answer.json()["operation_id"]
    assert (await tenant.operation(operation_id))["state"] == "pending"
    await gateway.teli.release_holds()
    operation = await tenant.operation(operation_id, wait=5)
    assert operation["state"] == "succeeded"
    replay = await tenant.buy(key="k")
    assert (replay.status_code, replay.json()) == (200, operation["result"])
    assert replay.headers["idempotent-replayed"] == "true"


async def test_an_upstream_slower_than_our_patience_is_a_202_that_succeeds(open_gateway: OpenGateway):
    async with open_gateway(answer_within=0.2) as gateway:
        tenant = await gateway.tenant()
        await gateway.teli.arm("slow", seconds=0.8)

        answer = await tenant.buy(key="k")

        assert answer.status_code == 202
        assert (await tenant.operation(answer.json()["operation_id"], wait=5))["state"] == "succeeded"
        assert (await tenant.buy(key="k")).status_code == 200
        assert await quota(gateway, tenant) == (1, 0)


async def test_an_upstream_slower_than_we_listen_leaves_a_doubt(open_gateway: OpenGateway):
    async with open_gateway(upstream_timeout=2) as gateway:
        tenant = await gateway.tenant()
        await gateway.teli.arm("client_leaves", step="bought")

        answer = await tenant.buy(key="k")

        assert answer.status_code == 202
        assert await intents(gateway, tenant) == ["doubtful"]
        assert await quota(gateway, tenant) == (0, 1)


async def test_a_caller_who_hangs_up_stops_nothing(gateway: Gateway, tenant: Tenant):
    await gateway.teli.hold("bought")
    asking = asyncio.create_task(tenant.buy(key="k"))
    await gateway.teli.until_held()
    asking.cancel()
    await gateway.teli.release_holds()

    answer = await tenant.buy(key="k")

    assert answer.status_code == 200
    assert (await gateway.teli.counts())["creates"] == 1


async def test_the_policy_can_demand_a_key(gateway: Gateway, tenant: Tenant):
    await gateway.sql("UPDATE tenants SET idempotency_required = true")
    await gateway.sql("UPDATE version SET revision = revision + 1")
    await gateway.services.version.look()

    answer = await tenant.buy()

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")
    assert (await tenant.buy(key="k")).status_code == 200


# What Redis says is believed only under our own seal.


async def stored(gateway: Gateway, tenant: Tenant) -> tuple[Any, Any]:
    async with gateway.redis() as redis:
        [name] = [key async for key in redis.scan_iter(f"ng:{{{tenant.id}}}:answer:*")]
        return name, await redis.get(name)


@pytest.mark.parametrize(
    "how", ["another number", "cut", "empty", "nonsense", "another key's", "another tenant's", "a list"]
)
async def test_a_tampered_answer_in_redis_is_not_believed(gateway: Gateway, tenant: Tenant, how: str):
    first = await tenant.buy(key="k")
    name, sealed = await stored(gateway, tenant)
    other = await gateway.tenant()
    async with gateway.redis() as redis:
        match how:
            case "another number":
                await redis.set(name, sealed.replace(first.json()["phone_number"].encode(), b"+13135550000"))
            case "cut":
                await redis.set(name, sealed[:40])
            case "empty":
                await redis.set(name, b"")
            case "nonsense":
                await redis.set(name, b"\xff" * 100)
            case "another key's":
                await tenant.buy(key="other")
                names = [key async for key in redis.scan_iter(f"ng:{{{tenant.id}}}:answer:*") if key != name]
                await redis.set(name, await redis.get(names[0]))
            case "another tenant's":
                await other.buy(key="k")
                await redis.set(name, (await stored(gateway, other))[1])
            case "a list":
                await redis.delete(name)
                await redis.lpush(name, "x")

    assert same(await tenant.buy(key="k"), first)


def test_a_sealed_answer_opens_for_its_tenant_and_key_alone():
    secret, answer = Secret("x" * 32), Answer(200, {"a": "b"}, '{"é": 1}')
    sealed = seal(secret, "t", "k", b"\x01" * 32, answer)

    assert unseal(secret, "t", "k", sealed) == (b"\x01" * 32, answer)
    assert unseal(secret, "t", "l", sealed) is None
    assert unseal(secret, "u", "k", sealed) is None
    assert unseal(secret, "tk", "", sealed) is None
    assert unseal(Secret("y" * 32), "t", "k", sealed) is None
    for place in range(len(sealed)):
        assert unseal(secret, "t", "k", sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]) is None


async def test_a_mark_mode_account_answers_keys_alike(gateway: Gateway, tenant: Tenant):
    await use_marks(gateway)

    answers = await asyncio.gather(*(tenant.buy(key=f"k{number % 5}") for number in range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 5
    assert (await gateway.teli.counts())["creates"] == 5


async def test_a_key_keeps_its_answer_though_the_grants_have_changed_since(gateway: Gateway, tenant: Tenant):
    body = {"area_code": "313", "user_id": USER}
    send = partial(tenant.send, "POST", CREATE, json=body, headers={"Idempotency-Key": "k"})
    first = await send()
    assert first.status_code == 200, first.text
    administration = gateway.services.administration
    await administration.put_organization(AUTHOR, "another", "Another")

    for granted in ([ORGANIZATION, "another"], []):
        await administration.put_tenant(AUTHOR, tenant.id, None, granted)
        await gateway.services.version.look()
        await gateway.flush_redis()
        again = await send()

        assert (again.status_code, again.content) == (200, first.content)
        assert (await tenant.send("POST", CREATE, json=body)).status_code in (400, 403)
