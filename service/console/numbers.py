"""The numbers: the inventory, many of them changed at once, one with its history, and those that are silent."""

from asyncio import gather
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Response

from service.console.api import Refused
from service.console.visit import PageRoute, Visit, VisitDep

PAGE = 100
# By the names of `GET /v1/numbers`, as people say them.
FILTERS = {
    "q": "Words", "state": "State", "area_code": "Area code", "tag": "Tags", "nickname": "Nickname begins",
    "phone_number": "Number", "cost_center": "Cost centre", "tenant_id": "Tenant", "organization_id": "Organisation",
    "user_id": "Owner", "holder_user_id": "Holder", "agent_id": "Agent", "created_after": "Bought since",
    "created_before": "Bought before", "idle_days": "Days of silence",
}  # fmt: skip
STATES = (
    ("", "all that are held"), ("active", "active"), ("release_scheduled", "release scheduled"),
    ("releasing", "releasing"), ("missing", "missing"), ("released", "released"),
    ("active,release_scheduled,releasing,missing,released", "all, released ones too"),
)  # fmt: skip
SORTS = (
    ("acquired_at", "first bought"), ("-acquired_at", "last bought"), ("phone_number", "by number"),
    ("-phone_number", "by number, backwards"), ("nickname", "by nickname"), ("-nickname", "by nickname, backwards"),
    ("idle_since", "longest silent"), ("-released_at", "last released"), ("released_at", "first released"),
)  # fmt: skip
# What a row can show beside its number, and the order of the listing that a click on its heading asks for.
COLUMNS = {
    "nickname": "Nickname", "state": "State", "tenant_id": "Tenant", "organization_id": "Organisation",
    "user_id": "Owner", "area_code": "Area code", "cost_center": "Cost centre", "tags": "Tags",
    "acquired_at": "Bought", "confirmed_at": "Last confirmed", "released_at": "Released", "id": "Id",
}  # fmt: skip
AT_FIRST = ("nickname", "state", "tenant_id", "cost_center", "tags", "acquired_at")
CHANGES = {
    "nickname": "Nickname", "cost_center": "Cost centre", "holder_user_id": "Holder",
    "inbound_agent_id": "Agent that answers", "outbound_agent_id": "Agent that calls",
}  # fmt: skip
UNKNOWN = {"code": "invalid_request", "title": "Invalid request", "detail": "This page knows no such filter."}
router = APIRouter(prefix="/console/numbers", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def inventory(visit: VisitDep) -> Response:
    # Of boxes there come as many as were ticked.
    columns = visit.every("columns")
    shown = [name for name in COLUMNS if name in columns] or list(AT_FIRST)
    visit.query.pop("columns", None)
    asked = _asked(visit.query)
    (found, faults), saved = await gather(_found(visit, asked), visit.api.get("/v1/filters", {"limit": 100}))
    rows = found["items"] if found else []
    # Of what is shown alone: hundreds of users would be looked up for nothing.
    ids = {name: [row[name] for row in rows] for name in shown if name.endswith("_id")}
    names = await visit.names(
        tenants=ids.get("tenant_id", ()), organizations=ids.get("organization_id", ()), users=ids.get("user_id", ())
    )
    # Of the address again, so that whatever leads on from here keeps them.
    visit.query |= {"columns": ",".join(shown) if columns else None}
    meant = {name: value for name, value in asked.items() if name != "cursor"}
    return visit.page(
        "numbers/list.html", title="Numbers", status=400 if faults else 200, found=found, faults=_by_name(faults),
        columns={name: COLUMNS[name] for name in shown}, filters=_filters(meant), typed=_typed(_filters(meant)),
        meant=meant, saved=saved,
        all_columns=COLUMNS, labels=FILTERS, names=names, states=STATES, sorts=SORTS,
        may_save=visit.may("admin:write") or not visit.may("admin:read"),
    )  # fmt: skip


async def _found(visit: Visit, asked: dict[str, Any]) -> tuple[dict[str, Any] | None, list[dict[str, str]]]:
    """What the filters mean, or what is wrong with them."""
    try:
        return await visit.api.get("/v1/numbers", asked | {"limit": PAGE}), []
    except Refused as refused:
        faults = refused.problem.get("errors") or []
        if refused.status != 400 or not faults:
            raise
        return None, faults


@router.get("/idle")
async def idle(visit: VisitDep) -> Response:
    found = await visit.api.get("/v1/idle-numbers", {"days": 30, "limit": PAGE} | visit.query)
    selection = found["selection"]["filters"]
    names = await visit.names(tenants=(one["tenant_id"] for one in found["items"]))
    return visit.page(
        "numbers/idle.html", title="Idle numbers", found=found, days=visit.query["days"] or "30",
        release=urlencode({"change": "release"} | selection),
        release_these=urlencode({"change": "release", "ids": ",".join(found["selection"]["ids"])}), names=names,
    )  # fmt: skip


@router.get("/bulk")
async def bulk(visit: VisitDep) -> Response:
    """What is to become of the numbers that were chosen, or of all that the filters mean."""
    asked = _asked(visit.query)
    change, ids = asked.pop("change", "set"), asked.pop("ids", None)
    if unknown := asked.keys() - {*FILTERS, "sort", "columns", "cursor"}:
        # Whoever misspells a filter would change more than is meant.
        raise Refused(400, UNKNOWN | {"errors": [{"pointer": min(unknown), "detail": "is no filter of this page"}]})
    if ids is not None:
        selection: dict[str, Any] = {"ids": ids.split(",")}
        count = {"value": len(selection["ids"]), "exact": True}
    else:
        selection = _filters(asked)
        count = (await visit.api.get("/v1/numbers", selection | {"limit": 1}))["total"]
    return visit.page(
        "numbers/bulk.html", title="Change many numbers", selection=_typed(selection), count=count, change=change,
        filters=None if ids else selection, labels=FILTERS, changes=CHANGES, back=urlencode(_filters(asked)),
    )  # fmt: skip


@router.get("/bulk/{order_id}")
async def preview(order_id: str, visit: VisitDep) -> Response:
    """What a change of many numbers would do, and the button that has it done."""
    order = await visit.api.get(f"/v1/orders/{order_id}")
    shown = order["preview"]
    names = await visit.names(tenants=(one["tenant_id"] for one in (shown["sample"] if shown else ())))
    return visit.page(
        "numbers/preview.html", title="Preview", order=order, preview=shown, names=names,
        sample=[_before(one) for one in shown["sample"]] if shown else [],
    )  # fmt: skip


@router.get("/{number_id}")
async def number(number_id: str, visit: VisitDep) -> Response:
    one, etag = await visit.api.tagged(f"/v1/numbers/{number_id}")
    path = f"/v1/numbers/{one['id']}"
    history = await visit.api.get(f"{path}/history", {"limit": 50, "cursor": visit.query["cursor"]})
    names = await visit.names(
        tenants=(one["tenant_id"],), organizations=(one["organization_id"],),
        users=(one["user_id"], one["holder_user_id"]),
    )  # fmt: skip
    return visit.page(
        "numbers/one.html", title=one["nickname"] or one["phone_number"], one=one, etag=etag, found=history, api=path,
        names=names, may_change=_may_change(visit, one), drifts=visit.may("operator:read"),
    )  # fmt: skip


def _before(one: Mapping[str, Any]) -> dict[str, Any]:
    """A number as it is shown, with how it was in what is to change."""
    return {**one, "before": {name: one[name] for name in one["becomes"] or ()}}


def _may_change(visit: Visit, one: Mapping[str, Any]) -> bool:
    return visit.may("admin:write") and one["state"] in ("active", "release_scheduled")


def _asked(query: Mapping[str, str | None]) -> dict[str, Any]:
    """What the address asks of the listing; a day is its beginning in UTC."""
    asked = {name: value for name, value in query.items() if value not in (None, "")}
    for name in ("created_after", "created_before"):
        if len(asked.get(name) or "") == len("2026-01-31"):
            asked[name] = f"{asked[name]}T00:00:00Z"
    return asked


def _filters(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asked[name] for name in FILTERS if name in asked}


def _typed(selection: Mapping[str, Any]) -> dict[str, Any]:
    """As a body says it: a number is no text there."""
    days = str(selection.get("idle_days", ""))
    return dict(selection) | ({"idle_days": int(days)} if days.isdecimal() else {})


def _by_name(faults: list[dict[str, str]]) -> dict[str, str]:
    return {fault["pointer"]: fault["detail"] for fault in faults}
