"""What must be true of every refusal, and of everything that was refused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.support.gateway import Gateway

PROBLEM = "application/problem+json"
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id", "success", "error", "message"}
UNTOUCHED = (
    "SELECT (SELECT count(*) FROM intents), (SELECT count(*) FROM idempotency_keys), (SELECT count(*) FROM steps), "
    "(SELECT count(*) FROM outbox), (SELECT coalesce(sum(used + reserved), 0) FROM quotas), "
    "(SELECT count(*) FROM audit WHERE action <> 'request.refused'), (SELECT count(*) FROM api_keys), "
    "(SELECT count(*) FROM tenants)"
)


def problem(answer: httpx.Response, status: int, code: str, *, about: str = "") -> dict[str, Any]:
    """The body of an answer, which must be a problem of that status and code, whole, in our shape and in Teli's."""
    assert answer.status_code == status, f"{about}: {answer.status_code} {answer.text[:300]}"
    assert answer.headers["content-type"] == PROBLEM, about
    body: dict[str, Any] = answer.json()
    assert body.keys() >= MEMBERS, about
    assert (body["code"], body["status"], body["type"]) == (code, status, f"urn:problem:{code}"), f"{about}: {body}"
    assert body["success"] is False, about
    assert body["error"], about
    assert body["message"], about
    if "idempotent-replayed" not in answer.headers:
        assert body["request_id"] == answer.headers["x-request-id"], about
    return body


def pointers(body: dict[str, Any]) -> set[str]:
    return {fault["pointer"] for fault in body["errors"]}


@asynccontextmanager
async def nothing_happens(gateway: Gateway) -> AsyncIterator[None]:
    """Whatever is done inside leaves nothing in the ledger, reserves nothing and sends nothing."""
    before = await gateway.sql(UNTOUCHED), await gateway.teli.counts(), len(await gateway.teli.requests())
    yield
    assert (await gateway.sql(UNTOUCHED), await gateway.teli.counts(), len(await gateway.teli.requests())) == before
