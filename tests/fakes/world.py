"""The ledger's tables in memory, for the stores that stand in for those over Postgres.

A row is an entity of its table's model, never in a session. It is read and changed past SQLAlchemy's instrumentation,
which would only note changes for a flush that never comes. What a store gives out is a copy, as a session's would be:
what happens to the row later is not seen in it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

from sqlalchemy.orm import configure_mappers
from sqlalchemy.orm.instrumentation import manager_of_class

from service.agents.models import AgentLink
from service.db import Base
from service.idempotency.keys import KEPT_AFTER_RELEASE, KEPT_WITHOUT_NUMBER, IdempotencyKeyReused
from service.idempotency.models import IdempotencyKey
from service.idempotency.once import Named, Once
from service.kit.clock import utc_now
from service.kit.types import TenantId, new_id
from service.numbers.models import Attempt, Evidence, Intent, Number, QueuePlace, SendSlot, Step
from service.orders.models import Order, OrderItem, OrderShare, SoldOut
from service.quotas.counting import HELD
from service.quotas.models import Quota
from service.reconciliation.models import DecidedOn, ExistingNumber, ListingTaken, Look, Orphan, UpstreamRow
from service.tenants.models import Account, Grant, Organization, Stop, Tenant, User

Kept = TypeVar("Kept", bound=Base)
Place = tuple[UUID, str]
# Refusals by a status that Teli does not document: their places are looked at as if they had a doubt.
WATCHED = ("bad_request", "rate_limited")
OPEN = frozenset(("sending", "doubtful", "unresolved"))

configure_mappers()  # Columns cannot be read before.

MODELS: tuple[type[Base], ...] = (
    Account, AgentLink, Attempt, DecidedOn, Evidence, ExistingNumber, Grant, IdempotencyKey, Intent, ListingTaken, Look,
    Number, Order, OrderItem, OrderShare, Organization, Orphan, QueuePlace, SendSlot, SoldOut, Step, Stop, Tenant,
    Quota, UpstreamRow, User,
)  # fmt: skip
BLANK = {model: dict.fromkeys(model.__table__.columns.keys()) for model in MODELS}
DEFAULTS: dict[type[Base], dict[str, Any]] = {
    Account: {"mode": "lane"},
    AgentLink: {"state": "pending"},
    Intent: {"holds_lane": False},
    Number: {"marked": True, "tags": []},
    OrderItem: {"tries": 0},
    OrderShare: {"weight": 1.0, "pass": 0.0, "started": 0.0},
    Orphan: {"state": "open"},
    Step: {"state": "waiting", "tries": 0},
    Stop: {"id": ""},
    Tenant: {"state": "active", "idempotency_required": False, "orphan_reuse": True, "drift": "ask", "order_weight": 1},
    Quota: {
        "mode": "enforced",
        "time_zone": "UTC",
        "revision": 0,
        **dict.fromkeys(
            ("used", "reserved", "ordered", "day_used", "day_reserved", "month_used", "month_reserved", "releases"), 0
        ),
    },
    User: {"exclusive": False},
}
MADE_AT: dict[type[Base], str] = {
    Account: "created_at",
    AgentLink: "updated_at",
    DecidedOn: "at",
    ExistingNumber: "first_seen_at",
    IdempotencyKey: "created_at",
    ListingTaken: "ended_at",
    Organization: "created_at",
    Orphan: "created_at",
    SoldOut: "since",
    Step: "created_at",
    Stop: "at",
    Tenant: "created_at",
    User: "created_at",
}
TEMPLATES = {model: BLANK[model] | DEFAULTS.get(model, {}) for model in MODELS}
NEW_INSTANCE = {model: manager_of_class(model).new_instance for model in MODELS}


def made(model: type[Kept], **values: Any) -> Kept:
    """A row with its columns' defaults."""
    row = cast(Kept, NEW_INSTANCE[model]())
    content = row.__dict__
    content.update(TEMPLATES[model])
    if (at := MADE_AT.get(model)) is not None:
        content[at] = utc_now()
    content.update(values)
    return row


def alter(row: Base, **values: Any) -> None:
    row.__dict__.update(values)


def copy_of(row: Kept) -> Kept:
    copy = cast(Kept, NEW_INSTANCE[type(row)]())
    state = copy.__dict__["_sa_instance_state"]
    copy.__dict__.update(row.__dict__)
    copy.__dict__["_sa_instance_state"] = state
    return copy


def columns_of(row: Base) -> dict[str, Any]:
    content = row.__dict__
    return {name: content[name] for name in BLANK[type(row)]}


class World:
    """Every table, and the indexes of what is asked often. Rows are added and moved through its methods only.

    `audited` and `told` count the audit's rows and the outbox's, by action and by kind.
    `watched`: when a place's latest refusal was decided of those that are watched; `refused_at`: all of them.
    """

    def __init__(self) -> None:
        self.accounts: dict[UUID, Account] = {}
        self.organizations: dict[str, Organization] = {}
        self.users: dict[tuple[str, str], User] = {}
        self.tenants: dict[str, Tenant] = {}
        self.grants: dict[tuple[str, str], Grant] = {}
        self.stops: dict[tuple[str, str], Stop] = {}
        self.quotas: dict[tuple[str, str, str, str], Quota] = {}
        self.slots: dict[UUID, list[SendSlot]] = {}
        self.queue: dict[UUID, QueuePlace] = {}
        self.places_given = 0
        self.intents: dict[UUID, Intent] = {}
        self.attempts: dict[UUID, Attempt] = {}
        self.evidence: list[Evidence] = []
        self.keys: dict[tuple[str, str, str], IdempotencyKey] = {}
        self.numbers: dict[UUID, Number] = {}
        self.links: dict[UUID, dict[str, AgentLink]] = {}
        self.steps: dict[UUID, Step] = {}
        self.orders: dict[UUID, Order] = {}
        self.order_items: dict[tuple[UUID, int], OrderItem] = {}
        self.order_shares: dict[tuple[UUID, str], OrderShare] = {}
        self.sold_out: dict[tuple[UUID, str], SoldOut] = {}
        self.orphans: dict[UUID, Orphan] = {}
        self.existing: dict[tuple[UUID, str], ExistingNumber] = {}
        self.listings: list[ListingTaken] = []
        self.rows: dict[tuple[UUID, str], UpstreamRow] = {}
        self.looks: dict[Place, Look] = {}
        self.decided_on: dict[tuple[UUID, str], DecidedOn] = {}
        self.revision = 1
        self.audited: Counter[str] = Counter()
        self.told: Counter[str] = Counter()

        self.open_intents: dict[Place, dict[UUID, Intent]] = defaultdict(dict)
        self.intents_by_mark: dict[tuple[UUID, str], list[Intent]] = defaultdict(list)
        self.marks: dict[UUID, set[str]] = defaultdict(set)
        self.watched: dict[Place, datetime] = {}
        self.refused_at: dict[Place, list[Intent]] = defaultdict(list)
        self.lanes: dict[tuple[UUID, str], UUID] = {}
        self.undelivered: dict[tuple[str, bytes], dict[UUID, Intent]] = defaultdict(dict)
        self.acquisitions: dict[tuple[UUID, str], list[Number]] = defaultdict(list)
        self.numbers_at: dict[Place, list[Number]] = defaultdict(list)
        self.owners: dict[tuple[UUID, str], Number] = {}
        self.steps_of: dict[UUID, list[Step]] = defaultdict(list)
        self.steps_due: dict[UUID, Step] = {}
        self.items_of: dict[UUID, list[OrderItem]] = defaultdict(list)
        self.orphans_of_intent: dict[UUID, list[Orphan]] = defaultdict(list)
        self.orphans_at: dict[UUID, list[Orphan]] = defaultdict(list)
        self.orphan_rows: dict[tuple[UUID, str], Orphan] = {}
        self.rows_at: dict[Place, dict[str, UpstreamRow]] = defaultdict(dict)
        self.listings_of: dict[Place, list[ListingTaken]] = defaultdict(list)

    def tables(self) -> Iterator[tuple[str, Iterable[Base]]]:
        """Every table by its name in Postgres, with its rows; audit and outbox are only counted."""
        yield "accounts", self.accounts.values()
        yield "organizations", self.organizations.values()
        yield "users", self.users.values()
        yield "tenants", self.tenants.values()
        yield "grants", self.grants.values()
        yield "stops", self.stops.values()
        yield "quotas", self.quotas.values()
        yield "send_slots", [slot for slots in self.slots.values() for slot in slots]
        yield "send_queue", self.queue.values()
        yield "intents", self.intents.values()
        yield "attempts", self.attempts.values()
        yield "evidence", self.evidence
        yield "idempotency_keys", self.keys.values()
        yield "numbers", self.numbers.values()
        yield "agent_links", [link for links in self.links.values() for link in links.values()]
        yield "steps", self.steps.values()
        yield "orders", self.orders.values()
        yield "order_items", self.order_items.values()
        yield "order_shares", self.order_shares.values()
        yield "sold_out", self.sold_out.values()
        yield "orphans", self.orphans.values()
        yield "existing_numbers", self.existing.values()
        yield "listings", self.listings
        yield "upstream_rows", self.rows.values()
        yield "looks", self.looks.values()
        yield "decided_on", self.decided_on.values()

    # -- What an administrator files -----------------------------------------------------------------------------------

    def add_account(self, *, slots: int = 64, **values: Any) -> Account:
        account = made(Account, **{"id": new_id(), "name": "default", "base_url": "http://teli"} | values)
        self.accounts[account.id] = account
        self.slots[account.id] = [made(SendSlot, account_id=account.id, slot=slot) for slot in range(1, slots + 1)]
        return account

    def add_organization(self, organization_id: str, **values: Any) -> Organization:
        self.organizations[organization_id] = made(Organization, id=organization_id, **values)
        return self.organizations[organization_id]

    def add_user(self, organization_id: str, user_id: str, **values: Any) -> User:
        user = made(User, organization_id=organization_id, id=user_id, **values)
        self.users[organization_id, user_id] = user
        return user

    def add_tenant(
        self, tenant_id: str, account_id: UUID, organizations: Sequence[str] = (), *, limit: int | None = None
    ) -> Tenant:
        """A tenant with its grants; `limit` is the numbers it may hold."""
        tenant = made(Tenant, id=tenant_id, name=tenant_id, tag=tenant_id, account_id=account_id)
        self.tenants[tenant_id] = tenant
        self.limit("tenant", tenant_id=tenant_id, numbers_held=limit)
        for organization in organizations:
            self.grant(tenant_id, organization)
        return tenant

    def limit(
        self, scope: str, *, tenant_id: str = "", organization_id: str = "", user_id: str = "", **limits: Any
    ) -> Quota:
        """The quota of a scope, with these limits too."""
        key = (scope, tenant_id, organization_id, user_id)
        if key not in self.quotas:
            self.quotas[key] = made(
                Quota, scope=scope, tenant_id=tenant_id, organization_id=organization_id, user_id=user_id
            )
        alter(self.quotas[key], **limits)
        return self.quotas[key]

    def grant(self, tenant_id: str, organization_id: str) -> None:
        self.grants[tenant_id, organization_id] = made(Grant, tenant_id=tenant_id, organization_id=organization_id)

    def revoke(self, tenant_id: str, organization_id: str) -> None:
        self.grants.pop((tenant_id, organization_id), None)

    def stop(self, scope: str, of: str = "", *, reason: str = "", actor: str = "test") -> None:
        self.stops[scope, of] = made(Stop, scope=scope, id=of, reason=reason, actor=actor)

    def resume(self, scope: str, of: str = "") -> None:
        self.stops.pop((scope, of), None)

    def add_existing(self, account_id: UUID, row_id: str, phone_number: str, **values: Any) -> ExistingNumber:
        existing = made(ExistingNumber, account_id=account_id, row_id=row_id, phone_number=phone_number, **values)
        self.existing[account_id, row_id] = existing
        return existing

    # -- Intents -------------------------------------------------------------------------------------------------------

    def add_intent(self, **values: Any) -> Intent:
        intent = made(Intent, **values)
        self.intents[intent.id] = intent
        self.intents_by_mark[intent.account_id, intent.mark].append(intent)
        self.marks[intent.account_id].add(intent.mark)
        if intent.state in OPEN:
            self.open_intents[intent.account_id, intent.organization_id][intent.id] = intent
        if intent.holds_lane:
            self.lanes[intent.account_id, intent.user_id] = intent.id
        return intent

    def move(self, intent: Intent, state: str, *, holds_lane: bool, **values: Any) -> None:
        if intent.holds_lane and not holds_lane:
            del self.lanes[intent.account_id, intent.user_id]
        if state not in OPEN:
            self.open_intents[intent.account_id, intent.organization_id].pop(intent.id, None)
        alter(intent, state=state, holds_lane=holds_lane, **values)
        if state == "refused" and intent.decision in WATCHED and intent.decided_at is not None:
            self.watched[intent.account_id, intent.organization_id] = intent.decided_at
            self.refused_at[intent.account_id, intent.organization_id].append(intent)

    def leave_undelivered(self, intent: Intent) -> None:
        """Its answer may be taken over from now on."""
        assert intent.fingerprint is not None
        alter(intent, undelivered_at=utc_now())
        self.undelivered[intent.tenant_id, intent.fingerprint][intent.id] = intent

    def deliver(self, intent: Intent) -> None:
        assert intent.fingerprint is not None
        alter(intent, undelivered_at=None)
        self.undelivered[intent.tenant_id, intent.fingerprint].pop(intent.id, None)

    def carries_anothers_mark(self, intent: Intent, nickname: str | None) -> bool:
        """The function `anothers_mark`."""
        head = (nickname or "").lstrip(" ")[:15]
        return head != intent.mark.rstrip(" ") and f"{head} " in self.marks.get(intent.account_id, ())

    def listed_before(self, row: UpstreamRow, moment: datetime, mark: str) -> bool:
        """The function `listed_before`."""
        return (
            row.first_seen_at < moment
            and (row.nickname or "").lstrip(" ")[:15] != mark.rstrip(" ")
            and not any(
                one.began_at == row.first_seen_at and one.ended_at > moment
                for one in self.listings_of.get((row.account_id, row.organization_id), ())
            )
        )

    def is_anothers_row(self, number: Number, row_id: str) -> bool:
        """The function `anothers_row`."""
        intent = self.intents.get(number.intent_id) if number.intent_id is not None else None
        if intent is None:
            return False
        row = self.rows.get((intent.account_id, row_id))
        return (intent.account_id, row_id) in self.existing or (
            row is not None and self.listed_before(row, intent.admitted_at, number.mark)
        )

    def complete_orphan(self, orphan: Orphan, row_id: str, **values: Any) -> None:
        """One that an answer told of has its row now."""
        alter(orphan, row_id=row_id, **values)
        self.orphan_rows[orphan.account_id, row_id] = orphan

    def explain_orphan(self, number: Number) -> None:
        """The function `explain_orphan`."""
        for orphan in self.orphans_at.get(number.account_id, ()):
            if orphan.state == "open" and (
                orphan.row_id == number.upstream_row_id
                or (
                    orphan.row_id is None
                    and orphan.phone_number == number.phone_number
                    and orphan.intent_id is not None
                    and orphan.intent_id == number.intent_id
                )
            ):
                alter(orphan, state="adopted")

    def free_slot(self, intent: Intent) -> None:
        slot = self.slots[intent.account_id][intent.slot - 1]
        if slot.intent_id == intent.id:
            alter(slot, intent_id=None, held_until=None)

    def is_exclusive(self, organization_id: str, user_id: str) -> bool:
        user = self.users.get((organization_id, user_id))
        return user is not None and user.exclusive

    # -- Numbers -------------------------------------------------------------------------------------------------------

    def add_number(self, **values: Any) -> Number:
        number = made(Number, **values)
        self.numbers[number.id] = number
        self.acquisitions[number.account_id, number.phone_number].append(number)
        self.numbers_at[number.account_id, number.organization_id].append(number)
        if number.upstream_row_id is not None:
            self.owners[number.account_id, number.upstream_row_id] = number
        return number

    def confirm(self, number: Number, row_id: str, **found: Any) -> None:
        """The number's row is known. Whoever calls has seen that it is nobody else's."""
        self.owners[number.account_id, row_id] = number
        alter(number, confirmed_at=utc_now(), upstream_row_id=row_id, **found)

    def live(self, account_id: UUID, phone_number: str) -> Number | None:
        """The acquisition of this E.164 that is not released: one at most."""
        for number in self.acquisitions.get((account_id, phone_number), ()):
            if number.state != "released":
                return number
        return None

    def quotas_of(self, tenant_id: str, organization_id: str, user_id: str) -> Iterator[Quota]:
        """The function `quotas_of`."""
        for key in (
            ("user", "", organization_id, user_id),
            ("tenant", tenant_id, "", ""),
            ("organization", "", organization_id, ""),
            ("deployment", "", "", ""),
        ):
            if (quota := self.quotas.get(key)) is not None:
                yield quota

    def count_held(self, number: Number, by: int) -> None:
        """The function `count_held`."""
        for quota in self.quotas_of(number.tenant_id, number.organization_id, number.user_id):
            alter(quota, used=quota.used + by, revision=quota.revision + 1)

    def close_as_released(self, number: Number) -> datetime:
        """As `service.numbers.repository.close_as_released`."""
        if number.state in HELD:
            self.count_held(number, -1)
        released_at = utc_now()
        alter(number, state="released", released_at=released_at)
        intent = self.intents.get(number.intent_id) if number.intent_id is not None else None
        if intent is not None and intent.idempotency_key is not None:
            key = self.keys[intent.tenant_id, "create", intent.idempotency_key]
            alter(key, expires_at=released_at + KEPT_AFTER_RELEASE)
        self.note("number.released")
        self.tell("number.released")
        return released_at

    def links_of(self, number_id: UUID) -> dict[str, AgentLink]:
        return self.links.get(number_id, {})

    def owe(self, tenant_id: str, number_id: UUID, kind: str, *, after: float = 0, **values: Any) -> Step:
        now = utc_now()
        due_at = now + timedelta(seconds=after) if after else now
        step = made(Step, id=new_id(), tenant_id=tenant_id, number_id=number_id, kind=kind, due_at=due_at, **values)
        self.steps[step.id] = self.steps_due[step.id] = step
        self.steps_of[number_id].append(step)
        return step

    def end_step(self, step: Step, **values: Any) -> None:
        alter(step, **values)
        del self.steps_due[step.id]

    def still_held(self, step: Step, tenant: TenantId | None) -> Step | None:
        """The row of this step, while nobody claimed it since; of another tenant's there is none to be seen."""
        held = self.steps.get(step.id)
        if held is None or held.state != "running" or held.tries != step.tries:
            return None
        return held if tenant is None or held.tenant_id == tenant else None

    def release_owed(self, number_id: UUID) -> Step:
        return next(one for one in self.steps_of[number_id] if one.kind == "release" and one.id in self.steps_due)

    # -- Orders of new numbers -----------------------------------------------------------------------------------------

    def add_order(self, order: Order, items: Sequence[OrderItem]) -> None:
        self.orders[order.id] = order
        self.order_items |= {(one.order_id, one.seq): one for one in items}
        self.items_of[order.id] += items

    def waiting_items(self) -> Iterator[OrderItem]:
        return (one for one in self.order_items.values() if one.outcome == "waiting")

    # -- What listings show --------------------------------------------------------------------------------------------

    def add_orphan(self, account_id: UUID, phone_number: str, reason: str, **values: Any) -> Orphan:
        orphan = made(Orphan, id=new_id(), account_id=account_id, phone_number=phone_number, reason=reason, **values)
        self.orphans[orphan.id] = orphan
        self.orphans_at[account_id].append(orphan)
        if orphan.intent_id is not None:
            self.orphans_of_intent[orphan.intent_id].append(orphan)
        if orphan.row_id is not None:
            self.orphan_rows[account_id, orphan.row_id] = orphan
        return orphan

    def add_row(self, **values: Any) -> None:
        row = made(UpstreamRow, **values)
        self.rows[row.account_id, row.row_id] = row
        self.rows_at[row.account_id, row.organization_id][row.row_id] = row

    def move_row(self, row: UpstreamRow, organization_id: str, **values: Any) -> None:
        """It is listed there now, wherever it was before."""
        self.rows_at[row.account_id, row.organization_id].pop(row.row_id)
        alter(row, organization_id=organization_id, **values)
        self.rows_at[row.account_id, organization_id][row.row_id] = row

    def add_listing(self, **values: Any) -> ListingTaken:
        listing = made(ListingTaken, id=len(self.listings) + 1, **values)
        self.listings.append(listing)
        self.listings_of[listing.account_id, listing.organization_id].append(listing)
        return listing

    # -- Keys of changes -----------------------------------------------------------------------------------------------

    def before(self, once: Once) -> Named | None:
        """As `Once.before`, save that nothing is filed until `keep`."""
        found = None if once.key is None else self.keys.get((once.owner, once.scope, once.key))
        if found is None:
            return None
        if found.fingerprint != once.fingerprint:
            raise IdempotencyKeyReused
        once.replays()
        return Named(found.step_id, found.answer or {})

    def keep(self, once: Once, *, step_id: UUID | None = None, answer: dict[str, Any] | None = None) -> None:
        """As `Once.keep`."""
        if once.key is not None:
            self.keys[once.owner, once.scope, once.key] = made(
                IdempotencyKey, tenant_id=once.owner, scope=once.scope, key=once.key, fingerprint=once.fingerprint,
                step_id=step_id, answer=answer, expires_at=utc_now() + KEPT_WITHOUT_NUMBER,
            )  # fmt: skip

    # -- What is written along with any change -------------------------------------------------------------------------

    def note(self, action: str) -> None:
        self.audited[action] += 1

    def tell(self, kind: str) -> None:
        self.told[kind] += 1
