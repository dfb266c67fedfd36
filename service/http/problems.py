"""One shape for every refusal: RFC 9457 problem details, which a client written for Teli's errors reads too."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from service.http.context import request_id_of
from service.kit.errors import Fault, InvalidRequest, NotFound, ServiceError

MEDIA_TYPE = "application/problem+json"


class MethodNotAllowed(ServiceError):
    status, code, title = 405, "method_not_allowed", "Method not allowed"


class NotAcceptable(ServiceError):
    status, code, title = 406, "not_acceptable", "Not acceptable"


class RequestTimeout(ServiceError):
    status, code, title = 408, "request_timeout", "Request timeout"


class BodyTooLarge(ServiceError):
    status, code, title = 413, "body_too_large", "Body too large"


class UnsupportedMediaType(ServiceError):
    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class HeadersTooLarge(ServiceError):
    status, code, title = 431, "headers_too_large", "Headers too large"


class InternalError(ServiceError):
    """A bug of ours; the log has it, the caller gets the request id to quote."""

    def __init__(self) -> None:
        super().__init__("Something went wrong here. Quote the request id; a retry with the same Idempotency-Key is safe.")


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
        return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return str(path[0]) if path else str(where)


def faults_of(errors: list[Mapping[str, Any]]) -> list[Fault]:
    """The faults Pydantic found, in words that name the mend where its own do not."""
    faults = []
    for error in errors:
        if error["type"] == "json_invalid":
            faults.append(Fault("", f"is not valid JSON: {error.get('ctx', {}).get('error', 'unreadable')}"))
            continue
        message = {
            "missing": "is required",
            "extra_forbidden": "is not a field of this request; remove it",
            "string_type": "must be a string",
            "model_attributes_type": "must be a JSON object",
        }.get(error["type"], str(error["msg"]).removeprefix("Value error, "))
        faults.append(Fault(pointer_of(tuple(error["loc"])), message))
    return faults


def install(
    app: FastAPI, *, who: Callable[[Request], Awaitable[object]], own: Mapping[str, type[ServiceError]]
) -> None:
    """Render every error of the application here, and nowhere else.

    `who` establishes who asks: that is settled first, even where the body cannot be read. `own` are the problems that
    a single fault of that type is told as, by the type's name.
    """

    @app.exception_handler(ServiceError)
    async def foreseen(request: Request, error: ServiceError) -> Response:
        return problem_response(error, request_id_of(request.scope))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        try:
            await who(request)
        except ServiceError as unknown:
            return problem_response(unknown, request_id_of(request.scope))
        errors = list(error.errors())
        faults = faults_of(errors)
        problem: ServiceError = InvalidRequest(*faults)
        if len(errors) == 1 and (kind := own.get(errors[0]["type"])):
            context = {name: value for name, value in errors[0]["ctx"].items() if name != "detail"}
            problem = kind(faults[0].detail, errors=[faults[0].as_json()], **context)
        return problem_response(problem, request_id_of(request.scope))

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        problem: ServiceError
        if error.status_code == 404:
            problem = NotFound("There is no such path; see /docs.")
        elif error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "")
            problem = MethodNotAllowed(f"This path answers {allowed}.", headers={"Allow": allowed})
        else:
            problem = InvalidRequest(Fault("", "cannot be read as JSON"))
        return problem_response(problem, request_id_of(request.scope))

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        return problem_response(InternalError(), request_id_of(request.scope))
