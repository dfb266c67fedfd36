"""The one place that speaks to Teli: every call once, never repeated, never redirected by a library.

A create has a connection to itself, opened for it and closed after it: on one used before, what is left over of an
earlier answer would be read as this one's, and a server that closes at the moment of reuse would leave a doubt. Its
first byte leaves only before a deadline that is checked with the connection in hand: a purchase admitted long ago must
not leave now.
"""

import asyncio
import re
import ssl
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal, Protocol, Self
from urllib.parse import SplitResult, quote, urljoin, urlsplit
from uuid import UUID

import httpx

from service.kit.clock import monotonic, wall
from service.kit.spans import onward, span
from service.kit.urls import DEFAULT_PORTS
from service.teli.heard import Heard, Kind
from service.teli.wire import OneShot

BODY_LIMIT = 1 << 20
# A listing of 20,000 rows is about 12 MB; it is bounded all the same.
LISTING_LIMIT = 64 << 20
IDLE_LIMIT = 2.0
PATH = "/v1/voice/phone-numbers"
# What follows the name of a collection, save the one verb that does.
ABOUT = re.compile(
    r"(?<=/phone-numbers/)(?!create$)[^/]+|(?<=/campaigns/)[^/]+|(?<=/calls/)[^/]+|(?<=/organizations/)[^/]+"
)
CAMPAIGNS, CALLS, ORGANIZATIONS = "/v1/voice/campaigns", "/v1/voice/calls", "/v1/organizations"


class DeadlinePassed(Exception):
    """The moment to send has gone by; nothing left."""


class Unreadable(Exception):
    """The body is too long, or packed in a way we did not ask for."""


@dataclass(frozen=True, slots=True)
class SendBy:
    """A deadline by both clocks, whichever is later on: one may stand still or jump while a process is frozen."""

    monotonic: float
    wall: float

    @classmethod
    def within(cls, seconds: float) -> Self:
        return cls(monotonic() + seconds, wall() + seconds)

    def and_by(self, moment: datetime) -> Self:
        """Not after `moment` either, as this machine's clock tells it."""
        at = moment.timestamp()
        return type(self)(min(self.monotonic, monotonic() + at - wall()), min(self.wall, at))

    def passed(self) -> bool:
        return monotonic() > self.monotonic or wall() > self.wall


class TeliClient:
    """One account's upstream. `listen` is how long an answer is waited for, in seconds, connection included.

    `name`: the account's, for whoever operates. `under_way`: calls that have not ended yet. `key_refused`: whether Teli
    refused the key when it last said anything of it; None before that.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        listen: float,
        name: str = "default",
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.base_url = base_url
        self.name = name
        self.under_way = 0
        self.key_refused: bool | None = None
        self._key = key
        self._listen = listen
        verify = ssl.create_default_context() if base_url.startswith("https:") else None

        def client(by: httpx.AsyncBaseTransport, **headers: str) -> httpx.AsyncClient:
            return httpx.AsyncClient(
                headers={
                    "X-API-Key": key,
                    "Accept": "application/json",
                    "Accept-Encoding": "gzip",
                    "User-Agent": "numbergate",
                    **headers,
                },
                follow_redirects=False,
                trust_env=False,
                timeout=httpx.Timeout(None, connect=5, pool=1),
                transport=transport or by,
            )

        self._buying = client(OneShot(verify, most=256), Connection="close")
        limits = httpx.Limits(max_connections=64, keepalive_expiry=IDLE_LIMIT)
        self._asking = client(httpx.AsyncHTTPTransport(verify=verify or False, limits=limits, trust_env=False))
        self.calls = 0

    async def close(self) -> None:
        await self._buying.aclose()
        await self._asking.aclose()

    async def create(self, body: Mapping[str, Any], *, send_by: SendBy) -> Heard:
        """Buy one number. Never raises for anything the network or Teli does; cancellation passes through."""
        ends = monotonic() + self._listen
        with self._calling():
            heard = await self._call("POST", f"{PATH}/create", json=body, send_by=send_by)
            if heard.kind == "answer" and heard.status == 303:
                return await self._follow(heard, until=ends)
            return heard

    async def _follow(self, redirect: Heard, *, until: float) -> Heard:
        """A 303 is followed once, by GET, to the same place only (a host that ends long calls answers so)."""
        location = redirect.headers.get("location", "")
        query = same_place(f"{self.base_url}{PATH}/create", location)
        left = until - monotonic()
        if not query or left <= 0:
            return redirect
        heard = await self._call("GET", f"{PATH}/create?{query}", listen=left)
        told = f"303 to {location[:200]}, then {heard.detail or heard.status}"
        # What refuses or breaks the look, or was never sent of it, says nothing of the purchase, which was sent.
        about_the_look = heard.status is not None and 300 <= heard.status < 500
        kind: Kind = "broken" if heard.kind != "answer" or about_the_look else "answer"
        return replace(heard, kind=kind, detail=told)

    async def list_numbers(self, organization: str, user: str, *, whole: bool, listen: float = 60) -> Heard:
        """The rows of one user, or with `whole` of its organisation."""
        params = {"organization_id": organization, "user_id": user, "is_admin": "true" if whole else "false"}
        return await self._call("GET", PATH, params=params, limit=LISTING_LIMIT, listen=listen)

    async def update_agent(self, phone_number: str, body: Mapping[str, Any], *, send_by: SendBy) -> Heard:
        path = f"{PATH}/{quote(phone_number, safe='')}/update-agent"
        return await self._call("POST", path, json=body, send_by=send_by, listen=30)

    async def release(self, phone_number: str, *, send_by: SendBy) -> Heard:
        path = f"{PATH}/{quote(phone_number, safe='')}"
        return await self._call("DELETE", path, send_by=send_by, listen=60)

    async def create_campaign(self, body: Mapping[str, Any], *, send_by: SendBy) -> Heard:
        """Create a campaign, which dials. As `create`, but no redirect is followed: its id is looked up instead."""
        return await self._call("POST", CAMPAIGNS, json=body, send_by=send_by)

    async def campaigns(self, organization: str, tenant: str) -> Heard:
        """All campaigns of an organisation."""
        params = {"organization_id": organization, "tenant_id": tenant, "is_admin": "true"}
        return await self._call("GET", CAMPAIGNS, params=params, limit=LISTING_LIMIT, listen=30)

    async def campaign(self, campaign_id: str) -> Heard:
        return await self._call("GET", f"{CAMPAIGNS}/{quote(campaign_id, safe='')}", listen=30)

    async def move_campaign(self, campaign_id: str, verb: Literal["pause", "end"], *, send_by: SendBy) -> Heard:
        """Harmless to repeat."""
        path = f"{CAMPAIGNS}/{quote(campaign_id, safe='')}/{verb}"
        return await self._call("POST", path, send_by=send_by, listen=30)

    async def list_calls(self, organization: str, query: Mapping[str, str]) -> Heard:
        """Calls of an organisation, newest first; `query` as Teli names its parameters."""
        return await self._call("GET", CALLS, params={"organization_id": organization, **query}, listen=30)

    async def call(self, call_id: str) -> Heard:
        return await self._call("GET", f"{CALLS}/{quote(call_id, safe='')}", listen=30)

    async def organizations(self) -> Heard:
        return await self._call("GET", ORGANIZATIONS, limit=LISTING_LIMIT, listen=30)

    async def users(self, organization: str) -> Heard:
        path = f"{ORGANIZATIONS}/{quote(organization, safe='')}/users"
        return await self._call("GET", path, limit=LISTING_LIMIT, listen=30)

    async def agents(self) -> Heard:
        return await self._call("GET", "/v1/agents", limit=LISTING_LIMIT, listen=30)

    async def purchases(self, organization: str, *, start: date, end: date) -> Heard:
        """Analytics by user; both days are included."""
        params = {"organization_id": organization, "start_date": start.isoformat(), "end_date": end.isoformat()}
        return await self._call("GET", "/v1/analytics/users", params=params, listen=30)

    def _hear_of_the_key(self, path: str, status: int) -> None:
        """A 403 may be about what was asked, save where every key may ask."""
        if status == 401 or (status == 403 and path == ORGANIZATIONS):
            self.key_refused = True
        elif 200 <= status < 300:
            self.key_refused = False

    @contextmanager
    def _calling(self) -> Iterator[None]:
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

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
        headers_failed = False
        status: int | None = None
        headers: dict[str, str] = {}
        body = bytearray()

        async def before_first_byte(name: str, info: Mapping[str, Any]) -> None:
            nonlocal left, headers_failed
            if name.endswith("send_request_headers.started"):
                if send_by is not None and send_by.passed():
                    raise DeadlinePassed
                left = True
            elif name.endswith("send_request_headers.failed"):
                headers_failed = True

        def heard(kind: Kind, detail: str | None = None) -> Heard:
            return Heard.without(self._key, kind, status, headers, bytes(body), detail)

        self.calls += 1
        http = self._asking if send_by is None else self._buying
        facts = {"http.request.method": method, "url.template": template(path), "numbergate.account": self.name}
        try:
            with self._calling(), span(f"Teli {method}", "client", facts) as asked:
                async with asyncio.timeout(self._listen if listen is None else listen):
                    request = http.stream(
                        method,
                        self.base_url + path,
                        json=json,
                        params=params,
                        headers=onward(),
                        extensions={"trace": before_first_byte},
                    )
                    async with request as response:
                        status, headers = response.status_code, dict(response.headers)
                        asked.tell({"http.response.status_code": status}, failed=status >= 400)
                        async for piece in unpacked(response, limit):
                            body += piece
                        self._hear_of_the_key(path, status)
                        return heard("answer")
        except Exception as error:  # Whatever it was: the bytes left or they did not, and nothing else counts.
            if headers_failed and isinstance(error, httpx.LocalProtocolError):
                left = False  # Our own headers were refused while they were put together, before any was written.
            return heard("broken" if left else "never_sent", f"{type(error).__name__}: {error}".rstrip(": "))


class Upstreams(Protocol):
    """The client of each account: what is known of a number by one account is asked and told there, nowhere else."""

    async def of(self, account_id: UUID) -> TeliClient:
        """To be called at once: it may be replaced, and closed once nothing is under way.

        Raises: UpstreamUnavailable where the account is out of service; StorageUnavailable.
        """


async def unpacked(response: httpx.Response, limit: int) -> AsyncIterator[bytes]:
    """The body, never more of it in memory than `limit`, however small it was packed.

    Raises: Unreadable.
    """
    packing = response.headers.get("content-encoding", "identity").lower()
    if packing not in ("identity", "gzip"):
        raise Unreadable(f"the body is packed as {packing[:50]}")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if packing == "gzip" else None
    length = 0
    async for chunk in response.aiter_raw():
        piece = chunk if unpack is None else unpack.decompress(chunk, limit + 1 - length)
        length += len(piece)
        if length > limit:
            raise Unreadable(f"the body is longer than {limit} bytes")
        yield piece
    if unpack is not None and not unpack.eof:
        raise Unreadable("the packed body is cut")


def template(path: str) -> str:
    """A path of Teli's without what it is about: numbers, ids and queries stand in no trace."""
    return ABOUT.sub("{id}", path.partition("?")[0])


def same_place(here: str, location: str) -> str | None:
    """The query of a `Location`, where scheme, host, port and path are those of `here`; None where they are not."""
    try:
        told = urlsplit(urljoin(here, location))
        same = _place(told) == _place(urlsplit(here)) and told.username is None
    except ValueError:
        return None
    return told.query if same else None


def _place(url: SplitResult) -> tuple[str, str | None, int | None, str]:
    return url.scheme, url.hostname, url.port or DEFAULT_PORTS.get(url.scheme), url.path
