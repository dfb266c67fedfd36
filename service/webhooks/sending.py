"""Sending an event to an endpoint, signed by Standard Webhooks: once, to the address that was checked, nowhere else."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

import httpx
import orjson
from standardwebhooks import Webhook

from service import __version__
from service.kit.clock import utc_now
from service.webhooks.circuit import Outcome
from service.webhooks.errors import TargetRefused
from service.webhooks.targets import Target, Targets

CONNECTED_WITHIN = 5.0
ANSWERED_WITHIN = 15.0
# Of an answer nothing counts but its status; what is read of it is read so that the connection can be used again.
MOST_READ = 64 << 10
AT_ONCE = 8
MOST_SAID = 200


class Line:
    """Connections to one endpoint, for one turn; its secrets as they sign, the newest first."""

    def __init__(self, client: httpx.AsyncClient, target: Target, secrets: Sequence[str]) -> None:
        self._client = client
        self._signers = [Webhook(secret) for secret in secrets]
        url = httpx.URL(target.url)
        self._url = url.copy_with(host=str(target.address))
        self._host = target.host
        self._extensions = {"sni_hostname": target.hostname} if url.scheme == "https" else {}

    async def send(self, event: dict[str, Any]) -> Outcome:
        """Never raises for anything that the network or the endpoint does."""
        at, began = utc_now(), time.perf_counter()
        body = orjson.dumps(event).decode()
        status, error, retry_after = None, None, None
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                answer = await self._post(body, self._headers(event["id"], at, body))
            status, retry_after = answer.status_code, _seconds(answer.headers.get("retry-after"))
            error = None if answer.is_success else _words(status)
        except TimeoutError:
            error = f"no answer within {ANSWERED_WITHIN:g} seconds"
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ssl.SSLError, OSError) as failure:
            error = broken(failure)
        return Outcome(at, time.perf_counter() - began, status, error, retry_after)

    def _headers(self, event_id: str, at: datetime, body: str) -> dict[str, str]:
        return {
            "Host": self._host,
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signer.sign(event_id, at, body) for signer in self._signers),
        }

    async def _post(self, body: str, headers: dict[str, str]) -> httpx.Response:
        request = self._client.build_request(
            "POST", self._url, content=body, headers=headers, extensions=self._extensions
        )
        answer = await self._client.send(request, stream=True)
        try:
            read = 0
            async for piece in answer.aiter_raw():
                read += len(piece)
                if read > MOST_READ:
                    break
        finally:
            await answer.aclose()
        return answer


class Sender:
    def __init__(self, targets: Targets) -> None:
        self.targets = targets

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context()  # Reads every certificate of the system: not before one is needed.

    @asynccontextmanager
    async def line(self, url: str, secrets: Sequence[str]) -> AsyncIterator[Line]:
        """Raises: TargetRefused."""
        target = await self.targets.find(url)
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        transport = httpx.AsyncHTTPTransport(verify=self._trusted, limits=limits, trust_env=False)
        async with httpx.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(ANSWERED_WITHIN, connect=CONNECTED_WITHIN),
            headers={"User-Agent": f"numbergate/{__version__}", "Accept-Encoding": "identity"},
        ) as client:
            yield Line(client, target, secrets)

    async def send(self, url: str, secrets: Sequence[str], event: dict[str, Any]) -> Outcome:
        """One event, with connections for it alone."""
        try:
            async with self.line(url, secrets) as line:
                return await line.send(event)
        except TargetRefused as refusal:
            return refused(refusal)


def refused(refusal: TargetRefused, seconds: float = 0.0) -> Outcome:
    """`seconds`: that it took until this was known, for a name may hang."""
    return Outcome(utc_now(), seconds, None, f"the URL {refusal}")


def broken(failure: BaseException) -> str:
    """How it broke, in the words of whoever looks after the endpoint."""
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not good: {cause.verify_message}"[:MOST_SAID]
        if isinstance(cause, ssl.SSLError):
            return f"no TLS could be agreed on: {cause.reason or 'it broke off'}"[:MOST_SAID]
        cause = cause.__cause__ or cause.__context__
    match failure:
        case httpx.ConnectTimeout():
            return f"no connection within {CONNECTED_WITHIN:g} seconds"
        case httpx.TimeoutException():
            return f"no answer within {ANSWERED_WITHIN:g} seconds"
        case httpx.ConnectError():
            return "no connection: it was refused, or nothing is there"
        case httpx.RemoteProtocolError():
            return f"no whole answer by HTTP came: {failure}"[:MOST_SAID]
    return "the connection broke before there was an answer"


def _words(status: int) -> str:
    return f"answered {status}{', and is not followed elsewhere' if 300 <= status < 400 else ''}"


def _seconds(text: str | None) -> float | None:
    """Of `Retry-After`, where it counts seconds."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 9 else None
