"""The database's own functions, called as a gateway would: one purchase step at a time."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson

from service.idempotency.keys import fingerprint
from service.kit.types import new_id
from tests.support.gateway import ORGANIZATION, USER

Json = dict[str, Any]


async def connect(url: str, role: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(url, server_settings={"role": role})
    await connection.set_type_codec("jsonb", encoder=dumps, decoder=orjson.loads, schema="pg_catalog")
    return connection


def said(text: str) -> str:
    """The body of an answer that `Send.settle` stores."""
    return dumps({"said": text})


def dumps(value: object) -> str:
    return orjson.dumps(value).decode()


@dataclass
class Send:
    """What one sender knows. `lease` in seconds; below nothing it has lapsed when it begins."""

    tenant: str
    account: str
    key: str | None = None
    user: str = USER
    lease: float = 60
    replica: UUID = field(default_factory=uuid4)
    id: UUID = field(default_factory=new_id)

    async def admit(self, api: asyncpg.Connection) -> Json:
        ask = {
            "tenant_id": self.tenant, "account_id": self.account, "intent_id": str(self.id),
            "organization_id": ORGANIZATION, "user_id": self.user, "area_code": "313", "wish": {"nickname": None},
            "key": self.key, "fingerprint": fingerprint({}).hex(), "mark": "[TTTTTHHHHHHHH] ", "request_id": "r",
            "replica": str(self.replica), "lease_seconds": self.lease, "wait_seconds": 20,
        }  # fmt: skip
        return dict(await api.fetchval("SELECT admit($1)", ask))

    async def settle(
        self,
        api: asyncpg.Connection,
        verdict: str,
        number: str | None = None,
        *,
        of_type: str | None = None,
        heard: str | None = None,
    ) -> Json:
        """`verdict`: owned, refused or doubtful. `heard`: the body that said so."""
        ask: Json = {
            "tenant_id": self.tenant, "intent_id": str(self.id), "request_id": "r", "actor": "test",
            "verdict": verdict, "reason": "answer",
            "evidence": {"at": "2026-05-04T10:11:12Z", "kind": "answer", "status": 200, "headers": {},
                         "body": heard or number or verdict, "detail": None},
        }  # fmt: skip
        if verdict == "owned":
            assert number is not None
            ask["number"] = {
                "id": str(new_id()), "phone_number": number, "pretty": number, "area_code": number[2:5],
                "type": of_type,
            }  # fmt: skip
        if verdict != "doubtful":
            ask["answer"] = {
                "status": 200 if verdict == "owned" else 409,
                "headers": {},
                "body": said(number or verdict),
            }
        return dict(await api.fetchval("SELECT settle($1)", ask))
