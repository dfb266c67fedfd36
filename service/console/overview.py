"""The first page: what is held and what it costs, how near limits are, and what needs a person."""

from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter, Response

from service.console.api import Refused
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
    for name, path in (("Doubts", "doubts"), ("Orphans", "orphans"), ("Ghosts", "ghosts")):
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
    running = date.fromisoformat(f"{max(months)}-01")
    following = (running + timedelta(days=31)).replace(day=1)
    try:
        now, next_one = [
            (await visit.api.get(f"/v1/billing/statements/{month:%Y-%m}"))["totals"] for month in (running, following)
        ]
    except Refused as refused:
        if refused.status == 503:  # Too much to be added up at once: the rest of the page is none the worse.
            return []
        raise
    forecast = {one["currency"]: one["micros"] for one in next_one}
    return [
        one | {"month": f"{running:%Y-%m}", "next": forecast.get(one["currency"])} for one in now if one["currency"]
    ]
