"""The operator's queue: purchases in doubt, numbers that nothing explains, and numbers that are listed no more."""

from fastapi import APIRouter, Response

from service.console.api import Refused
from service.console.visit import PageRoute, VisitDep

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
    return visit.page("doubts/queue.html", title=LISTS[shown], shown=shown, lists=LISTS, totals=totals, found=found)


@router.get("/{doubt_id}")
async def doubt(doubt_id: str, visit: VisitDep) -> Response:
    one = await visit.api.get(f"/v1/admin/doubts/{doubt_id}")
    return visit.page("doubts/one.html", title="One purchase", one=one)
