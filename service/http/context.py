"""What every request carries: an id, told back in each answer and bound into each log line."""

import re
from uuid import uuid4

from starlette.types import Scope

WELL_FORMED = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that name (lower case), or None."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def request_id_of(scope: Scope) -> str:
    """The caller's `X-Request-ID` where it is well formed, else one of ours; the same for the whole request."""
    state = scope.setdefault("state", {})
    if "request_id" not in state:
        given = header(scope, b"x-request-id")
        state["request_id"] = given if given and WELL_FORMED.fullmatch(given) else str(uuid4())
    found: str = state["request_id"]
    return found
