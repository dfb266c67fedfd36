"""Agents over HTTP: which are linked, and to how many numbers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AfterValidator, BaseModel

from service.http.openapi import problems
from service.http.pages import Cursor, Limit, Page
from service.http.routes import OwnRoute
from service.inventory.agents import AgentList
from service.kit.text import plain
from service.tenants.auth import CREDENTIALS, NumbersRead
from service.tenants.endpoints import AUTH
from service.tenants.principals import NotYourOrganization

router = APIRouter(prefix="/v1/agents", tags=["numbers"], dependencies=CREDENTIALS, route_class=OwnRoute)
Organization = Annotated[
    str | None, AfterValidator(lambda text: text and plain(text)), Query(min_length=1, max_length=128)
]


class Links(BaseModel):
    """Numbers: for how many it is wanted, and for how many Teli confirmed it."""

    desired: int
    confirmed: int


class AgentOut(BaseModel):
    """An agent, by the id that it was linked by: another id of the same agent at Teli is another item."""

    agent_id: str
    numbers: int
    inbound: Links
    outbound: Links


class AgentPage(Page[AgentOut]):
    """Agents, by id. A `total` that is not exact may count some that are left to released numbers alone."""


async def agents_of(request: Request) -> AgentList:
    found: AgentList = request.app.state.services.agents
    return found


AgentsDep = Annotated[AgentList, Depends(agents_of)]


@router.get("", responses=problems(NotYourOrganization, *AUTH))
async def list_agents(
    caller: NumbersRead,
    agents: AgentsDep,
    organization_id: Organization = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> AgentPage:
    """Every agent that is linked to a number which the caller may see, and to how many, by direction.

    Released numbers do not count. The numbers of one agent are those of the inventory, with `agent_id`.
    """
    found = await agents.page(caller, organization_id=organization_id, limit=limit, cursor=cursor)
    return AgentPage.model_validate(found)
