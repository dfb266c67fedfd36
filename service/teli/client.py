"""The one place that speaks to Teli: every call once, never repeated, never redirected by a library.

A create is sent on a connection that has been idle for two seconds at most, and its first byte only before a deadline
that is checked with the connection in hand: a purchase admitted long ago must not leave now.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urljoin, urlsplit

import httpx

from service.teli.heard import Heard

BODY_LIMIT = 1 << 20
# A listing of 20,000 rows is about 12 MB; it is bounded all the same.
LISTING_LIMIT = 64 << 20
IDLE_LIMIT = 2.0
PATH = "/v1/voice/phone-numbers"


class DeadlinePassed(Exception):
    """The moment to send has gone by; nothing left."""


@dataclass(frozen=True, slots=True)
class SendBy:
    """A deadline by both clocks, whichever is later on: one may stand still or jump while a process is frozen."""

    monotonic: float
    wall: float

    @classmethod
    def within(cls, seconds: float) -> Self:
        return cls(time.monotonic() + seconds, time.time() + seconds)

    def passed(self) -> bool:
        return time.monotonic() > self.monotonic or time.time() > self.wall


class TeliClient:
    """One account's upstream. `listen` is how long an answer is waited for, in seconds, connection included."""

    def __init__(
        self, base_url: str, key: str, *, listen: float, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.base_url = base_url
        self._key = key
        self._listen = listen
        self._http = httpx.AsyncClient(
            headers={"X-API-Key": key, "Accept": "application/json", "User-Agent": "numbergate"},
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(None, connect=5, pool=1),
            limits=httpx.Limits(max_connections=256, max_keepalive_connections=64, keepalive_expiry=IDLE_LIMIT),
            transport=transport,
            verify=ssl.create_default_context() if base_url.startswith("https:") else False,
        )
        self.calls = 0

    async def close(self) -> None:
        await self._http.aclose()

    def evidence(self, heard: Heard) -> dict[str, Any]:
        return heard.evidence(secret=self._key)

    async def create(self, body: Mapping[str, Any], *, send_by: SendBy) -> Heard:
        """Buy one number. Never raises for anything the network or Teli does; cancellation passes through."""
        ends = time.monotonic() + self._listen
        heard = await self._call("POST", f"{PATH}/create", json=body, send_by=send_by)
        if heard.kind == "answer" and heard.status == 303:
            return await self._follow(heard, until=ends)
        return heard

    async def _follow(self, redirect: Heard, *, until: float) -> Heard:
        """A 303 is followed once, by GET, to the same place only (a host that ends long calls answers so)."""
        here = f"{self.base_url}{PATH}/create"
        location = urljoin(here, redirect.headers.get("location", ""))
        asked, told = urlsplit(here), urlsplit(location)
        same = (asked.scheme, asked.netloc, asked.path) == (told.scheme, told.netloc, told.path)
        left = until - time.monotonic()
        if not same or not told.query or left <= 0:
            return redirect
        heard = await self._call("GET", f"{PATH}/create?{told.query}", listen=left)
        # The purchase was sent, so a look for its answer that was never sent is no proof of anything.
        if heard.kind == "never_sent":
            return Heard("broken", detail=f"303, then {heard.detail}")
        # What refuses the look does not refuse the purchase.
        if heard.kind == "answer" and heard.status in (303, 401, 403, 404, 410, 429):
            return Heard("broken", heard.status, heard.headers, heard.body, f"303, then {heard.status}")
        return heard

    async def list_numbers(self, organization: str, user: str, *, whole: bool, listen: float = 60) -> Heard:
        """The rows of one user, or with `whole` of its organisation."""
        params = {"organization_id": organization, "user_id": user, "is_admin": "true" if whole else "false"}
        return await self._call("GET", PATH, params=params, limit=LISTING_LIMIT, listen=listen)

    async def update_agent(self, phone_number: str, body: Mapping[str, Any]) -> Heard:
        return await self._call("POST", f"{PATH}/{quote(phone_number, safe='')}/update-agent", json=body, listen=30)

    async def release(self, phone_number: str) -> Heard:
        return await self._call("DELETE", f"{PATH}/{quote(phone_number, safe='')}", listen=60)

    async def organizations(self) -> Heard:
        return await self._call("GET", "/v1/organizations", limit=LISTING_LIMIT, listen=30)

    async def users(self, organization: str) -> Heard:
        path = f"/v1/organizations/{quote(organization, safe='')}/users"
        return await self._call("GET", path, limit=LISTING_LIMIT, listen=30)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        send_by: SendBy | None = None,
        limit: int = BODY_LIMIT,
        listen: float | None = None,
    ) -> Heard:
        left = False

        async def before_first_byte(name: str, info: Mapping[str, Any]) -> None:
            nonlocal left
            if name.endswith("send_request_headers.started"):
                if send_by is not None and send_by.passed():
                    raise DeadlinePassed
                left = True

        def failed(error: BaseException) -> Heard:
            words = f"{type(error).__name__}: {error}".rstrip(": ")[:500]
            return Heard("broken" if left else "never_sent", detail=words)

        self.calls += 1
        try:
            async with asyncio.timeout(self._listen if listen is None else listen):
                request = self._http.stream(
                    method, self.base_url + path, json=json, params=params, extensions={"trace": before_first_byte}
                )
                async with request as response:
                    body = bytearray()
                    async for chunk in response.aiter_bytes():
                        body += chunk
                        if len(body) > limit:
                            detail = f"the body is longer than {limit} bytes"
                            return Heard("broken", response.status_code, dict(response.headers), bytes(body), detail)
                    return Heard("answer", response.status_code, dict(response.headers), bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, DeadlinePassed, ValueError) as error:
            return failed(error)
