"""Activity over HTTP: numbers held, bought and given back, day by day."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from service.http.openapi import problems
from service.http.pages import Total
from service.http.routes import OwnRoute
from service.inventory.activity import Activity
from service.inventory.agent_endpoints import Organization
from service.tenants.auth import CREDENTIALS, NumbersRead
from service.tenants.endpoints import AUTH
from service.tenants.principals import NotYourOrganization

router = APIRouter(prefix="/v1/activity", tags=["numbers"], dependencies=CREDENTIALS, route_class=OwnRoute)
Days = Annotated[int, Query(ge=1, le=366)]


class DayOut(BaseModel):
    """A day in UTC. `held`: at its end, of today until now."""

    day: date
    bought: int
    released: int
    held: int


class ActivityOut(BaseModel):
    days: list[DayOut] = Field(description="The first first, today last")
    held: Total = Field(description="Now. Where it is not exact, neither is what was held before.")


async def activity_of(request: Request) -> Activity:
    found: Activity = request.app.state.services.activity
    return found


@router.get("", responses=problems(NotYourOrganization, *AUTH))
async def get_activity(
    caller: NumbersRead,
    activity: Annotated[Activity, Depends(activity_of)],
    organization_id: Organization = None,
    days: Days = 30,
) -> ActivityOut:
    """How many numbers were bought and given back on each of the last days, and how many were held."""
    return ActivityOut.model_validate(await activity.days(caller, organization_id=organization_id, days=days))
