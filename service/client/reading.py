"""What an HTTP answer says: a body, or why there is none."""

from typing import Any

import httpx

from service.client.errors import NoAnswer, NumbergateError, UnexpectedAnswer, refused

# Of these it is certain that no byte of the request left.
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def no_answer(broken: httpx.TransportError) -> NoAnswer:
    error = NoAnswer(
        f"the gateway does not answer: {str(broken) or type(broken).__name__}", sent=not isinstance(broken, UNSENT)
    )
    error.__cause__ = broken
    return error


def refusal(answer: httpx.Response) -> NumbergateError | None:
    """Why an answer that was read is none of success; None where it is one, and JSON."""
    request_id = answer.headers.get("X-Request-ID")
    if not answer.is_success:
        return refused(
            answer.status_code,
            _json(answer),
            request_id=request_id,
            retry_after=_seconds(answer.headers.get("Retry-After")),
            replayed=answer.headers.get("Idempotent-Replayed") == "true",
        )
    if answer.content and _json(answer) is None:
        return UnexpectedAnswer(
            f"the answer was {answer.status_code} and no JSON; is base_url that of a gateway?",
            body=answer.text,
            request_id=request_id,
        )
    return None


def decoded(answer: httpx.Response) -> Any:
    return answer.json() if answer.content else None


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _seconds(told: str | None) -> float | None:
    """The gateway counts seconds; a date, which a proxy may send, is as good as nothing."""
    return float(told) if told is not None and told.isascii() and told.isdigit() else None
