"""Documented answers: every operation names each status it can give."""

from typing import Any

from service.http.problems import (
    MEDIA_TYPE,
    BodyTooLarge,
    HeadersTooLarge,
    InternalError,
    MethodNotAllowed,
    NotAcceptable,
    RequestTimeout,
    UnsupportedMediaType,
)
from service.kit.errors import InvalidRequest, ServiceError, StorageUnavailable

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457 problem details, with Teli's `error`, `message` and `success` in the same object.",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "success", "error", "message"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:problem:not_found"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people; may change."},
        "instance": {"type": "string", "examples": ["urn:request:0b1c"]},
        "code": {"type": "string", "description": "Stable, for machines.", "examples": ["not_found"]},
        "request_id": {"type": "string"},
        "success": {"const": False},
        "error": {"type": "string"},
        "message": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
EVERYWHERE: tuple[type[ServiceError], ...] = (
    InvalidRequest,
    MethodNotAllowed,
    NotAcceptable,
    RequestTimeout,
    BodyTooLarge,
    UnsupportedMediaType,
    HeadersTooLarge,
    InternalError,
    StorageUnavailable,
)


def problems(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation: those of every operation and the `errors` of this one, by status."""
    by_status: dict[int, list[type[ServiceError]]] = {}
    for error in (*errors, *EVERYWHERE):
        by_status.setdefault(error.status, []).append(error)
    return {
        status: {
            "description": "; ".join(f"`{error.code}`: {(error.__doc__ or error.title).split(chr(10))[0]}" for error in
                                     dict.fromkeys(kinds)),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, kinds in sorted(by_status.items())
    }
