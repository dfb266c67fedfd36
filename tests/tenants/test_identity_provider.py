"""What is asked of an identity provider, how often, and what holds while it is away."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from joserfc.jwk import ECKey, KeySet

from service.tenants import identity_provider
from service.tenants.identity_provider import (
    BODY_LIMIT,
    FRESH,
    KEPT,
    PAUSE,
    IdentityProvider,
    IdentityProviderUnavailable,
)
from service.tenants.jwt import NotSigned
from tests.support.raw_teli import Asked, RawTeli, http

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"


def key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid})


class Says:
    """A provider of bare sockets; `broken` answers in its place."""

    def __init__(self) -> None:
        self.keys = [key("one")]
        self.broken: bytes | None = None
        self.changes: dict[str, Any] = {}

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        issuer = f"http://{asked.headers.get('Host') or asked.headers['host']}"
        said: dict[str, Any] = {"keys": [one.as_dict(private=False) for one in self.keys]}
        if asked.target == DISCOVERY:
            said = {"issuer": issuer, "jwks_uri": f"{issuer}{KEYS}"} | self.changes
        writer.write(self.broken if self.broken is not None else http(200, json.dumps(said).encode()))
        await writer.drain()
        writer.close()


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moving = Clock()
    monkeypatch.setattr(identity_provider, "monotonic", moving)
    return moving


@pytest.fixture
def says() -> Says:
    return Says()


@pytest.fixture
async def server(says: Says) -> AsyncIterator[RawTeli]:
    async with RawTeli(says) as opened:
        yield opened


def ids(keys: KeySet) -> list[str | None]:
    return [one.kid for one in keys]


async def test_it_is_asked_once_by_however_many_and_again_when_what_it_said_is_old(
    server: RawTeli, clock: Clock, says: Says
):
    provider = IdentityProvider(server.url)
    await asyncio.gather(*(provider.checked("one", ids) for _ in range(50)))
    assert server.gets == [DISCOVERY, KEYS]

    clock.now += FRESH + 1
    says.keys = [key("one"), key("two")]
    assert await provider.checked("one", ids) == ["one"], "nobody waits while it is asked"
    async with asyncio.timeout(10):
        while await provider.checked("one", ids) == ["one"]:
            await asyncio.sleep(0)
    assert len(server.gets) == 4


async def test_a_rotated_key_is_found_and_a_flood_of_unknown_ones_asks_no_more_than_once_in_a_while(
    server: RawTeli, clock: Clock, says: Says
):
    provider = IdentityProvider(server.url)
    await provider.said()
    says.keys = [key("two")]
    clock.now += PAUSE
    assert await provider.checked("two", ids) == ["two"]

    asked = len(server.gets)
    for number in range(300):
        assert await provider.checked(f"invented {number}", ids) == ["two"]
        clock.now += PAUSE / 100
    assert len(server.gets) - asked <= 2 * 4


async def test_a_token_without_a_key_id_is_tried_with_newer_keys_once(server: RawTeli, clock: Clock, says: Says):
    provider = IdentityProvider(server.url)
    await provider.said()
    says.keys = [key("two")]

    def signed_by_the_second(keys: KeySet) -> str:
        if ids(keys) != ["two"]:
            raise NotSigned("was not signed")
        return "good"

    with pytest.raises(NotSigned):
        await provider.checked(None, signed_by_the_second)
    clock.now += PAUSE
    assert await provider.checked(None, signed_by_the_second) == "good"
    assert len(server.gets) == 4


async def test_while_it_is_away_its_last_word_holds_for_a_day(server: RawTeli, clock: Clock, says: Says):
    provider = IdentityProvider(server.url)
    await provider.said()
    says.broken = http(503, b"{}")
    clock.now += KEPT - 1

    assert await provider.checked("one", ids) == ["one"]
    with pytest.raises(IdentityProviderUnavailable):
        await provider.checked("perhaps a new one", ids)
    clock.now += 1
    with pytest.raises(IdentityProviderUnavailable):
        await provider.checked("one", ids)
    says.broken = None
    clock.now += PAUSE
    assert await provider.checked("one", ids) == ["one"]


BROKEN: dict[str, Callable[[Says, str], None]] = {
    "a redirect": lambda says, url: setattr(says, "broken", http(302, b"{}", f"Location: {url}{KEYS}")),
    "too much": lambda says, _: setattr(says, "broken", http(200, b'{"a": "' + b"x" * BODY_LIMIT + b'"}')),
    "no JSON": lambda says, _: setattr(says, "broken", http(200, b"<html>")),
    "a list": lambda says, _: setattr(says, "broken", http(200, b"[]")),
    "cut off": lambda says, _: setattr(says, "broken", http(200, b"{", length=99)),
    "nothing": lambda says, _: setattr(says, "broken", b""),
    "packed": lambda says, _: setattr(says, "broken", http(200, b"\x1f\x8b", "Content-Encoding: gzip")),
    "another issuer": lambda says, _: says.changes.update(issuer="https://evil.example"),
    "keys without TLS": lambda says, _: says.changes.update(jwks_uri="http://keys.example/"),
    "keys of no URL": lambda says, _: says.changes.update(jwks_uri="http://["),
    "keys of no port": lambda says, _: says.changes.update(jwks_uri="https://127.0.0.1:99999/"),
    "keys of no host": lambda says, _: says.changes.update(jwks_uri="https://a..b\u2100/"),
    "keys of a file": lambda says, _: says.changes.update(jwks_uri="file:///etc/passwd"),
    "no keys": lambda says, _: says.keys.clear(),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_it_should_not_say_is_not_taken(server: RawTeli, says: Says, name: str):
    BROKEN[name](says, server.url)

    with pytest.raises(IdentityProviderUnavailable):
        await IdentityProvider(server.url).said()

    assert set(server.gets) <= {DISCOVERY, KEYS}
    assert len(server.gets) == (2 if name == "no keys" else 1)


async def test_one_that_never_answers_is_not_waited_for(server: RawTeli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(identity_provider, "WITHIN", 0.1)

    async def nothing(_: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    server.answers = nothing
    with pytest.raises(IdentityProviderUnavailable):
        await IdentityProvider(server.url).said()
