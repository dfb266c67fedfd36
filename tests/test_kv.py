"""The client of Redis, and of a Redis Cluster, which it finds out by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError

from service.kv import AWAY_FOR, KeyValue, Pipe, RedisAway
from tests.conftest import Engines
from tests.support.redis_servers import RedisServers, connected, told, valkey_cluster
from tests.support.wire import Wire

ECHO = "if ARGV[1] ~= '' then redis.call('SET', KEYS[1], ARGV[1], 'PX', 60000) end return redis.call('GET', KEYS[1])"


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    """A script that stores its argument, if any, and returns what is stored."""
    path = tmp_path / "echo.lua"
    path.write_text(ECHO)
    return path


@pytest.fixture
async def kv(redis_servers: RedisServers) -> AsyncIterator[KeyValue]:
    await redis_servers.tell("FLUSHALL")
    opened = KeyValue.open(redis_servers.url)
    yield opened
    await opened.close()


@pytest.mark.every_redis
async def test_a_script_comes_back_with_its_value_wherever_its_key_is(
    kv: KeyValue, echo: Path, redis_servers: RedisServers
):
    script = kv.script(echo)

    said = await asyncio.gather(*(script(keys=[f"k{number}"], args=[number]) for number in range(60)))

    assert said == [str(number).encode() for number in range(60)]
    held = await redis_servers.tell("DBSIZE")
    assert all(held) and sum(held) == 60


@pytest.mark.every_redis
async def test_a_script_that_the_servers_have_forgotten_is_told_again(
    kv: KeyValue, echo: Path, redis_servers: RedisServers
):
    script = kv.script(echo)
    for forget in (False, True):
        if forget:
            await redis_servers.tell("SCRIPT", "FLUSH")
        for number in range(6):
            assert await script(keys=[f"k{number}"], args=["x"]) == b"x"


@pytest.mark.every_redis
async def test_it_says_what_it_speaks_to(kv: KeyValue, redis_servers: RedisServers):
    version, cluster, _ = await kv.about()

    assert version.startswith("7.")
    assert cluster == redis_servers.is_cluster
    await kv.ping()


@pytest.mark.every_redis
async def test_more_callers_than_connections_take_turns(kv: KeyValue, echo: Path):
    script = kv.script(echo)

    said: list[object] = []
    for _ in range(10):  # A machine that is busy may not connect so many in time.
        with suppress(RedisAway):
            said = await asyncio.gather(*(script(keys=[f"k{number % 9}"], args=["x"]) for number in range(100)))
            break
        await asyncio.sleep(AWAY_FOR)

    assert set(said) == {b"x"}


SLOW = "local t = redis.call('TIME') local e = t[1] * 1000000 + t[2] + ARGV[1] * 1000000 \
repeat t = redis.call('TIME') until t[1] * 1000000 + t[2] >= e return ARGV[2]"


async def test_questions_share_a_connection_and_a_broken_one_is_opened_anew(engines: Engines, echo: Path):
    async with Wire(engines.valkey.url) as wire:
        kv = KeyValue.open(wire.url)
        script = kv.script(echo)
        await script(keys=["k"], args=["x"])
        async with connected(engines.valkey.url) as redis:
            opened = (await redis.info("stats"))["total_connections_received"]

            said = await asyncio.gather(*(script(keys=[f"k{number}"], args=[number]) for number in range(50)))
            assert said == [str(number).encode() for number in range(50)]
            assert (await redis.info("stats"))["total_connections_received"] == opened

        await wire.down()
        await wire.up()
        with suppress(RedisAway):
            await script(keys=["k"], args=["x"])
        await until_not_away(kv)
        assert await script(keys=["k"], args=["y"]) == b"y"
        await kv.close()


async def test_an_error_is_told_to_whoever_asked_and_to_nobody_else(engines: Engines):
    async with connected(engines.valkey.url) as redis:
        pipe = await Pipe.open(redis)

        said = await asyncio.gather(
            pipe.ask("PING"), pipe.ask("EVALSHA", "0" * 40, 0), pipe.ask("NOPE"), pipe.ask("ECHO", "x"),
            return_exceptions=True,
        )  # fmt: skip

        assert said[0] in (b"PONG", "PONG")
        assert isinstance(said[1], NoScriptError)
        assert isinstance(said[2], ResponseError)
        assert said[3] in (b"x", "x")
        pipe.break_off()


async def test_an_answer_that_comes_too_late_is_never_anothers(engines: Engines, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.kv.PATIENCE", 0.1)
    async with connected(engines.valkey.url) as redis:
        pipe = await Pipe.open(redis)

        said = await asyncio.gather(
            pipe.ask("EVAL", SLOW, 0, "0.3", "late"), pipe.ask("ECHO", "x"), return_exceptions=True
        )

        assert all(isinstance(one, TimeoutError | RedisConnectionError) for one in said)
        with pytest.raises(RedisConnectionError):
            await pipe.ask("ECHO", "y")


@pytest.mark.parametrize("half_way", [False, True])
@pytest.mark.parametrize("known", [False, True])
async def test_a_slot_that_moves_to_another_node_is_followed(
    valkeys_as_cluster: RedisServers, echo: Path, known: bool, half_way: bool
):
    """Half-way the old node answers ASK, afterwards MOVED."""
    cluster = valkeys_as_cluster
    await cluster.tell("FLUSHALL")
    ids = [said.decode() for said in await cluster.tell("CLUSTER", "MYID")]
    key = next(key for key in map(str, range(1000)) if key_slot(key.encode()) * 3 < 16384)  # On the first node.
    slot = key_slot(key.encode())
    kv = KeyValue.open(cluster.url)
    script = kv.script(echo)
    if known:
        await kv.about()
        assert await script(keys=[key], args=[""]) is None
    try:
        if half_way:
            await told(cluster.servers[1].url, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
            await told(cluster.servers[0].url, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        else:
            await cluster.tell("CLUSTER", "SETSLOT", slot, "NODE", ids[1])

        assert await script(keys=[key], args=["x"]) == b"x"

        assert await told(cluster.servers[1].url, "DBSIZE") == 1
    finally:
        await kv.close()
        await cluster.tell("FLUSHALL")
        if half_way:
            await cluster.tell("CLUSTER", "SETSLOT", slot, "STABLE")
        await cluster.tell("CLUSTER", "SETSLOT", slot, "NODE", ids[0])


async def test_a_node_that_dies_is_away_for_its_keys_and_the_others_go_on(tmp_path: Path, echo: Path):
    async with valkey_cluster(tmp_path / "cluster") as cluster:
        kv = KeyValue.open(cluster.url)
        script = kv.script(echo)
        keys = {key_slot(key.encode()) * 3 // 16384: key for key in map(str, range(100))}
        for key in keys.values():
            assert await script(keys=[key], args=["x"]) == b"x"

        # The first is the one that the URL names: the others are known by now.
        for dead, node in enumerate(cluster.servers[:2]):
            await node.kill()
            with pytest.raises(RedisAway):
                await script(keys=[keys[dead]], args=["y"])
            for place in {0, 1, 2} - {dead}:
                await until_not_away(kv)
                assert await script(keys=[keys[place]], args=[""]) in (b"x", b"y")
            await node.start()
            async with asyncio.timeout(30):
                while True:
                    await until_not_away(kv)
                    try:
                        assert await script(keys=[keys[dead]], args=["y"]) == b"y"
                        break
                    except RedisAway:
                        continue
        await kv.close()


async def test_each_time_that_it_turns_out_to_be_away_is_told_once_however_many_wait():
    times: list[None] = []
    kv = KeyValue.open("redis://127.0.0.1:1", lost=lambda: times.append(None))
    for round_of in (1, 2):
        asked = await asyncio.gather(*(kv.ping() for _ in range(20)), return_exceptions=True)
        assert {type(one) for one in asked} == {RedisAway}
        assert len(times) == round_of
        await until_not_away(kv)
    await kv.close()


async def until_not_away(kv: KeyValue) -> None:
    while kv.away:
        await asyncio.sleep(0.05)


async def test_a_cluster_has_no_other_database_and_is_away_under_that_url(valkeys_as_cluster: RedisServers, echo: Path):
    kv = KeyValue.open(valkeys_as_cluster.url.removesuffix("/0") + "/3")

    with pytest.raises(RedisAway):
        await kv.script(echo)(keys=["k"], args=["x"])
    await kv.close()
