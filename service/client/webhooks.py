"""Whether a delivery is from the gateway: the signature of Standard Webhooks, over id, time and body."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping

from service.client.answers import NotAsDescribed, read
from service.client.models import Event

PREFIX = "whsec_"
# Seconds, either way, that a delivery may be away from this clock.
TOLERANCE = 300.0


class NotVerified(Exception):
    """A delivery that is not believed; the text says why. Answer 400 or 401, and look at nothing in it."""


def verify(
    secret: str,
    headers: Mapping[str, str],
    body: bytes | str,
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> Event:
    """The event of a delivery. `body`: as it came, before anything read or rewrote it; `headers` in any spelling.

    `now`: seconds since 1970, of this machine's clock where it is None. Raises: NotVerified; ValueError, where the
    secret is none.
    """
    key = _key(secret)
    told = {name.lower(): value for name, value in headers.items()}
    absent = [name for name in ("webhook-id", "webhook-timestamp", "webhook-signature") if not told.get(name)]
    if absent:
        raise NotVerified(f"the header {absent[0]} is missing")
    raw = body.encode() if isinstance(body, str) else body
    signed = b".".join((told["webhook-id"].encode(), told["webhook-timestamp"].encode(), raw))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # All of them are compared: which one is right is told to nobody by the time it takes.
    matches = [hmac.compare_digest(expected, one) for one in _signatures(told["webhook-signature"])]
    if not any(matches):
        raise NotVerified("no signature is that of this secret")
    _in_time(told["webhook-timestamp"], tolerance, time.time() if now is None else now)
    try:
        return read(Event, json.loads(raw))
    except (ValueError, NotAsDescribed) as wrong:
        raise NotVerified(f"it is signed, and is no event: {wrong}") from None


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("the secret must be as the gateway told it, whsec_ and base64")
    return key


def _signatures(told: str) -> list[bytes]:
    """Those of the first version: while a secret is rotated there are two."""
    parts = [one.partition(",") for one in told.split()]
    return [signature.encode() for version, _, signature in parts if version == "v1"]


def _in_time(told: str, tolerance: float, now: float) -> None:
    # Digits alone, for float() reads "nan", which is away from no time at all.
    if not (told.isascii() and told.isdigit() and len(told) <= 12):
        raise NotVerified("webhook-timestamp is no time")
    if abs(now - int(told)) > tolerance:
        raise NotVerified("it is older, or newer, than may be")
