"""The operator's queue: purchases in doubt, numbers that nothing explains, and numbers that are listed no more."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response

from service.console.api import Refused
from service.console.visit import PageRoute, Visit, VisitDep

PAGE = 20
LISTS = {"doubts": "Doubts", "orphans": "Orphans", "ghosts": "Ghosts"}
NO_LIST = {"code": "not_found", "title": "Not found", "detail": "The lists are doubts, orphans and ghosts."}
router = APIRouter(prefix="/console/doubts", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def queue(visit: VisitDep) -> Response:
    shown = visit.query["list"] or "doubts"
    if shown not in LISTS:
        raise Refused(404, NO_LIST)
    found = await visit.api.get(f"/v1/admin/{shown}", {"limit": PAGE, "cursor": visit.query["cursor"]})
    totals = {shown: found["total"]}
    for name in LISTS.keys() - totals.keys():
        totals[name] = (await visit.api.get(f"/v1/admin/{name}", {"limit": 1}))["total"]
    return visit.page(
        "doubts/queue.html", title=LISTS[shown], shown=shown, lists=LISTS, totals=totals, found=found,
        names=await _names(visit, found["items"]),
    )  # fmt: skip


@router.get("/{doubt_id}")
async def doubt(doubt_id: str, visit: VisitDep) -> Response:
    one = await visit.api.get(f"/v1/admin/doubts/{doubt_id}")
    return visit.page("doubts/one.html", title="One purchase", one=one, names=await _names(visit, [one]))


async def _names(visit: Visit, items: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Of whoever stands on the list, and of those who have what may have been bought."""
    owners = [*items, *(candidate for one in items for candidate in one.get("candidates", ()))]
    return await visit.names(
        tenants=(one.get("tenant_id") for one in owners),
        organizations=(one.get("organization_id") for one in owners),
        users=(one.get("user_id") for one in owners),
    )
