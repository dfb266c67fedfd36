"""How sending broke is told in words, not by what the library calls it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from service.kit.networks import read_network
from service.webhooks.sending import Sender
from service.webhooks.targets import Targets
from tests.webhooks.test_tls import EVENT, SECRET

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def talk_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"220 mail.example ESMTP\r\n\r\n")
    writer.close()


async def told(port: int, scheme: str = "http") -> str:
    sender = Sender(Targets((read_network("127.0.0.0/8"),)))
    outcome = await sender.send(f"{scheme}://127.0.0.1:{port}/", [SECRET], EVENT)
    assert not outcome.delivered
    assert outcome.error is not None
    return outcome.error


@pytest.mark.parametrize(
    ("speak", "scheme", "words"),
    [
        (hang_up, "http", "no whole answer by HTTP came: "),
        (talk_nonsense, "http", "no whole answer by HTTP came: "),
        (talk_nonsense, "https", "no TLS could be agreed on: "),
    ],
)
async def test_what_breaks_is_told_in_words(speak: Speak, scheme: str, words: str):
    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        assert (await told(server.sockets[0].getsockname()[1], scheme)).startswith(words)


async def test_where_nobody_listens_it_is_told_in_words():
    assert await told(9) == "no connection: it was refused, or nothing is there"
