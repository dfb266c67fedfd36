"""What the gateway answers, member by member. Made by `python -m tests.client` from its OpenAPI document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from service.client.answers import Answer

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberBought(Answer):
    """Teli's body, and beside it `id`, `state` and `operation_id`. `joined`: Taken over, without a key, from an
    equal request that was not told.
    """

    success: bool | None = None
    phone_number: str
    phone_number_pretty: str
    area_code: str
    phone_number_type: str
    powered_by: str
    id: UUID
    state: str
    operation_id: UUID
    warnings: tuple[str, ...] | None = None
    joined: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending(Answer):
    """The outcome is not known yet: poll the operation, whose path is in `Location`. `joined`: Taken over,
    without a key, from an equal request that was not told.
    """

    success: bool | None = None
    pending: bool | None = None
    operation_id: UUID
    state: str
    joined: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TeliRow(Answer):
    """A row in Teli's shape; `id`, `state`, `cost_center`, `tags` and `holder_user_id` are ours."""

    phone_number: str
    pretty_phone_number: str
    id: UUID
    area_code: str
    phone_type: str
    provider: str
    user_id: str
    organization_id: str
    tenant_id: str
    outbound_agent_id: str | None
    inbound_agent_id: str | None
    nickname: str | None
    location: str | None
    accessible_by: tuple[str, ...]
    stripe_subscription_id: str | None
    zapier: bool
    created_at: datetime
    state: str
    cost_center: str | None
    tags: tuple[str, ...]
    holder_user_id: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TeliListing(Answer):
    """`next_cursor` only where `limit` was given."""

    success: bool | None = None
    phone_numbers: tuple[TeliRow, ...]
    count: int
    powered_by: str
    next_cursor: str | None = None
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberUpdated(Answer):
    success: bool | None = None
    phone_number: str
    message: str
    inbound_agent_id: str | None = None
    outbound_agent_id: str | None = None
    nickname: str | None = None
    powered_by: str
    id: UUID
    state: str
    operation_id: UUID
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberReleased(Answer):
    success: bool | None = None
    phone_number: str
    released_at: datetime
    billing_stopped: bool | None = None
    already_released: bool | None = None
    message: str
    powered_by: str
    id: UUID
    state: str
    operation_id: UUID | None = None
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberItem(Answer):
    """One acquisition; an E.164 that was released and bought again is two."""

    id: UUID
    phone_number: str
    state: str
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None
    cost_center: str | None
    tags: tuple[str, ...]
    acquired_at: datetime
    confirmed_at: datetime | None
    released_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Total(Answer):
    value: int
    exact: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterFault(Answer):
    pointer: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedFilter(Answer):
    """`mine`: whether it is the caller's own, and not another's that is shared. `faults`: What of it the
    listing knows no more; it is not applied until mended.
    """

    id: UUID
    name: str
    organization_id: str | None
    filters: Mapping[str, Any]
    sort: str | None
    mine: bool
    faults: tuple[FilterFault, ...]
    created_at: datetime
    updated_at: datetime
    etag: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown(Answer):
    """A number as it stood when it was shown; `becomes`: the members that are to change, null for a release."""

    id: UUID
    phone_number: str
    state: str
    organization_id: str
    tenant_id: str
    user_id: str
    nickname: str | None
    cost_center: str | None
    tags: tuple[str, ...]
    holder_user_id: str | None
    inbound_agent_id: str | None
    outbound_agent_id: str | None
    becomes: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CostLess(Answer):
    """Micro-units of `currency`: what a month costs less, and the charges ahead that would not come."""

    currency: str
    monthly_less: int
    next_charges_avoided: int
    first_charge_avoided_at: datetime | None
    last_charge_avoided_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost(Answer):
    """In the deployment's currency; `also`: in others, for what is of two cannot be added up."""

    currency: str
    monthly_less: int
    next_charges_avoided: int
    first_charge_avoided_at: datetime | None
    last_charge_avoided_at: datetime | None
    also: tuple[CostLess, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SkippedFor(Answer):
    reason: str
    detail: str
    count: int
    sample: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped(Answer):
    count: int
    reasons: tuple[SkippedFor, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview(Answer):
    """What would be done with `count` of the `selected` numbers; the token has exactly that done, until it
    expires.
    """

    order_id: UUID
    kind: str
    state: str
    expires_at: datetime
    token: str = field(repr=False)
    count: int
    selected: int
    sample: tuple[Shown, ...]
    cost: Cost
    skipped: Skipped


@dataclass(frozen=True, kw_only=True, slots=True)
class Order(Answer):
    """`count`: numbers that were shown to be changed; `counts`: of all its numbers, how many came to which
    outcome, and `reasons` why, where they did not come to `done`. `tenant_id`: null: an administrator's.
    `expires_at`: until when a preview can be applied. `deadline`: of an order of new numbers: nothing is sent
    after it.
    """

    order_id: UUID
    kind: str
    state: str
    tenant_id: str | None
    change: Mapping[str, Any]
    selection: Mapping[str, Any]
    count: int
    counts: Mapping[str, int]
    reasons: Mapping[str, int]
    undoes: UUID | None
    created_at: datetime
    expires_at: datetime | None
    applied_at: datetime | None
    cancelled_at: datetime | None
    ended_at: datetime | None
    deadline: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderPrice(Answer):
    """Micro-units of `currency`, of all numbers together, by the price book: as it is in force today for the
    area code that is asked for first. `at_once`: setup and the first month.
    """

    currency: str
    setup: int
    monthly: int
    at_once: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Quote(Answer):
    """What an order would come to. `limits`: as they stand without it, each with what it asks of them.
    `area_codes`: That would be asked for, in order. `nicknames`: Of the first five.
    """

    dry_run: bool
    quantity: int
    area_codes: tuple[str, ...]
    nicknames: tuple[str | None, ...]
    price: OrderPrice
    allowed: bool
    why_not: str | None
    limits: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderShown(Answer):
    """One order; `preview`: as it was shown, token and all, while whoever asked for it can still apply it.
    `tenant_id`: null: an administrator's. `expires_at`: until when a preview can be applied. `deadline`: of an
    order of new numbers: nothing is sent after it.
    """

    order_id: UUID
    kind: str
    state: str
    tenant_id: str | None
    change: Mapping[str, Any]
    selection: Mapping[str, Any]
    count: int
    counts: Mapping[str, int]
    reasons: Mapping[str, int]
    undoes: UUID | None
    created_at: datetime
    expires_at: datetime | None
    applied_at: datetime | None
    cancelled_at: datetime | None
    ended_at: datetime | None
    deadline: datetime | None
    preview: Preview | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderItem(Answer):
    """`operation_id`: what it owes Teli, where it does; of a new number its purchase, once it is begun.
    `area_code`: the one that it was last asked for in.
    """

    id: UUID | None
    phone_number: str | None
    tenant_id: str | None
    outcome: str
    reason: str | None
    detail: str | None
    shown: Mapping[str, Any] | None
    becomes: Mapping[str, Any] | None
    operation_id: UUID | None
    area_code: str | None
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed(Answer):
    """The row at Teli that proves it, as it stood when it was shown."""

    row_id: str
    organization_id: str
    user_id: str | None
    nickname: str | None
    listed_as: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Price(Answer):
    """Micro-units of `currency`: 2990000 is 2.99."""

    setup: int
    monthly: int
    currency: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted(Answer):
    """A number as it would stand. `nickname`: null leaves Teli's; `acquired_by`: who says since when it is
    held.
    """

    tenant_id: str
    organization_id: str
    user_id: str
    nickname: str | None
    cost_center: str | None
    tags: tuple[str, ...]
    acquired_at: datetime
    acquired_by: str
    price: Price | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample(Answer):
    line: int
    phone_number: str
    listed: Listed
    becomes: Adopted


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportCosts(Answer):
    """What numbers cost by their prices, or by the deployment's; micro-units."""

    currency: str
    numbers: int
    monthly: int
    to_date: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Passed(Answer):
    """A limit of numbers held that has no room for all: they are adopted all the same, for they exist and are
    paid.
    """

    scope: str
    tenant_id: str | None
    organization_id: str | None
    user_id: str | None
    limit: int
    held: int
    would_hold: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportPreview(Answer):
    """What would be done with `count` of the `selected` numbers. `beyond`: more are there than one import
    takes.
    """

    count: int
    selected: int
    beyond: bool
    sample: tuple[Sample, ...]
    costs: tuple[ImportCosts, ...]
    limits_passed: tuple[Passed, ...]
    skipped: Skipped


@dataclass(frozen=True, kw_only=True, slots=True)
class Import(Answer):
    """`count`: numbers that were shown to be adopted; `counts`: of all rows, how many came to which outcome,
    and `reasons` why, where they did not come to `done`. `same_as`: an import of the very same content before
    this one. `asked`: what was said of all. `sha256`: of the file. `expires_at`: until when it can be applied.
    """

    import_id: UUID
    state: str
    source: str
    asked: Mapping[str, Any]
    sha256: str | None
    same_as: UUID | None
    count: int
    counts: Mapping[str, int]
    reasons: Mapping[str, int]
    preview: ImportPreview
    actor: str
    created_at: datetime
    expires_at: datetime | None
    applied_at: datetime | None
    cancelled_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportItem(Answer):
    """`number_id`: once it is done. `line`: of the file, or its place among those that are listed."""

    line: int
    phone_number: str | None
    number_id: UUID | None
    outcome: str
    reason: str | None
    detail: str | None
    listed: Listed | None
    becomes: Adopted | None
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Link(Answer):
    """`desired`: what is wanted; `confirmed`: what Teli has said that it has."""

    desired: str | None
    confirmed: str | None
    state: str
    updated_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Agents(Answer):
    """Null where none was ever linked."""

    inbound: Link | None
    outbound: Link | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs(Answer):
    """Micro-units of `currency` (ISO 4217): 2990000 is 2.99, as statements have it. `source`: whether its price
    is of the price book, and then `price_id` says which, or its own since it was imported.
    """

    to_date: int
    monthly: int
    next_charge_at: datetime | None
    next_charge: int
    currency: str
    source: str
    price_id: UUID | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Purchase(Answer):
    """`ended_at`: of the one request to Teli, `answered` its status; null where none came, or not for you to
    know. `idempotency_key` and `request_id` are told to the tenant that sent them.
    """

    operation_id: UUID
    state: str
    decision: str | None
    idempotency_key: str | None
    request_id: str | None
    admitted_at: datetime
    ended_at: datetime | None
    decided_at: datetime | None
    answered: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Upstream(Answer):
    """The number's row at Teli. `last_seen_at`: in a whole listing; `gone_at`: since when it is listed no more."""

    row_id: str | None
    subscription_id: str | None
    nickname: str | None
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    gone_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Calls(Answer):
    """Null is unknown: a number of which no call was looked for is not idle for that."""

    last_inbound_at: datetime | None
    last_outbound_at: datetime | None
    idle_since: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Owed(Answer):
    """What is still to be done at Teli, `due_at` next; `outcome`: what became of the last try."""

    operation_id: UUID
    kind: str
    state: str
    created_at: datetime
    due_at: datetime
    tries: int
    outcome: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftOfNumber(Answer):
    """What Teli lists otherwise than is wanted, `since` then; `why` in words, and why nobody decided it yet."""

    id: UUID
    member: str
    ours: str | None
    theirs: str | None
    since: datetime
    seen_at: datetime
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Release(Answer):
    """A number that is to be given back at `at`, and may be restored until then. `extra_charge`: micro-units of
    the currency of `costs`, for months that begin until then.
    """

    operation_id: UUID
    at: datetime
    asked_at: datetime
    reason: str | None
    extra_charge: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Number(Answer):
    """One acquisition. `user_id` owns it at Teli, `holder_user_id` uses it. `operation_id` is its purchase; an
    adopted one has none.
    """

    id: UUID
    phone_number: str
    state: str
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None
    cost_center: str | None
    tags: tuple[str, ...]
    holder_user_id: str | None
    inbound_agent_id: str | None
    outbound_agent_id: str | None
    acquired_at: datetime
    confirmed_at: datetime | None
    released_at: datetime | None
    operation_id: UUID | None
    agents: Agents
    costs: Costs
    purchase: Purchase | None
    upstream: Upstream
    calls: Calls
    owed: tuple[Owed, ...]
    drift: tuple[DriftOfNumber, ...]
    release: Release | None
    etag: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryItem(Answer):
    """`before` and `after` hold what changed. `actor`: A key or token, or a part of the gateway. To whom the
    audit log is not told: `person`, `admin` or `operator`, and `tenant` for whoever acts for another tenant.
    """

    at: datetime
    action: str
    actor: str
    request_id: str | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation(Answer):
    """`result` is the answer the request would have got, or `problem` why there is none."""

    id: UUID
    kind: str
    state: str
    intent_state: str | None = None
    created_at: datetime
    ended_at: datetime | None
    number_id: UUID | None
    result: Mapping[str, Any] | None
    problem: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceVersion(Answer):
    """A version of the price book; null of organisation, type and area is any."""

    id: UUID
    organization_id: str | None
    number_type: str | None
    area_code: str | None
    since: date
    setup: int
    monthly: int
    currency: str
    reason: str | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceFiled(Answer):
    """`warnings`: what may be meant otherwise, as a type that no number has."""

    id: UUID
    organization_id: str | None
    number_type: str | None
    area_code: str | None
    since: date
    setup: int
    monthly: int
    currency: str
    reason: str | None
    created_at: datetime
    created_by: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingRuleBody(Answer):
    """How the supplier charges a month. `cycle`: months from the day of purchase, or the calendar's.
    `proration`: a month that has begun in full, or by the day. `due`: on its first day, or after its last.
    `free_days`: the first ones, that cost no rent. `minimum_months`: charged in full however soon a number is
    given back.
    """

    cycle: str | None = None
    proration: str | None = None
    due: str | None = None
    time_zone: str | None = None
    free_days: int | None = None
    minimum_months: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Period(Answer):
    """A month. What is null is known once it is final. `hash`: SHA-256 over its charges, which `numbergate
    billing verify` reckons anew. `doubts`: purchases whose outcome was not known then. Of all tenants together;
    `charges` and `doubts` are told to whoever sees all of them.
    """

    period: str
    state: str
    hash: str | None
    charges: int | None
    closed_at: datetime | None
    closed_by: str | None
    charging_rule: ChargingRuleBody | None
    doubts: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PeriodList(Answer):
    """Months, the last first."""

    items: tuple[Period, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted(Answer):
    """Numbers held at some time of the month, and bought in it; and what they cost."""

    rentals: int
    purchases: int
    rental_micros: int
    purchase_micros: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference(Answer):
    user_id: str
    ours: Counted
    theirs: Counted


@dataclass(frozen=True, kw_only=True, slots=True)
class Analytics(Answer):
    """What Teli's analytics count of an organisation in a final month, beside ours. `unknown`: it could not be
    asked. `users`: how many were compared. `differences`: those that differ, a thousand at most.
    """

    account_id: UUID
    organization_id: str
    state: str
    asked_at: datetime | None
    users: int | None
    differences: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums(Answer):
    """`micros`: all of the month, to its end if nothing changes. `so_far`: of it, what is due by today.
    `corrections`: of it, what puts months before it right. `unpriced`: charges without a price yet.
    """

    currency: str | None
    micros: int
    so_far: int
    charges: int
    numbers: int
    corrections: int
    unpriced: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Group(Answer):
    currency: str | None
    micros: int
    so_far: int
    charges: int
    numbers: int
    corrections: int
    unpriced: int
    key: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement(Answer):
    """The sums of a month by currency, and of each group; the sums of the groups add up to the whole. A month
    that has not begun is a `forecast`: what it charges if nothing changes.
    """

    period: str
    state: str
    charging_rule: ChargingRuleBody
    totals: tuple[Sums, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached(Answer):
    """A threshold, in percent, by what is charged so far or is to be expected of the whole month. `ended_at`:
    when a higher amount let it be reached anew.
    """

    threshold: int
    measure: str
    micros: int
    amount: int
    at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing(Answer):
    """How the month that runs stands, as it was reckoned at that time; null: it is reckoned anew within
    seconds.
    """

    period: str
    so_far: int
    forecast: int
    reckoned_at: datetime | None
    reached: tuple[Reached, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget(Answer):
    """A budget, and how it stands; null before it was reckoned first."""

    id: UUID
    name: str | None
    organization_id: str | None
    tenant_id: str | None
    cost_center: str | None
    currency: str
    amount: int
    notify_tenant_id: str | None
    standing: Standing | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MappingBody(Answer):
    """Which column means what, and how the file writes amounts and days; it holds for all of its rows.
    `decimal`: the sign before the fraction; null is a point, and refuses what could be thousands as well, as
    1.234. `unit`: whether amounts are in units, as 2.99, or in the smallest ones, as 299. `day_order`: of days
    in figures, as 03/01/2026; without it they are refused. `ends`: whether the last day is charged still.
    `time_zone`: in which moments are days. `kinds`: what a word of the column `kind` means; `otherwise`: what
    any other does. `negatives`: what a negative charge is. `phone_in_description`: where a row has no number of
    its own, the one that its description names. `charset`, `separator`, `sheet`: null is told from the file.
    `skip`: lines above the header.
    """

    columns: Mapping[str, str]
    decimal: str | None = None
    unit: str | None = None
    currency: str | None = None
    day_order: str | None = None
    ends: str | None = None
    time_zone: str | None = None
    kinds: Mapping[str, str] | None = None
    otherwise: str | None = None
    negatives: str | None = None
    phone_in_description: bool | None = None
    charset: str | None = None
    separator: str | None = None
    sheet: str | None = None
    skip: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Line(Answer):
    """A line. `place`: its row below the header, from 1. `micros`: what gives back is negative."""

    place: int
    line_ref: str | None
    subscription_id: str | None
    phone_number: str | None
    user_id: str | None
    kind: str
    begins: date | None
    ends: date | None
    quantity: int | None
    micros: int
    currency: str
    description: str


@dataclass(frozen=True, kw_only=True, slots=True)
class InvoiceFault(Answer):
    """`column`: the member of a line that it is about; empty is the row as a whole. `detail` names the mend."""

    column: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewReject(Answer):
    place: int
    line: int
    text: str
    faults: tuple[InvoiceFault, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class InvoicePreview(Answer):
    """What would be read, by a mapping that was named, or that the headers suggest. `complete`: the whole file
    was looked at; else its first `rows`. `unused`: columns that are not read. `rejects`: the first.
    `already_filed`: the invoice that has just this content.
    """

    profile: str | None
    guessed: bool
    mapping: MappingBody
    headers: tuple[str, ...]
    unused: tuple[str, ...]
    rows: int
    complete: bool
    lines: int
    rejected: int
    currency: str | None
    micros: int
    sample: tuple[Line, ...]
    rejects: tuple[PreviewReject, ...]
    already_filed: UUID | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Invoice(Answer):
    """An invoice. `period`: the month it is for; `period_state`: how far our own is. `size`, `size_read`: bytes
    of the file, and of it so far. `read_through`: rows read. `rejected`: rows that wait for a decision.
    `micros`: the sum of its lines. `already_filed`: it was there before, with just this content.
    """

    id: UUID
    account_id: UUID
    supplier: str
    number: str | None
    file_name: str
    sha256: str
    profile: str | None
    mapping: MappingBody
    currency: str | None
    period: str
    period_state: str
    state: str
    size: int
    size_read: int
    read_through: int
    lines: int
    rejected: int
    micros: int
    problem: str | None
    created_at: datetime
    created_by: str
    already_filed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Reject(Answer):
    """A row that is kept aside. `line`: of the file. `cells`: what was read of it, by member. `mended`: the
    values that took the place of its own.
    """

    place: int
    line: int
    text: str
    cells: Mapping[str, str]
    faults: tuple[InvoiceFault, ...]
    decision: str | None
    mended: Mapping[str, str] | None
    decided_by: str | None
    decided_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile(Answer):
    """A mapping by name. `shipped`: it comes with Numbergate, and cannot be changed."""

    name: str
    shipped: bool
    mapping: MappingBody
    created_at: datetime | None
    created_by: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileList(Answer):
    """Those that are shipped, then those that were remembered, by name."""

    items: tuple[Profile, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OfVerdict(Answer):
    verdict: str
    findings: int
    expected_micros: int
    charged_micros: int
    difference_micros: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis(Answer):
    """What the ledger's charges were reckoned from. `final`: whether the month was closed."""

    final: bool
    charging_rule: ChargingRuleBody
    facts_through: int
    prices_through: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Match(Answer):
    """`state`: queued, running, done, failed. What is charged is what was expected and the difference, to the
    last micro-unit; so it is of each verdict. What is null or empty is known once it is done.
    """

    invoice_id: UUID
    state: str
    period: str
    currency: str | None
    tolerance: int
    asked_at: datetime
    asked_by: str
    ended_at: datetime | None
    problem: str | None
    lines: int
    charged_micros: int
    expected_micros: int
    difference_micros: int
    verdicts: tuple[OfVerdict, ...]
    basis: Basis | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding(Answer):
    """`place`: of the invoice's line; null is a charge without one. `begins`, `ends`: of the charge that it is
    for, at `price_ids`; `line_begins`, `line_ends`: of the line. `ends` is the day after the last.
    `other_place`: of a duplicate, the line that was there before; of the invoice `other_invoice_id`, null is
    the same. `evidence`, where something differs: how long the ledger held the number, when listings showed it,
    and the line of an earlier invoice. `dispute_id`: of the dispute that it is in, unless that was rejected.
    """

    finding: int
    place: int | None
    verdict: str
    number_id: UUID | None
    phone_number: str | None
    subscription_id: str | None
    kind: str
    begins: date | None
    ends: date | None
    expected_micros: int
    charged_micros: int
    difference_micros: int
    other_place: int | None
    other_invoice_id: UUID | None
    line_begins: date | None
    line_ends: date | None
    quantity: int | None
    description: str | None
    price_ids: tuple[UUID, ...] | None
    dispute_id: UUID | None
    evidence: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DisputedVerdict(Answer):
    verdict: str
    lines: int
    disputed_micros: int
    credited_micros: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Note(Answer):
    id: UUID
    at: datetime
    by: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment(Answer):
    """`size`: in bytes."""

    id: UUID
    at: datetime
    by: str
    name: str
    media_type: str
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Credit(Answer):
    """That the line at `place` of a later invoice gives back so much of a line of the dispute."""

    invoice_id: UUID
    number: str | None
    place: int
    line: int
    micros: int
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class DisputeDetail(Answer):
    id: UUID
    invoice_id: UUID
    account_id: UUID
    state: str
    title: str
    currency: str
    lines: int
    micros: int
    credited_micros: int
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str
    supplier: str
    invoice_number: str | None
    period: str
    verdicts: tuple[DisputedVerdict, ...]
    notes: tuple[Note, ...]
    attachments: tuple[Attachment, ...]
    credits: tuple[Credit, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Dispute(Answer):
    """`micros`: what is disputed; `credited_micros`: what was given back of it."""

    id: UUID
    invoice_id: UUID
    account_id: UUID
    state: str
    title: str
    currency: str
    lines: int
    micros: int
    credited_micros: int
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DisputeLine(Answer):
    """A finding as it was when it was disputed. `line_ref`, `line_begins`, `line_ends`: as the invoice has
    them.
    """

    line: int
    place: int | None
    verdict: str
    number_id: UUID | None
    phone_number: str | None
    subscription_id: str | None
    kind: str
    begins: date | None
    ends: date | None
    line_ref: str | None
    line_begins: date | None
    line_ends: date | None
    expected_micros: int
    charged_micros: int
    disputed_micros: int
    credited_micros: int
    evidence: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignCreated(Answer):
    """Teli's body, and beside it `id`, `state` and `operation_id`."""

    success: bool | None = None
    campaign_id: str
    contacts_count: int | None
    invalid_leads_count: int | None
    campaign_begin_time: str | None
    campaign_end_time: str | None
    message: str | None
    powered_by: str
    id: UUID
    state: str
    operation_id: UUID
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignRow(Answer):
    """Teli's row; `id` and `state` are ours."""

    campaign_id: str
    status: str | None = None
    id: UUID
    state: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignListing(Answer):
    success: bool | None = None
    count: int
    campaigns: tuple[CampaignRow, ...]
    powered_by: str
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress(Answer):
    total: int | None = None
    completed: int | None = None
    pending: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Campaign(Answer):
    """`state` is ours: `running`, `paused`, `completed`, `ended`, or `gone` where Teli knows it no more."""

    success: bool | None = None
    campaign_id: str
    status: str
    progress: Progress
    powered_by: str
    id: UUID
    state: str
    operation_id: UUID
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignMoved(Answer):
    success: bool | None = None
    campaign_id: str
    message: str
    powered_by: str
    id: UUID
    state: str
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CallList(Answer):
    """Teli's rows as they came, those alone that you may see."""

    success: bool | None = None
    count: int
    calls: tuple[Mapping[str, Any], ...]
    powered_by: str
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Call(Answer):
    success: bool | None = None
    call: Mapping[str, Any]
    powered_by: str
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class IdleNumber(Answer):
    """Silence. `monthly` and `spent_on_silence` in micro-units: of one month, and of those begun since it is
    idle.
    """

    id: UUID
    phone_number: str
    state: str
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None
    acquired_at: datetime
    last_inbound_call_at: datetime | None
    last_outbound_call_at: datetime | None
    idle_since: datetime
    idle_days: int
    spent_on_silence: int
    monthly: int
    currency: str
    next_charge_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged(Answer):
    """Of the active numbers that were asked for: of how many it is known since when they are idle.
    `calls_read_until`: of the organisation that is furthest behind; what Teli files later is not seen yet.
    `share`: judged / active; null where there are none.
    """

    active: int
    judged: int
    unknown: int
    share: float | None
    calls_read_until: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount(Answer):
    micros: int
    currency: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent(Answer):
    """In the deployment's currency; `also`: in others, for what is of two cannot be added up."""

    micros: int
    currency: str
    also: tuple[Amount, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection(Answer):
    """What releases them: `filters` means all that are idle so long, `ids` those of this page."""

    filters: Mapping[str, Any]
    ids: tuple[UUID, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class IdlePage(Answer):
    """Idle numbers, the longest first. What is not known to be idle is not among them. `spent_on_silence` is
    that of all, to 25,000 numbers.
    """

    items: tuple[IdleNumber, ...]
    next_cursor: str | None
    total: Total
    judged: Judged
    spent_on_silence: Spent
    selection: Selection


@dataclass(frozen=True, kw_only=True, slots=True)
class Me(Answer):
    """`subject`: as the audit log names it. `sees`: organisations seen whole, across tenants; `*` is all of
    them. `user_ids` and `networks`: what the key is limited to beside; null is no limit. `kind`: service,
    admin, finance, operator or person. `organization_ids`: Those that the tenant may buy for, within the key's
    limits. `csrf_token`: Of a session, for `X-CSRF-Token` on whatever changes something.
    """

    kind: str
    subject: str
    roles: tuple[str, ...]
    tenant_id: str | None
    organization_ids: tuple[str, ...]
    user_ids: tuple[str, ...] | None
    networks: tuple[str, ...] | None
    sees: tuple[str, ...]
    scopes: tuple[str, ...]
    expires_at: datetime | None
    csrf_token: str | None = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Organization(Answer):
    """`account_id`: its numbers are bought through this account; null: through that of the tenant that buys."""

    id: str
    name: str | None
    account_id: UUID | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sync(Answer):
    """How many were filed anew, changed, and left as they were; and how many are filed that Teli does not name."""

    added: int
    changed: int
    unchanged: int
    not_at_teli: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OrganizationFiled(Answer):
    """`account_id`: its numbers are bought through this account; null: through that of the tenant that buys.
    `created`: Whether it was not there before; true for a mistyped id too.
    """

    id: str
    name: str | None
    account_id: UUID | None
    created: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class User(Answer):
    id: str
    organization_id: str
    name: str | None
    email: str | None
    exclusive: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class UserFiled(Answer):
    """`created`: Whether it was not there before; true for a mistyped id too."""

    id: str
    organization_id: str
    name: str | None
    email: str | None
    exclusive: bool
    created: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenant(Answer):
    """`state`: suspended: buys nothing new, all else goes on; closed, for good: its keys are no keys any more."""

    id: str
    name: str
    organization_ids: tuple[str, ...]
    state: str
    account_id: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class TenantShown(Answer):
    """`state`: suspended: buys nothing new, all else goes on; closed, for good: its keys are no keys any more.
    `numbers_held`: Its numbers, as its quota counts them.
    """

    id: str
    name: str
    organization_ids: tuple[str, ...]
    state: str
    account_id: UUID
    numbers_held: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TenantFiled(Answer):
    """`state`: suspended: buys nothing new, all else goes on; closed, for good: its keys are no keys any more.
    `numbers_held`: Its numbers, as its quota counts them. `created`: Whether it was not there before.
    """

    id: str
    name: str
    organization_ids: tuple[str, ...]
    state: str
    account_id: UUID
    numbers_held: int
    created: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Key(Answer):
    """The `key` is shown this once: in a replay it is null."""

    organization_ids: tuple[str, ...] | None
    user_ids: tuple[str, ...] | None
    networks: tuple[str, ...] | None
    id: UUID
    key: str | None = field(repr=False)
    name: str
    scopes: tuple[str, ...]
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedKey(Answer):
    """`hint` is the key's last four characters; `rotated_to` the id of the key that took its place.
    `last_used_at` and `last_used_from`, an address, follow within seconds.
    """

    organization_ids: tuple[str, ...] | None
    user_ids: tuple[str, ...] | None
    networks: tuple[str, ...] | None
    id: UUID
    kind: str
    tenant_id: str | None
    name: str
    hint: str
    scopes: tuple[str, ...]
    state: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    rotated_to: UUID | None
    last_used_at: datetime | None
    last_used_from: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy(Answer):
    """The policy of a tenant; null is the default of each."""

    tenant_id: str
    idempotency_required: bool
    agents_allowed: tuple[str, ...] | None
    area_codes_allowed: tuple[str, ...] | None
    orphan_reuse: bool
    write_off: float | str | None
    drift: str
    order_weight: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop(Answer):
    scope: str
    id: str | None
    stopped: bool
    reason: str | None
    actor: str | None
    at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldKey(Answer):
    """`hint`: its last four characters; `encrypted_with`: the id of the key it takes to open it."""

    hint: str
    encrypted_with: str
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Account(Answer):
    """`listed_at`: null bars every purchase; the worker lists a new account by itself. `in_service`: false
    where its key cannot be opened here, or where Teli refuses it, since `key_refused_at`. `rests_until`: Teli
    failed again and again, so nothing is bought through it until then, and until Teli has answered a read.
    `key`: null for the deployment's own account, whose key is in the environment.
    """

    id: UUID
    name: str
    base_url: str
    teli_tenant_id: str
    mode: str
    listed_at: datetime | None
    created_at: datetime
    in_service: bool
    key_refused_at: datetime | None
    rests_until: datetime | None
    key: HeldKey | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedSession(Answer):
    """`last_used_at` follows within seconds. `subject`: As the audit log names the person. `roles`: Of the
    person's groups, as they are configured now. `expires_at`: At the latest: without a request it ends before.
    """

    id: UUID
    subject: str
    roles: tuple[str, ...]
    began_at: datetime
    last_used_at: datetime
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditItem(Answer):
    """One entry. `seq` and `hash` are its place in the chain; null until it is chained, a moment after.
    `actor`: `key:` and the key's id; `worker`, or `command line`.
    """

    id: int
    at: datetime
    tenant_id: str | None
    actor: str
    action: str
    object_kind: str
    object_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    request_id: str | None
    seq: int | None
    hash: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Event(Answer):
    """One event, as the feed shows it and as webhooks carry it. `id`: The same wherever and however often it is
    told. `timestamp`: Of the change. `sequence`: Its place among its tenant's events: from 1, without gaps, in
    the order of commit. `data`: By `type`: see the webhooks of the OpenAPI document.
    """

    id: UUID
    type: str
    timestamp: datetime
    tenant_id: str
    sequence: int
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookMade(Answer):
    """`sequence`: Up to here each event was delivered, or is tried again. `next_try_at`: While it fails:
    nothing is sent before. `secret`: Shown this once; null in a replay.
    """

    id: UUID
    url: str
    description: str | None
    types: tuple[str, ...] | None
    state: str
    disabled_because: str | None
    sequence: int
    failing_since: datetime | None
    next_try_at: datetime | None
    previous_secret_until: datetime | None
    created_at: datetime
    secret: str | None = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook(Answer):
    """`disabled_because`: `asked`, `failing` for three days, `gone`, by a 410, or `tenant_closed`. `sequence`:
    Up to here each event was delivered, or is tried again. `next_try_at`: While it fails: nothing is sent
    before.
    """

    id: UUID
    url: str
    description: str | None
    types: tuple[str, ...] | None
    state: str
    disabled_because: str | None
    sequence: int
    failing_since: datetime | None
    next_try_at: datetime | None
    previous_secret_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookTested(Answer):
    """What came of it. `status`: null where there was no answer."""

    event_id: UUID
    delivered: bool
    status: int | None
    error: str | None
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery(Answer):
    """One event and one endpoint. `status`, `error`, `seconds`: of the last attempt."""

    id: UUID
    event_id: UUID
    type: str
    sequence: int
    state: str
    attempts: int
    first_tried_at: datetime | None
    tried_at: datetime | None
    next_try_at: datetime | None
    status: int | None
    error: str | None
    seconds: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Redelivery(Answer):
    events: Total


@dataclass(frozen=True, kw_only=True, slots=True)
class FiledKey(Answer):
    """`tenant_id` is null for a key of an administrator or operator; `actor` names these. `scope`: `create`, or
    method and path. `expires_at`: null while its number is held, or nothing is decided. `fingerprint`: The
    first 16 hexadecimal digits.
    """

    tenant_id: str | None
    actor: str | None
    scope: str
    key: str
    created_at: datetime
    expires_at: datetime | None
    operation_id: UUID | None
    state: str
    fingerprint: str
    phone_number: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit(Answer):
    """`left` is null where there is no limit, `resets_at` where no waiting helps; `counted`: the path of the
    rows.
    """

    name: str
    scope: str
    scope_id: str
    limit: int | None
    used: int
    reserved: int
    left: int | None
    resets_at: datetime | None
    counted: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits(Answer):
    tenant_id: str
    mode: str
    time_zone: str
    requests_per_second: float | None
    burst: int | None
    limits: tuple[Limit, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CountedRow(Answer):
    """A number, a purchase or a release, and whether it counts as used or as reserved."""

    kind: str
    id: UUID
    at: datetime
    state: str
    phone_number: str | None
    counts_as: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Use(Answer):
    limit: int | None
    used: int
    reserved: int
    resets_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota(Answer):
    """The limits as they are set, and the use of each; of the three ids those that name whose they are."""

    tenant_id: str | None = None
    organization_id: str | None = None
    user_id: str | None = None
    numbers_held: int | None
    purchases_per_day: int | None
    purchases_per_month: int | None
    releases_per_month: int | None
    spend_per_month: int | None
    requests_per_second: float | None
    burst: int | None
    concurrent_creates: int | None
    doubts_open: int | None
    mode: str
    time_zone: str
    use: Mapping[str, Use]


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift(Answer):
    """With whose number it is; `id` is the drift's. `ours`: what is wanted; `theirs`: what Teli lists."""

    id: UUID
    member: str
    ours: str | None
    theirs: str | None
    since: datetime
    seen_at: datetime
    why: str
    number_id: UUID
    phone_number: str
    state: str
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftDecided(Answer):
    """`operation_id`: of the change that Teli is owed, where ours is put back."""

    id: UUID
    state: str
    number_id: UUID
    operation_id: UUID | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Links(Answer):
    """Numbers: for how many it is wanted, and for how many Teli confirmed it."""

    desired: int
    confirmed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent(Answer):
    """An agent, by the id that it was linked by: another id of the same agent at Teli is another item."""

    agent_id: str
    numbers: int
    inbound: Links
    outbound: Links


@dataclass(frozen=True, kw_only=True, slots=True)
class Day(Answer):
    """A day in UTC. `held`: at its end, of today until now."""

    day: date
    bought: int
    released: int
    held: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity(Answer):
    """`days`: The first first, today last. `held`: Now. Where it is not exact, neither is what was held before."""

    days: tuple[Day, ...]
    held: Total


@dataclass(frozen=True, kw_only=True, slots=True)
class Names(Answer):
    """By id; what has no name, is not there, or is not the caller's to see, is left out. `users`: Or their
    email, for whoever acts for no tenant.
    """

    tenants: Mapping[str, str]
    organizations: Mapping[str, str]
    users: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Orphan(Answer):
    """A number upstream that no intent explains; `reason` says how it came here, `intent_id` what it may belong
    to.
    """

    id: UUID
    phone_number: str
    state: str
    organization_id: str | None
    tenant_id: str | None
    user_id: str | None
    area_code: str | None
    nickname: str | None
    row_id: str | None
    reason: str
    intent_id: UUID | None
    seen_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt(Answer):
    """A purchase whose outcome is not proved: what was heard of it, and the rows it may have bought. Of many,
    the last that was heard and the first of the rows; `evidence_total` and `candidates_total` count all.
    """

    id: UUID
    phone_number: str | None
    state: str
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None
    reason: str | None
    mark: str
    admitted_at: str
    send_ended_at: str | None
    evidence: tuple[Mapping[str, Any], ...]
    evidence_total: int
    candidates: tuple[Orphan, ...]
    candidates_total: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DoubtDetail(Answer):
    """With what it was decided on, kept for thirty days: the rows considered, the looks, Teli's counts."""

    id: UUID
    phone_number: str | None
    state: str
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None
    reason: str | None
    mark: str
    admitted_at: str
    send_ended_at: str | None
    evidence: tuple[Mapping[str, Any], ...]
    evidence_total: int
    candidates: tuple[Orphan, ...]
    candidates_total: int
    decided_on: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ghost(Answer):
    """A number held here that cannot be told to be at Teli; `reason` says why, in words. It is so since
    `gone_at`; `looks` complete listings since then did not show it.
    """

    id: UUID
    phone_number: str
    state: str
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None
    row_id: str | None
    reason: str
    gone_at: str
    looks: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided(Answer):
    id: UUID
    state: str
    number_id: UUID | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Alive(Answer):
    status: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready(Answer):
    """`status`: ready, degraded (slower and correct, or without some accounts) or unready. `purchases`: open,
    partly_stopped (for some tenants or accounts), stopped, recovering (after a restore), listing, or draining.
    `accounts`: ok, partly_out_of_service where a key of some upstream account cannot be opened, or key_refused
    where Teli refuses one.
    """

    status: str
    database: str
    redis: str
    purchases: str
    accounts: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Answer, Generic[T]):
    """Of a listing: `next_cursor` asks for what comes after, and is None on the last page, save for events."""

    items: tuple[T, ...]
    next_cursor: str | None
    total: Total
