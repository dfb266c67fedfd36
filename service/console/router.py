"""All pages of the console, as one router."""

from fastapi import APIRouter, Request, Response

from service.console import (
    audit,
    buying,
    doubts,
    downloads,
    drift,
    files,
    finance,
    numbers,
    orders,
    overview,
    tenants,
    upstream,
    webhooks,
)
from service.console.api import Refused
from service.console.visit import NOWHERE, PageRoute, VisitDep, refusal

# What answers in HTML or as a stream of events alone; elsewhere browsers say that they take anything too.
HTML = ("text/html",)
STREAMS: dict[str, tuple[str, ...]] = {
    "/console/orders/{order_id}/events": ("text/event-stream",),
    **finance.STREAMS,
    # Every page, as deep as they are.
    "/console": HTML, "/console/{room}": HTML, "/console/{room}/{page}": HTML, "/console/{room}/{part}/{page}": HTML,
}  # fmt: skip
rest = APIRouter(prefix="/console", route_class=PageRoute, include_in_schema=False)


@rest.get("/back")
async def back(visit: VisitDep) -> Response:
    """After a login beside a page whose session had ended."""
    return visit.page("back.html", title="You are logged in")


@rest.get("/{path:path}")
async def nowhere(request: Request, path: str, visit: VisitDep) -> Response:
    return await refusal(request, Refused(404, NOWHERE))


def console() -> APIRouter:
    found = APIRouter()
    for router in (
        files.router, downloads.router, overview.router, numbers.router, buying.router, orders.router, doubts.router,
        drift.router, upstream.router, tenants.router, webhooks.router, audit.router, finance.rooms(), rest,
    ):  # fmt: skip
        found.include_router(router)
    return found
