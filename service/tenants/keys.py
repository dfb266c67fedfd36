"""API keys: `ngk_<environment>_<32 characters><6 of checksum>`.

The prefix lets secret scanners find a leaked key, the checksum (CRC-32 over all before it, base 62, as GitHub does)
tells a typo from a stranger without asking the database. Only a keyed hash is stored.
"""

import re
import secrets
import string
import zlib

from service.kit.crypto import Secret
from service.kit.errors import ServiceError

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
KEY = re.compile(r"(ngk_[a-z]{2,8}_[0-9A-Za-z]{32})([0-9A-Za-z]{6})")


class Unauthenticated(ServiceError):
    """We do not know who is asking; `WWW-Authenticate` says how to tell."""

    status = 401

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="numbergate"'})


class InvalidKey(Unauthenticated):
    """No such key, or not a key at all."""

    code, title = "invalid_key", "Invalid API key"


class MissingKey(Unauthenticated):
    """Nobody said who is asking."""

    code, title = "missing_key", "API key is required"

    def __init__(self) -> None:
        super().__init__("Send your key as X-API-Key, or as Authorization: Bearer.")


class ExpiredKey(Unauthenticated):
    """The key was good until its `expires_at`, or was rotated and its overlap is over; or a token or session ended."""

    code, title = "expired_key", "API key has expired"

    def __init__(
        self,
        detail: str = "This key has expired, or was rotated and its overlap is over: use the one that took its place, "
        "or ask an administrator for a new one.",
    ) -> None:
        super().__init__(detail)


class RevokedKey(Unauthenticated):
    """An administrator took the key back."""

    code, title = "revoked_key", "API key was revoked"

    def __init__(self) -> None:
        super().__init__("This key was revoked; ask an administrator for a new one.")


def checksum(text: str) -> str:
    value = zlib.crc32(text.encode())
    digits = ""
    for _ in range(6):
        value, digit = divmod(value, 62)
        digits = ALPHABET[digit] + digits
    return digits


def make_key(environment: str) -> str:
    """A new key with 190 bits of chance in it."""
    head = f"ngk_{environment}_" + "".join(secrets.choice(ALPHABET) for _ in range(32))
    return head + checksum(head)


def check_form(key: str) -> None:
    """Raises: InvalidKey for what cannot be one of our keys, without a look into any store."""
    found = KEY.fullmatch(key)
    if found is None:
        raise InvalidKey("This is not a Numbergate key: those are ngk_, an environment, _ and 38 letters and digits.")
    if not secrets.compare_digest(checksum(found[1]), found[2]):
        raise InvalidKey("This key's checksum is wrong: it was mistyped or cut short.")


def key_hash(secret: Secret, key: str) -> bytes:
    return secret.keyed_hash("api key", key)
