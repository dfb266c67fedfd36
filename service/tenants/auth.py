"""Authentication at the edge: a header becomes a principal; a scope becomes a type in a signature."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from service.http.context import header
from service.kit.errors import Fault, InvalidRequest
from service.tenants.keys import MissingKey
from service.tenants.principals import Principal, Principals

# Only for OpenAPI: the header itself is read below, for both spellings alike.
api_key_header = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="ApiKey")
bearer = HTTPBearer(auto_error=False, scheme_name="Bearer")


def key_of(request: Request) -> str:
    """The key of a request, from either header.

    Raises: MissingKey; InvalidRequest where the two differ.
    """
    plain = header(request.scope, b"x-api-key")
    authorization = header(request.scope, b"authorization")
    scheme, _, token = (authorization or "").partition(" ")
    borne = token.strip() if scheme.lower() == "bearer" else None
    if plain and borne and plain != borne:
        raise InvalidRequest(Fault("Authorization", "differs from X-API-Key; send one credential"))
    key = plain or borne
    if not key:
        raise MissingKey
    return key


async def authenticate(request: Request) -> Principal:
    """Who asks; found out once a request.

    Raises: MissingKey, InvalidKey, ExpiredKey, RevokedKey.
    """
    known: Principal | None = getattr(request.state, "principal", None)
    if known is not None:
        return known
    principals: Principals = request.app.state.services.principals
    principal = request.state.principal = await principals.of(key_of(request))
    structlog.contextvars.bind_contextvars(tenant=principal.tenant_id, key=str(principal.key_id))
    return principal


def holding(scope: str, *or_else: str) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency that lets a caller through who holds `scope`, or one of the others."""

    async def check(request: Request) -> Principal:
        principal = await authenticate(request)
        if not any(map(principal.may, or_else)):
            principal.need(scope)
        return principal

    return check


CREDENTIALS = [Security(api_key_header), Security(bearer)]

NumbersCreate = Annotated[Principal, Depends(holding("numbers:create"))]
NumbersRead = Annotated[Principal, Depends(holding("numbers:read"))]
NumbersRelease = Annotated[Principal, Depends(holding("numbers:release"))]
AgentsLink = Annotated[Principal, Depends(holding("agents:link"))]
AdminReads = Annotated[Principal, Depends(holding("admin:read"))]
Admin = Annotated[Principal, Depends(holding("admin:write"))]
Operator = Annotated[Principal, Depends(holding("operator:read"))]
KeysRead = Annotated[Principal, Depends(holding("operator:read", "admin:read"))]
MayStop = Annotated[Principal, Depends(holding("operator:write", "admin:write"))]
OperatorDecides = Annotated[Principal, Depends(holding("operator:write"))]
