"""Errors that a caller can be told of: facts with a status, rendered in one place (`service.http.problems`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

MOST_FAULTS = 100


class ServiceError(Exception):
    """A foreseen refusal. `code` is stable and for machines; `detail` is for people and may change.

    Further keyword arguments become members of the problem body; `headers` go out with the answer.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. `pointer` is a JSON pointer (RFC 6901) into the body, or names a parameter or header."""

    pointer: str
    detail: str

    def as_json(self) -> dict[str, str]:
        return {"pointer": self.pointer, "detail": self.detail}


class InvalidRequest(ServiceError):
    """The request cannot be understood as it stands; all faults are named at once, a hundred at most."""

    status, code, title = 400, "invalid_request", "Invalid request"

    def __init__(self, *faults: Fault, detail: str | None = None) -> None:
        super().__init__(
            detail or "; ".join(f"{fault.pointer or 'body'}: {fault.detail}" for fault in faults[:3]),
            errors=[fault.as_json() for fault in faults[:MOST_FAULTS]],
        )


class NotFound(ServiceError):
    """There is no such thing for this caller: it does not exist, or it is somebody else's. Which is not told."""

    status, code, title = 404, "not_found", "Not found"

    def __init__(self, detail: str = "There is no such thing, or it is not yours.") -> None:
        super().__init__(detail)


class StateConflict(ServiceError):
    """What is meant is not in a state that allows this."""

    status, code, title = 409, "state_conflict", "State conflict"


class StorageUnavailable(ServiceError):
    """Postgres does not answer. Nothing was bought by this request."""

    status, code, title = 503, "storage_unavailable", "Storage unavailable"

    def __init__(self) -> None:
        super().__init__("The ledger does not answer. Nothing was bought; try again.", headers={"Retry-After": "2"})
