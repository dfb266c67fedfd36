"""One shape for every refusal: RFC 9457 problem details, which a client written for Teli's errors reads too."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from service.http.context import request_id_of
from service.http.paths import methods_of
from service.kit.errors import Fault, InvalidRequest, NotFound, ServiceError
from service.kit.text import shown

MEDIA_TYPE = "application/problem+json"


class MethodNotAllowed(ServiceError):
    """The path exists and does not answer this method; `Allow` names those it does."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"


class NotAcceptable(ServiceError):
    """`Accept` asks for something that this path does not answer."""

    status, code, title = 406, "not_acceptable", "Not acceptable"


class RequestTimeout(ServiceError):
    """The request did not arrive in time; nothing was done."""

    status, code, title = 408, "request_timeout", "Request timeout"


class BodyTooLarge(ServiceError):
    """The body is larger than any request needs; it was not read to its end."""

    status, code, title = 413, "body_too_large", "Body too large"


class UnsupportedMediaType(ServiceError):
    """The body is not sent as `application/json` in UTF-8, or a spreadsheet not as `text/csv`."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class HeadersTooLarge(ServiceError):
    """Path, query and headers together are larger than any request needs."""

    status, code, title = 431, "headers_too_large", "Headers too large"


class InternalError(ServiceError):
    """A bug of ours; the log has it, the caller gets the request id to quote."""

    status, code, title = 500, "internal_error", "Internal error"

    def __init__(self) -> None:
        super().__init__(
            "Something went wrong here. Quote the request id; a retry with the same Idempotency-Key is safe."
        )


def problem_body(error: ServiceError, request_id: str) -> bytes:
    """The body of a problem; nothing in it but what the error says of itself and the request id."""
    return orjson.dumps(
        {
            "type": f"urn:problem:{error.code}",
            "title": error.title,
            "status": error.status,
            "detail": error.detail,
            "instance": f"urn:request:{request_id}",
            "code": error.code,
            "request_id": request_id,
            "success": False,
            "error": error.title,
            "message": error.detail,
            **error.members,
        }
    )


def problem_response(error: ServiceError, request_id: str) -> Response:
    return Response(
        problem_body(error, request_id), status_code=error.status, media_type=MEDIA_TYPE, headers=error.headers
    )


def pointer_of(location: tuple[int | str, ...]) -> str:
    """A JSON pointer for a fault in a body; for a query, path or header parameter, its name."""
    where, *path = location
    if where == "body":
        return "".join("/" + shown(str(part)).replace("~", "~0").replace("/", "~1") for part in path)
    return shown(str(path[0])) if path else str(where)


# What Pydantic found, in words that name the mend; what is not here says it well itself, for it is ours.
IN_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request; remove it",
    "string_type": "must be a string",
    "string_unicode": "is not valid Unicode: a surrogate without its other half",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_short": "must be {min_length} characters or more",
    "string_too_long": "must be {max_length} characters or fewer",
    "too_short": "must hold {min_length} or more",
    "too_long": "must hold {max_length} or fewer",
    "literal_error": "must be {expected}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number, and a smaller one",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "decimal_type": "must be a number, as 2.99",
    "decimal_parsing": "must be a number, as 2.99",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "multiple_of": "must be a multiple of {multiple_of}",
    "list_type": "must be a list",
    "dict_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "uuid_type": "must be a UUID, as 0190f3a2-7c1e-7d44-9b0a-3f6c2d8e1a55",
    "uuid_parsing": "must be a UUID, as 0190f3a2-7c1e-7d44-9b0a-3f6c2d8e1a55",
    "timezone_aware": "must say its time zone, as 2026-01-31T12:00:00Z",
} | dict.fromkeys(
    ("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid"),
    "must be a time by RFC 3339, as 2026-01-31T12:00:00Z",
) | dict.fromkeys(
    ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
    "must be a date, as 2026-01-31",
)  # fmt: skip


OF_TEXT = {"too_short": "string_too_short", "too_long": "string_too_long"}


def in_words(error: Mapping[str, Any]) -> str:
    """What is wrong, without the name of the member."""
    kind = error["type"]
    if isinstance(error.get("input"), str):
        # Where something else looks at a text first, Pydantic measures it as it does a list.
        kind = OF_TEXT.get(kind, kind)
        if kind == "string_too_short" and error["ctx"]["min_length"] == 1:
            return "must not be empty"
    if (words := IN_WORDS.get(kind)) is not None:
        return words.format(**{name: _whole(value) for name, value in error.get("ctx", {}).items()})
    return str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")


def _whole(value: Any) -> Any:
    """A bound as people write it: 0 and not 0.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def faults_of(errors: list[Mapping[str, Any]]) -> list[Fault]:
    """The faults Pydantic found, all of them."""
    faults = []
    for error in errors:
        if error["type"] == "json_invalid":
            faults.append(Fault("", f"is not valid JSON: {error.get('ctx', {}).get('error', 'unreadable')}"))
            continue
        faults.append(Fault(pointer_of(tuple(error["loc"])), in_words(error)))
    return faults


Told = Callable[[Request, ServiceError], Awaitable[Response]]


def install(
    app: FastAPI,
    *,
    who: Callable[[Request], Awaitable[object]],
    own: Mapping[str, type[ServiceError]],
    refused: Callable[[Request, ServiceError], Awaitable[None]],
    page: Callable[[Request, ServiceError], Response | None],
) -> Told:
    """Render every error of the application here, and nowhere else; gives what does so.

    `who` establishes who asks: a stranger is told that, and nothing of what is wrong with the request. `own` are the
    problems that a single fault of that type is told as, by the type's name. `refused` hears of each before it is told.
    `page` tells some to people, in place of the problem.
    """

    async def told(request: Request, problem: ServiceError) -> Response:
        if problem.status in (400, 415) and not getattr(request.scope.get("route"), "public", False):
            try:
                await who(request)
            except ServiceError as stranger:
                problem = stranger
        await refused(request, problem)
        return page(request, problem) or problem_response(problem, request_id_of(request.scope))

    @app.exception_handler(ServiceError)
    async def foreseen(request: Request, error: ServiceError) -> Response:
        return await told(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        errors = list(error.errors())
        # FastAPI reads as JSON only what says that it is.
        if isinstance(error.body, bytes) and error.body and any(one["loc"][0] == "body" for one in errors):
            return await told(request, UnsupportedMediaType("Send the body as application/json."))
        faults = faults_of(errors)
        problem: ServiceError = InvalidRequest(*faults)
        if len(errors) == 1 and (kind := own.get(errors[0]["type"])):
            context = {name: value for name, value in errors[0]["ctx"].items() if name != "detail"}
            problem = kind(faults[0].detail, errors=[faults[0].as_json()], **context)
        return await told(request, problem)

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return await told(request, NotFound("There is no such path; see /docs."))
        if error.status_code == 405:
            allowed = ", ".join(methods_of(app, request.scope))
            return await told(request, MethodNotAllowed(f"This path answers {allowed}.", headers={"Allow": allowed}))
        # FastAPI wraps whatever reading the body raised.
        cause = error.__cause__
        unread = cause if isinstance(cause, ServiceError) else InvalidRequest(Fault("", "cannot be read as JSON"))
        return await told(request, unread)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        return problem_response(InternalError(), request_id_of(request.scope))

    return told
