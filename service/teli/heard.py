"""What was heard of one call to Teli, before anybody says what it means."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

import orjson

from service.kit.clock import utc_now

EVIDENCE_LIMIT = 65_536
DETAIL_LIMIT = 500
HEADERS_LIMIT = 50
HEADER_LIMIT = 1000
BLANK = "…"

Kind = Literal["answer", "never_sent", "broken"]


@dataclass(frozen=True, slots=True)
class Heard:
    """`answer`: a whole HTTP answer. `never_sent`: provably no byte left. `broken`: anything else.

    `detail` says in words how it broke; of an answer that broke off, `status`, `headers` and `body` are what had come.
    """

    kind: Kind
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    detail: str | None = None
    at: datetime = field(default_factory=utc_now)

    @classmethod
    def without(
        cls, secret: str, kind: Kind, status: int | None, headers: dict[str, str], body: bytes, detail: str | None
    ) -> Self:
        """What was heard, with the upstream key taken out wherever it was echoed."""
        return cls(
            kind,
            status,
            {name: value.replace(secret, BLANK) for name, value in headers.items()},
            body.replace(secret.encode(), BLANK.encode()),
            detail.replace(secret, BLANK) if detail else None,
        )

    def json(self) -> Any:
        """The body as JSON, or None where it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    def object(self) -> dict[str, Any]:
        """The body where it is a JSON object, else an empty one."""
        body = self.json()
        return body if isinstance(body, dict) else {}

    def evidence(self) -> dict[str, Any]:
        """For the ledger: readable, to a limit, and nothing in it that Postgres cannot hold."""
        headers = list(self.headers.items())[:HEADERS_LIMIT]
        return {
            "at": self.at.isoformat(),
            "kind": self.kind,
            "status": self.status,
            "headers": {storable(name, HEADER_LIMIT): storable(value, HEADER_LIMIT) for name, value in headers},
            "body": storable(self.body[:EVIDENCE_LIMIT].decode(errors="replace"), EVIDENCE_LIMIT)
            if self.status is not None
            else None,
            "detail": storable(self.detail, DETAIL_LIMIT) if self.detail else None,
        }


def storable(text: str, limit: int) -> str:
    """The text to a length, with U+FFFD or a question mark for what Postgres cannot hold."""
    return text[:limit].replace("\x00", "\ufffd").encode(errors="replace").decode()
