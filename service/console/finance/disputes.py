"""Disputes with the supplier: what is asked back, what became of it, and what was given back."""

from itertools import chain
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from service.console.visit import PageRoute, VisitDep

router = APIRouter(prefix="/console/disputes", route_class=PageRoute, include_in_schema=False)
STATES = ("open", "submitted", "accepted", "rejected", "credited")
# From each state, those that may come next.
NEXT = {"submitted": ("accepted", "rejected", "credited"), "accepted": ("rejected", "credited")}


@router.get("")
async def disputes(visit: VisitDep) -> Response:
    asked = {name: visit.query[name] for name in ("state", "invoice_id", "cursor")}
    found = await visit.api.get("/v1/billing/disputes", asked | {"limit": 50})
    return visit.page("finance/disputes.html", title="Disputes", found=found, states=STATES)


@router.get("/{dispute_id}")
async def dispute(visit: VisitDep, dispute_id: UUID) -> Response:
    path = f"/v1/billing/disputes/{dispute_id}"
    one = await visit.api.get(path)
    lines = await visit.api.get(f"{path}/lines", {"cursor": visit.query["cursor"], "limit": 100})
    return visit.page(
        "finance/dispute.html",
        title=one["title"],
        one=one,
        lines=lines,
        said=_said(one),
        next=NEXT.get(one["state"], ()),
    )


def _said(one: dict[str, Any]) -> list[dict[str, Any]]:
    """Notes, files and credits, the last first."""
    every = chain(
        ({"kind": "note"} | each for each in one["notes"]),
        ({"kind": "file"} | each for each in one["attachments"]),
        ({"kind": "credit"} | each for each in one["credits"]),
    )
    return sorted(every, key=lambda each: str(each["at"]), reverse=True)
