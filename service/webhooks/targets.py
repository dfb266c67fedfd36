"""Where webhooks may go: to the Internet, by https, and to nothing that only we can reach.

A name is resolved once for each turn of sending, every address that it has is checked, and the connection is opened to
one of these very addresses: a name that resolves elsewhere a moment later leads nowhere else. Networks of one's own can
be allowed, and then by http too.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

import httpx

from service.kit.networks import Address, Network, read_address, within
from service.kit.urls import DEFAULT_PORTS
from service.webhooks.errors import TargetRefused
from service.webhooks.resolving import Resolving

LONGEST_URL = 2000
RESOLVED_WITHIN = 5.0
NAT64 = IPv6Network("64:ff9b::/96")
# What the standard library takes for the Internet's: protocol assignments with Oracle's metadata, Azure's, relays of a
# network of one's own into IPv6, site-local, documentation.
ALSO_INSIDE = (
    IPv4Network("192.0.0.0/24"), IPv4Network("168.63.129.16/32"), IPv4Network("192.88.99.0/24"),
    IPv6Network("fec0::/10"), IPv6Network("3fff::/20"),
)  # fmt: skip
NUMERIC = re.compile(r"[0-9.]+")
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Target:
    """`address`: that was checked, and that is connected to. `host`: as the URL names it, with its port where given."""

    url: str
    address: Address
    hostname: str
    host: str


def is_inside(address: Address) -> bool:
    """Whether it is not of the Internet: private, loopback, link-local, shared, reserved, multicast or metadata; also
    where it is an IPv6 address that leads to such an IPv4 one.
    """
    if isinstance(address, IPv6Address):
        carried = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if carried is None and address in NAT64:
            carried = IPv4Address(int(address) & 0xFFFFFFFF)
        if carried is not None:
            return is_inside(carried)
    return not address.is_global or address.is_multicast or address.is_reserved or within(address, ALSO_INSIDE)


def parts_of(url: str) -> SplitResult:
    """Raises: TargetRefused for what is no URL to post to."""
    if len(url) > LONGEST_URL:
        raise TargetRefused(f"must be {LONGEST_URL} characters or fewer")
    if not all("!" <= sign <= "~" for sign in url) or "\\" in url:
        raise TargetRefused("must be printable ASCII without spaces: encode what is not, a name as xn--…")
    try:
        parts = urlsplit(url)
        hostname, port = parts.hostname, parts.port
        httpx.URL(url)  # As whoever sends to it reads it.
    except (ValueError, httpx.InvalidURL):
        raise TargetRefused("is no URL; write it as https://host/path") from None
    if parts.scheme not in DEFAULT_PORTS or not hostname or port == 0:
        raise TargetRefused("must look like https://host/path")
    if NUMERIC.fullmatch(hostname) and read_address(hostname) is None:
        # Octal to one, decimal to another.
        raise TargetRefused("has a host of digits that is no address; write four numbers without leading zeros")
    if "@" in parts.netloc:
        raise TargetRefused("must have no credentials: what is sent is signed")
    if "#" in url:
        raise TargetRefused("must have no fragment: it is never sent")
    return parts


class Targets:
    """`networks`: of one's own that are allowed too."""

    def __init__(self, networks: tuple[Network, ...] = (), *, resolve: Resolve | None = None) -> None:
        self._networks = networks
        self._resolve = resolve or Resolving()

    async def find(self, url: str) -> Target:
        """Raises: TargetRefused."""
        parts = parts_of(url)
        assert parts.hostname is not None
        addresses = await self._addresses(parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])
        ours = [address for address in addresses if within(address, self._networks)]
        if len(ours) < len(addresses):
            if any(is_inside(address) for address in addresses if address not in ours):
                raise TargetRefused("leads to an address that is not of the Internet; write one that all can reach")
            if parts.scheme != "https":
                raise TargetRefused("must be https: events would be read on their way")
        return Target(url, addresses[0], parts.hostname, parts.netloc)

    async def _addresses(self, hostname: str, port: int) -> list[Address]:
        """Raises: TargetRefused."""
        if (literal := read_address(hostname)) is not None:
            return [literal]
        try:
            async with asyncio.timeout(RESOLVED_WITHIN):
                found = await self._resolve(hostname, port)
        except (OSError, TimeoutError, UnicodeError):
            found = []
        addresses = [address for one in found if (address := read_address(one)) is not None]
        if not addresses:
            raise TargetRefused("is of a host that no address is known of")
        return addresses
