"""What an identity provider says of itself: its endpoints and its keys, by OpenID Connect discovery.

Fetched at first need and kept. Keys that were rotated show by an unknown key id, which asks anew, but never more than
once in `PAUSE`: a flood of tokens with invented ids stays a flood of refusals. While the provider is away, what it said
last holds for `KEPT`.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import orjson
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from service.kit.clock import monotonic
from service.kit.errors import ServiceError
from service.kit.urls import LOOPBACK
from service.observability.metrics import IDENTITY_PROVIDER_LOOKS
from service.tenants.jwt import NotSigned

# Seconds.
FRESH = 300.0
KEPT = 86_400.0
PAUSE = 10.0
WITHIN = 5.0
BODY_LIMIT = 256 * 1024
SMALLEST_RSA = 2048
Checked = TypeVar("Checked")
log = structlog.get_logger()


class IdentityProviderUnavailable(ServiceError):
    """The identity provider does not answer, and who asks cannot be told without it."""

    status, code, title = 503, "identity_provider_unavailable", "Identity provider unavailable"

    def __init__(self) -> None:
        super().__init__(
            "The identity provider does not answer as it should. API keys work all the same; try again.",
            headers={"Retry-After": str(int(PAUSE))},
        )


class Unusable(Exception):
    """What the provider answered is not what the protocol asks for."""


@dataclass(frozen=True, slots=True)
class Said:
    """`endpoints`: the discovery document. `at`: by the monotonic clock."""

    endpoints: Mapping[str, Any]
    keys: KeySet
    at: float

    def endpoint(self, name: str) -> str:
        """Raises: Unusable where it names none, or one that secrets must not be sent to."""
        url = self.endpoints.get(name)
        if not isinstance(url, str) or not _safe(url):
            raise Unusable(f"{name} is not an https URL")
        return url

    def knows(self, kid: str | None) -> bool:
        """Whether a token with this key id could be verified; without one only where there is a single key."""
        return len(self.keys.keys) == 1 if kid is None else any(key.kid == kid for key in self.keys)


class IdentityProvider:
    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._said: Said | None = None
        self._look: asyncio.Task[None] | None = None
        self._next_look = 0.0
        self._reached = False

    async def said(self) -> Said:
        """What it says of itself. Raises: IdentityProviderUnavailable."""
        return await self._said_that(lambda said: True)

    async def checked(self, kid: str | None, check: Callable[[KeySet], Checked]) -> Checked:
        """What `check` makes of a token with its keys, asked for anew where none of them has this id; or, where the
        token names no id, where none of them fits.

        Raises: IdentityProviderUnavailable, also where it might have that key by now and cannot be asked; TokenRefused.
        """
        said = await self._said_that(lambda said: said.knows(kid))
        if not said.knows(kid) and not self._reached:
            raise IdentityProviderUnavailable
        try:
            return check(said.keys)
        except NotSigned:
            if kid is not None:
                raise
            newer = await self._said_that(lambda newer: newer is not said)
            if newer is said:
                raise
            return check(newer.keys)

    async def _said_that(self, enough: Callable[[Said], bool]) -> Said:
        said = self._usable
        if said is None or not enough(said):
            if (look := self._refresh()) is not None:
                await asyncio.shield(look)
            said = self._usable
        elif monotonic() - said.at > FRESH:
            self._refresh()
        if said is None:
            raise IdentityProviderUnavailable
        return said

    @property
    def _usable(self) -> Said | None:
        return self._said if self._said is not None and monotonic() - self._said.at < KEPT else None

    def _refresh(self) -> asyncio.Task[None] | None:
        """The look that is under way, or a new one; none so soon after the last."""
        if self._look is None or self._look.done():
            if monotonic() < self._next_look:
                return None
            self._next_look = monotonic() + PAUSE
            self._look = asyncio.create_task(self._ask())
        return self._look

    async def look(self) -> Said:
        """Ask it now, and keep nothing. Raises: httpx.HTTPError, TimeoutError; Unusable."""
        status, endpoints = await fetch("GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if status != 200 or endpoints.get("issuer") != self.issuer:
            raise Unusable(f"answers {status}" if status != 200 else "names another issuer than it was asked as")
        said = Said(endpoints, KeySet([]), monotonic())
        status, jwks = await fetch("GET", said.endpoint("jwks_uri"))
        if status != 200:
            raise Unusable(f"answers {status} when asked for its keys")
        return replace(said, keys=signing_keys(jwks))

    async def _ask(self) -> None:
        try:
            self._said = await self.look()
            self._reached = True
        except (httpx.HTTPError, TimeoutError, Unusable) as error:
            self._reached = False
            log.warning("identity provider unavailable", issuer=self.issuer, reason=str(error) or type(error).__name__)
        IDENTITY_PROVIDER_LOOKS.labels("good" if self._reached else "failed").inc()


def signing_keys(jwks: Mapping[str, Any]) -> KeySet:
    """The public keys of a JWK set that can verify a signature; others, and those that are too weak, are passed over.

    Raises: Unusable where none is left.
    """
    kinds: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    listed = jwks.get("keys")
    found: list[RSAKey | ECKey | OKPKey] = []
    for one in listed if isinstance(listed, list) else []:
        if (
            not isinstance(one, dict)
            or one.get("use", "sig") != "sig"
            or (kind := kinds.get(str(one.get("kty")))) is None
        ):
            continue
        try:
            key = kind.import_key(one)
            weak = isinstance(key, RSAKey) and key.public_key.key_size < SMALLEST_RSA
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if not weak:
            found.append(key)
    if not found:
        raise Unusable("has no key that could verify a signature")
    return KeySet(list(found))


@cache
def _authorities() -> ssl.SSLContext:
    """Read once: it takes long enough to hold up everybody else, where anybody may ask for it."""
    return ssl.create_default_context()


async def fetch(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: str | None = None,
) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of an answer. No redirect is followed, and only so much is read, for so long.

    Raises: httpx.HTTPError, TimeoutError; Unusable.
    """
    # Each connection for itself: there are few, and none is kept that a provider may have closed.
    client = httpx.AsyncClient(
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "numbergate"},
        follow_redirects=False,
        trust_env=False,
        timeout=WITHIN,
        verify=_authorities() if url.startswith("https:") else False,
    )
    body = bytearray()
    try:
        async with (
            asyncio.timeout(WITHIN),
            client,
            client.stream(method, url, headers=headers, content=content) as answer,
        ):
            async for piece in answer.aiter_raw():  # As it came: a few bytes may unpack to many.
                body += piece
                if len(body) > BODY_LIMIT:
                    raise Unusable(f"answers more than {BODY_LIMIT} bytes")
    except httpx.InvalidURL:
        raise Unusable("names an address that is none") from None
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        raise Unusable(f"answers {answer.status_code} without a JSON object")
    return answer.status_code, said


def _safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        somewhere = bool(parts.hostname) and parts.port != 0
        return somewhere and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))
    except ValueError:
        return False
