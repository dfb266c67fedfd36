"""What only a real connection can do: dribble, stop half-way, or speak something that is not quite HTTP."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from service.http.edge import Limits
from tests.http.refusals import nothing_happens, problem
from tests.http.serving import served
from tests.support.gateway import AUTHOR, CREATE, ORGANIZATION, USER, Gateway, Tenant

LIMITS = Limits(body_within=0.4, head_within=0.4)
WISH = json.dumps({"area_code": "313", "user_id": USER, "organization_id": ORGANIZATION}).encode()


class Line:
    """One connection to the gateway, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, *pieces: bytes) -> None:
        self.writer.writelines(pieces)
        await self.writer.drain()

    async def answer(self) -> httpx.Response:
        """The next answer, read to its announced end."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await self.reader.readexactly(
            int({name.lower(): value for name, value in headers.items()}["content-length"])
        )
        return httpx.Response(int(head[0].split()[1]), headers=headers, content=body)

    async def closed(self) -> bool:
        """Whether the gateway ends the connection, having said nothing more."""
        async with asyncio.timeout(5):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                return True

    def hang_up(self) -> None:
        self.writer.close()


@pytest.fixture
async def port(gateway: Gateway) -> AsyncIterator[int]:
    async with served(gateway, LIMITS) as port:
        yield port


@pytest.fixture
async def line(port: int) -> AsyncIterator[Line]:
    line = Line(*await asyncio.open_connection("127.0.0.1", port))
    yield line
    line.hang_up()


def head(tenant: Tenant, *more: str, path: str = CREATE) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: numbergate",
        f"X-API-Key: {tenant.key}",
        "Content-Type: application/json",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def test_a_body_that_dribbles_is_408_and_the_line_is_closed(gateway: Gateway, tenant: Tenant, line: Line):
    async def dribble() -> None:
        for _ in range(100):
            await line.say(b" ")
            await asyncio.sleep(0.05)

    async with nothing_happens(gateway):
        began = time.monotonic()
        await line.say(head(tenant, "Content-Length: 1000"), WISH)
        dribbling = asyncio.create_task(dribble())
        problem(await line.answer(), 408, "request_timeout")
        assert time.monotonic() - began < 8
        assert await line.closed()
        dribbling.cancel()


@pytest.mark.parametrize("said", [b"", b"POST /v1", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_head_that_does_not_come_is_408_and_the_line_is_closed(line: Line, said: bytes):
    await line.say(said)
    problem(await line.answer(), 408, "request_timeout")
    assert await line.closed()


async def test_a_head_that_dribbles_is_408_however_busy_the_line(line: Line):
    async def dribble() -> None:
        for n in range(100):
            await line.say(f"X-{n}: x\r\n".encode())
            await asyncio.sleep(0.05)

    await line.say(b"GET /healthz HTTP/1.1\r\n")
    dribbling = asyncio.create_task(dribble())
    problem(await line.answer(), 408, "request_timeout")
    dribbling.cancel()


@pytest.mark.parametrize("start", [b"GET /healthz HTTP/1.1\r\nX-Long: ", b"GET /"], ids=["one header", "the path"])
async def test_a_head_without_end_is_431_and_not_read_to_its_end(line: Line, start: bytes):
    async def pour() -> None:
        await line.say(start)
        while True:
            await line.say(b"x" * 16_384)

    pouring = asyncio.create_task(pour())
    problem(await line.answer(), 431, "headers_too_large")
    with pytest.raises(ConnectionError):
        await pouring


async def test_a_chunked_body_without_end_is_413(gateway: Gateway, tenant: Tenant, line: Line):
    async with nothing_happens(gateway):
        await line.say(head(tenant, "Transfer-Encoding: chunked"))
        for _ in range(34):
            await line.say(b"8000\r\n", b" " * 0x8000, b"\r\n")
        answer = await line.answer()
        problem(answer, 413, "body_too_large")
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("framing", ["Content-Length: 5000", "Transfer-Encoding: chunked"])
async def test_a_request_whose_caller_left_before_its_end_buys_nothing(
    gateway: Gateway, tenant: Tenant, line: Line, framing: str
):
    """The JSON is whole, the request is not: nobody knows what else would have come."""
    async with nothing_happens(gateway):
        body = WISH if "Length" in framing else f"{len(WISH):x}\r\n".encode() + WISH + b"\r\n"
        await line.say(head(tenant, framing), body)
        await asyncio.sleep(0.1)
        line.hang_up()
        await asyncio.sleep(0.3)


SMUGGLED = {
    "length and chunks": ("Content-Length: 3", "Transfer-Encoding: chunked"),
    "two lengths": ("Content-Length: 3", "Content-Length: 4"),
    "a negative length": ("Content-Length: -1",),
    "a length in words": ("Content-Length: ten",),
    "an unknown coding": ("Transfer-Encoding: chunked, gzip",),
    "a space before the colon": ("Content-Length : 3",),
}


@pytest.mark.parametrize("name", SMUGGLED)
async def test_a_request_of_doubtful_length_is_refused(gateway: Gateway, tenant: Tenant, line: Line, name: str):
    async with nothing_happens(gateway):
        await line.say(head(tenant, *SMUGGLED[name]), b"5\r\n{}   \r\n0\r\n\r\n")
        problem(await line.answer(), 400, "invalid_request")
        assert await line.closed()


HOSTS = {"none": b"", "two": b"Host: numbergate\r\nHost: other\r\n", "the same twice": b"Host: x\r\nHost: x\r\n"}


@pytest.mark.parametrize("name", HOSTS)
async def test_a_request_names_one_host(line: Line, name: str):
    await line.say(b"GET /healthz HTTP/1.1\r\n" + HOSTS[name] + b"\r\n")
    told = problem(await line.answer(), 400, "invalid_request")
    assert [one["pointer"] for one in told["errors"]] == ["Host"]


async def test_a_request_of_an_older_http_need_name_none(line: Line):
    await line.say(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert (await line.answer()).status_code == 200


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"hello\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_told_so_in_the_same_shape(line: Line, said: bytes):
    await line.say(said)
    problem(await line.answer(), 400, "invalid_request")
    assert await line.closed()


async def test_a_patient_caller_may_rest_between_requests(line: Line):
    for _ in range(3):
        await line.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await line.answer()).status_code == 200
        await asyncio.sleep(2 * LIMITS.head_within)


async def test_two_requests_in_one_breath_get_two_answers(line: Line):
    await line.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    assert [(await line.answer()).status_code for _ in range(2)] == [200, 200]


def upload(caller: Tenant, *headers: str) -> bytes:
    lines = [
        "POST /v1/billing/invoices/preview HTTP/1.1", "Host: numbergate", f"X-API-Key: {caller.key}",
        "Content-Type: text/csv", *headers,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()


async def test_a_file_is_handed_on_as_it_comes_however_long_that_takes(gateway: Gateway, line: Line):
    finance = await a_finance_key(gateway)
    await line.say(upload(finance, "Transfer-Encoding: chunked"))
    for piece in (b"Amount,Currency\n", *(b"2.99,USD\n" * 1000 for _ in range(20))):
        await line.say(f"{len(piece):x}\r\n".encode(), piece, b"\r\n")
        await asyncio.sleep(0.03)
    await line.say(b"0\r\n\r\n")

    answer = await line.answer()

    assert answer.status_code == 200, answer.text
    assert (answer.json()["lines"], answer.json()["micros"]) == (20_000, 20_000 * 2_990_000)


async def test_a_file_that_comes_no_further_is_408_and_the_line_is_closed(gateway: Gateway, line: Line):
    finance = await a_finance_key(gateway)
    await line.say(upload(finance, "Content-Length: 1000"), b"Amount,Currency\n")
    problem(await line.answer(), 408, "request_timeout")
    assert await line.closed()


async def test_a_file_without_end_is_413_and_not_read_to_its_end(gateway: Gateway, line: Line):
    finance = await a_finance_key(gateway)

    async def pour() -> None:
        await line.say(upload(finance, "Transfer-Encoding: chunked"))
        while True:
            await line.say(b"100000\r\n", b" " * 0x100000, b"\r\n")

    pouring = asyncio.create_task(pour())
    problem(await line.answer(), 413, "body_too_large")
    pouring.cancel()


async def test_a_stranger_is_told_so_before_the_file_has_come(gateway: Gateway, tenant: Tenant, line: Line):
    await line.say(upload(Tenant(gateway.http, "", "nonsense"), f"Content-Length: {200 << 20}"))
    problem(await line.answer(), 401, "invalid_key")


async def a_finance_key(gateway: Gateway) -> Tenant:
    issued = await gateway.services.administration.issue_staff_key(AUTHOR, "finance", "test")
    return Tenant(gateway.http, "", issued.key)
