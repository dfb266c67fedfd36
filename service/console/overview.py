"""The first page: what is held and what it costs, how near limits are, and what needs a person."""

from asyncio import gather
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from fastapi import APIRouter, Response

from service.console.doubts import LISTS
from service.console.finance.budgets import names_of
from service.console.finance.statements import added_up, beside
from service.console.visit import PageRoute, Visit, VisitDep

DAYS = 30
# Budgets that are shown: those of which most is spent.
MOST_BUDGETS = 4
T = TypeVar("T")
router = APIRouter(prefix="/console", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def overview(visit: VisitDep) -> Response:
    """What is counted over all numbers has a page of its own: this one takes it from there once it is shown itself."""
    operates, administers, bills = (visit.may(scope) for scope in ("operator:read", "admin:read", "billing:read"))
    found = await _together(
        numbers=_if(visit.may("numbers:read"), visit.api.get, "/v1/numbers", {"limit": 1}),
        needing=_if(operates, _needing_a_person, visit),
        stops=_if(operates or administers, visit.api.get, "/v1/admin/stops"),
        accounts=_if(administers, visit.api.get, "/v1/admin/accounts"),
        money=_if(bills, _money, visit),
        budgets=_if(bills, visit.api.get, "/v1/billing/budgets"),
    )
    items = {name: found[name]["items"] if found[name] else [] for name in ("stops", "accounts", "budgets")}
    lists = {name: found[name] or [] for name in ("needing", "money")}
    nearest = sorted(items["budgets"], key=_share_spent, reverse=True)[:MOST_BUDGETS]
    names = {one["id"]: one["name"] for one in items["accounts"]} | await names_of(visit, nearest)
    names |= await visit.names(tenants=(one["id"] for one in items["stops"] if one["scope"] == "tenant"))
    return visit.page(
        "overview.html", title="Overview", days=DAYS, nearest=nearest, names=names, **found | items | lists
    )


@router.get("/activity")
async def activity(visit: VisitDep) -> Response:
    found = await visit.api.get("/v1/activity", {"days": DAYS})
    return visit.page("activity.html", title=f"The last {DAYS} days", activity=found)


def _share_spent(budget: Mapping[str, Any]) -> float:
    """By the end of the month, as far as that is reckoned yet."""
    standing = budget["standing"]
    return float(standing["forecast"] / budget["amount"]) if standing else 0.0


async def _together(**asked: Awaitable[Any]) -> dict[str, Any]:
    """All at once, which takes as long as the slowest of them."""
    return dict(zip(asked, await gather(*asked.values()), strict=True))


async def _if(allowed: bool, ask: Callable[..., Awaitable[T]], *of: Any) -> T | None:
    return await ask(*of) if allowed else None


async def _needing_a_person(visit: Visit) -> list[dict[str, Any]]:
    """The operator's short lists, with how many stand on each."""
    told = await gather(*(visit.api.get(f"/v1/admin/{path}", {"limit": 1}) for path in LISTS))
    return [
        {"name": name, "total": one["total"], "path": f"/console/doubts?list={path}"}
        for (path, name), one in zip(LISTS.items(), told, strict=True)
    ]


async def _money(visit: Visit) -> list[dict[str, Any]]:
    """What this month and the next come to, by currency."""
    months = [one["period"] for one in (await visit.api.get("/v1/billing/periods"))["items"] if one["state"] == "open"]
    if not months:
        return []
    running = max(months)
    now, following = await gather(added_up(visit, running), added_up(visit, beside(running, 1)))
    if now is None or following is None:
        return []
    forecast = {one["currency"]: one["micros"] for one in following["totals"]}
    return [one | {"month": running, "next": forecast.get(one["currency"])} for one in now["totals"] if one["currency"]]
