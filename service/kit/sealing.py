"""Sealing what must be kept and not be readable where it is kept: AES-256-GCM, under keys that can be changed.

What is sealed is bound to a place: it opens only with the very words that it was sealed with. The id of the key stands
beside it, so that keys can be added, and taken away once nothing is sealed with them any more.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
KEY_ID = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
FORM = "id:key, the key being 32 random bytes in base64"


class CannotOpen(Exception):
    """It was sealed with a key that is not here, or is not what was sealed for this place."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """`data`: nonce, ciphertext and tag, one after the other. `key_id`: of the key it takes to open it."""

    key_id: str
    data: bytes


class Keyring:
    """The first key seals; each opens what was sealed with it. Never printed."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.first = next(iter(keys), None)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._ciphers)})"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Keys as `id:base64`, with white space or commas between them; none where the text is empty.

        Raises: ValueError, that names the fault by the key's position or id and shows no key.
        """
        keys: dict[str, bytes] = {}
        for place, entry in enumerate(filter(None, re.split(r"[\s,]+", text)), start=1):
            key_id, colon, encoded = entry.partition(":")
            if not colon or not KEY_ID.fullmatch(key_id):
                raise ValueError(f"entry {place} must be {FORM}; an id is letters, digits, dot, dash, underscore")
            if key_id in keys:
                raise ValueError(f"the id {key_id} is there twice")
            try:
                key = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                raise ValueError(f"the key {key_id} is no base64: entry {place} must be {FORM}") from None
            if len(key) != KEY_BYTES:
                raise ValueError(f"the key {key_id} has {len(key)} bytes, and must have {KEY_BYTES}")
            if key in keys.values():
                raise ValueError(f"the key {key_id} is there under another id too")
            keys[key_id] = key
        return cls(keys)

    def seal(self, secret: str, *place: str) -> Sealed:
        """Raises: CannotOpen where there is no key at all."""
        if self.first is None:
            raise CannotOpen("there is no key to seal with")
        nonce = os.urandom(NONCE_BYTES)
        words = _words(self.first, place)
        return Sealed(self.first, nonce + self._ciphers[self.first].encrypt(nonce, secret.encode(), words))

    def open(self, sealed: Sealed, *place: str) -> str:
        """Raises: CannotOpen, saying why."""
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise CannotOpen(f"the key {sealed.key_id} that it is encrypted with is not here")
        nonce, rest = sealed.data[:NONCE_BYTES], sealed.data[NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, rest, _words(sealed.key_id, place)).decode()
        except (InvalidTag, ValueError):
            raise CannotOpen("it was changed, or is not this place's") from None


def _words(key_id: str, place: tuple[str, ...]) -> bytes:
    """Each with its length before it, so that no two places come to the same."""
    parts = [part.encode() for part in (key_id, *place)]
    return b"".join(len(part).to_bytes(4) + part for part in parts)
