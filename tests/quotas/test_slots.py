"""What the scripts of the product touch, as the servers themselves heard it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import ResponseError

import service
from tests.conftest import OpenGateway
from tests.http.refusals import problem
from tests.numbers.ledger import use_marks
from tests.support.gateway import NUMBERS
from tests.support.redis_servers import RedisServers, told

# What other scripts begin with is none by itself.
BEGINNING, *FILES = sorted(Path(service.__file__).parent.rglob("*.lua"), key=lambda path: path.name != "gcra.lua")
SCRIPTS = {
    hashlib.sha1(before + path.read_bytes()).hexdigest(): path.name
    for path in FILES
    for before in (b"", BEGINNING.read_bytes())
}
END = "no more of this"
# Of no tenant: strangers are counted by address.
STRANGER = "203.0.113.9"


@dataclass
class Call:
    """A script, the keys it was called with, and the commands it gave."""

    script: str
    keys: list[str]
    commands: list[list[str]] = field(default_factory=list)


@asynccontextmanager
async def heard(redis: RedisServers) -> AsyncIterator[list[Call]]:
    """Every call of a script in the meantime, once it is over."""
    calls: list[Call] = []
    listening = [asyncio.Event() for _ in redis.servers]
    tasks = [
        asyncio.create_task(listen(server.url, begun, calls))
        for server, begun in zip(redis.servers, listening, strict=True)
    ]
    for begun in listening:
        await begun.wait()
    yield calls
    await redis.tell("PING", END)
    await asyncio.gather(*tasks)


async def listen(url: str, begun: asyncio.Event, calls: list[Call]) -> None:
    call = Call("", [])  # What a script does stands after its call.
    async with Redis.from_url(url) as client, client.monitor() as monitor:
        begun.set()
        async for said in monitor.listen():
            words = said["command"].split(" ")
            if said["command"] == f"PING {END}":
                return
            if words[0].upper() == "EVALSHA":
                call = Call(SCRIPTS[words[1]], words[3 : 3 + int(words[2])])
                calls.append(call)
            elif said["client_type"] == "lua":
                call.commands.append(words)


async def keys_of(url: str, command: list[str]) -> set[str]:
    if len(command) == 1:  # TIME. Redis would not even be asked of it.
        return set()
    try:
        return set(await told(url, "COMMAND GETKEYS", *command))
    except ResponseError as error:
        if "no key arguments" not in str(error):
            raise
        return set()


@pytest.mark.every_redis
async def test_no_script_touches_two_slots_or_another_tenants_and_no_key_is_for_ever(
    open_gateway: OpenGateway, redis_servers: RedisServers
):
    async with open_gateway() as gateway:
        await use_marks(gateway)
        # Several, so that in a cluster every node has some.
        tenants = [await gateway.tenant(quota=1) for _ in range(6)]
        for tenant in tenants:
            await gateway.put_quotas(tenant, requests_per_second=100)
        async with heard(redis_servers) as calls:
            for tenant in tenants:
                bought = await tenant.bought(key="k")
                assert (await tenant.buy(key="k")).headers["idempotent-replayed"] == "true"
                for key in (None, None, "other"):
                    problem(await tenant.buy(key=key), 429, "quota_exceeded")
                await gateway.hurry()
                released = await tenant.send("DELETE", f"{NUMBERS}/{bought['phone_number']}")
                assert released.status_code == 200, released.text
                assert (await tenant.buy(prefer="respond-async")).status_code == 202
                assert (await tenant.bought())["joined"]
            await gateway.services.strangers.check(ip_address(STRANGER))
        async with gateway.redis() as redis:
            lives = {key: await redis.pttl(key) async for key in redis.scan_iter("*")}

    assert {call.script for call in calls} == set(SCRIPTS.values()), "a script was not called: let this test call it"
    ids = {tenant.id for tenant in tenants}
    for call in calls:
        for command in call.commands:
            assert await keys_of(redis_servers.url, command) <= set(call.keys), call
        assert len({key_slot(key.encode()) for key in call.keys}) == 1, call
        assert {key.partition("{")[2].partition("}")[0] for key in call.keys} <= {*ids, STRANGER}, call
    assert {tenant_of for call in calls for tenant_of in ids if f"{{{tenant_of}}}" in call.keys[0]} == ids
    assert lives and -1 not in lives.values(), lives
