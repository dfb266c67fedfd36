"""Sessions of people, over REST, as administrators see and end them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from service.http.openapi import problems
from service.http.pages import Cursor, Limit, Page
from service.http.routes import OwnRoute
from service.kit.errors import NotFound
from service.tenants.auth import CREDENTIALS, AdminReads
from service.tenants.endpoints import AUTH, AuthorDep, ListingsDep
from service.tenants.sessions import Sessions

router = APIRouter(prefix="/v1/admin/sessions", tags=["administration"], dependencies=CREDENTIALS, route_class=OwnRoute)


class ListedSession(BaseModel):
    """`last_used_at` follows within seconds."""

    id: UUID
    subject: str = Field(description="As the audit log names the person")
    roles: list[str] = Field(description="Of the person's groups, as they are configured now")
    began_at: datetime
    last_used_at: datetime
    expires_at: datetime = Field(description="At the latest: without a request it ends before")


class SessionPage(Page[ListedSession]):
    """Sessions in force, newest first."""


async def sessions_of(request: Request) -> Sessions:
    found: Sessions = request.app.state.services.sessions
    return found


SessionsDep = Annotated[Sessions, Depends(sessions_of)]


@router.get("", responses=problems(*AUTH))
async def list_sessions(_: AdminReads, listings: ListingsDep, limit: Limit = 100, cursor: Cursor = None) -> SessionPage:
    """Who is logged in, newest first. What a browser holds is not known here, and so not shown."""
    return SessionPage.model_validate(await listings.sessions(limit=limit, cursor=cursor))


@router.delete("/{session_id}", status_code=204, responses=problems(NotFound, *AUTH))
async def end_session(session_id: UUID, author: AuthorDep, sessions: SessionsDep) -> Response:
    """End a person's session: refused on every replica within a second. They may log in again."""
    await sessions.end_for(author, session_id)
    return Response(status_code=204)
