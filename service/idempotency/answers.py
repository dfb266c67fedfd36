"""An answer as it was first given, kept to be given again byte for byte."""

import hmac
from dataclasses import dataclass
from typing import Any, Self

import orjson

from service.kit.crypto import Secret


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    def as_json(self) -> dict[str, Any]:
        return {"status": self.status, "headers": self.headers, "body": self.body}

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        return cls(status=stored["status"], headers=stored["headers"], body=stored["body"])


def seal(secret: Secret, tenant: str, key: str, fingerprint: bytes, answer: Answer) -> bytes:
    """The form kept in Redis: with a MAC over all of it, its tenant and its key, for Redis is only half trusted."""
    payload = orjson.dumps({"fingerprint": fingerprint.hex(), "answer": answer.as_json()})
    return secret.keyed_hash("stored answer", tenant, key, payload) + payload


def unseal(secret: Secret, tenant: str, key: str, stored: bytes) -> tuple[bytes, Answer] | None:
    """The fingerprint and the answer, or None where the MAC is not ours: then Postgres is asked."""
    mac, payload = stored[:32], stored[32:]
    if not hmac.compare_digest(mac, secret.keyed_hash("stored answer", tenant, key, payload)):
        return None
    content = orjson.loads(payload)
    return bytes.fromhex(content["fingerprint"]), Answer.of(content["answer"])
