"""The first page: what is held and what it costs, how near limits are, and what needs a person."""

from typing import Any

from fastapi import APIRouter, Response

from service.console.doubts import LISTS
from service.console.finance.statements import added_up, beside
from service.console.visit import PageRoute, Visit, VisitDep

DAYS = 30
router = APIRouter(prefix="/console", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def overview(visit: VisitDep) -> Response:
    return visit.page(
        "overview.html",
        title="Overview",
        activity=await visit.api.get("/v1/activity", {"days": DAYS}) if visit.may("numbers:read") else None,
        needing=await _needing_a_person(visit),
        stops=await _stops(visit),
        accounts=(await visit.api.get("/v1/admin/accounts"))["items"] if visit.may("admin:read") else [],
        quotas=await visit.api.get("/v1/admin/deployment/quotas") if visit.may("admin:read") else None,
        money=await _money(visit) if visit.may("billing:read") else [],
        budgets=(await visit.api.get("/v1/billing/budgets"))["items"] if visit.may("billing:read") else [],
    )


async def _needing_a_person(visit: Visit) -> list[dict[str, Any]]:
    """The operator's short lists, with how many stand on each."""
    if not visit.may("operator:read"):
        return []
    found = []
    for path, name in LISTS.items():
        told = await visit.api.get(f"/v1/admin/{path}", {"limit": 1})
        found.append({"name": name, "total": told["total"], "path": f"/console/doubts?list={path}"})
    return found


async def _stops(visit: Visit) -> list[dict[str, Any]]:
    if not (visit.may("operator:read") or visit.may("admin:read")):
        return []
    stops: list[dict[str, Any]] = (await visit.api.get("/v1/admin/stops"))["items"]
    return stops


async def _money(visit: Visit) -> list[dict[str, Any]]:
    """What this month and the next come to, by currency."""
    months = [one["period"] for one in (await visit.api.get("/v1/billing/periods"))["items"] if one["state"] == "open"]
    if not months:
        return []
    running = max(months)
    now = await added_up(visit, running)
    following = await added_up(visit, beside(running, 1)) if now else None
    if now is None or following is None:
        return []
    forecast = {one["currency"]: one["micros"] for one in following["totals"]}
    return [one | {"month": running, "next": forecast.get(one["currency"])} for one in now["totals"] if one["currency"]]
