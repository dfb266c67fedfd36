"""Secrets of endpoints: shown once, and kept sealed for the endpoint that they are of."""

import base64
from datetime import datetime
from uuid import UUID

from service.kit.clock import random_bytes, utc_now
from service.kit.errors import StateConflict
from service.kit.sealing import CannotOpen, Keyring, Sealed
from service.webhooks.models import WebhookEndpoint

PREFIX = "whsec_"
SECRET_BYTES = 32


def make_secret() -> str:
    """In the form of Standard Webhooks."""
    return PREFIX + base64.b64encode(random_bytes(SECRET_BYTES)).decode()


def seal(keyring: Keyring, endpoint_id: UUID, secret: str) -> Sealed:
    """Raises: StateConflict."""
    try:
        return keyring.seal(secret, *_place(endpoint_id))
    except CannotOpen:
        raise StateConflict(
            "There is nothing to encrypt a secret with: NUMBERGATE_ACCOUNT_KEYS must be set in every process first."
        ) from None


def secrets_of(keyring: Keyring, endpoint: WebhookEndpoint, *, at: datetime | None = None) -> list[str]:
    """Those that sign now, the newest first. Raises: CannotOpen."""
    kept = [Sealed(endpoint.key_id, endpoint.sealed)]
    if endpoint.previous_until is not None and endpoint.previous_until > (at or utc_now()):
        assert endpoint.previous_key_id is not None
        assert endpoint.previous_sealed is not None
        kept.append(Sealed(endpoint.previous_key_id, endpoint.previous_sealed))
    return [keyring.open(one, *_place(endpoint.id)) for one in kept]


def seal_anew(keyring: Keyring, endpoint: WebhookEndpoint) -> bool:
    """Those that sign now, under the first key of the keyring. Whether any was not so. Raises: CannotOpen."""
    names = [("sealed", "key_id"), ("previous_sealed", "previous_key_id")]
    opened = list(zip(names, secrets_of(keyring, endpoint), strict=False))
    others = [(place, secret) for place, secret in opened if getattr(endpoint, place[1]) != keyring.first]
    for (data, key_id), secret in others:
        sealed = seal(keyring, endpoint.id, secret)
        setattr(endpoint, data, sealed.data)
        setattr(endpoint, key_id, sealed.key_id)
    return bool(others)


def _place(endpoint_id: UUID) -> tuple[str, str]:
    return "webhook endpoint", str(endpoint_id)
