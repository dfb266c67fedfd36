"""A whole stack as `numbergate up` starts it, as those see it who call it."""

import json
from typing import Any

import httpx


class Stack:
    """`ready`: what `up --json` printed. The keys of its demo, as clients."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.ready = ready
        self.base_url: str = ready["base_url"]

    def _client(self, key: str) -> httpx.Client:
        return httpx.Client(base_url=self.base_url, headers={"X-API-Key": self.ready[key]}, timeout=60)

    @property
    def tenant(self) -> httpx.Client:
        return self._client("tenant_key")

    @property
    def admin(self) -> httpx.Client:
        return self._client("admin_key")

    @property
    def finance(self) -> httpx.Client:
        return self._client("finance_key")

    @property
    def operator(self) -> httpx.Client:
        return self._client("operator_key")

    def buys(self, area_code: str = "313", **fields: Any) -> dict[str, Any]:
        """A number of the demo's tenant."""
        body = {
            "area_code": area_code, "user_id": self.ready["user_id"],
            "organization_id": self.ready["organization_id"], **fields,
        }  # fmt: skip
        answer = self.tenant.post("/v1/voice/phone-numbers/create", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def teli(self, path: str, **body: Any) -> dict[str, Any]:
        """Tell the simulator something, by its control interface."""
        answer = httpx.post(f"{self.ready['teli_control_url']}/{path}", json=body, timeout=30)
        assert answer.status_code < 300, answer.text
        found: dict[str, Any] = json.loads(answer.text or "{}")
        return found
