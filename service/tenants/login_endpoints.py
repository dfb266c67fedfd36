"""The door for people: to the identity provider, back with a session, out again. And who one is, for everybody."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from service.http.context import request_id_of
from service.http.openapi import problems
from service.http.routes import OwnRoute, PublicRoute
from service.kit.errors import NotFound, ServiceError
from service.tenants.auth import CREDENTIALS, address_of, authenticate, counting_failures, failures_of, session_of
from service.tenants.identity_provider import IdentityProviderUnavailable
from service.tenants.keys import ExpiredKey, InvalidKey, MissingKey, RevokedKey
from service.tenants.people import PATIENCE, People
from service.tenants.principals import Principal, ScopeMissing
from service.tenants.same_site import CrossSiteRequest

# Browsers read "//host" and "/\host" as another host, and drop what they cannot show.
LOCAL_PATH = r"^/([!-.0-\[\]-~][!-\[\]-~]*)?$"
# Not part of the API: a browser is led through these.
router = APIRouter(prefix="/console", include_in_schema=False, route_class=PublicRoute)
me_router = APIRouter(prefix="/v1", tags=["callers"], dependencies=CREDENTIALS, route_class=OwnRoute)


async def people(request: Request) -> People:
    """Raises: NotFound where no identity provider is named."""
    found: People | None = request.app.state.services.people
    if found is None:
        raise NotFound("People cannot log in here: no identity provider is configured. API keys work.")
    return found


PeopleDep = Annotated[People, Depends(people)]
Caller = Annotated[Principal, Depends(authenticate)]


class MeOut(BaseModel):
    """`subject`: as the audit log names it. `sees`: organisations seen whole, across tenants; `*` is all of them.
    `user_ids` and `networks`: what the key is limited to beside; null is no limit.
    """

    kind: str = Field(description="service, admin, finance, operator or person")
    subject: str
    roles: list[str]
    tenant_id: str | None
    organization_ids: list[str] = Field(description="Those that the tenant may buy for, within the key's limits")
    user_ids: list[str] | None
    networks: list[str] | None
    sees: list[str]
    scopes: list[str]
    expires_at: datetime | None
    csrf_token: str | None = Field(description="Of a session, for `X-CSRF-Token` on whatever changes something")


@me_router.get(
    "/me",
    responses=problems(
        MissingKey, InvalidKey, ExpiredKey, RevokedKey, ScopeMissing, CrossSiteRequest, IdentityProviderUnavailable
    ),
)
async def me(request: Request, caller: Caller) -> MeOut:
    """Who is asking, by key, access token or session, and what they may do."""
    session = session_of(request)
    return MeOut(
        kind=caller.kind,
        subject=caller.actor,
        roles=list(caller.roles),
        tenant_id=caller.tenant_id,
        organization_ids=list(caller.organization_ids),
        user_ids=None if caller.bounds.users is None else list(caller.bounds.users),
        networks=None if caller.networks is None else list(map(str, caller.networks)),
        sees=list(caller.sees),
        scopes=sorted(caller.scopes),
        expires_at=caller.expires_at,
        csrf_token=None if session is None else (await people(request)).csrf_token(session),
    )


@router.get("/login")
async def login(
    people: PeopleDep, return_to: Annotated[str, Query(max_length=512, pattern=LOCAL_PATH)] = "/console"
) -> Response:
    """To the identity provider; it leads back to the callback, and that to `return_to`, a path of ours."""
    url, sealed = await people.start(return_to)
    answer = RedirectResponse(url, status_code=303)
    _set(answer, people, people.login_cookie, sealed, PATIENCE)
    return answer


@router.get("/callback")
async def callback(request: Request, people: PeopleDep) -> Response:
    """Back from the identity provider: a session begins."""
    await failures_of(request).check(address_of(request))
    try:
        session, return_to = await counting_failures(
            request,
            people.finish(
                request.cookies.get(people.login_cookie), request.query_params, request_id=request_id_of(request.scope)
            ),
        )
    except ServiceError as refusal:
        spent = Response()
        _set(spent, people, people.login_cookie, "", 0)
        refusal.headers |= {"Set-Cookie": spent.headers["set-cookie"]}
        raise
    answer = RedirectResponse(return_to, status_code=303)
    _set(answer, people, people.login_cookie, "", 0)
    _set(answer, people, people.session_cookie, session, people.lifetime)
    return answer


@router.post("/logout", status_code=204)
async def logout(request: Request, people: PeopleDep) -> Response:
    """End the session, everywhere; again: nothing. A logout at the identity provider is a matter of its own."""
    session = session_of(request)
    if session is not None:
        try:
            caller = await authenticate(request)
        except ExpiredKey:
            pass
        else:
            await people.end(session, caller, request_id=request_id_of(request.scope))
    answer = Response(status_code=204)
    _set(answer, people, people.session_cookie, "", 0)
    return answer


def _set(answer: Response, people: People, name: str, value: str, seconds: int) -> None:
    """A cookie for this host alone that no script reads; with no time left it is taken away."""
    answer.set_cookie(
        name,
        value,
        max_age=seconds,
        expires=seconds,  # The same for those who do not know the other.
        path="/",
        secure=people.secure,
        httponly=True,
        samesite="lax",
    )
