"""The OpenAPI document: every operation names each status it can give, and shows what to send and what comes back."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from service.http import told
from service.http.examples import EXAMPLES, FURTHER, PARAMETERS
from service.http.limits import DESCRIBED
from service.http.links import link
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
# Told before it is known who asks.
BEFORE_LIMITS = ("401", "405", "406", "408", "413", "431")
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
            "description": "; ".join(
                f"`{error.code}`: {(error.__doc__ or error.title).split(chr(10))[0]}" for error in dict.fromkeys(kinds)
            ),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, kinds in sorted(by_status.items())
    }


def describe(app: FastAPI, *, webhooks: Callable[[], dict[str, Any]]) -> None:
    """Complete the document that FastAPI makes: one shape of a problem, ours; examples; no answers we never give; and
    what we ask of others.
    """
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(made())
            app.openapi_schema = {**made(), "webhooks": webhooks()}
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for frameworks in ("HTTPValidationError", "ValidationError"):
        schemas.pop(frameworks, None)
    for name, schema in schemas.items():
        if name in EXAMPLES:
            schema["examples"] = [EXAMPLES[name], *FURTHER.get(name, ())]
    schemas["Problem"] = PROBLEM_SCHEMA
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        if "HTTPValidationError" in str(operation["responses"].get("422")):
            del operation["responses"]["422"]
        # `create_number` is "Create number", and no "Create Number".
        operation["summary"] = operation["operationId"].replace("_", " ").capitalize()
        link(operation)
        for status, answer in operation["responses"].items():
            if answer["description"] == "Successful Response":
                answer["description"] = told.ANSWERS[status]
        if "429" in operation["responses"]:
            _limited(operation["responses"])
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "header":
                parameter["name"] = "-".join(word.capitalize() for word in parameter["name"].split("-"))
            if not parameter.get("description") and parameter["name"] in told.PARAMETERS:
                parameter["description"] = told.PARAMETERS[parameter["name"]]
            if parameter["name"] == "Idempotency-Key":
                _replayed(operation["responses"])
            if parameter["required"] and parameter["name"] in PARAMETERS:
                parameter["schema"]["examples"] = [PARAMETERS[parameter["name"]]]


def _limited(responses: dict[str, Any]) -> None:
    for answer in (answer for status, answer in responses.items() if status not in BEFORE_LIMITS):
        answer.setdefault("headers", {}).update(
            {name: {"description": what, "schema": {"type": "string"}} for name, what in DESCRIBED.items()}
        )
    wait = {"description": "Seconds to wait, where waiting helps", "schema": {"type": "integer"}}
    responses["429"]["headers"]["Retry-After"] = wait


def _replayed(responses: dict[str, Any]) -> None:
    for status in {"200", "201"} & responses.keys():
        replayed = {"description": "`true` where this was answered before", "schema": {"type": "string"}}
        responses[status].setdefault("headers", {})["Idempotent-Replayed"] = replayed
