"""Keyset cursors: opaque, signed, and bound to the query they continue."""

import base64
import binascii
import hmac
from typing import Any

import orjson

from service.kit.crypto import Secret
from service.kit.errors import Fault, InvalidRequest

# Beyond this a total is "at least": counting on would make every page cost as much as the whole listing.
COUNTED = 25_000


def total(counted: int) -> dict[str, Any]:
    """`total` of a listing, of which COUNTED + 1 rows are counted at most."""
    return {"value": min(counted, COUNTED), "exact": counted <= COUNTED}


class Cursors:
    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def seal(self, query: dict[str, Any], position: list[Any]) -> str:
        """A cursor that continues `query` after the row whose sort values are `position`."""
        payload = orjson.dumps(position)
        return base64.urlsafe_b64encode(self._mac(query, payload) + payload).decode().rstrip("=")

    def open(self, query: dict[str, Any], cursor: str) -> list[Any]:
        """Raises: InvalidRequest for a cursor that is not ours or continues another query."""
        bad = InvalidRequest(Fault("cursor", "is not a cursor of this query; start again without it"))
        try:
            data = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except (binascii.Error, ValueError):
            raise bad from None
        mac, payload = data[:16], data[16:]
        if not hmac.compare_digest(mac, self._mac(query, payload)):
            raise bad
        position: list[Any] = orjson.loads(payload)
        return position

    def _mac(self, query: dict[str, Any], payload: bytes) -> bytes:
        return self._secret.keyed_hash("cursor", orjson.dumps(query, option=orjson.OPT_SORT_KEYS), payload)[:16]
