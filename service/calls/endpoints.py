"""Teli's paths of calls, and the idle numbers."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AfterValidator

from service.calls.idleness import Idle, Idleness
from service.calls.passing import Calls
from service.calls.reading import CallReading
from service.calls.schemas import CallList, CallOut, IdlePage
from service.http.openapi import problems
from service.http.pages import Cursor, Limit
from service.http.params import Warnings
from service.http.routes import OwnRoute, TeliRoute
from service.kit.errors import Fault, InvalidRequest, NotFound
from service.kit.text import plain
from service.numbers.endpoints import ORGANIZATION, warned
from service.teli.calls import MOST_ROWS
from service.teli.errors import UpstreamUnavailable
from service.tenants.auth import CREDENTIALS, CallsRead, NumbersRead
from service.tenants.endpoints import AUTH
from service.tenants.principals import NotYourOrganization, NotYourUser

router = APIRouter(prefix="/v1/voice/calls", tags=["calls"], dependencies=CREDENTIALS, route_class=TeliRoute)
idle_router = APIRouter(prefix="/v1/idle-numbers", tags=["numbers"], dependencies=CREDENTIALS, route_class=OwnRoute)
MOST_DAYS = 3650


@dataclass(frozen=True, slots=True)
class CallServices:
    calls: Calls
    idleness: Idleness
    reading: CallReading


async def call_services(request: Request) -> CallServices:
    found: CallServices = request.app.state.services.calls
    return found


def _path_segment(text: str) -> str:
    if "/" in text or text in (".", ".."):
        raise ValueError("must not contain a slash, nor be . or ..")
    return plain(text)


def _moment(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time by ISO 8601, as 2026-12-01T09:00:00Z") from None
    return text


def _in_utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


ServicesDep = Annotated[CallServices, Depends(call_services)]
Text = Annotated[str, AfterValidator(plain), Query(min_length=1, max_length=128)]
IsoMoment = Annotated[str, AfterValidator(_moment), Query(min_length=1, max_length=40)]


@router.get(
    "", response_model=CallList, responses=problems(NotYourOrganization, NotYourUser, UpstreamUnavailable, *AUTH)
)
async def list_calls(
    caller: CallsRead,
    services: ServicesDep,
    warnings: Warnings,
    organization_id: Annotated[
        str, AfterValidator(plain), Query(min_length=1, max_length=128, examples=[ORGANIZATION])
    ],
    user_id: Annotated[Text | None, Query(description="Required without is_admin")] = None,
    is_admin: Annotated[bool, Query(description="The whole organisation; needs the scope inventory:org")] = False,
    agent_id: Text | None = None,
    call_status: Literal["ended", "ongoing", "error"] = "ended",
    direction: Literal["inbound", "outbound"] | None = None,
    start_date: IsoMoment | None = None,
    end_date: IsoMoment | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 50,
) -> Response:
    """Calls, newest first, as Teli lists them: late, a hundred at most, by default those alone that ended well.

    A user's are shown where no other tenant has numbers of that user, or where the row names a number that is yours.
    There is no cursor: page by narrowing the dates. What is left out is counted in `warnings`.
    """
    caller.check_organization(organization_id, whole=is_admin)
    if user_id is not None:
        caller.check_user(user_id)
    elif not is_admin:
        raise InvalidRequest(Fault("user_id", "is required, unless is_admin is true"))
    if start_date is not None and end_date is not None and _in_utc(end_date) < _in_utc(start_date):
        raise InvalidRequest(Fault("end_date", "must not be before start_date; swap the two"))
    given = {"agent_id": agent_id, "direction": direction, "start_date": start_date, "end_date": end_date}
    query = {name: value for name, value in given.items() if value is not None}
    query |= {"call_status": call_status, "limit": str(limit)}
    rows, left_out = await services.calls.page(caller, organization_id, user_id, whole=is_admin, query=query)
    told = [f"{left_out} of Teli's rows are left out: whose calls they are is not told, or not yours"] * bool(left_out)
    body = {"success": True, "count": len(rows), "calls": rows, "powered_by": "Teli"}
    return warned(body, [*warnings, *told])


@router.get("/{call_id}", response_model=CallOut, responses=problems(NotFound, UpstreamUnavailable, *AUTH))
async def get_call(
    call_id: Annotated[
        str,
        AfterValidator(_path_segment),
        Path(min_length=1, max_length=128, examples=["call_0123456789abcdef0123456789"]),
    ],
    caller: CallsRead,
    services: ServicesDep,
    warnings: Warnings,
) -> Response:
    """One call, with its two numbers, where its user and its number are yours."""
    call = await services.calls.one(caller, call_id)
    return warned({"success": True, "call": call, "powered_by": "Teli"}, warnings)


@idle_router.get("", responses=problems(NotYourOrganization, NotYourUser, *AUTH))
async def list_idle_numbers(
    caller: NumbersRead,
    services: ServicesDep,
    days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="Idle for so long at least")] = 30,
    organization_id: Text | None = None,
    user_id: Text | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> IdlePage:
    """Active numbers without a call for so many days, in or out, what their silence cost, and a selection to release.

    Calls are read slowly and Teli tells of some late or never, so `judged` says of how many numbers it is known at all.
    What is not known is never counted as idle.
    """
    asked = Idle(days, organization_id, user_id)
    return IdlePage.model_validate(await services.idleness.page(caller, asked, limit=limit, cursor=cursor))
