"""What was heard of one call to Teli, before anybody says what it means."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import orjson

from service.kit.clock import utc_now

EVIDENCE_LIMIT = 65_536


@dataclass(frozen=True, slots=True)
class Heard:
    """`answer`: a whole HTTP answer. `never_sent`: provably no byte left. `broken`: anything else.

    `detail` says in words how it broke. `body` is cut at a limit; a body cut is a call broken.
    """

    kind: Literal["answer", "never_sent", "broken"]
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    detail: str | None = None
    at: datetime = field(default_factory=utc_now)

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

    def evidence(self, *, secret: str) -> dict[str, Any]:
        """For the ledger: readable, to a limit, with the upstream key taken out wherever it was echoed."""
        text = self.body[:EVIDENCE_LIMIT].decode(errors="replace").replace("\x00", "\ufffd")
        return {
            "at": self.at.isoformat(),
            "kind": self.kind,
            "status": self.status,
            "headers": {name: value.replace(secret, "…")[:1000] for name, value in list(self.headers.items())[:50]},
            "body": text.replace(secret, "…") if self.status is not None else None,
            "detail": self.detail.replace(secret, "…") if self.detail else None,
        }
