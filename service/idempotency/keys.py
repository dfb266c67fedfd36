"""What an idempotency key is, and what makes two requests the same (IETF draft-ietf-httpapi-idempotency-key-header)."""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from service.kit.errors import ServiceError

LONGEST = 255
# How long a key lives: after the release of the number it bought, and where it bought none.
KEPT_AFTER_RELEASE = timedelta(days=90)
KEPT_WITHOUT_NUMBER = timedelta(days=30)


class IdempotencyKeyRequired(ServiceError):
    """The tenant's policy wants a key on every create."""

    status, code, title = 400, "idempotency_key_required", "Idempotency key required"

    def __init__(self) -> None:
        super().__init__("This tenant's policy requires an Idempotency-Key header. Send one, the same on every retry.")


class IdempotencyKeyReused(ServiceError):
    """The key was used before, with another request."""

    status, code, title = 422, "idempotency_key_reused", "Idempotency key reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used with another request. Use a new key for a new request.")


class IdempotencyKeyInProgress(ServiceError):
    """A request with this key is still waiting for its turn; there is no operation yet that could be told of."""

    status, code, title = 409, "idempotency_key_in_progress", "Idempotency key in progress"

    def __init__(self) -> None:
        super().__init__(
            "A request with this Idempotency-Key is waiting for its turn. Send it again, with the same key.",
            headers={"Retry-After": "1"},
        )


@dataclass(frozen=True, slots=True)
class Ask:
    """How a request wants to be told apart: its key, where it sent one, and the fingerprint of its body."""

    key: str | None
    fingerprint: bytes


def parse_key(header: str | None) -> str | None:
    """The key of an `Idempotency-Key` header; quotes of a structured-field string are taken off.

    Raises: ValueError for an empty key, more than 255 characters, or anything but printable ASCII.
    """
    if header is None:
        return None
    key = header[1:-1] if len(header) >= 2 and header[0] == header[-1] == '"' else header
    if not key:
        raise ValueError("must not be empty; leave the header out or send a key")
    if len(key) > LONGEST:
        raise ValueError(f"has {len(key)} characters; at most {LONGEST} are allowed")
    if not all("!" <= character <= "~" for character in key):
        raise ValueError("must be printable ASCII without spaces")
    return key


def fingerprint(body: Any) -> bytes:
    """SHA-256 of a parsed JSON body in canonical form: the order of members and white space do not count."""
    try:
        canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # Unpaired surrogates in a field that is ignored: no text, yet the same on every retry.
        canonical = json.dumps(body, sort_keys=True).encode()
    return hashlib.sha256(canonical).digest()
