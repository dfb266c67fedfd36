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
# Of a keyed hash, in bytes.
SIZE = 16


def total(counted: int) -> dict[str, Any]:
    """`total` of a listing, of which COUNTED + 1 rows are counted at most."""
    return {"value": min(counted, COUNTED), "exact": counted <= COUNTED}


class Cursors:
    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def seal(self, query: dict[str, Any], position: list[Any]) -> str:
        """A cursor that continues `query` after the row whose sort values are `position`."""
        told = self._of(query) + orjson.dumps(position)
        return base64.urlsafe_b64encode(self._mac("cursor", told) + told).decode().rstrip("=")

    def open(self, query: dict[str, Any], cursor: str) -> list[Any]:
        """Raises: InvalidRequest for a cursor that is not ours or continues another query."""
        try:
            data = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except (binascii.Error, ValueError):
            data = b""
        mac, told = data[:SIZE], data[SIZE:]
        if not hmac.compare_digest(mac, self._mac("cursor", told)):
            raise InvalidRequest(Fault("cursor", "was not given out here, or was changed; send next_cursor as it came"))
        if not hmac.compare_digest(told[:SIZE], self._of(query)):
            raise InvalidRequest(
                Fault("cursor", "continues another query; ask for the same as the page it came with, or without it")
            )
        position: list[Any] = orjson.loads(told[SIZE:])
        return position

    def _of(self, query: dict[str, Any]) -> bytes:
        return self._mac("query of a cursor", orjson.dumps(query, option=orjson.OPT_SORT_KEYS))

    def _mac(self, purpose: str, of: bytes) -> bytes:
        return self._secret.keyed_hash(purpose, of)[:SIZE]
