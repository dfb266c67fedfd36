"""Networks and addresses as people write them."""

from ipaddress import ip_address, ip_network

import pytest

from service.kit.networks import read_address, read_network, within

FAULTS = {
    "10.0.0.1": "10.0.0.1 has no length; write 10.0.0.1/32",
    "2001:db8::1": "2001:db8::1 has no length; write 2001:db8::1/128",
    "10.0.0.1/8": "10.0.0.1/8 has bits set behind its length; write 10.0.0.0/8",
    "2001:db8::1/32": "2001:db8::1/32 has bits set behind its length; write 2001:db8::/32",
    "::ffff:10.0.0.0/104": "::ffff:10.0.0.0/104 is IPv4 written as IPv6; write 10.0.0.0/8",
}
NONE = (
    "", "/", "10.0.0.0/", "/8", "10.0.0.0/33", "10.0.0/8", "10.0.0.0.0/8", "256.0.0.0/8", "010.0.0.0/8", "::/129", "x",
    "10.0.0.0/255.0.0.0", "10.0.0.0/-1", "10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.0/8,11.0.0.0/8", "fe80::%eth0/64",
    "10.0.0.0/٨", "localhost/8", "1/8", "*", "10.0.0.0/8\n",
)  # fmt: skip


@pytest.mark.parametrize("text", ["10.0.0.0/8", "203.0.113.9/32", "0.0.0.0/0", "2001:db8::/32", "::/0", "::1/128"])
def test_a_network_is_read_as_it_is_written(text: str):
    assert str(read_network(text)) == text


def test_one_form_of_each_network():
    assert str(read_network("2001:DB8:0:0::/32")) == "2001:db8::/32"


@pytest.mark.parametrize("text", FAULTS)
def test_what_is_nearly_a_network_is_told_its_mend(text: str):
    with pytest.raises(ValueError) as told:
        read_network(text)
    assert str(told.value) == FAULTS[text]


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_network_is_told_how_one_is_written(text: str):
    with pytest.raises(ValueError, match="is no network; write an address, / and a length, as in"):
        read_network(text)


def test_ipv4_inside_ipv6_is_ipv4():
    assert read_address("::ffff:203.0.113.9") == ip_address("203.0.113.9")
    assert read_address("fe80::1%eth0") == ip_address("fe80::1")
    assert within(ip_address("203.0.113.9"), [ip_network("::/0"), ip_network("203.0.113.0/24")])
    assert not within(ip_address("203.0.113.9"), [ip_network("::/0")])
    for text in ("", "x", "1.2.3", "203.0.113.9 ", "1" * 65, "x" * 10_000):
        assert read_address(text) is None
