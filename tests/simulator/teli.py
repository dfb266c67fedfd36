"""Teli's API as a test calls it: plain requests, nothing retried, no redirect followed."""

from types import TracebackType
from typing import Any, Self

import httpx

from .program import KEY

TENANT = "your_tenant"
ORGANIZATION = "1762896364768x389173798861431550"
USER = "1762896366429x599348279945132448"

NUMBERS = "/v1/voice/phone-numbers"


class TeliClient:
    """A client of one key. Answers are httpx responses, so that a test sees status, headers and bytes."""

    def __init__(self, url: str, key: str | None = KEY, *, timeout: float = 10) -> None:
        headers = {} if key is None else {"X-API-Key": key}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout, trust_env=False, verify=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(self, path: str, **query: Any) -> httpx.Response:
        """GET with a query; None leaves a field out."""
        return await self._http.get(
            path, params={name: value for name, value in query.items() if value is not None} or None
        )

    async def post(self, path: str, **body: Any) -> httpx.Response:
        """POST a JSON object."""
        return await self._http.post(path, json=body)

    async def patch(self, path: str, **body: Any) -> httpx.Response:
        """PATCH a JSON object."""
        return await self._http.patch(path, json=body)

    async def delete(self, path: str) -> httpx.Response:
        """DELETE without a body."""
        return await self._http.delete(path)

    async def create(self, area_code: str | None = "313", **fields: Any) -> httpx.Response:
        """Buy a number for the seeded user."""
        owner = {"user_id": USER, "organization_id": ORGANIZATION, "tenant_id": TENANT}
        return await self.post(f"{NUMBERS}/create", **{"area_code": area_code, **owner, **fields})

    async def buy(self, area_code: str = "313", **fields: Any) -> str:
        """Buy a number, and answer it."""
        answer = await self.create(area_code, **fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["phone_number"])

    async def list(
        self, user_id: str | None = USER, organization_id: str = ORGANIZATION, **query: Any
    ) -> httpx.Response:
        """List the numbers of the seeded user."""
        return await self.get(NUMBERS, user_id=user_id, organization_id=organization_id, **query)

    async def rows(self, **query: Any) -> Any:
        """The rows of that listing."""
        answer = await self.list(**query)
        assert answer.status_code == 200, answer.text
        return answer.json()["phone_numbers"]

    async def listed(self, **query: Any) -> set[str]:
        """The numbers of that listing."""
        return {row["phone_number"] for row in await self.rows(**query)}

    async def update(self, number: str, **fields: Any) -> httpx.Response:
        """Link agents or rename."""
        return await self.post(f"{NUMBERS}/{number}/update-agent", **fields)

    async def release(self, number: str) -> httpx.Response:
        """Release a number."""
        return await self.delete(f"{NUMBERS}/{number}")
