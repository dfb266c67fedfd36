"""A create over real sockets, broken at every point: it is sent once at most, and what is heard of it is never more
than what was said."""

import asyncio
import gzip
import socket
import ssl
import subprocess
import time
from pathlib import Path

import httpx
import orjson
import pytest

from service.teli.client import PATH, SendBy, TeliClient
from service.teli.heard import Heard
from service.teli.reading import Refused, Sold, Unclear, read_create
from tests.support.raw_teli import Answers, Asked, RawTeli, http, sends

KEY = "the-upstream-key"
WISH = {"area_code": "313", "user_id": "u", "organization_id": "o", "tenant_id": "t", "nickname": "[MARK] "}
SALE = orjson.dumps({"success": True, "phone_number": "+13135550142", "area_code": "313"})
STOCK = orjson.dumps({"error": "Failed", "message": "No numbers available in area code 313", "success": False})
SELLS = sends(http(200, SALE))
SOON = 0.4


async def create(url: str, *, listen: float = 5, within: float = 1) -> Heard:
    client = TeliClient(url, KEY, listen=listen)
    try:
        return await client.create(WISH, send_by=SendBy.within(within))
    finally:
        await client.close()


def verdict(heard: Heard) -> str:
    match read_create(heard, area_code="313"):
        case Sold():
            return "sold"
        case Refused(reason=reason):
            return reason
        case Unclear():
            return "unclear"
    raise AssertionError


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# Before the first byte


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}",
        "http://does-not-exist.invalid",
        "http://999.999.999.999",
        "http://[::1]:{port}",
        "http://" + "a" * 300,
    ],
)
async def test_where_nobody_can_be_reached_nothing_was_sent(url: str):
    heard = await create(url.format(port=free_port()))

    assert (heard.kind, verdict(heard)) == ("never_sent", "never_sent")


async def test_a_full_backlog_is_never_sent():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fill = [socket.socket() for _ in range(4)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())

        heard = await create(f"http://127.0.0.1:{deaf.getsockname()[1]}", listen=SOON)

        for one in fill:
            one.close()
    assert (heard.kind, heard.detail) == ("never_sent", "TimeoutError")


async def test_one_who_does_not_speak_tls_was_never_sent_anything():
    async with RawTeli(sends(http(200, SALE))) as teli:
        heard = await create(teli.url.replace("http:", "https:"), listen=SOON)

    assert heard.kind == "never_sent"
    assert teli.asked == []


async def test_a_certificate_nobody_vouches_for_ends_it_before_the_first_byte(tmp_path: Path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=127.0.0.1", "-keyout", tmp_path / "key", "-out", tmp_path / "cert"],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    async with RawTeli(sends(http(200, SALE)), tls=tls) as teli:
        heard = await create(teli.url)

    assert heard.kind == "never_sent"
    assert "CERTIFICATE_VERIFY_FAILED" in (heard.detail or "")
    assert teli.asked == []


async def test_a_pool_with_no_connection_left_sends_nothing():
    async with RawTeli(sends(30.0)) as teli:
        client = TeliClient(teli.url, KEY, listen=30)
        under_way = [asyncio.create_task(client.create(WISH, send_by=SendBy.within(20))) for _ in range(256)]
        async with asyncio.timeout(20):
            while teli.posts < 256:
                await asyncio.sleep(0.01)

        heard = await client.create(WISH, send_by=SendBy.within(10))

        assert (heard.kind, heard.detail) == ("never_sent", "PoolTimeout")
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await client.close()
    assert teli.posts == 256


@pytest.mark.parametrize("late", [SendBy(time.monotonic() - 1, time.time() + 9), SendBy(time.monotonic() + 9_999, 0)])
async def test_past_the_deadline_by_either_clock_the_connection_is_closed_unused(late: SendBy):
    async with RawTeli(sends(http(200, SALE))) as teli:
        client = TeliClient(teli.url, KEY, listen=5)

        heard = await client.create(WISH, send_by=late)
        await client.close()
        await asyncio.sleep(0.05)

    assert (heard.kind, heard.detail) == ("never_sent", "DeadlinePassed")
    assert (teli.connections, teli.asked) == (1, [])


@pytest.mark.parametrize("key", ["two\r\nlines", "a\x00zero", "a space at its end "])
async def test_a_request_that_our_own_library_refuses_to_put_together_was_never_sent(key: str):
    async with RawTeli(sends(http(200, SALE))) as teli:
        client = TeliClient(teli.url, key, listen=5)
        heard = await client.create(WISH, send_by=SendBy.within(1))
        await client.close()
        await asyncio.sleep(0.05)

    assert (heard.kind, verdict(heard)) == ("never_sent", "never_sent")
    assert "LocalProtocolError" in (heard.detail or "")
    assert teli.asked == []


# From the first byte on

CUTS: dict[str, tuple[Answers, str, int | None]] = {
    "closed before an answer": (sends(), "unclear", None),
    "reset before an answer": (sends(reset=True), "unclear", None),
    "silence": (sends(30.0), "unclear", None),
    "half a status line": (sends(b"HTTP/1.1 2"), "unclear", None),
    "headers cut": (sends(b"HTTP/1.1 200 OK\r\nContent-Le"), "unclear", None),
    "headers reset": (sends(b"HTTP/1.1 200 OK\r\n", 0.02, reset=True), "unclear", None),
    "headers without an end": (sends(b"HTTP/1.1 200 OK\r\nX: y\r\n", 30.0), "unclear", None),
    "no body yet": (sends(http(200, b"", length=len(SALE))), "unclear", 200),
    "half the body": (sends(http(200, SALE[:40], length=len(SALE))), "unclear", 200),
    "half the body, reset": (sends(http(200, SALE[:40], length=len(SALE)), 0.02, reset=True), "unclear", 200),
    "half the body, silence": (sends(http(200, SALE[:40], length=len(SALE)), 30.0), "unclear", 200),
    "a whole sale, and more announced": (sends(http(200, SALE, length=len(SALE) + 1)), "unclear", 200),
    "a sale longer than announced": (sends(http(200, SALE, length=len(SALE) - 1)), "unclear", 200),
    "chunks cut": (
        sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(SALE) + SALE + b"\r\n"),
        "unclear",
        200,
    ),
    "chunks of no length": (
        sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + SALE + b"\r\n0\r\n\r\n"),
        "unclear",
        200,
    ),
    "a drip past the timeout": (sends(http(200, length=len(SALE)), *[b"{", 0.1] * 100), "unclear", 200),
    "a refusal cut": (sends(http(400, b'{"error": "x', length=99)), "unclear", 400),
    "out of stock cut": (sends(http(500, STOCK, length=len(STOCK) + 1)), "unclear", 500),
    "a line too long": (sends(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000), "unclear", None),
    "no HTTP at all": (sends(b"SSH-2.0-OpenSSH_9.6\r\n"), "unclear", None),
    "HTTP/0.9": (sends(SALE), "unclear", None),
    "HTTP/2": (sends(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"), "unclear", None),
    "TLS": (sends(b"\x15\x03\x01\x00\x02\x02\x28"), "unclear", None),
    "two lengths": (sends(http(200, SALE, "Content-Length: 1")), "unclear", None),
    "continue, then closed": (sends(b"HTTP/1.1 100 Continue\r\n\r\n"), "unclear", None),
    "early hints for ever": (sends(*[b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.1] * 100), "unclear", None),
    "switching protocols": (sends(http(101, b"", "Upgrade: h2c", "Connection: Upgrade")), "unclear", None),
    "packed, and cut": (sends(http(200, gzip.compress(SALE)[:-9], "Content-Encoding: gzip")), "unclear", 200),
    "packed, and not so": (sends(http(200, SALE, "Content-Encoding: gzip")), "unclear", 200),
    "packed as we did not ask": (sends(http(200, SALE, "Content-Encoding: br")), "unclear", 200),
    "packed twice": (
        sends(http(200, gzip.compress(gzip.compress(SALE)), "Content-Encoding: gzip, gzip")),
        "unclear",
        200,
    ),
    # And what is whole, however it came.
    "a sale": (sends(http(200, SALE)), "sold", 200),
    "a sale byte by byte": (sends(*[bytes([byte]) for byte in http(200, SALE)]), "sold", 200),
    "a sale until the end of the line": (sends(b"HTTP/1.1 200 OK\r\n\r\n" + SALE), "sold", 200),
    "a sale in HTTP/1.0": (sends(b"HTTP/1.0 200 OK\r\n\r\n" + SALE), "sold", 200),
    "a sale in chunks": (
        sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(SALE) + SALE + b"\r\n0\r\n\r\n"),
        "sold",
        200,
    ),
    "a sale after early hints": (sends(b"HTTP/1.1 103 Early Hints\r\n\r\n", http(200, SALE)), "sold", 200),
    "a sale, packed": (sends(http(200, gzip.compress(SALE), "Content-Encoding: gzip")), "sold", 200),
    "a sale, then a reset": (sends(http(200, SALE), 0.05, reset=True), "sold", 200),
    "out of stock": (sends(http(500, STOCK)), "out_of_stock", 500),
    "a refusal": (sends(http(403, b"<html>no</html>")), "credentials", 403),
}


@pytest.mark.parametrize("cut", CUTS)
async def test_wherever_it_breaks_it_is_sent_once_and_read_as_no_more_than_was_said(cut: str):
    answers, told, status = CUTS[cut]
    async with RawTeli(answers) as teli:
        heard = await create(teli.url, listen=SOON)
        await asyncio.sleep(0.01)

    assert (verdict(heard), heard.status) == (told, status), heard
    assert heard.kind != "never_sent"
    assert teli.posts == 1


async def test_a_body_that_broke_off_is_kept_as_far_as_it_came():
    async with RawTeli(sends(http(200, SALE, length=len(SALE) + 1))) as teli:
        heard = await create(teli.url)

    assert heard.evidence()["body"] == SALE.decode()
    assert heard.evidence()["headers"]["content-length"] == str(len(SALE) + 1)


async def test_a_body_of_fifty_megabytes_is_not_read_to_its_end():
    read = 0

    async def pour(_: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal read
        writer.write(http(200, b"", length=50 << 20))
        for _piece in range(50):
            writer.write(b"x" * (1 << 20))
            await writer.drain()
            read += 1

    async with RawTeli(pour) as teli:
        heard = await create(teli.url)

    assert (verdict(heard), heard.status) == ("unclear", 200)
    assert len(heard.body) <= 1 << 20
    assert read < 20
    assert teli.posts == 1


async def test_a_bomb_is_not_unpacked():
    bomb = gzip.compress(bytes(200 << 20), 9)
    async with RawTeli(sends(http(200, bomb, "Content-Encoding: gzip"))) as teli:
        began = time.monotonic()
        heard = await create(teli.url)

    assert (verdict(heard), len(heard.body) <= 1 << 20) == ("unclear", True)
    assert time.monotonic() - began < 5


async def test_the_key_is_taken_out_of_all_that_was_heard():
    echo = orjson.dumps({"error": f"Invalid API key {KEY}"})
    async with RawTeli(sends(http(400, echo, f"X-Echo: {KEY}"))) as teli:
        heard = await create(teli.url)

    assert teli.asked[0].headers["x-api-key"] == KEY
    assert KEY not in repr(heard)
    assert KEY not in repr(read_create(heard, area_code="313"))


# Connections


async def test_what_is_left_over_of_one_answer_is_never_taken_for_the_next_ones():
    other = SALE.replace(b"0142", b"0199")
    async with RawTeli(keeps_open(http(200, SALE) + http(200, other))) as teli:
        client = TeliClient(teli.url, KEY, listen=2)
        found = [await client.create(WISH, send_by=SendBy.within(1)) for _ in range(3)]
        await client.close()

    assert [heard.body for heard in found] == [SALE] * 3
    assert (teli.posts, teli.connections) == (3, 3)


async def test_a_create_takes_no_connection_that_was_used_before_and_no_other_call_takes_its():
    async with RawTeli(keeps_open(http(200, SALE))) as teli:
        client = TeliClient(teli.url, KEY, listen=2)
        await client.organizations()
        await client.create(WISH, send_by=SendBy.within(1))
        await client.organizations()
        await client.close()

    assert teli.connections == 2


async def test_a_server_that_closes_on_every_second_request_is_asked_once_a_create():
    """The moment of reuse: a library would send the same again on a new connection."""
    told: dict[asyncio.StreamWriter, int] = {}

    async def once(_: Asked, writer: asyncio.StreamWriter) -> None:
        told[writer] = told.get(writer, 0) + 1
        if told[writer] > 1:
            writer.transport.abort()
            return
        writer.write(http(200, SALE))

    async with RawTeli(once) as teli:
        client = TeliClient(teli.url, KEY, listen=2)
        found = [await client.create(WISH, send_by=SendBy.within(1)) for _ in range(5)]
        await client.close()

    assert [verdict(heard) for heard in found] == ["sold"] * 5
    assert teli.posts == 5


def keeps_open(answer: bytes) -> Answers:
    async def say(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return say


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ReadError, httpx.ReadTimeout,
        httpx.WriteError, httpx.WriteTimeout, httpx.CloseError, httpx.LocalProtocolError, httpx.RemoteProtocolError,
        httpx.ProxyError, httpx.UnsupportedProtocol, httpx.DecodingError, httpx.TooManyRedirects, httpx.InvalidURL,
        OSError, TimeoutError, RuntimeError, UnicodeError, ssl.SSLError, MemoryError, KeyError,
    ],
)  # fmt: skip
@pytest.mark.parametrize("sent", [False, True])
async def test_whatever_is_raised_counts_by_whether_a_byte_had_left(error: type[Exception], sent: bool):
    class Breaks(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            trace = request.extensions["trace"]
            await trace("connection.connect_tcp.started", {})
            if sent:
                await trace("http11.send_request_headers.started", {})
            raise error("broken")

    client = TeliClient("http://teli", KEY, listen=1, transport=Breaks())
    heard = await client.create(WISH, send_by=SendBy.within(1))
    await client.close()

    assert heard.kind == ("broken" if sent else "never_sent")
    assert verdict(heard) == ("unclear" if sent else "never_sent")


# 303


class Redirecting(RawTeli):
    """303 to `location`; a GET is answered by `then`."""

    def __init__(self, location: str | None, then: Answers = SELLS, *, delay: float = 0) -> None:
        async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
            if asked.method == "GET":
                await then(asked, writer)
                return
            await asyncio.sleep(delay)
            where = [] if location is None else [f"Location: {location.format(port=self.port)}"]
            writer.write(http(303, b"", *where))
            writer.close()

        super().__init__(answer)


HERE = f"{PATH}/create"


@pytest.mark.parametrize(
    "location",
    [
        f"http://127.0.0.1:{{port}}{HERE}?call=1",
        f"{HERE}?call=1",
        "create?call=1",
        "?call=1",
        f"HTTP://127.0.0.1:{{port}}{HERE}?call=1",
    ],
)
async def test_a_303_to_the_same_place_is_followed_once_by_get(location: str):
    async with Redirecting(location) as teli:
        heard = await create(teli.url)

    assert verdict(heard) == "sold"
    assert (teli.posts, teli.gets) == (1, [f"{HERE}?call=1"])
    assert [asked.headers["x-api-key"] for asked in teli.asked] == [KEY, KEY]
    assert "303 to" in (heard.detail or "")


@pytest.mark.parametrize(
    "location",
    [
        None, "", HERE, f"{HERE}?", f"{HERE}#call", f"http://127.0.0.2:{{port}}{HERE}?call=1",
        f"http://localhost:{{port}}{HERE}?call=1", f"https://127.0.0.1:{{port}}{HERE}?call=1",
        f"//127.0.0.1:{{port}}1{HERE}?call=1", f"http://127.0.0.1{HERE}?call=1", f"{HERE}/?call=1", f"{PATH}?call=1",
        "/v1/voice//phone-numbers/create?call=1", f"{PATH}/%63reate?call=1",
        f"http://me:secret@127.0.0.1:{{port}}{HERE}?call=1", "http://[::1?call=1", "http://127.0.0.1:99999/?call=1",
        "http://127.0.0.1:port/?call=1", "javascript:alert(1)?call=1", "file:///etc/passwd?call=1",
    ],
)  # fmt: skip
async def test_a_303_elsewhere_is_not_followed(location: str | None):
    async with Redirecting(location) as teli:
        heard = await create(teli.url)

    # Where it is no address at all, the library stumbles over it before we do.
    assert heard.status == 303 or heard.kind == "broken"
    assert verdict(heard) == "unclear"
    assert (teli.posts, teli.gets) == (1, [])


async def test_a_303_that_leads_to_a_303_is_not_followed_again():
    async with Redirecting(f"{HERE}?call=1", sends(http(303, b"", f"Location: {HERE}?call=2"))) as teli:
        heard = await create(teli.url)

    assert (verdict(heard), heard.kind) == ("unclear", "broken")
    assert (teli.posts, teli.gets) == (1, [f"{HERE}?call=1"])


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_other_redirect_is_followed(status: int):
    async with RawTeli(sends(http(status, b"", f"Location: {HERE}?call=1"))) as teli:
        heard = await create(teli.url)

    assert (verdict(heard), heard.status) == ("unclear", status)
    assert (teli.posts, teli.gets) == (1, [])


@pytest.mark.parametrize(
    "status", [*range(200, 210), 226, 299, *range(300, 309), *range(400, 432), 451, *range(500, 512), 599]
)
async def test_after_a_303_only_a_sale_or_the_out_of_stock_text_decides(status: int):
    """What refuses the look for an answer does not refuse the purchase: that one was sent."""
    detail = orjson.dumps({"detail": [{"msg": "bad"}], "message": "No numbers available in area code 313"})
    for body, decided in (
        (SALE, "sold" if 200 <= status < 300 else None),
        (detail, "out_of_stock" if status == 500 else None),
    ):
        body = b"" if status in (204, 304) else body
        async with Redirecting(f"{HERE}?call=1", sends(http(status, body))) as teli:
            heard = await create(teli.url)

        assert verdict(heard) == (decided if body and decided else "unclear")
        assert teli.posts == 1


@pytest.mark.parametrize(
    "then",
    [
        sends(),
        sends(reset=True),
        sends(http(200, SALE[:20], length=len(SALE))),
        sends(30.0),
        sends(http(400, b"{", length=9)),
    ],
)
async def test_after_a_303_a_look_that_breaks_leaves_a_doubt(then: Answers):
    async with Redirecting(f"{HERE}?call=1", then) as teli:
        heard = await create(teli.url, listen=SOON)

    assert (verdict(heard), heard.kind) == ("unclear", "broken")
    assert teli.posts == 1


async def test_after_a_303_a_look_that_was_never_sent_proves_nothing():
    async def answer_and_go(_: Asked, writer: asyncio.StreamWriter) -> None:
        teli._server.close()
        writer.write(http(303, b"", f"Location: {HERE}?call=1"))
        writer.close()

    async with RawTeli(answer_and_go) as teli:
        heard = await create(teli.url)

    assert (heard.kind, verdict(heard)) == ("broken", "unclear")
    assert teli.posts == 1


async def test_the_look_has_only_the_time_that_is_left():
    async with Redirecting(f"{HERE}?call=1", sends(30.0), delay=1.0) as teli:
        began = time.monotonic()
        heard = await create(teli.url, listen=1.5)

    assert verdict(heard) == "unclear"
    assert time.monotonic() - began < 2.3
    assert teli.gets == [f"{HERE}?call=1"]


async def test_a_caller_that_is_cancelled_gets_its_cancellation():
    async with RawTeli(sends(30.0)) as teli:
        client = TeliClient(teli.url, KEY, listen=9)
        task = asyncio.create_task(client.create(WISH, send_by=SendBy.within(1)))
        async with asyncio.timeout(5):
            while teli.posts == 0:
                await asyncio.sleep(0.01)
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
        await client.close()
