"""Whose request it is by its address: the peer's, or what our own proxies say of whom they speak for."""

import re
from collections.abc import Iterable, Sequence

from starlette.types import Scope

from service.kit.networks import Address, Network, read_address, within

# An address, as it stands or in brackets, and a port behind it (RFC 7239, section 6).
HOP = re.compile(r"(?:\[(?P<bracketed>[^\]]*)\]|(?P<plain>[^:\[\]]*))(?::[0-9]{1,5})?")
QUOTED = r'"(?:[^"\\]|\\.)*"'
WELL_QUOTED = re.compile(rf'(?:[^"]|{QUOTED})*')
ELEMENT, PARAMETER = (re.compile(rf'(?:[^{mark}"]|{QUOTED})+') for mark in ",;")


def client_address(scope: Scope, trusted: Sequence[Network]) -> Address | None:
    """The peer; where that is a trusted proxy, the nearest hop before it that is not.

    Nothing that stands further away is read, for it was written by a stranger. None where it cannot be told: there is
    no peer by address, that hop is no address, or `X-Forwarded-For` and `Forwarded` come to different ones, as where a
    client sent the one that our proxies leave alone.
    """
    peer = read_address(scope["client"][0]) if scope.get("client") else None
    if peer is None or not within(peer, trusted):
        return peer
    said = [
        _nearest(hops(text), peer, trusted)
        for name, hops in ((b"x-forwarded-for", _x_forwarded_for), (b"forwarded", _forwarded))
        if (text := ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == name))
    ]
    found = set(said or [peer])
    return found.pop() if len(found) == 1 else None


def _nearest(hops: Sequence[str], peer: Address, trusted: Sequence[Network]) -> Address | None:
    found: Address | None = peer
    for hop in reversed(hops):
        found = _address_of(hop)
        if found is None or not within(found, trusted):
            break
    return found


def _x_forwarded_for(text: str) -> Sequence[str]:
    return _filled(text.split(","))


def _forwarded(text: str) -> Sequence[str]:
    """The `for` of each element, "" where it has none; a quote that is not closed makes all of them unreadable."""
    if not WELL_QUOTED.fullmatch(text):
        return [""]
    return [_for(element) for element in _filled(ELEMENT.findall(text))]


def _for(element: str) -> str:
    pairs = [parameter.partition("=") for parameter in PARAMETER.findall(element)]
    found = [value.strip().strip('"') for name, _, value in pairs if name.strip().lower() == "for"]
    return found[0] if len(found) == 1 else ""


def _filled(elements: Iterable[str]) -> Sequence[str]:
    """A list may have empty elements (RFC 9110, section 5.6.1)."""
    return [one.strip() for one in elements if one.strip()]


def _address_of(hop: str) -> Address | None:
    if (whole := read_address(hop)) is not None:
        return whole
    found = HOP.fullmatch(hop)
    return read_address(found["bracketed"] or found["plain"] or "") if found else None
