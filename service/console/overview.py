"""The first page: what is held, what it costs, what needs a person."""

from typing import Any

from fastapi import APIRouter, Response

from service.console.visit import PageRoute, Visit, VisitDep

router = APIRouter(prefix="/console", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def overview(visit: VisitDep) -> Response:
    needing = await _needing_a_person(visit) if visit.may("operator:read") else []
    held = await visit.api.find("/v1/numbers", {"limit": 1}) if visit.may("numbers:read") else None
    return visit.page("overview.html", title="Overview", held=held, needing=needing)


async def _needing_a_person(visit: Visit) -> list[dict[str, Any]]:
    """The operator's short lists, with how many stand on each."""
    lists = (("Doubts", "doubts"), ("Orphans", "orphans"), ("Ghosts", "ghosts"))
    found = []
    for name, path in lists:
        told = await visit.api.find(f"/v1/admin/{path}", {"limit": 1})
        if told is not None:
            found.append({"name": name, "total": told["total"], "path": f"/console/doubts?list={path}"})
    return found
