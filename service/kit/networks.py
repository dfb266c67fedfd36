"""Addresses and networks of the Internet, each in one form: IPv4 that travels inside IPv6 is IPv4."""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from service.kit.text import shown

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
CIDR = re.compile(r"[0-9A-Fa-f:.]+/[0-9]{1,3}")
LONGEST_ADDRESS = 64


def read_network(text: str) -> Network:
    """A network in CIDR notation. Raises: ValueError, saying which it is and the mend."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        network = None
    if network is None or not CIDR.fullmatch(text):
        if network is not None and network.num_addresses == 1 and "/" not in text:
            raise ValueError(f"{shown(text)} has no length; write {network}")
        raise ValueError(f"{shown(text)} is no network; write an address, / and a length, as in 203.0.113.0/24")
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen >= 96:
        mapped = IPv4Network((int(network.network_address.ipv4_mapped), network.prefixlen - 96))
        raise ValueError(f"{text} is IPv4 written as IPv6; write {mapped}")
    if ip_address(text.partition("/")[0]) != network.network_address:
        raise ValueError(f"{text} has bits set behind its length; write {network}")
    return network


def read_address(text: str) -> Address | None:
    """None where it is no address."""
    return _read_address(text) if len(text) <= LONGEST_ADDRESS else None


@lru_cache(maxsize=4096)
def _read_address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))  # Without the name of a link of its own.
    return address


def within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)
