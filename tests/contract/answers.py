"""What a caller was told, in words that are the same on every run."""

from dataclasses import dataclass
from typing import Any, Self

import httpx


@dataclass(frozen=True, slots=True)
class Told:
    """One answer. `final`: its status and body, where it settles what became of the request of that `key`."""

    key: str
    words: str
    operation: str | None
    final: tuple[int, Any] | None

    @classmethod
    def of(cls, answer: httpx.Response, *, key: str = "") -> Self:
        body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        pending = answer.status_code == 202
        return cls(
            key=key,
            words=words(answer.status_code, body),
            operation=str(body["operation_id"]) if pending else None,
            final=None if pending else (answer.status_code, body),
        )

    @classmethod
    def of_operation(cls, operation: dict[str, Any], *, key: str) -> Self:
        """An operation that is over carries the answer that its request would have had."""
        body = operation["result"] or operation["problem"]
        return cls(key, f"operation {operation['state']}", None, (body.get("status", 200), body))


def words(status: int, body: dict[str, Any]) -> str:
    """Status, and the state or the code that a program would branch on."""
    if status >= 400:
        return f"{status} `{body.get('code', 'without a code')}`"
    if body.get("already_released"):
        return f"{status} already released"
    return f"{status} {body.get('state', '')}".strip()
