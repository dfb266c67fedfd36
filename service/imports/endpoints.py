"""Imports of numbers bought before Numbergate, over HTTP."""

import hashlib
from dataclasses import replace
from email.message import Message
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, ValidationError

from service.http.openapi import problems
from service.http.pages import Cursor, Limit
from service.http.params import RequestId
from service.http.problems import UnsupportedMediaType
from service.http.routes import OwnRoute
from service.idempotency.asking import Keyed
from service.idempotency.keys import IdempotencyKeyReused, fingerprint
from service.idempotency.once import Once
from service.imports.imports import Imports
from service.imports.lines import split_tags
from service.imports.schemas import (
    Amount,
    Currency,
    Given,
    ImportIn,
    ImportItemPage,
    ImportOut,
    ImportPage,
    Since,
)
from service.kit.csv_files import CHARSETS
from service.kit.errors import NotFound, StateConflict
from service.kit.text import names_of, names_pattern
from service.numbers.schemas import Label
from service.orders.endpoints import OrdersDep
from service.orders.errors import SelectionExpired, TooManyPreviews
from service.orders.orders import Orders
from service.orders.schemas import ORDER_STATES, Outcome
from service.quotas.errors import RateLimited
from service.teli.errors import UpstreamUnavailable
from service.tenants.auth import CREDENTIALS, Admin, AdminReads
from service.tenants.endpoints import AUTH
from service.tenants.principals import Principal
from service.tenants.schemas import ExternalId

router = APIRouter(prefix="/v1/imports", tags=["imports"], dependencies=CREDENTIALS, route_class=OwnRoute)
CSV = "text/csv"
CSV_PATH = f"{router.prefix}/csv"


async def imports(request: Request) -> Imports:
    found: Imports = request.app.state.services.imports
    return found


async def once_of(caller: Admin, keyed: Keyed) -> Once:
    return keyed.by(caller.actor)


async def said_of_all(
    organization_id: Annotated[ExternalId | None, Query(description="They must be of this organisation")] = None,
    tenant_id: Annotated[ExternalId | None, Query(description="Whose they are to be")] = None,
    user_id: Annotated[ExternalId | None, Query(description="Whose they are where Teli names no user")] = None,
    cost_center: Annotated[Label | None, Query()] = None,
    tags: Annotated[str | None, Query(description="With semicolons between", max_length=1400)] = None,
    acquired_at: Annotated[
        Since | None,
        Query(description="Since when they are held: a date, or a time by RFC 3339", examples=["2025-03-01"]),
    ] = None,
    monthly_price: Annotated[Amount | None, Query(description="In units of the currency, as 2.99")] = None,
    setup_price: Annotated[Amount | None, Query()] = None,
    currency: Annotated[Currency | None, Query(description="ISO 4217", examples=["USD"])] = None,
) -> Given:
    """What is said of all numbers of a file of which their rows say nothing else."""
    try:
        return Given(
            organization_id=organization_id,
            tenant_id=tenant_id,
            user_id=user_id,
            cost_center=cost_center,
            tags=None if tags is None else split_tags(tags),
            acquired_at=acquired_at,
            monthly_price=monthly_price,
            setup_price=setup_price,
            currency=currency,
        )
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("query", *one["loc"][:1])} for one in error.errors()]) from None


async def charset_of(request: Request) -> str | None:
    """The charset that the file is declared to be in. Raises: UnsupportedMediaType."""
    said = Message()
    said["content-type"] = request.headers.get("content-type", "")
    charset = said.get_content_charset()
    if said.get_content_type() != CSV or charset not in (None, *CHARSETS):
        raise UnsupportedMediaType(
            "Send the file as it is, with Content-Type: text/csv; with curl by --data-binary @numbers.csv."
            f" Where it names a charset, that is one of {', '.join(CHARSETS)}."
        )
    return charset


ImportsDep = Annotated[Imports, Depends(imports)]
OnceDep = Annotated[Once, Depends(once_of)]
PREVIEWED = problems(IdempotencyKeyReused, StateConflict, UpstreamUnavailable, TooManyPreviews, RateLimited, *AUTH) | {
    201: {
        "description": "Shown, and kept to be applied.",
        "headers": {"Location": {"description": "The import's path", "schema": {"type": "string"}}},
    }
}
SET_GOING: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "Set going; look at the import.",
        "headers": {"Location": {"description": "The import's path", "schema": {"type": "string"}}},
    }
}


@router.post("", status_code=201, responses=PREVIEWED)
async def preview_import(
    body: ImportIn, caller: Admin, imports: ImportsDep, orders: OrdersDep, once: OnceDep, response: Response
) -> ImportOut:
    """Show what would become of the numbers that Teli listed before the account first bought here; nothing is adopted.

    Those that are still nobody's, 10,000 at a time. An orphan is imported by a file that names it.
    """
    import_id = await imports.preview_listed(caller, body, once)
    return await _told(orders, caller, import_id, response)


@router.post(
    "/csv",
    status_code=201,
    responses=PREVIEWED,
)
async def preview_csv_import(
    body: Annotated[
        bytes,
        Body(
            media_type=CSV,
            description="The file as it is, 8 MiB and 10,000 rows at most",
            examples=["phone_number,tenant_id,acquired_at\n+13135550142,dialler,2025-03-01\n"],
        ),
    ],
    caller: Admin,
    charset: Annotated[str | None, Depends(charset_of)],
    given: Annotated[Given, Depends(said_of_all)],
    imports: ImportsDep,
    orders: OrdersDep,
    once: OnceDep,
    response: Response,
    account_id: Annotated[UUID | None, Query(description="They must be of this upstream account")] = None,
) -> ImportOut:
    """Show what would become of the numbers of a spreadsheet, row by row; nothing is adopted.

    Its first line names the columns; what its rows leave open is said of all by the parameters.
    """
    said = [given.model_dump(mode="json"), str(account_id), hashlib.sha256(body).hexdigest()]
    once = replace(once, fingerprint=fingerprint(said))
    import_id = await imports.preview_file(caller, body, given, once, charset=charset, account_id=account_id)
    return await _told(orders, caller, import_id, response)


@router.get("", responses=problems(*AUTH))
async def list_imports(
    caller: AdminReads,
    orders: OrdersDep,
    state: Annotated[
        str | None,
        AfterValidator(names_of(ORDER_STATES)),
        Query(
            description="One or several, separated by commas",
            max_length=200,
            json_schema_extra={"pattern": names_pattern(ORDER_STATES)},
            examples=["previewed"],
        ),
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ImportPage:
    """Imports, newest first, of the organisations that the caller sees."""
    states = tuple(set(state.split(","))) if state else ORDER_STATES
    page = await orders.page(caller, states, limit=limit, cursor=cursor, kind="import")
    return ImportPage.model_validate(page | {"items": [_shown(one) for one in page["items"]]})


@router.get("/{import_id}", responses=problems(NotFound, *AUTH))
async def get_import(import_id: UUID, caller: AdminReads, orders: OrdersDep) -> ImportOut:
    """One import: what was shown, how far it is, and what became of its rows."""
    return ImportOut.model_validate(_shown(await orders.get(caller, import_id, kind="import")))


@router.get("/{import_id}/items", responses=problems(NotFound, *AUTH))
async def list_import_items(
    import_id: UUID,
    caller: AdminReads,
    orders: OrdersDep,
    outcome: Outcome | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ImportItemPage:
    """Every row: what was shown of it, what became of it, and why."""
    page = await orders.items(caller, import_id, outcome, limit=limit, cursor=cursor, kind="import")
    items = [{**one, "line": one["seq"], "number_id": one["id"], "listed": one["shown"]} for one in page["items"]]
    return ImportItemPage.model_validate(page | {"items": items})


@router.post(
    "/{import_id}/apply",
    status_code=202,
    responses=problems(NotFound, StateConflict, SelectionExpired, RateLimited, *AUTH) | SET_GOING,
)
async def apply_import(
    import_id: UUID,
    caller: Admin,
    imports: ImportsDep,
    orders: OrdersDep,
    request_id: RequestId,
    response: Response,
) -> ImportOut:
    """Adopt exactly what was shown; what is listed otherwise by now is left alone. Asking again is harmless."""
    await imports.apply(caller, import_id, request_id)
    return await _told(orders, caller, import_id, response)


@router.post("/{import_id}/cancel", responses=problems(NotFound, StateConflict, IdempotencyKeyReused, *AUTH))
async def cancel_import(
    import_id: UUID, caller: Admin, orders: OrdersDep, once: OnceDep, request_id: RequestId
) -> ImportOut:
    """Stop an import: numbers that nobody has begun with stay as they are. Asking again is harmless."""
    return ImportOut.model_validate(_shown(await orders.cancel(caller, import_id, request_id, once, kind="import")))


async def _told(orders: Orders, caller: Principal, import_id: UUID, response: Response) -> ImportOut:
    response.headers["Location"] = f"/v1/imports/{import_id}"
    return ImportOut.model_validate(_shown(await orders.get(caller, import_id, kind="import")))


def _shown(order: dict[str, Any]) -> dict[str, Any]:
    """An order as the import that it is."""
    asked, content = order["change"]["import"], order["content"]
    return order | {
        "source": asked["source"],
        "asked": {name: value for name, value in asked.items() if name != "source"},
        "sha256": content and content.hex(),
        "same_as": order["selection"]["same_as"],
    }
