"""Months, and what each one charges: from the whole down to the line of one number."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter, Response

from service.console.api import Refused
from service.console.visit import PageRoute, Visit, VisitDep

router = APIRouter(prefix="/console/statements", route_class=PageRoute, include_in_schema=False)
# Months are added up one by one: so many, the last.
ADDED_UP = 12
SHOWN = 100
# As one goes down: from the whole to the smallest part that has a name.
STEPS = (
    ("organization_id", "Organisation"), ("tenant_id", "Tenant"), ("user_id", "User"), ("cost_center", "Cost centre"),
    ("tags", "Tag"),
)  # fmt: skip
OTHERS = (("holder_user_id", "Holder"), ("kind", "Kind of charge"))
FILTERS = ("organization_id", "tenant_id", "user_id", "cost_center", "tag")


@router.get("")
async def statements(visit: VisitDep) -> Response:
    months = (await visit.api.get("/v1/billing/periods"))["items"]
    for month in months[:ADDED_UP]:
        if (told := await added_up(visit, month["period"])) is None:
            break  # The next one would take as long.
        month["totals"] = told["totals"]
    ahead = await added_up(visit, beside(months[0]["period"], 1)) if "totals" in months[0] else None
    last = max((month["period"] for month in months if month["state"] == "final"), default="")
    drafts = [month["period"] for month in months if month["state"] == "draft" and month["period"] > last]
    return visit.page(
        "finance/statements.html", title="Statements", months=months, ahead=ahead, next_to_close=drafts and drafts[-1],
        currencies=_currencies([one for one in (*months, ahead) if one and "totals" in one]),
    )  # fmt: skip


async def added_up(visit: Visit, period: str) -> dict[str, Any] | None:
    """None where there are so many numbers that the ledger gives up; the page of the month says so."""
    try:
        return await visit.api.get(f"/v1/billing/statements/{period}")
    except Refused as refused:
        if refused.status == 503:
            return None
        raise


@router.get("/{period}")
async def statement(visit: VisitDep, period: str) -> Response:
    chosen = {name: visit.query[name] for name in FILTERS if visit.query[name]}
    told = await visit.api.get(f"/v1/billing/statements/{period}", chosen | {"group_by": _step(visit)})
    months = (await visit.api.get("/v1/billing/periods"))["items"]
    month = next((one for one in months if one["period"] == period), None)
    closed = [one["period"] for one in months if one["state"] == "final"]
    final = told["state"] == "final"
    compared = await visit.api.find(f"/v1/billing/periods/{period}/analytics") if final else None
    prices = await visit.api.find("/v1/billing/prices")
    first = int(visit.query["line"] or 1) if re.fullmatch("[0-9]{0,7}", visit.query["line"] or "") else 1
    lines = await _lines(visit, period, chosen | {"offset": max(first, 1) - 1})
    ids = _ids(_step(visit), told["groups"], chosen, lines or ())
    for one in (compared or {"items": []})["items"]:
        ids["organizations"].append(one["organization_id"])
        ids["users"] += [each["user_id"] for each in one["differences"] or ()]
    names = await visit.names(**ids)
    return visit.page(
        "finance/statement.html", title=f"Statement of {period}", told=told, month=month, chosen=chosen, names=names,
        by=_step(visit), steps=[*STEPS, *OTHERS], lines=lines, first=max(first, 1), most=SHOWN,
        compared=compared, prices={price["id"]: price for price in (prices or {"items": []})["items"]},
        before=beside(period, -1), after=beside(period, 1), is_first=not closed,
        passed_by=any(one > period for one in closed),
        widest={currency: _widest(told["groups"], currency) for currency in _currencies([told])},
    )  # fmt: skip


async def _lines(visit: Visit, period: str, asked: dict[str, Any]) -> list[dict[str, Any]] | None:
    """So many of them; None where others export at the moment, which take all places that there are."""
    try:
        return await visit.api.rows(f"/v1/billing/statements/{period}/export", asked | {"limit": SHOWN})
    except Refused as refused:
        if refused.status in (429, 503):
            return None
        raise


def _ids(
    by: str, groups: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]
) -> dict[str, list[Any]]:
    """Whose names the page shows."""
    kinds = {"organizations": "organization_id", "tenants": "tenant_id", "users": "user_id"}
    found = {kind: [chosen.get(name), *(line[name] for line in lines)] for kind, name in kinds.items()}
    kind = {"holder_user_id": "users"} | {name: kind for kind, name in kinds.items()}
    if by in kind:
        found[kind[by]] += [group["key"][by] for group in groups]
    return found


def _step(visit: Visit) -> str:
    """By what the groups are: as was asked, else one step further down than what was chosen."""
    chosen = [name for name in FILTERS if visit.query[name]]
    further = max((place for place, name in enumerate(FILTERS) if name in chosen), default=-1) + 1
    return visit.query["by"] or STEPS[min(further, len(STEPS) - 1)][0]


def beside(period: str, by: int) -> str:
    """The month before, or after."""
    first = date.fromisoformat(f"{period}-01")
    return f"{first + timedelta(days=31) if by > 0 else first - timedelta(days=1):%Y-%m}"


def _currencies(told: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(one["currency"] for each in told for one in each["totals"] if one["currency"]))


def _widest(groups: Sequence[dict[str, Any]], currency: str) -> int:
    """The largest amount among them: that of the longest bar."""
    return max((abs(group["micros"]) for group in groups if group["currency"] == currency), default=0) or 1
