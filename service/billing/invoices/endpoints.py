"""The supplier's invoices over REST."""

from contextlib import aclosing
from datetime import date
from email.message import Message
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AfterValidator

from service.billing.auth import BillingRead, BillingWrite
from service.billing.invoices.files import Arrived
from service.billing.invoices.invoices import Filed, Invoices
from service.billing.invoices.profiles import Profiles
from service.billing.invoices.schemas import (
    InvoiceOut,
    InvoicePage,
    InvoicePreviewOut,
    InvoiceState,
    LinePage,
    MappingBody,
    ProfileList,
    ProfileOut,
    RejectPage,
    ResolveIn,
)
from service.exports.answers import ExportAnswer, streamed, wanted, while_there
from service.exports.errors import ExportsBusy, ExportStorageFull
from service.http.examples import INVOICE_LINE
from service.http.openapi import problems
from service.http.pages import Cursor, Limit
from service.http.params import RequestId
from service.http.problems import UnsupportedMediaType
from service.http.routes import OwnRoute
from service.kit.csv_files import CHARSETS
from service.kit.errors import NotFound, StateConflict
from service.kit.text import plain, shaped
from service.tenants.auth import CREDENTIALS
from service.tenants.endpoints import AUTH

router = APIRouter(prefix="/v1/billing", tags=["invoices"], dependencies=CREDENTIALS, route_class=OwnRoute)
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
INVOICES_PATH = f"{router.prefix}/invoices"
PREVIEW_PATH = f"{INVOICES_PATH}/preview"
EXAMPLE = (
    "id,subscription,source_type,period_start,period_end,quantity,amount,currency,description\n"
    "il_1,sub_1,subscription,2026-10-12,2026-11-12,1,299,usd,1 x number +13135550142\n"
)
FILE = {
    "requestBody": {
        "required": True,
        "description": "The file as it is, 256 MiB at most",
        "content": {
            CSV: {
                "schema": {
                    "type": "string",
                    "examples": [EXAMPLE],
                },
            },
            XLSX: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
Named = Annotated[str, AfterValidator(plain), Query(min_length=1, max_length=200)]
NAME, NAMED_SO = r"^[a-z0-9][a-z0-9_-]{0,62}$", "must be small letters, digits, - and _, as carrier-2"
ProfileName = Annotated[
    str,
    AfterValidator(shaped(NAME, NAMED_SO)),
    Path(description="The name of a mapping", json_schema_extra={"pattern": NAME}, examples=["carrier"]),
]
Profile = Annotated[
    str | None,
    AfterValidator(shaped(NAME, NAMED_SO)),
    Query(
        description="A remembered mapping; without it, what the headers suggest",
        json_schema_extra={"pattern": NAME},
        examples=["stripe"],
    ),
]
MONTH = r"^20\d{2}-(?:0[1-9]|1[0-2])$"
Period = AfterValidator(shaped(MONTH, "must be a month, as 2026-11"))


async def invoices(request: Request) -> Invoices:
    found: Invoices = request.app.state.services.billing.invoices
    return found


async def profiles(request: Request) -> Profiles:
    found: Profiles = request.app.state.services.billing.profiles
    return found


async def charset_of(request: Request) -> str | None:
    """The charset that the file is declared to be in. Raises: UnsupportedMediaType."""
    said = Message()
    said["content-type"] = request.headers.get("content-type", "")
    charset = said.get_content_charset()
    if said.get_content_type() not in (CSV, XLSX) or charset not in (None, *CHARSETS):
        raise UnsupportedMediaType(
            f"Send the file as it is, with Content-Type: {CSV} or {XLSX}; with curl by --data-binary @invoice.csv."
            f" Where it names a charset, that is one of {', '.join(CHARSETS)}."
        )
    return charset


InvoicesDep = Annotated[Invoices, Depends(invoices)]
ProfilesDep = Annotated[Profiles, Depends(profiles)]
Charset = Annotated[str | None, Depends(charset_of)]
FILED: dict[int | str, dict[str, Any]] = {
    200: {"model": InvoiceOut, "description": "This content was filed before; nothing was done."},
    201: {
        "description": "Filed; it is read from now on.",
        "headers": {"Location": {"description": "The invoice's path", "schema": {"type": "string"}}},
    },
}


async def arrived(request: Request) -> Arrived:
    """The body, into a spool as it comes. Raises: BodyTooLarge, RequestTimeout; CallerLeft."""
    found = Arrived()
    try:
        async with aclosing(request.stream()) as pieces:
            await found.take(pieces)
    except BaseException:
        found.close()
        raise
    return found


@router.post("/invoices/preview", openapi_extra=FILE, responses=problems(NotFound, *AUTH))
async def preview_invoice(
    request: Request, caller: BillingRead, found: InvoicesDep, charset: Charset, profile: Profile = None
) -> InvoicePreviewOut:
    """Show how a file would be read: by which mapping, its first lines, its faults, and the sum. Nothing is filed."""
    file = await arrived(request)
    try:
        return InvoicePreviewOut.model_validate(await found.preview(caller, file, profile, charset))
    finally:
        file.close()


@router.post("/invoices", status_code=201, openapi_extra=FILE, responses=problems(NotFound, *AUTH) | FILED)
async def create_invoice(
    request: Request,
    response: Response,
    caller: BillingWrite,
    found: InvoicesDep,
    charset: Charset,
    request_id: RequestId,
    period: Annotated[
        str,
        Period,
        Query(description="The month it is for", json_schema_extra={"pattern": MONTH}, examples=["2026-10"]),
    ],
    account_id: Annotated[UUID | None, Query(description="The upstream account; not needed where there is one")] = None,
    supplier: Named = "Teli",
    number: Annotated[Named | None, Query(description="The supplier's own")] = None,
    file_name: Named = "invoice.csv",
    profile: Profile = None,
) -> InvoiceOut:
    """File the supplier's invoice; it is read from then on, a batch at a time. The same content again is the same one.

    Of a file of which not one of the first rows can be read, nothing is filed.
    """
    filed = Filed(account_id, date.fromisoformat(f"{period}-01"), supplier, number, file_name, profile, charset)
    file = await arrived(request)
    try:
        told = InvoiceOut.model_validate(await found.file(caller, file, filed, request_id))
    finally:
        file.close()
    response.headers["Location"] = f"{INVOICES_PATH}/{told.id}"
    response.status_code = 200 if told.already_filed else 201
    return told


@router.get("/invoices", responses=problems(*AUTH))
async def list_invoices(
    caller: BillingRead,
    found: InvoicesDep,
    period: Annotated[str | None, Period, Query(json_schema_extra={"pattern": MONTH}, examples=["2026-10"])] = None,
    state: InvoiceState | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> InvoicePage:
    """Invoices, the newest first."""
    month = date.fromisoformat(f"{period}-01") if period else None
    page = await found.page(caller, month=month, state=state, limit=limit, cursor=cursor)
    return InvoicePage.model_validate(page)


@router.get("/invoices/{invoice_id}", responses=problems(NotFound, *AUTH))
async def get_invoice(invoice_id: UUID, caller: BillingRead, found: InvoicesDep) -> InvoiceOut:
    """One invoice: how far it is read, its sum, and what waits for a decision."""
    return InvoiceOut.model_validate(await found.get(caller, invoice_id))


@router.delete("/invoices/{invoice_id}", status_code=204, responses=problems(NotFound, StateConflict, *AUTH))
async def discard_invoice(
    invoice_id: UUID, caller: BillingWrite, found: InvoicesDep, request_id: RequestId
) -> Response:
    """Take back an invoice that is not matched, with its lines, so that its file can be read by another mapping."""
    await found.discard(caller, invoice_id, request_id)
    return Response(status_code=204)


@router.get(
    "/invoices/{invoice_id}/lines",
    response_model=LinePage,
    responses={200: streamed(INVOICE_LINE), **problems(NotFound, ExportsBusy, ExportStorageFull, *AUTH)},
)
async def list_invoice_lines(
    invoice_id: UUID,
    request: Request,
    caller: BillingRead,
    found: InvoicesDep,
    limit: Annotated[int | None, Query(ge=1, le=1000)] = None,
    cursor: Cursor = None,
) -> Response | LinePage:
    """The lines of an invoice that were read, in the order of the file; or all of them, as CSV, NDJSON or Parquet."""
    exported = wanted(request, limit=limit, cursor=cursor)
    if exported is not None:
        made = found.export_lines(caller, invoice_id, exported)
        return ExportAnswer(await while_there(request.receive, made))
    page = await found.lines(caller, invoice_id, limit=limit or 100, cursor=cursor)
    return LinePage.model_validate(page, from_attributes=True)


@router.get("/invoices/{invoice_id}/rejects", responses=problems(NotFound, *AUTH))
async def list_invoice_rejects(
    invoice_id: UUID,
    caller: BillingRead,
    found: InvoicesDep,
    decided: Annotated[bool | None, Query(description="Only those that were decided, or that wait")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> RejectPage:
    """Rows that could not be read, each with its line and all that is wrong with it."""
    page = await found.rejects(caller, invoice_id, decided=decided, limit=limit, cursor=cursor)
    return RejectPage.model_validate(page, from_attributes=True)


@router.post("/invoices/{invoice_id}/rejects/resolve", responses=problems(NotFound, StateConflict, *AUTH))
async def resolve_invoice_rejects(
    invoice_id: UUID, body: ResolveIn, caller: BillingWrite, found: InvoicesDep, request_id: RequestId
) -> InvoiceOut:
    """Drop rows that are kept aside, or mend them. Those that are mended are lines; all of them, or none."""
    told = await found.resolve(caller, invoice_id, body.decision, body.places, body.values, request_id)
    return InvoiceOut.model_validate(told)


@router.get("/invoice-profiles", responses=problems(*AUTH))
async def list_invoice_profiles(caller: BillingRead, found: ProfilesDep) -> ProfileList:
    """Mappings by name: those that come with Numbergate, and those that were remembered."""
    return ProfileList.model_validate({"items": await found.listed(caller)})


@router.get("/invoice-profiles/{profile_name}", responses=problems(NotFound, *AUTH))
async def get_invoice_profile(profile_name: ProfileName, caller: BillingRead, found: ProfilesDep) -> ProfileOut:
    """One mapping: which column means what, and how amounts and days are written."""
    return ProfileOut.model_validate(await found.get(caller, profile_name))


@router.put("/invoice-profiles/{profile_name}", responses=problems(StateConflict, *AUTH))
async def put_invoice_profile(
    profile_name: ProfileName, body: MappingBody, caller: BillingWrite, found: ProfilesDep, request_id: RequestId
) -> ProfileOut:
    """Remember a mapping by a name. Invoices that were filed by it before keep the one that they were read by."""
    return ProfileOut.model_validate(await found.put(caller, profile_name, body.mapping(), request_id))
