"""What one tenant does, as a careful client does it: with a key, and again until it knows."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from tests.chaos.stage import Stage
from tests.support.gateway import CREATE, NUMBERS, Tenant

QUOTA = 4
PATIENCE = 90.0
AGAIN = 0.1
# A refusal with one of these codes is for now; any other is the key's answer.
FOR_NOW = ("storage_unavailable", "lane_busy", "draining", "idempotency_key_in_progress")


@dataclass
class Workload:
    """`heard`: every answer a key was given, in order: status and body."""

    stage: Stage
    tenant: Tenant
    heard: dict[str, list[tuple[int, bytes]]] = field(default_factory=lambda: defaultdict(list))
    stranger: str = ""

    async def run(self) -> None:
        """Purchases at once, then one renamed, two given back."""
        # So that both forms of their ids are to be learned.
        await self.stage.sql("UPDATE users SET upstream_uuid = NULL")
        armed = await self._arm()
        try:
            async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
                user, lost, nobody = self.stage.user, self.stage.lost, self.stage.nobody
                group.create_task(self.buy("lost", lost))
                group.create_task(self.buy("nothing", nobody))
                group.create_task(self.buy("foreign", user, organization="another"))
                group.create_task(
                    self._use([self.buy(key, user) for key in ("first", "first", "second", "third", "fourth")])
                )
        finally:
            for fault in armed:
                await self.stage.teli.disarm(fault)

    async def ask_again(self) -> None:
        """Every key once more, as a client does who lost its notes."""
        for key in list(self.heard):
            if key != "foreign":
                await self.buy(key, self._user_of(key), times=1)

    async def buy(
        self, key: str, user: str, *, organization: str | None = None, times: int | None = None
    ) -> dict[str, Any] | None:
        """Ask until the outcome is known; the body of a 200."""
        while times is None or times > 0:
            times = times and times - 1
            body = {"area_code": "313", "user_id": user, "nickname": key}
            body["organization_id"] = organization or self.stage.organization
            answer = await self._send("POST", CREATE, json=body, headers={"Idempotency-Key": key, "Prefer": "wait=1"})
            if answer is None:
                continue
            self.heard[key].append((answer.status_code, answer.content))
            said = answer.json()
            if answer.status_code == 200:
                return dict(said)
            if answer.status_code != 202 and said["code"] not in FOR_NOW:
                return None
            await asyncio.sleep(AGAIN)
        return None

    async def _arm(self) -> list[str]:
        teli = self.stage.teli
        return [
            await teli.arm("reset", step="answering", match={"user_id": self.stage.lost}),
            await teli.arm("reset", step="received", match={"user_id": self.stage.nobody}),
        ]

    async def _use(self, purchases: list[Any]) -> None:
        bought = {body["phone_number"]: body for body in await asyncio.gather(*purchases) if body}
        numbers = list(bought)
        async with asyncio.TaskGroup() as group:
            if numbers:
                group.create_task(self._rename_and_release(numbers[0]))
            for number in numbers[1:2]:
                group.create_task(self._release_at_the_second_try(number))
        self.stranger = await self.stage.stranger()
        await self.buy("stranger", self.stranger)

    async def _rename_and_release(self, number: str) -> None:
        await self._until_told("POST", f"{NUMBERS}/{number}/update-agent", json={"nickname": "renamed"})
        await self.stage.teli.arm("server_error", operation="update_agent", status=422, match={"phone_number": number})
        await self._until_told("POST", f"{NUMBERS}/{number}/update-agent", json={"nickname": "refused"})
        await self._until_told("DELETE", f"{NUMBERS}/{number}")

    async def _release_at_the_second_try(self, number: str) -> None:
        """First Teli's voice provider fails, so that the worker looks and tries again."""
        await self.stage.teli.arm("voice_provider_fails", match={"phone_number": number})
        await self._until_told("DELETE", f"{NUMBERS}/{number}")

    async def _until_told(self, method: str, path: str, **kwargs: Any) -> None:
        while (answer := await self._send(method, path, **kwargs)) is None or answer.status_code == 503:
            await asyncio.sleep(AGAIN)

    async def _send(self, method: str, path: str, **kwargs: Any) -> httpx.Response | None:
        """None where the line broke."""
        with suppress(httpx.HTTPError):
            answer = await self.tenant.send(method, path, **kwargs)
            assert answer.status_code != 500, answer.text
            return answer
        await asyncio.sleep(AGAIN)
        return None

    def _user_of(self, key: str) -> str:
        users = {"lost": self.stage.lost, "nothing": self.stage.nobody, "stranger": self.stranger}
        return users.get(key, self.stage.user)


def final(heard: list[tuple[int, bytes]]) -> set[bytes]:
    """The bodies of the 200s."""
    return {body for status, body in heard if status == 200}


def operations(heard: list[tuple[int, bytes]]) -> set[str]:
    return {orjson.loads(body)["operation_id"] for status, body in heard if status in (200, 202)}
