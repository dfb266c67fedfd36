"""The token of a preview: it names a stored selection, and is bound to it, to who was shown it, and to an end."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from service.kit.crypto import Secret
from service.orders.errors import InvalidSelectionToken, NotYourSelection

# Bytes: the order's id, when it ends in whole seconds since 1970, the digest, the hash of who was shown it, the MAC.
ID, ENDS, DIGEST, WHO, MAC = 16, 8, 32, 16, 32
LENGTH = ID + ENDS + DIGEST + WHO + MAC


@dataclass(frozen=True, slots=True)
class Selected:
    """What a token stands for."""

    order_id: UUID
    expires_at: datetime
    digest: bytes


class SelectionTokens:
    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def seal(self, selected: Selected, actor: str) -> str:
        ends = int(selected.expires_at.timestamp())
        payload = selected.order_id.bytes + ends.to_bytes(ENDS) + selected.digest + _who(actor)
        return base64.urlsafe_b64encode(payload + self._mac(payload)).decode().rstrip("=")

    def open(self, token: str, actor: str) -> Selected:
        """Also one that is too old. Raises: InvalidSelectionToken, NotYourSelection."""
        try:
            data = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            raise InvalidSelectionToken from None
        payload, mac = data[:-MAC], data[-MAC:]
        if len(data) != LENGTH or not hmac.compare_digest(mac, self._mac(payload)):
            raise InvalidSelectionToken
        if payload[-WHO:] != _who(actor):
            raise NotYourSelection
        ends = int.from_bytes(payload[ID : ID + ENDS])
        return Selected(UUID(bytes=payload[:ID]), datetime.fromtimestamp(ends, UTC), payload[ID + ENDS : -WHO])

    def _mac(self, payload: bytes) -> bytes:
        return self._secret.keyed_hash("selection", payload)


def _who(actor: str) -> bytes:
    return hashlib.sha256(actor.encode()).digest()[:WHO]
