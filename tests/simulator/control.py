"""The control interface of the simulator, as methods."""

import asyncio
from types import TracebackType
from typing import Any, Self

import httpx

Json = dict[str, Any]


class ControlRefused(Exception):
    """The simulator did not understand a command; the text says what is wrong, `known` what it would understand."""

    def __init__(self, body: Json) -> None:
        super().__init__(body["error"])
        self.known: list[str] = body.get("known", [])


class SimulatorControl:
    """Arms faults, turns switches, reads the truths. `control_url` is the one printed when the simulator is ready."""

    def __init__(self, control_url: str) -> None:
        # Without TLS there are no certificates to load, which would take longer than most tests.
        self._http = httpx.AsyncClient(base_url=control_url, timeout=30, trust_env=False, verify=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def arm(
        self,
        fault: str,
        times: int | None = None,
        *,
        probability: float | None = None,
        seed: int | None = None,
        match: Json | None = None,
        **params: Any,
    ) -> str:
        """Arm a fault, for one shot unless told otherwise, without end where a probability is given; answers its id."""
        terms = {"times": times, "probability": probability, "seed": seed, "match": match or {}}
        return str((await self._send("POST", "/faults", {"fault": fault, "params": params, **terms}))["id"])

    async def armed(self, fault_id: str) -> Json:
        """An armed fault: how often it `struck`, and whether it is `spent`."""
        return await self._send("GET", f"/faults/{fault_id}")

    async def disarm(self, fault_id: str | None = None) -> None:
        """Take one fault away, or all."""
        await self._send("DELETE", f"/faults/{fault_id}" if fault_id else "/faults")

    async def catalogue(self) -> list[Json]:
        """Every fault there is: `name`, `rows`, `operations`, `params` with their defaults, `summary`."""
        return list((await self._send("GET", "/faults/catalogue"))["faults"])

    async def hold(self, step: str, operation: str = "create", times: int = 1, *, match: Json | None = None) -> str:
        """Let the next requests stand still at a step; answers the id of the fault."""
        return await self.arm("hold", times, match=match, step=step, operation=operation)

    async def holds(self) -> list[Json]:
        """The requests that are held: `request_id`, `operation`, `step`."""
        return list((await self._send("GET", "/holds"))["holds"])

    async def until_held(self, requests: int = 1, *, within: float = 10) -> list[Json]:
        """Wait until so many requests are held. Raises TimeoutError after `within` seconds."""
        async with asyncio.timeout(within):
            while len(held := await self.holds()) < requests:
                await asyncio.sleep(0.01)
        return held

    async def release_holds(self, request_id: int | None = None) -> int:
        """Let one held request go on, or all; answers how many."""
        return int((await self._send("POST", "/holds/release", {"request_id": request_id}))["released"])

    async def truth(self) -> Json:
        """`carrier`, `provider`, `record`, `billing` and the dial log `dialled`, each in full."""
        return await self._send("GET", "/truth")

    async def purchases(self) -> list[Json]:
        """Every purchase ever made, oldest first."""
        return list((await self.truth())["carrier"]["purchases"])

    async def counts(self) -> dict[str, int]:
        """`bought` ever, `held`, `recorded`, `billed`, and how many `creates` came in."""
        return await self._send("GET", "/counts")

    async def requests(self, operation: str | None = None) -> list[Json]:
        """The request log, oldest first."""
        query = f"?operation={operation}" if operation else ""
        return list((await self._send("GET", f"/requests{query}"))["requests"])

    async def forget_requests(self) -> None:
        """Empty the request log; the counts stay."""
        await self._send("DELETE", "/requests")

    async def switch(self, **switches: Any) -> Json:
        """Turn switches; answers all of them."""
        return await self._send("PUT", "/switches", switches)

    async def switches(self) -> Json:
        """All switches."""
        return await self._send("GET", "/switches")

    async def advance(self, seconds: float) -> None:
        """Let virtual time jump ahead."""
        await self._send("POST", "/clock", {"advance_seconds": seconds})

    async def stock(self, area_code: str, remaining: int | None) -> None:
        """Say how many fresh numbers an area code has left; None is no limit."""
        await self._send("POST", "/stock", {"area_code": area_code, "remaining": remaining})

    async def tenant(self, tenant_id: str, key: str, status: str = "active") -> None:
        """Give a tenant a key, or make one `revoked` or `forbidden`."""
        await self._send("POST", "/tenants", {"tenant_id": tenant_id, "key": key, "status": status})

    async def organization(self, tenant_id: str, **fields: str) -> Json:
        """Add an organisation."""
        return await self._send("POST", "/organizations", {"tenant_id": tenant_id, **fields})

    async def user(self, organization_id: str, **fields: str) -> Json:
        """Add a user of an organisation."""
        return await self._send("POST", "/users", {"organization_id": organization_id, **fields})

    async def agent(self, tenant_id: str, **fields: str) -> Json:
        """Add a voice agent; answers all of its ids."""
        return await self._send("POST", "/agents", {"tenant_id": tenant_id, **fields})

    async def call(self, organization_id: str, from_number: str, to_number: str, **fields: Any) -> str:
        """Let a call have taken place; answers its id."""
        body = {"organization_id": organization_id, "from_number": from_number, "to_number": to_number, **fields}
        return str((await self._send("POST", "/calls", body))["call_id"])

    async def dashboard_buy(
        self,
        area_code: str,
        organization_id: str,
        user_id: str | None = None,
        nickname: str | None = None,
        count: int = 1,
    ) -> list[str]:
        """A person buys numbers in Teli's dashboard; answers them."""
        body = {"area_code": area_code, "organization_id": organization_id, "user_id": user_id, "nickname": nickname}
        return list((await self._send("POST", "/dashboard/buy", {**body, "count": count}))["phone_numbers"])

    async def dashboard_release(self, phone_number: str) -> None:
        """A person releases a number in Teli's dashboard."""
        await self._send("POST", "/dashboard/release", {"phone_number": phone_number})

    async def dashboard_rename(self, phone_number: str, nickname: str | None) -> None:
        """A person changes a nickname in Teli's dashboard."""
        await self._send("POST", "/dashboard/rename", {"phone_number": phone_number, "nickname": nickname})

    async def dashboard_link(self, phone_number: str, **agents: str | None) -> None:
        """A person links agents in Teli's dashboard, or takes them off."""
        await self._send("POST", "/dashboard/link", {"phone_number": phone_number, **agents})

    async def dashboard_move(self, phone_number: str, user_id: str) -> None:
        """A person gives a number to another user in Teli's dashboard."""
        await self._send("POST", "/dashboard/move", {"phone_number": phone_number, "user_id": user_id})

    async def dashboard_record(self, phone_number: str) -> None:
        """Teli writes down, late, a number that was bought and not recorded."""
        await self._send("POST", "/dashboard/record", {"phone_number": phone_number})

    async def offline(self) -> None:
        """Refuse connections to Teli's API."""
        await self._send("POST", "/offline")

    async def online(self) -> None:
        """Accept them again, on the same port."""
        await self._send("POST", "/online")

    async def reset(self) -> None:
        """Back to the seeded state: no faults, no numbers, all switches as at the start."""
        await self._send("POST", "/reset")

    async def _send(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = await self._http.request(method, path, json=body)
        if answer.status_code == 400:
            raise ControlRefused(answer.json())
        answer.raise_for_status()
        told: Json = answer.json()
        return told
