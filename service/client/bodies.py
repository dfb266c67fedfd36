"""What is sent, member by member. Made by `python -m tests.client` from the OpenAPI document."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Required, TypedDict
from uuid import UUID


class FiltersIn(TypedDict, total=False):
    r"""The filters of the inventory: of a query, of a bulk change, and of a saved filter. All that are given
    hold. `user_id`: Who owns it at Teli. `holder_user_id`: Who uses it. `state`: One or several, separated by
    commas; without it all but `released`. `phone_number`: This E.164 alone; for a part of one, `q`.
    `area_code`: One or several, separated by commas. `nickname`: How it begins, in capitals or not. `tag`: One
    or several, separated by commas: it has them all. A comma in a tag is written `\,`. `agent_id`: Wanted to
    answer it, or to call from it. `created_after`: Acquired then or later; RFC 3339 with its zone.
    `created_before`: Acquired earlier than then; RFC 3339 with its zone. `idle_days`: No call for so many days;
    unknown is not idle. `q`: Words of three characters or more, each somewhere in number, nickname, tags, user
    or holder.
    """

    organization_id: str | None
    tenant_id: str | None
    user_id: str | None
    holder_user_id: str | None
    state: str | None
    phone_number: str | None
    area_code: str | None
    nickname: str | None
    tag: str | None
    agent_id: str | None
    cost_center: str | None
    created_after: datetime | None
    created_before: datetime | None
    idle_days: int | None
    q: str | None


class SavedFilterIn(TypedDict, total=False):
    """`organization_id`: With whom it is shared: whoever is granted this organisation reads it; null is nobody."""

    name: Required[str]
    organization_id: str | None
    filters: Required[FiltersIn]
    sort: str | None


class ImportIn(TypedDict, total=False):
    """Everything that an account held before its first purchase here, and that is nobody's yet.
    `organization_id`: Those of this organisation, and no others. `tenant_id`: Whose they are to be. `user_id`:
    Whose they are where Teli names no user. `acquired_at`: Since when they are held: a date, or a time by RFC
    3339; else as Teli says. `monthly_price`: In units of `currency`, as 2.99. `currency`: ISO 4217.
    `account_id`: Of this upstream account alone.
    """

    organization_id: str | None
    tenant_id: Required[str]
    user_id: str | None
    cost_center: str | None
    tags: Sequence[str] | None
    acquired_at: date | datetime | None
    monthly_price: float | str | None
    setup_price: float | str | None
    currency: str | None
    source: Required[str]
    account_id: UUID | str | None


class PriceVersionIn(TypedDict, total=False):
    """A price from the day `since` on, until the next one for just the same. What is for an organisation wins
    over what is for an area code, that over what is for a type, and that over what is for all. `setup`: Once,
    in micro-units: 1.00 is 1000000. `currency`: ISO 4217.
    """

    organization_id: str | None
    number_type: str | None
    area_code: str | None
    since: Required[date]
    setup: Required[int]
    monthly: Required[int]
    currency: str
    reason: str | None


class ChargingRuleBody(TypedDict, total=False):
    """How the supplier charges a month. `cycle`: months from the day of purchase, or the calendar's.
    `proration`: a month that has begun in full, or by the day. `due`: on its first day, or after its last.
    `free_days`: the first ones, that cost no rent. `minimum_months`: charged in full however soon a number is
    given back.
    """

    cycle: str
    proration: str
    due: str
    time_zone: str
    free_days: int
    minimum_months: int


class BudgetIn(TypedDict, total=False):
    """What a month may cost of an organisation, a tenant, a cost centre, or of what is of all that are named.
    One of a tenant is told to it, unless `notify_tenant_id` says otherwise; one of several to nobody, unless
    that names one. `currency`: ISO 4217. `amount`: A month, in micro-units.
    """

    organization_id: str | None
    tenant_id: str | None
    cost_center: str | None
    currency: str
    name: str | None
    amount: Required[int]
    notify_tenant_id: str | None


class BudgetPut(TypedDict, total=False):
    """What of a budget may be changed. `notify_tenant_id`: the tenant that is told by `budget.reached`, amounts
    and all; null is nobody. `amount`: A month, in micro-units.
    """

    name: Required[str | None]
    amount: Required[int]
    notify_tenant_id: Required[str | None]


class ResolveIn(TypedDict, total=False):
    """`places`: which rows; without them, all that wait. `values`: by member of a line, as the file would write
    them; they take the place of what stands there.
    """

    decision: Required[str]
    places: Sequence[int] | None
    values: Mapping[str, str] | None


class MappingBody(TypedDict, total=False):
    """Which column means what, and how the file writes amounts and days; it holds for all of its rows.
    `decimal`: the sign before the fraction; null is a point, and refuses what could be thousands as well, as
    1.234. `unit`: whether amounts are in units, as 2.99, or in the smallest ones, as 299. `day_order`: of days
    in figures, as 03/01/2026; without it they are refused. `ends`: whether the last day is charged still.
    `time_zone`: in which moments are days. `kinds`: what a word of the column `kind` means; `otherwise`: what
    any other does. `negatives`: what a negative charge is. `phone_in_description`: where a row has no number of
    its own, the one that its description names. `charset`, `separator`, `sheet`: null is told from the file.
    `skip`: lines above the header.
    """

    columns: Required[Mapping[str, str]]
    decimal: str | None
    unit: str
    currency: str | None
    day_order: str | None
    ends: str
    time_zone: str
    kinds: Mapping[str, str]
    otherwise: str
    negatives: str
    phone_in_description: bool
    charset: str | None
    separator: str | None
    sheet: str | None
    skip: int


class MatchIn(TypedDict, total=False):
    """`tolerance`: a line that is off by no more is within it, and nothing to dispute."""

    tolerance: int


class DisputeIn(TypedDict, total=False):
    """What is disputed of an invoice: all that charges too much and has one of these verdicts, and these
    findings.
    """

    invoice_id: Required[UUID | str]
    title: Required[str]
    verdicts: Sequence[str]
    findings: Sequence[int]


class DisputeMove(TypedDict, total=False):
    """`submitted`: it was sent. `accepted`: the supplier agrees, and is to give back. `rejected`: he does not.
    `credited`: he gave back, `credited_micros` of it, all where that is not said.
    """

    state: Required[str]
    credited_micros: int | None
    reason: str | None


class NoteIn(TypedDict, total=False):
    text: Required[str]


class PoolNumber(TypedDict, total=False):
    phone_number: Required[str]


class Redial(TypedDict, total=False):
    retry_limit: int | None
    call_interval_days: int | None


class CampaignCreate(TypedDict, total=False):
    """`campaign_id` is required: it is the key by which a create that is sent again is known, and calls nobody
    twice. A lead without `phone_number` is counted invalid by Teli, not refused; its other members go on as
    they are. `agent_outbound_number`: The caller id: a number that you hold.
    """

    campaign_id: Required[str]
    leads: Required[Sequence[Mapping[str, Any]]]
    voice_agent_id: Required[str]
    agent_outbound_number: Required[str]
    user_id: Required[str]
    organization_id: str | None
    tenant_id: str | None
    number_pool: Sequence[PoolNumber] | None
    campaign_begin_time: str | None
    campaign_end_time: str | None
    redial_enabled: bool | None
    redial_config: Redial | None


class OrganizationPut(TypedDict, total=False):
    """`name`: null: none; absent: as it is. `account_id`: its numbers are bought through this account; null:
    through that of the tenant that buys; absent: as it is.
    """

    name: str | None
    account_id: UUID | str | None


class UserPut(TypedDict, total=False):
    name: str | None
    email: str | None
    exclusive: bool


class TenantPut(TypedDict, total=False):
    """What is absent stays as it is. `state`: suspended: buys nothing new, all else goes on; closed, for good:
    its keys are no keys any more. `account_id`: it buys through this account from now on.
    `confirm_numbers_held`: Of a tenant that is to be closed and holds numbers: how many, as `numbers_held`
    tells.
    """

    name: str | None
    organization_ids: Sequence[str] | None
    state: str | None
    account_id: UUID | str | None
    confirm_numbers_held: int | None


class KeyCreate(TypedDict, total=False):
    """`organization_ids`: Of those granted to the tenant; null is all of them. `user_ids`: Of these
    organisations; null is all of them. `networks`: CIDR, IPv4 or IPv6, that it may be used from; null is
    anywhere.
    """

    name: Required[str]
    scopes: Required[Sequence[str]]
    expires_at: datetime | None
    organization_ids: Sequence[str] | None
    user_ids: Sequence[str] | None
    networks: Sequence[str] | None


class KeyRotate(TypedDict, total=False):
    overlap_seconds: float


class PolicyPut(TypedDict, total=False):
    """Null is the default of each, what is absent stays as it is. A list that is null allows any, an empty one
    none. `orphan_reuse`: a number that a refused purchase of the tenant brought after all is given to its next
    one, instead of buying; the default. `write_off`: the deployment's is the default. `drift`: what is done
    where Teli lists another nickname or agent than is wanted: put ours back, take theirs, or ask a person; the
    default. `order_weight`: how often the tenant has its turn among others that wait for what they ordered, to
    their weights; 1 is the default. `write_off`: Seconds after which a purchase that left no trace is presumed
    not to have bought.
    """

    idempotency_required: bool | None
    agents_allowed: Sequence[str] | None
    area_codes_allowed: Sequence[str] | None
    orphan_reuse: bool | None
    write_off: float | Any | None
    drift: str | None
    order_weight: int | None


class StopOrder(TypedDict, total=False):
    """`id`: which tenant, or which account (its id or name); none with `global`."""

    scope: Required[str]
    id: str | None
    reason: Required[str]


class AccountCreate(TypedDict, total=False):
    """`key`: Teli's; written, never shown."""

    name: Required[str]
    base_url: Required[str]
    teli_tenant_id: Required[str]
    key: Required[str]


class AccountPut(TypedDict, total=False):
    """What is absent stays as it is. Another `base_url` needs the `key` anew."""

    name: str | None
    base_url: str | None
    teli_tenant_id: str | None
    key: str | None


class AccountKeyPut(TypedDict, total=False):
    """`key`: Teli's; written, never shown."""

    key: Required[str]


class RedeliverSince(TypedDict, total=False):
    """`since`: Of the change that an event tells of."""

    since: Required[datetime]


class QuotaPut(TypedDict, total=False):
    """Of a limit `null` is unlimited, 0 is none; what is absent stays as it is. `spend_per_month` is in micro-
    units of the deployment's currency, a purchase reckoned at the default price. `burst` is how many requests
    may come at once; null is what `requests_per_second` lets through in a second. Days and months are those of
    `time_zone`, a name of the IANA time zone database. Without a `mode` limits are enforced, without a
    `time_zone` it is UTC: so null sets them.
    """

    numbers_held: int | None
    purchases_per_day: int | None
    purchases_per_month: int | None
    releases_per_month: int | None
    spend_per_month: int | None
    requests_per_second: float | None
    burst: int | None
    concurrent_creates: int | None
    doubts_open: int | None
    mode: str | None
    time_zone: str | None


class DriftDecision(TypedDict, total=False):
    """`ours` is put back at Teli, `theirs` is taken into the ledger."""

    reason: Required[str]
    decision: Required[str]


class DoubtDecision(TypedDict, total=False):
    """`owned` needs the number that was bought."""

    reason: Required[str]
    decision: Required[str]
    phone_number: str | None


class OrphanDecision(TypedDict, total=False):
    """`adopt` and `release` need a tenant and a user where the orphan names none."""

    reason: Required[str]
    decision: Required[str]
    tenant_id: str | None
    user_id: str | None


class GhostDecision(TypedDict, total=False):
    reason: Required[str]
    decision: Required[str]
