"""The gateway for Python programs: `Client`, and `AsyncClient` for those with an event loop.

It needs httpx and nothing of the server. `service.client.errors` has every exception, `service.client.models` every
answer, `service.client.webhooks` the check of a delivery, and `service.client.testing` a gateway for tests.
"""

from service.client.aio import AsyncClient
from service.client.errors import NumbergateError, OrderUnfinished, OutcomeUnknown, Refused, StillPending
from service.client.sync import Client
from service.client.webhooks import NotVerified, verify

__all__ = [
    "AsyncClient",
    "Client",
    "NotVerified",
    "NumbergateError",
    "OrderUnfinished",
    "OutcomeUnknown",
    "Refused",
    "StillPending",
    "verify",
]
