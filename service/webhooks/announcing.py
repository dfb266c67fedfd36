"""The `webhooks` of the OpenAPI document: each event as a request that an endpoint gets."""

from typing import Any

from service.outbox.catalogue import EVENTS, schema_of, told

HEADERS = {
    "webhook-id": ("string", "The event's `id`: the same whenever it is sent again"),
    "webhook-timestamp": ("integer", "Of this attempt, in seconds since 1970"),
    "webhook-signature": (
        "string", "By Standard Webhooks: `v1,` and an HMAC; several, separated by spaces, while a secret is rotated"
    ),
}  # fmt: skip
ACKNOWLEDGED = {
    "2XX": {"description": "It is taken in"},
    "410": {"description": "There is no such endpoint any more: it is disabled"},
    "default": {"description": "It is sent again, later"},
}


def announced() -> dict[str, Any]:
    return {kind: {"post": _request(kind)} for kind in EVENTS}


def _request(kind: str) -> dict[str, Any]:
    return {
        "operationId": f"told_{kind.replace('.', '_')}",
        "tags": ["events"],
        "summary": kind,
        "description": told(kind),
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": told, "schema": {"type": type_}}
            for name, (type_, told) in HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(kind)}}},
        "responses": ACKNOWLEDGED,
    }
