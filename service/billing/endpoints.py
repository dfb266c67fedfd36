"""Billing over REST: prices, the charging rule, months and their statements."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AfterValidator

from service.billing.analytics.listing import Analytics
from service.billing.auth import BillingRead, BillingWrite
from service.billing.book import PriceBook
from service.billing.closing import Closing
from service.billing.errors import PeriodFinal, PeriodNotReady, PriceMissing, PriceOverlaps
from service.billing.focus import focus
from service.billing.periods import Periods
from service.billing.printing import page, policy
from service.billing.schemas import (
    Agreement,
    AnalyticsPage,
    ChargingRuleBody,
    PeriodList,
    PeriodOut,
    PriceFiled,
    PriceVersionIn,
    PriceVersionPage,
    StatementOut,
)
from service.billing.statements import GROUPS, Filters, Statements, Written, lines
from service.exports.answers import MEDIA_TYPES, ExportAnswer, streamed, while_there
from service.exports.errors import ExportsBusy, ExportStorageFull
from service.exports.formats import FORMATS
from service.http.accept import accept_of, preferred
from service.http.examples import CHARGE
from service.http.openapi import problems
from service.http.pages import Cursor, Limit
from service.http.params import RequestId
from service.http.problems import NotAcceptable
from service.http.routes import OwnRoute
from service.kit.errors import Fault, InvalidRequest
from service.kit.text import names_of, names_pattern, plain, shaped
from service.tenants.auth import CREDENTIALS
from service.tenants.endpoints import AUTH
from service.tenants.principals import NotYourOrganization, NotYourTenant, Principal

router = APIRouter(prefix="/v1/billing", tags=["billing"], dependencies=CREDENTIALS, route_class=OwnRoute)

HTML = "text/html"
WRITTEN: dict[str, Written] = {"own": lines, "focus": focus}
MONTH = r"^(?:19[7-9]\d|2\d{3})-(?:0[1-9]|1[0-2])$"
MOST_GROUPS = 4
Month = Annotated[
    str,
    AfterValidator(shaped(MONTH, "must be a month, as 2026-11")),
    Path(description="A month, as 2026-11", json_schema_extra={"pattern": MONTH}, examples=["2026-11"]),
]
Exactly = Annotated[
    str | None, AfterValidator(lambda given: given and plain(given)), Query(min_length=1, max_length=128)
]


async def book(request: Request) -> PriceBook:
    found: PriceBook = request.app.state.services.billing.book
    return found


async def periods(request: Request) -> Periods:
    found: Periods = request.app.state.services.billing.periods
    return found


async def closing(request: Request) -> Closing:
    found: Closing = request.app.state.services.billing.closing
    return found


async def statements(request: Request) -> Statements:
    found: Statements = request.app.state.services.billing.statements
    return found


async def filters(
    organization_id: Exactly = None,
    tenant_id: Exactly = None,
    user_id: Exactly = None,
    cost_center: Exactly = None,
    tag: Exactly = None,
) -> Filters:
    return Filters(organization_id, tenant_id, user_id, cost_center, tag)


async def analytics(request: Request) -> Analytics:
    found: Analytics = request.app.state.services.billing.analytics
    return found


AnalyticsDep = Annotated[Analytics, Depends(analytics)]
BookDep = Annotated[PriceBook, Depends(book)]
ClosingDep = Annotated[Closing, Depends(closing)]
PeriodsDep = Annotated[Periods, Depends(periods)]
StatementsDep = Annotated[Statements, Depends(statements)]
FiltersDep = Annotated[Filters, Depends(filters)]


def _or_printed(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"content": answer["content"] | {HTML: {"schema": {"type": "string"}}}}


@router.get("/prices", responses=problems(*AUTH))
async def list_prices(
    caller: BillingRead, prices: BookDep, limit: Limit = 100, cursor: Cursor = None
) -> PriceVersionPage:
    """Every version of the price book, the one that begins last first."""
    return PriceVersionPage.model_validate(await prices.page(caller, limit=limit, cursor=cursor), from_attributes=True)


@router.post("/prices", status_code=201, responses=problems(PeriodFinal, PriceOverlaps, *AUTH))
async def create_price(
    body: PriceVersionIn, caller: BillingWrite, prices: BookDep, request_id: RequestId
) -> PriceFiled:
    """File a price from a day on. A version is never changed; a later one takes its place."""
    return PriceFiled.model_validate(await prices.add(caller, body.wanted(), request_id))


@router.get("/charging-rule", responses=problems(*AUTH))
async def get_charging_rule(caller: BillingRead, prices: BookDep) -> ChargingRuleBody:
    """How the supplier charges a month, for those that are not final."""
    return ChargingRuleBody.model_validate((await prices.rule(caller)).as_json())


@router.put("/charging-rule", responses=problems(*AUTH))
async def put_charging_rule(
    body: ChargingRuleBody, caller: BillingWrite, prices: BookDep, request_id: RequestId
) -> ChargingRuleBody:
    """Say how the supplier charges a month. Those that are final keep the rule that they were closed with."""
    await prices.put_rule(caller, body.rule(), request_id)
    return body


@router.get("/periods", responses=problems(*AUTH))
async def list_periods(caller: BillingRead, months: PeriodsDep) -> PeriodList:
    """Every month since the first number: open while it runs, draft once it has ended, final when it is closed."""
    return PeriodList.model_validate({"items": await months.listed(caller)})


@router.post(
    "/periods/{period}/close",
    responses={
        202: {"model": PeriodOut, "description": "It takes longer; `GET /v1/billing/periods` says when it is final."},
        **problems(PeriodFinal, PeriodNotReady, PriceMissing, *AUTH),
    },
)
async def close_period(
    period: Month, caller: BillingWrite, closing: ClosingDep, request_id: RequestId, response: Response
) -> PeriodOut:
    """Make a month final. What is found out later is charged in the next one as a correction."""
    told = PeriodOut.model_validate(await closing.close(caller, _first_of(period), request_id))
    if told.state == "closing":
        response.status_code = 202
        response.headers["Location"] = "/v1/billing/periods"
    return told


@router.get("/periods/{period}/analytics", responses=problems(*AUTH))
async def list_period_analytics(
    period: Month,
    caller: BillingRead,
    found: AnalyticsDep,
    state: Agreement | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> AnalyticsPage:
    """What Teli's own analytics count of a month that is final, beside what the ledger has, by organisation and user.

    They are asked for once the month is closed; a month that is not, has none.
    """
    page = await found.page(caller, _first_of(period), state=state, limit=limit, cursor=cursor)
    return AnalyticsPage.model_validate(page, from_attributes=True)


@router.get("/statements/{period}", responses=problems(NotYourOrganization, NotYourTenant, *AUTH))
async def get_statement(
    period: Month,
    caller: BillingRead,
    found: StatementsDep,
    asked: FiltersDep,
    group_by: Annotated[
        str | None,
        AfterValidator(names_of(GROUPS, MOST_GROUPS)),
        Query(
            description="Up to four, with commas in between",
            json_schema_extra={"pattern": names_pattern(GROUPS, MOST_GROUPS)},
            examples=["cost_center,user_id"],
        ),
    ] = None,
) -> StatementOut:
    """What a month charges, at any time: as it stands where it is open or draft, for good where it is final. One
    that runs is told to its end, if nothing changes, and so far; one of the next twelve is a forecast.

    A tenant sees its own charges, finance those of all it sees.
    """
    grouped = list(dict.fromkeys(group_by.split(","))) if group_by else []
    return StatementOut.model_validate(await found.get(caller, _first_of(period), asked, grouped))


@router.get(
    "/statements/{period}/export",
    response_class=Response,
    responses={
        200: _or_printed(streamed(CHARGE)),
        **problems(NotYourOrganization, NotYourTenant, ExportsBusy, ExportStorageFull, *AUTH),
    },
)
async def export_statement(
    period: Month,
    caller: BillingRead,
    found: StatementsDep,
    asked: FiltersDep,
    request: Request,
    columns: Annotated[
        Literal["own", "focus"], Query(description="The gateway's own, or those of FOCUS 1.3: see docs/billing.md")
    ] = "own",
    limit: Annotated[int | None, Query(ge=1, le=10_000, description="No more than so many, the first")] = None,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="Leave out so many before these")] = 0,
) -> Response:
    """Every charge of a month, as CSV, NDJSON or Parquet: for which number and days, whose, at which price, and why. Or
    the month as one page of HTML, to be looked at and printed.
    """
    kind = preferred(accept_of(request.scope), (*MEDIA_TYPES, HTML))
    if kind is None:
        raise NotAcceptable(f"An export is {', '.join(MEDIA_TYPES)} or {HTML}; accept one of these.")
    if kind == HTML:
        return await _printed(found, caller, _first_of(period), asked, columns)
    made = found.export(caller, _first_of(period), asked, FORMATS[kind], WRITTEN[columns], limit=limit, offset=offset)
    return ExportAnswer(await while_there(request.receive, made))


async def _printed(found: Statements, caller: Principal, month: date, asked: Filters, columns: str) -> Response:
    if columns != "own":
        raise InvalidRequest(Fault("columns", f"does not go with {HTML}; accept text/csv, or leave it out"))
    headers = {
        "Content-Security-Policy": policy(),
        "Content-Disposition": f'inline; filename="statement-{month:%Y-%m}.html"',
    }
    return Response(page(await found.printed(caller, month, asked)), headers=headers, media_type=HTML)


def _first_of(period: str) -> date:
    return date.fromisoformat(f"{period}-01")
