"""Whose request it is: what proxies of ours say is believed, what anybody else says is not."""

from ipaddress import ip_address

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.http.addresses import client_address
from service.kit.networks import Network, read_network
from tests.conftest import OpenGateway
from tests.http.serving import served

PROXIES = tuple(map(read_network, ("10.0.0.0/8", "2001:db8:1::/48")))
PROXY, CLIENT, ELSEWHERE = "10.0.0.5", "203.0.113.9", "198.51.100.7"


def seen(*headers: tuple[str, str], peer: str | None = PROXY, trusted: tuple[Network, ...] = PROXIES) -> str | None:
    scope = {
        "type": "http",
        "client": None if peer is None else (peer, 1),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
    }
    found = client_address(scope, trusted)
    return None if found is None else str(found)


XFF, FORWARDED = "X-Forwarded-For", "Forwarded"
TOLD = [
    # Of one header; whatever is left of the nearest stranger was written by strangers.
    ([], PROXY),
    ([(XFF, "")], PROXY),
    ([(XFF, CLIENT)], CLIENT),
    ([(XFF, f"{ELSEWHERE}, {CLIENT}")], CLIENT),
    ([(XFF, f"127.0.0.1, {CLIENT}, 10.9.9.9")], CLIENT),
    ([(XFF, "10.1.1.1, 10.2.2.2")], "10.1.1.1"),
    ([(XFF, f"{ELSEWHERE}"), (XFF, f"{CLIENT},10.2.2.2")], CLIENT),
    ([(XFF, f"<script>, ,, {CLIENT} ,")], CLIENT),
    ([(XFF, f"{CLIENT}:5123")], CLIENT),
    ([(XFF, "[2001:db8::9]:443")], "2001:db8::9"),
    ([(XFF, "2001:db8::9")], "2001:db8::9"),
    ([(XFF, f"::ffff:{CLIENT}")], CLIENT),
    ([(XFF, "2001:db8:1::7, ::ffff:10.0.0.9")], "2001:db8:1::7"),
    ([(FORWARDED, f"for={CLIENT}")], CLIENT),
    ([(FORWARDED, f'For="{CLIENT}:80";proto=https;by=10.0.0.5')], CLIENT),
    ([(FORWARDED, 'proto=http;for="[2001:db8::9]:4711", for=10.0.0.9')], "2001:db8::9"),
    ([(FORWARDED, f'for={ELSEWHERE};x="a,b;for=1.1.1.1", for={CLIENT}')], CLIENT),
    ([(FORWARDED, "for=_hidden"), (FORWARDED, f"for={CLIENT}")], CLIENT),
    # Of both, if they agree.
    ([(XFF, CLIENT), (FORWARDED, f"for={CLIENT}")], CLIENT),
    # It cannot be told.
    ([(XFF, CLIENT), (FORWARDED, f"for={ELSEWHERE}")], None),
    ([(XFF, CLIENT), (FORWARDED, "for=unknown")], None),
    ([(XFF, f"{CLIENT}, unknown")], None),
    ([(XFF, f"{CLIENT}, 10.0.0.9, 1.2.3")], None),
    ([(XFF, f"{CLIENT}:99999999")], None),
    ([(XFF, f"[{CLIENT}")], None),
    ([(FORWARDED, "proto=https")], None),
    ([(FORWARDED, f"for={CLIENT};for={ELSEWHERE}")], None),
    ([(FORWARDED, f'for={ELSEWHERE};x=", for="[2001:db8::9]"')], None),
    ([(FORWARDED, f'for={ELSEWHERE};x="\\'), (FORWARDED, 'for="[2001:db8::9]"')], None),
    ([(FORWARDED, "x" * 10_000)], None),
]


@pytest.mark.parametrize(("headers", "address"), TOLD, ids=range(len(TOLD)))
def test_the_nearest_hop_that_is_no_proxy_of_ours_is_the_client(headers: list[tuple[str, str]], address: str | None):
    assert seen(*headers) == address


def test_of_anybody_else_no_word_is_believed():
    for peer in (CLIENT, "11.0.0.1", "2001:db8:2::1"):
        assert seen((XFF, ELSEWHERE), (FORWARDED, f"for={ELSEWHERE}"), peer=peer) == peer
    assert seen((XFF, ELSEWHERE), peer=PROXY, trusted=()) == PROXY
    assert seen((XFF, ELSEWHERE), peer=None) is None
    assert seen((XFF, ELSEWHERE), peer="testclient") is None


STRANGERS_WORDS = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=60) | st.text(
    '",;=\\ for[]:.0129_', max_size=60
)


@given(STRANGERS_WORDS, st.sampled_from(("for={}", 'for="{}"', 'for="{}:80";proto=https', 'by="_x";for={}')))
@example(f'for={ELSEWHERE};x="', 'for="{}"')
@example(f'for={ELSEWHERE};x="\\', 'for="{}"')
def test_nothing_a_client_sends_lets_it_pass_for_another(words: str, written: str):
    """The proxy writes its own word behind what it was sent, as a further element or as a further header."""
    ours = written.format(CLIENT)
    for headers in ([(FORWARDED, f"{words}, {ours}")], [(FORWARDED, words), (FORWARDED, ours)]):
        assert seen(*headers) in (CLIENT, None)
    assert seen((XFF, f"{words}, {CLIENT}")) == CLIENT
    assert seen((FORWARDED, words), (XFF, CLIENT)) in (CLIENT, None)


async def test_a_server_believes_nobody_unless_told_whom(open_gateway: OpenGateway):
    """uvicorn would believe whoever connects from this machine."""
    for trusted, address in ((None, "127.0.0.1"), ("127.0.0.0/8, ::1/128", CLIENT)):
        async with open_gateway(**({} if trusted is None else {"trusted_proxies": trusted})) as gateway:
            tenant = await gateway.tenant()
            async with served(gateway) as port, httpx.AsyncClient() as http:
                headers = {"X-API-Key": tenant.key, XFF: f"{ELSEWHERE}, {CLIENT}"}
                await http.get(f"http://127.0.0.1:{port}/v1/quotas", headers=headers)
            # It tells once more as it stops.
            used = await gateway.sql("SELECT last_used_from FROM api_keys WHERE tenant_id = :id", id=tenant.id)
            assert used == [(str(ip_address(address)),)]
