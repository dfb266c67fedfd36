"""The supplier's invoices: how a file would be read, what was read of it, and what differs from the ledger."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel

from service.billing.invoices.schemas import InvoicePreviewOut
from service.console.api import Api
from service.console.following import followed
from service.console.rendering import render
from service.console.visit import PageRoute, VisitDep

router = APIRouter(prefix="/console/invoices", route_class=PageRoute, include_in_schema=False)
STREAMS = {"/console/invoices/{invoice_id}/events": ("text/event-stream",)}
# What a line has, as people say it; the first is the one that there must be.
MEMBERS = (
    ("amount", "Amount"), ("phone_number", "Phone number"), ("begins", "First day"), ("ends", "Last day"),
    ("kind", "Kind of charge"), ("currency", "Currency"), ("description", "Description"), ("quantity", "Quantity"),
    ("line_ref", "Line"), ("subscription_id", "Subscription"), ("user_id", "User"),
)  # fmt: skip
# What charges too much can be disputed; what is not charged cannot.
DISPUTABLE = (
    "within_tolerance", "price_differs", "quantity_differs", "charged_after_release", "never_ours", "not_charged",
    "duplicate",
)  # fmt: skip
# What the form of a mapping does not ask for, and what is not told from the file.
KEPT = ("kinds", "time_zone", "skip")


class Unread(BaseModel):
    """Of the problem of a file that cannot be read: its columns, where it has any."""

    code: str
    headers: list[str] = []


@router.get("")
async def invoices(visit: VisitDep) -> Response:
    asked = {name: visit.query[name] for name in ("period", "state", "cursor")}
    found = await visit.api.get("/v1/billing/invoices", asked | {"limit": 50})
    return visit.page("finance/invoices.html", title="Invoices", found=found)


@router.get("/import")
async def import_invoice(visit: VisitDep) -> Response:
    profiles = (await visit.api.get("/v1/billing/invoice-profiles"))["items"]
    return visit.page("finance/import.html", title="Import an invoice", profiles=profiles)


@router.post("/preview")
async def preview(visit: VisitDep, said: Annotated[InvoicePreviewOut | Unread, Body()]) -> Response:
    """What the API said of a file, as a part of the page on which it was chosen."""
    answer = said.model_dump(mode="json")
    mapping = answer.get("mapping") or {"columns": {}}
    return visit.page(
        "finance/preview.html", title="", answer=answer, mapping=mapping, members=MEMBERS,
        headers=[(header, header) for header in answer.get("headers") or []],
        kept={name: mapping[name] for name in KEPT if name in mapping},
    )  # fmt: skip


@router.get("/{invoice_id}")
async def invoice(visit: VisitDep, invoice_id: UUID) -> Response:
    path = f"/v1/billing/invoices/{invoice_id}"
    one = await visit.api.get(path)
    match = await visit.api.find(f"{path}/match")
    done = match is not None and match["state"] == "done"
    verdict = visit.query["verdict"]
    found = None
    if done and visit.query["show"] != "lines":
        found = await visit.api.get(
            f"{path}/findings", {"verdict": verdict, "cursor": visit.query["cursor"], "limit": 100}
        )
    lines = None
    if visit.query["show"] == "lines" or not done:
        lines = await visit.api.get(f"{path}/lines", {"cursor": visit.query["cursor"], "limit": 100})
    return visit.page(
        "finance/invoice.html", title=f"Invoice {one['number'] or one['file_name']}", one=one, match=match,
        findings=found, lines=lines, verdict=verdict, disputable=DISPUTABLE,
        groups=sorted(match["verdicts"], key=lambda group: -abs(group["difference_micros"])) if match else [],
        rejects=await visit.api.get(f"{path}/rejects", {"decided": False, "limit": 50}),
        disputes=await visit.api.get("/v1/billing/disputes", {"invoice_id": str(invoice_id)}),
        mended=[member for member, _ in MEMBERS],
    )  # fmt: skip


@router.get("/{invoice_id}/events")
async def events(request: Request, visit: VisitDep, invoice_id: UUID) -> Response:
    """How far it is read, or matched, until that is done."""
    path = f"/v1/billing/invoices/{invoice_id}"
    await visit.api.get(path)

    async def look() -> tuple[str, bool]:
        api = Api(request)
        one, match = await api.get(path), await api.find(f"{path}/match")
        works = one["state"] == "reading" or (match is not None and match["state"] in ("queued", "running"))
        return render("finance/progress.html", path=request.url.path, query={}, one=one, match=match), not works

    return followed(request, look)
