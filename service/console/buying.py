"""Buying numbers: what is wanted stands in the page's address, what it costs beside it, and then comes the button.

The address also carries the order's Idempotency-Key: who clicks twice, or comes back to the page, buys once, and is led
to the same order.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from service.console.api import Refused
from service.console.visit import PageRoute, Query, Visit, VisitDep
from service.kit.phone import AreaCode, area_codes

MOST = 1000
MOST_FOUND = 24
CODES = re.compile(r"[\s,]+")
TEXTS = ("nickname", "cost_center", "inbound_agent_id", "outbound_agent_id")
# `fallback` as the form says it.
FALLBACK = {"overlays": ["overlays"], "neighbours": ["neighbours"], "both": ["overlays", "neighbours"]}
NOT_YOURS = {"code": "scope_missing", "title": "Scope missing", "detail": "Buying here needs the scope admin:write."}
router = APIRouter(prefix="/console/buy", route_class=PageRoute, include_in_schema=False)
Option = tuple[str, str]


@router.get("")
async def buy(request: Request, visit: VisitDep) -> Response:
    if not visit.may("admin:write"):
        raise Refused(403, NOT_YOURS)
    if not visit.query["key"]:
        given = [(name, text) for name, text in request.query_params.multi_items() if name != "key"]
        return RedirectResponse(f"/console/buy?{urlencode([('key', uuid4()), *given])}", status_code=303)
    tenants, organizations, users = await _choices(visit)
    chosen = {
        "tenant_id": _chosen(tenants, visit.query["tenant_id"]),
        "organization_id": _chosen(organizations, visit.query["organization_id"]),
        "user_id": _chosen(users, visit.query["user_id"]),
    }
    wish, found = _wish(visit.query, chosen), places(visit.query["area_codes"] or "")
    quote, refused = None, None
    if visit.query["show"] and found is None:
        quote, refused = await _quote(visit, wish)
    return visit.page(
        "buy/page.html", title="Buy numbers", tenants=tenants, organizations=organizations, users=users, chosen=chosen,
        codes=list(area_codes()), found=found, wish=wish, quote=quote, refused=refused,
        faults=_faults(refused) if refused else {},
    )  # fmt: skip


async def _choices(visit: Visit) -> tuple[list[Option], list[Option], list[Option]]:
    """Tenants; the organisations that the chosen one buys for; and the users of the chosen one of these."""
    filed = await visit.api.get("/v1/admin/tenants", {"limit": MOST})
    by_id = {one["id"]: one for one in filed["items"] if one["state"] == "active"}
    tenants = [(one["id"], one["name"]) for one in by_id.values()]
    tenant = by_id.get(_chosen(tenants, visit.query["tenant_id"]))
    if tenant is None:
        return tenants, [], []
    named = await visit.api.get("/v1/admin/organizations", {"limit": MOST})
    names = {one["id"]: one["name"] or one["id"] for one in named["items"]}
    organizations = [(one, names.get(one, one)) for one in tenant["organization_ids"]]
    organization = _chosen(organizations, visit.query["organization_id"])
    if not organization:
        return tenants, organizations, []
    listed = await visit.api.get(f"/v1/admin/organizations/{organization}/users", {"limit": MOST})
    users = [(one["id"], one["name"] or one["email"] or one["id"]) for one in listed["items"]]
    return tenants, organizations, users


def _chosen(options: Sequence[Option], asked: str | None) -> str:
    """What was asked for, as far as it can be had; the only one there is needs no asking."""
    if len(options) == 1:
        return options[0][0]
    return asked if asked and asked in (one for one, _ in options) else ""


def _wish(query: Query, chosen: Mapping[str, str]) -> dict[str, Any]:
    """The body of the order, of what was given."""
    quantity = query["quantity"] or "1"
    wish: dict[str, Any] = {name: text for name, text in chosen.items() if text}
    wish["quantity"] = int(quantity) if re.fullmatch("[0-9]{1,6}", quantity) else quantity
    wish["area_codes"] = [one for one in CODES.split(query["area_codes"] or "") if one]
    if fallback := FALLBACK.get(query["fallback"] or ""):
        wish["fallback"] = fallback
    wish |= {name: query[name] for name in TEXTS if query[name]}
    if tags := [one.strip() for one in (query["tags"] or "").splitlines() if one.strip()]:
        wish["tags"] = tags
    if query["fulfilment"] == "all":
        wish["fulfilment"] = "all"
    return wish


def places(text: str) -> list[AreaCode] | None:
    """Area codes of a place or a region of this name; None where the text is none, but codes."""
    if not any(sign.isalpha() for sign in text):
        return None
    wanted = text.strip().casefold()
    found = [one for one in area_codes() if wanted in f"{one.place}, {one.region_name}, {one.region}".casefold()]
    return found[:MOST_FOUND]


async def _quote(visit: Visit, wish: Mapping[str, Any]) -> tuple[dict[str, Any] | None, Refused | None]:
    try:
        return await visit.api.preview("/v1/orders", {**wish, "dry_run": True}, token=visit.me["csrf_token"]), None
    except Refused as refused:
        if refused.status in (401, 500):
            raise
        return None, refused


def _faults(refused: Refused) -> dict[str, str]:
    """What is wrong with each member; of a list, with any part of it. Of the whole the refusal itself tells."""
    found: dict[str, str] = {}
    for one in refused.problem.get("errors") or ():
        name = str(one["pointer"]).removeprefix("/").partition("/")[0]
        found[name] = f"{found[name]}; {one['detail']}" if name in found else one["detail"]
    return found
