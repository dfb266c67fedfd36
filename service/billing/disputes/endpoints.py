"""Matches of invoices and disputes over REST."""

from email.message import Message
from typing import Annotated, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic import AfterValidator

from service.billing.auth import BillingRead, BillingWrite
from service.billing.disputes.disputes import Disputes
from service.billing.disputes.letters import POLICY, letter
from service.billing.disputes.matches import Matches
from service.billing.disputes.schemas import (
    VERDICTS,
    AttachmentOut,
    DisputeDetail,
    DisputeIn,
    DisputeLinePage,
    DisputeMove,
    DisputePage,
    FindingPage,
    MatchIn,
    MatchOut,
    NoteIn,
    NoteOut,
)
from service.exports.answers import ExportAnswer, streamed, wanted, while_there
from service.exports.errors import ExportsBusy, ExportStorageFull
from service.http.examples import DISPUTED_LINE, FINDING
from service.http.openapi import problems
from service.http.pages import Cursor, Limit
from service.http.params import RequestId
from service.http.problems import UnsupportedMediaType
from service.http.routes import OwnRoute
from service.idempotency.asking import Keyed
from service.idempotency.keys import IdempotencyKeyReused
from service.kit.errors import NotFound, StateConflict
from service.kit.text import names_of, names_pattern, plain
from service.tenants.auth import CREDENTIALS
from service.tenants.endpoints import AUTH

router = APIRouter(prefix="/v1/billing", tags=["disputes"], dependencies=CREDENTIALS, route_class=OwnRoute)

IN_LETTER = 1000
# What a browser shows as it is, or opens with a program that runs nothing of it.
ATTACHED = ("application/pdf", "image/png", "image/jpeg", "text/plain", "text/csv")
HTML = "text/html; charset=utf-8"
InvoiceId = Annotated[UUID, Path(description="Of the invoice")]
DisputeId = Annotated[UUID, Path(description="Of the dispute")]
OfVerdicts = Annotated[
    str | None,
    AfterValidator(names_of(VERDICTS)),
    Query(
        pattern=names_pattern(VERDICTS), description="With commas between", max_length=200,
        examples=["duplicate,never_ours"],
    ),
]  # fmt: skip
FileName = Annotated[
    str,
    AfterValidator(plain),
    Query(min_length=1, max_length=200, description="What the file is called", examples=["answer.pdf"]),
]


async def matches(request: Request) -> Matches:
    found: Matches = request.app.state.services.billing.matches
    return found


async def disputes(request: Request) -> Disputes:
    found: Disputes = request.app.state.services.billing.disputes
    return found


async def attached_type(request: Request) -> str:
    """Raises: UnsupportedMediaType."""
    said = Message()
    said["content-type"] = request.headers.get("content-type", "")
    kind = said.get_content_type()
    if "content-type" not in request.headers or kind not in ATTACHED:
        raise UnsupportedMediaType(f"Send the file as it is, with one of {', '.join(ATTACHED)} as its Content-Type.")
    return kind


MatchesDep = Annotated[Matches, Depends(matches)]
DisputesDep = Annotated[Disputes, Depends(disputes)]
LOCATED = {"headers": {"Location": {"description": "Where it is", "schema": {"type": "string"}}}}


@router.post(
    "/invoices/{invoice_id}/match",
    status_code=202,
    responses=problems(NotFound, StateConflict, *AUTH)
    | {202: {"description": "The worker matches it; look at it until it is done."} | LOCATED},
)
async def match_invoice(
    invoice_id: InvoiceId,
    body: MatchIn,
    caller: BillingWrite,
    found: MatchesDep,
    request_id: RequestId,
    response: Response,
) -> MatchOut:
    """Have every line of an invoice matched with what the ledger charges for its month, anew where that was done."""
    told = await found.ask(caller, invoice_id, body.tolerance, request_id)
    response.headers["Location"] = f"{router.prefix}/invoices/{invoice_id}/match"
    return MatchOut.model_validate(told)


@router.get("/invoices/{invoice_id}/match", responses=problems(NotFound, *AUTH))
async def get_invoice_match(invoice_id: InvoiceId, caller: BillingRead, found: MatchesDep) -> MatchOut:
    """How far the match of an invoice is, and what came of it, by verdict."""
    return MatchOut.model_validate(await found.get(caller, invoice_id))


@router.get(
    "/invoices/{invoice_id}/findings",
    response_model=FindingPage,
    responses={
        200: streamed(FINDING),
        **problems(NotFound, StateConflict, ExportsBusy, ExportStorageFull, *AUTH),
    },
)
async def list_findings(
    invoice_id: InvoiceId,
    caller: BillingRead,
    found: MatchesDep,
    request: Request,
    verdict: OfVerdicts = None,
    limit: Limit | None = None,
    cursor: Cursor = None,
) -> FindingPage | Response:
    """What came of each line of an invoice, and of each charge that it lacks; page by page, or all as a file."""
    verdicts = verdict.split(",") if verdict else []
    if (form := wanted(request, limit=limit, cursor=cursor)) is not None:
        made = found.export(caller, invoice_id, verdicts, form)
        return ExportAnswer(await while_there(request.receive, made))
    page = await found.findings(caller, invoice_id, verdicts, limit=limit or 100, cursor=cursor)
    return FindingPage.model_validate(page)


@router.post(
    "/disputes",
    status_code=201,
    responses=problems(NotFound, StateConflict, *AUTH) | {201: {"description": "Opened."} | LOCATED},
)
async def open_dispute(
    body: DisputeIn, caller: BillingWrite, found: DisputesDep, request_id: RequestId, response: Response
) -> DisputeDetail:
    """Dispute what an invoice charges too much: all of some verdicts, and findings that are named."""
    told = await found.open(
        caller, body.invoice_id, verdicts=body.verdicts, findings=body.findings, title=body.title, request_id=request_id
    )
    response.headers["Location"] = f"{router.prefix}/disputes/{told['id']}"
    return DisputeDetail.model_validate(told)


@router.get("/disputes", responses=problems(*AUTH))
async def list_disputes(
    caller: BillingRead,
    found: DisputesDep,
    state: Annotated[Literal["open", "submitted", "accepted", "rejected", "credited"] | None, Query()] = None,
    invoice_id: Annotated[UUID | None, Query(description="Of this invoice alone")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> DisputePage:
    """Disputes, the last opened first."""
    page = await found.page(caller, state=state, invoice_id=invoice_id, limit=limit, cursor=cursor)
    return DisputePage.model_validate(page, from_attributes=True)


@router.get("/disputes/{dispute_id}", responses=problems(NotFound, *AUTH))
async def get_dispute(dispute_id: DisputeId, caller: BillingRead, found: DisputesDep) -> DisputeDetail:
    """A dispute with its notes and attachments, and the later invoices that gave back of it."""
    return DisputeDetail.model_validate(await found.get(caller, dispute_id))


@router.post("/disputes/{dispute_id}/state", responses=problems(NotFound, StateConflict, *AUTH))
async def move_dispute(
    dispute_id: DisputeId, body: DisputeMove, caller: BillingWrite, found: DisputesDep, request_id: RequestId
) -> DisputeDetail:
    """Say what became of a dispute. Of two that decide it at once one is refused: 409, with the state that it has."""
    told = await found.move(
        caller, dispute_id, body.state, credited=body.credited_micros, reason=body.reason, request_id=request_id
    )
    return DisputeDetail.model_validate(told)


@router.get(
    "/disputes/{dispute_id}/lines",
    response_model=DisputeLinePage,
    responses={200: streamed(DISPUTED_LINE), **problems(NotFound, ExportsBusy, ExportStorageFull, *AUTH)},
)
async def list_dispute_lines(
    dispute_id: DisputeId,
    caller: BillingRead,
    found: DisputesDep,
    request: Request,
    limit: Limit | None = None,
    cursor: Cursor = None,
) -> DisputeLinePage | Response:
    """What is disputed, as it was found; page by page, or all as a file for the supplier."""
    if (form := wanted(request, limit=limit, cursor=cursor)) is not None:
        return ExportAnswer(await while_there(request.receive, found.export(caller, dispute_id, form)))
    page = await found.lines(caller, dispute_id, limit=limit or 100, cursor=cursor)
    return DisputeLinePage.model_validate(page)


@router.get(
    "/disputes/{dispute_id}/letter",
    response_class=Response,
    responses={
        200: {"description": "A page", "content": {"text/html": {"schema": {"type": "string"}}}},
        **problems(NotFound, *AUTH),
    },
)
async def get_dispute_letter(dispute_id: DisputeId, caller: BillingRead, found: DisputesDep) -> Response:
    """A dispute as a page for the supplier, to be printed or sent, with its first 1,000 lines."""
    dispute = await found.get(caller, dispute_id)
    lines = (await found.lines(caller, dispute_id, limit=IN_LETTER, cursor=None))["items"]
    return Response(letter(dispute, lines), media_type=HTML, headers={"Content-Security-Policy": POLICY})


@router.post(
    "/disputes/{dispute_id}/notes",
    status_code=201,
    responses=problems(NotFound, StateConflict, IdempotencyKeyReused, *AUTH),
)
async def note_dispute(
    dispute_id: DisputeId, body: NoteIn, caller: BillingWrite, found: DisputesDep, request_id: RequestId, keyed: Keyed
) -> NoteOut:
    """Add a note to a dispute; it is never changed."""
    once = keyed.of(caller.tenant_id, caller.actor)
    return NoteOut.model_validate(await found.add_note(caller, dispute_id, body.text, request_id, once))


@router.post("/disputes/{dispute_id}/attachments", status_code=201, responses=problems(NotFound, StateConflict, *AUTH))
async def attach_to_dispute(
    dispute_id: DisputeId,
    body: Annotated[
        bytes,
        Body(
            media_type="application/pdf",
            description="The file as it is, 1 MiB at most",
            min_length=1,
            examples=["%PDF-1.7"],
        ),
    ],
    media_type: Annotated[str, Depends(attached_type)],
    name: FileName,
    caller: BillingWrite,
    found: DisputesDep,
    request_id: RequestId,
) -> AttachmentOut:
    """Keep a file with a dispute: PDF, PNG, JPEG, text or CSV. Sent again under its name, it is kept once."""
    added = await found.attach(caller, dispute_id, name=name, media_type=media_type, body=body, request_id=request_id)
    return AttachmentOut.model_validate(added)


@router.get(
    "/disputes/{dispute_id}/attachments/{attachment_id}",
    response_class=Response,
    responses={
        200: {
            "description": "The file, always to be saved and never shown",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(NotFound, *AUTH),
    },
)
async def get_dispute_attachment(
    dispute_id: DisputeId,
    attachment_id: Annotated[UUID, Path(description="Of the attachment")],
    caller: BillingRead,
    found: DisputesDep,
) -> Response:
    """A file that is kept with a dispute."""
    file = await found.attachment(caller, dispute_id, attachment_id)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(file.body, media_type=file.media_type, headers=headers)
