"""Authentication at the edge: a header or a session becomes a principal; a scope becomes a type in a signature."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol, TypeVar

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from service.db import CALLER
from service.http.addresses import client_address
from service.kit.errors import Fault, InvalidRequest, ServiceError
from service.kit.networks import Address
from service.tenants.jwt import looks_like_token
from service.tenants.keys import MissingKey, Unauthenticated
from service.tenants.people import NoRole, People
from service.tenants.principals import NetworkNotAllowed, Principal, Principals
from service.tenants.same_site import check_same_site
from service.tenants.tokens import AccessTokens
from service.tenants.uses import KeyUses

# Only for OpenAPI: the header itself is read below, for both spellings alike.
api_key_header = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="ApiKey")
bearer = HTTPBearer(auto_error=False, scheme_name="Bearer")


Found = TypeVar("Found")


class Failures(Protocol):
    """Counts them."""

    async def check(self, address: Address | None) -> None:
        """Raises: RateLimited where there were too many from this address."""

    async def refusal(self, address: Address | None, error: ServiceError) -> ServiceError:
        """What a request is answered whose credential was refused with `error`."""


def key_of(request: Request) -> str | None:
    """The key of a request, from either header.

    Raises: InvalidRequest where one comes twice, where the two differ, and for a credential of another scheme beside a
        key or a session.
    """
    plain, authorization = (_only(request, name) for name in ("x-api-key", "authorization"))
    scheme, _, token = (authorization or "").partition(" ")
    borne = token.strip() if scheme.lower() == "bearer" else None
    if plain and borne and plain != borne:
        raise InvalidRequest(Fault("Authorization", "differs from X-API-Key; send one credential"))
    if authorization and borne is None and (plain or session_of(request)):
        raise InvalidRequest(Fault("Authorization", "is a second credential, of another scheme; send one"))
    return plain or borne or None


def session_of(request: Request) -> str | None:
    """The session of a request, where people can log in. Raises: InvalidRequest for two."""
    people: People | None = request.app.state.services.people
    if people is None:
        return None
    pairs = [pair.strip() for text in request.headers.getlist("cookie") for pair in text.split(";")]
    found = [value for name, _, value in (pair.partition("=") for pair in pairs) if name == people.session_cookie]
    if len(found) > 1:
        raise InvalidRequest(Fault("Cookie", "carries two sessions; send one"))
    return found[0] if found and found[0] else None


def _only(request: Request, name: str) -> str | None:
    """A proxy before us may have read the other one of two. Raises: InvalidRequest."""
    given = request.headers.getlist(name)
    if len(given) > 1:
        raise InvalidRequest(Fault(name, "is given twice; which is meant?"))
    return given[0] if given else None


def address_of(request: Request) -> Address | None:
    """Where a request comes from; None where that cannot be told."""
    found: Address | None = client_address(request.scope, request.app.state.services.trusted_proxies)
    return found


async def authenticate(request: Request) -> Principal:
    """Who asks; found out once a request.

    A credential that is refused counts against the address that it comes from.
    Raises: MissingKey, InvalidKey, ExpiredKey, RevokedKey, NetworkNotAllowed, or in place of the last four what
        `Failures` says; InvalidRequest as `key_of`; CrossSiteRequest; IdentityProviderUnavailable.
    """
    known: Principal | None = getattr(request.state, "principal", None)
    if known is not None:
        return known
    principal = request.state.principal = await _who(request)
    CALLER.set(principal.caller)
    named = {"key": str(principal.key_id)} if principal.subject is None else {"subject": principal.subject}
    structlog.contextvars.bind_contextvars(tenant=principal.tenant_id, **named)
    return principal


async def _who(request: Request) -> Principal:
    key, session, address = key_of(request), session_of(request), address_of(request)
    if session is not None and key is not None:
        raise InvalidRequest(Fault("Cookie", "carries a session beside a key; send one credential"))
    if session is not None:
        found = _person(request, session)
    elif key is not None:
        found = _bearer(request, key, address)
    else:
        raise MissingKey
    return await counting_failures(request, found)


async def counting_failures(request: Request, attempt: Awaitable[Found]) -> Found:
    """What an attempt to tell who asks comes to. One that fails counts against the address that it comes from."""
    try:
        return await attempt
    except (Unauthenticated, NetworkNotAllowed, NoRole) as error:
        raise await failures_of(request).refusal(address_of(request), error) from None


def failures_of(request: Request) -> Failures:
    found: Failures = request.app.state.services.strangers
    return found


async def _bearer(request: Request, key: str, address: Address | None) -> Principal:
    principals: Principals = request.app.state.services.principals
    tokens: AccessTokens | None = request.app.state.services.tokens
    uses: KeyUses = request.app.state.services.key_uses
    if tokens is not None and looks_like_token(key) and "x-api-key" not in request.headers:
        return await tokens.of(key)
    principal = request.state.known = await principals.of(key)
    principal.check_network(address)
    if principal.key_id is not None:
        uses.note(principal.key_id, address)
    return principal


async def _person(request: Request, session: str) -> Principal:
    people: People = request.app.state.services.people
    principal = request.state.known = await people.of(session)
    check_same_site(request.method, request.headers, origin=people.origin, token=people.csrf_token(session))
    return principal


def holding(scope: str, *or_else: str) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency that lets a caller through who holds `scope`, or one of the others."""

    async def check(request: Request) -> Principal:
        principal = await authenticate(request)
        if not any(map(principal.may, or_else)):
            principal.need(scope)
        return principal

    return check


Again = Callable[[], Awaitable[Principal]]


def again_holding(scope: str, *or_else: str) -> Callable[[Request], Awaitable[Again]]:
    """A dependency of who waits long: authenticates the caller anew, as it is by now, as `holding` did first."""
    check = holding(scope, *or_else)

    async def dependency(request: Request) -> Again:
        async def again() -> Principal:
            request.state.principal = None
            return await check(request)

        return again

    return dependency


CREDENTIALS = [Security(api_key_header), Security(bearer)]

NumbersCreate = Annotated[Principal, Depends(holding("numbers:create"))]
NumbersRead = Annotated[Principal, Depends(holding("numbers:read"))]
NumbersRelease = Annotated[Principal, Depends(holding("numbers:release"))]
AgentsLink = Annotated[Principal, Depends(holding("agents:link"))]
CampaignsRead = Annotated[Principal, Depends(holding("campaigns:read"))]
CampaignsWrite = Annotated[Principal, Depends(holding("campaigns:write"))]
CallsRead = Annotated[Principal, Depends(holding("calls:read"))]
EventsRead = Annotated[Principal, Depends(holding("events:read"))]
AdminReads = Annotated[Principal, Depends(holding("admin:read"))]
Admin = Annotated[Principal, Depends(holding("admin:write"))]
Operator = Annotated[Principal, Depends(holding("operator:read"))]
KeysRead = Annotated[Principal, Depends(holding("operator:read", "admin:read"))]
StopsRead = Annotated[Principal, Depends(holding("admin:read", "operator:read", "operator:write", "admin:write"))]
MayStop = Annotated[Principal, Depends(holding("operator:write", "admin:write"))]
OperatorDecides = Annotated[Principal, Depends(holding("operator:write"))]
