"""What is sealed opens in its own place alone, with its own key."""

import base64

import pytest

from service.kit.sealing import CannotOpen, Keyring, Sealed
from service.kit.urls import origin


def key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


KEYS = f"new:{key('n')}\nold:{key('o')}"


def test_what_the_first_key_seals_opens_in_its_place_alone():
    ring = Keyring.parse(KEYS)
    sealed = ring.seal("secret", "account", "https://teli:443")

    assert sealed.key_id == "new"
    assert b"secret" not in sealed.data
    assert ring.open(sealed, "account", "https://teli:443") == "secret"
    assert ring.seal("secret", "account", "https://teli:443") != sealed
    for place in (
        ("other", "https://teli:443"),
        ("account", "https://evil:443"),
        ("account",),
        ("accounthttps://teli:443",),
    ):
        with pytest.raises(CannotOpen):
            ring.open(sealed, *place)


def test_a_key_that_was_taken_away_opens_nothing_and_is_named():
    sealed = Keyring.parse(f"old:{key('o')}").seal("secret", "place")

    assert Keyring.parse(KEYS).open(sealed, "place") == "secret"
    with pytest.raises(CannotOpen, match="the key old"):
        Keyring.parse(f"new:{key('n')}").open(sealed, "place")


@pytest.mark.parametrize("byte", [0, 12, -1])
def test_a_changed_byte_anywhere_does_not_open(byte: int):
    ring = Keyring.parse(KEYS)
    sealed = ring.seal("secret", "place")
    changed = bytearray(sealed.data)
    changed[byte] ^= 1

    with pytest.raises(CannotOpen):
        ring.open(Sealed("new", bytes(changed)), "place")
    with pytest.raises(CannotOpen):
        ring.open(Sealed("old", sealed.data), "place")
    with pytest.raises(CannotOpen):
        ring.open(Sealed("new", sealed.data[:4]), "place")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (key("n"), "entry 1 must be id:key"),
        (f"a:{key('n')} :{key('o')}", "entry 2 must be"),
        (f"a:{key('n')},a:{key('o')}", "the id a is there twice"),
        (f"a:{key('n')} b:{key('n')}", "the key b is there under another id too"),
        ("a:not-base-64", "the key a is no base64"),
        (f"a:{base64.b64encode(b'short').decode()}", "the key a has 5 bytes, and must have 32"),
    ],
)
def test_a_malformed_keyring_is_told_without_a_key_in_it(text: str, fault: str):
    with pytest.raises(ValueError) as caught:
        Keyring.parse(text)

    assert fault in str(caught.value)
    assert key("n") not in str(caught.value)


def test_an_empty_keyring_seals_nothing():
    assert Keyring.parse(" \n").first is None
    with pytest.raises(CannotOpen):
        Keyring.parse("").seal("secret")
    assert key("n") not in repr(Keyring.parse(KEYS))


def test_an_origin_has_one_spelling():
    assert origin("https://API.Teli.ai/proxy") == origin("https://api.teli.ai:443") == "https://api.teli.ai:443"
    assert origin("http://127.0.0.1:8000") != origin("https://127.0.0.1:8000")
