"""Where webhooks may go, and that no name leads them elsewhere."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from service.kit.networks import read_network
from service.webhooks.errors import TargetRefused
from service.webhooks.sending import Sender
from service.webhooks.targets import Targets, is_inside, parts_of
from tests.webhooks.receiver import Receiver

INSIDE = (
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "169.254.170.2", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16",
    "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::ffff:a00:1",
    "0.1.2.3", "192.88.99.1", "3fff::1", "::127.0.0.1", "::a00:1", "64:ff9b:1::7f00:1", "2001:0:7f00:1::1",
    "fe80::5efe:7f00:1", "100::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1",
)  # fmt: skip
OUTSIDE = ("1.1.1.1", "93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8")


@pytest.mark.parametrize("address", INSIDE)
def test_what_only_we_can_reach_is_inside(address: str):
    assert is_inside(ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE)
def test_the_internet_is_outside(address: str):
    assert not is_inside(ip_address(address))


def resolving(*answers: Sequence[str]) -> Targets:
    """Names resolve to each of these in turn."""
    left = list(answers)

    async def resolve(hostname: str, port: int) -> Sequence[str]:
        return left.pop(0)

    return Targets(resolve=resolve)


@pytest.mark.parametrize("address", INSIDE)
async def test_a_name_that_resolves_inside_is_refused_also_beside_another_address(address: str):
    for addresses in ([address], ["93.184.216.34", address]):
        with pytest.raises(TargetRefused, match="not of the Internet"):
            await resolving(addresses).find("https://hooks.example/x")


async def test_a_name_is_resolved_once_and_what_is_connected_to_is_what_was_checked():
    target = await resolving(["93.184.216.34"], ["127.0.0.1"]).find("https://hooks.example:8443/x")
    assert (str(target.address), target.hostname, target.host) == (
        "93.184.216.34", "hooks.example", "hooks.example:8443"
    )  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.216.34/x", "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/",
        "https://0177.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://localhost/",
        "https://0x7f.1/", "https://017700000001/", "https://[::127.0.0.1]/", "https://localhost./",
        "https://169.254.169.254/latest/meta-data", "https://[fd00:ec2::254]/", "https://no-such-host.invalid/",
    ],
)  # fmt: skip
async def test_nothing_is_sent_there(url: str):
    with pytest.raises(TargetRefused):
        await Targets().find(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks.example", "//hooks.example/x", "ftp://hooks.example/x", "file:///etc/passwd", "https://", "https:///x",
        "https://hooks.example:0/", "https://hooks.example:99999/", "https://[::1/", "https://user:pw@hooks.example/",
        "https://hooks.example/#part", "https://hooks.example/ x", "https://hooks.example\\@127.0.0.1/",
        "https://8.8.8.010/", "https://8.8.8.08/", "https://8.8.8/", "https://8.8.8.8./", "https://134744072/",
        "https://hooks.example/\n", "https://höoks.example/", "https://hooks.example/" + 2000 * "x",
    ],
)  # fmt: skip
def test_what_is_no_url_to_post_to_is_refused_unasked(url: str):
    with pytest.raises(TargetRefused):
        parts_of(url)


async def test_networks_of_ones_own_may_be_allowed_and_by_http_too(hooks: Receiver):
    loopback = (read_network("127.0.0.0/8"),)
    with pytest.raises(TargetRefused):
        await Targets(loopback).find("https://10.0.0.1/")
    with pytest.raises(TargetRefused, match="https"):
        await Targets(loopback).find("http://93.184.216.34/")
    assert (await Targets(loopback).find(hooks.url())).hostname == "127.0.0.1"


EVENT = {"id": "e1", "type": "webhook.test", "data": {}}
SECRET = "whsec_" + 8 * "MTIz"


def sender(*answers: Sequence[str]) -> Sender:
    async def resolve(hostname: str, port: int) -> Sequence[str]:
        return answers[0]

    return Sender(Targets((read_network("127.0.0.0/8"),), resolve=resolve))


async def test_the_name_stays_in_the_request_though_the_address_is_connected_to(hooks: Receiver):
    url = f"http://hooks.example:{hooks.port}/hook?token=1"
    outcome = await sender(["127.0.0.1"]).send(url, [SECRET], EVENT)

    assert (outcome.delivered, outcome.status) == (True, 200)
    [told] = hooks.told["hook"]
    assert told.headers["host"] == f"hooks.example:{hooks.port}"
    assert told.headers["content-type"] == "application/json"
    told.check(SECRET)


async def test_redirects_lead_nowhere(hooks: Receiver):
    hooks.answers["hook"] = lambda _: 307
    hooks.headers["hook"] = {"Location": hooks.url("elsewhere")}
    outcome = await sender().send(hooks.url(), [SECRET], EVENT)

    assert (outcome.delivered, outcome.status) == (False, 307)
    assert hooks.told["elsewhere"] == []


async def test_no_proxy_of_the_environment_is_asked(hooks: Receiver, monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await sender().send(hooks.url(), [SECRET], EVENT)).delivered


async def test_of_an_answer_no_more_is_read_than_is_worth_it(hooks: Receiver):
    hooks.bodies["hook"] = bytes(20 << 20)
    outcome = await sender().send(hooks.url(), [SECRET], EVENT)
    assert outcome.delivered
    assert outcome.seconds < 10


async def test_an_answer_that_does_not_come_to_an_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.webhooks.sending.ANSWERED_WITHIN", 0.5)

    async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        try:
            for _ in range(200):
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(dribble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    outcome = await sender().send(f"http://127.0.0.1:{port}/", [SECRET], EVENT)
    server.close()
    assert (outcome.delivered, outcome.error) == (False, "no answer within 0.5 seconds")


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
async def test_what_is_no_http_is_a_failure_that_is_told(said: bytes):
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    outcome = await sender().send(f"http://127.0.0.1:{port}/", [SECRET], EVENT)
    server.close()
    assert not outcome.delivered
    assert outcome.error
    assert outcome.status is None
