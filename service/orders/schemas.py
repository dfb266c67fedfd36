"""What callers send and get of orders."""

from datetime import datetime
from itertools import cycle, islice
from typing import Annotated, Any, Literal, Self, get_args
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from service.http.pages import Moment, Page
from service.inventory.schemas import FiltersIn
from service.kit.phone import path_number
from service.kit.types import OrganizationId, UserId
from service.numbers.members import MOST_TAGS
from service.numbers.schemas import AgentId, AreaCode, Label, Nickname, unmarked
from service.orders.choosing import Fallback
from service.orders.judgement import BulkChange
from service.orders.naming import Template
from service.orders.placing import ItemWanted, OrderWanted
from service.orders.repository import MOST, Selection
from service.tenants.schemas import ExternalId, PlainText, Strict

Kind = Literal["release", "change", "buy", "import"]
State = Literal["previewed", "pending", "running", "completed", "partial", "cancelled", "failed"]
Outcome = Literal["waiting", "begun", "done", "skipped", "failed", "unresolved", "cancelled"]
ORDER_STATES: tuple[str, ...] = get_args(State)


class SelectionIn(FiltersIn):
    """The filters of the inventory, or `ids`, or `phone_numbers`; 10,000 numbers at most."""

    ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST)] | None = None
    phone_numbers: (
        Annotated[list[Annotated[StrictStr, AfterValidator(path_number)]], Field(min_length=1, max_length=MOST)] | None
    ) = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        lists = given & {"ids", "phone_numbers"}
        if not given:
            raise ValueError("needs a filter, or ids, or phone_numbers: not every number there is can be meant")
        if len(lists) == 2 or (lists and given - lists):
            raise ValueError("takes filters, or ids, or phone_numbers: one of the three")
        return self

    def selection(self) -> Selection:
        if self.ids is not None:
            # The items name them.
            return Selection({"ids": len(self.ids)}, ids=tuple(dict.fromkeys(self.ids)))
        if self.phone_numbers is not None:
            numbers = tuple(dict.fromkeys(map(str, self.phone_numbers)))
            return Selection({"phone_numbers": len(numbers)}, phone_numbers=numbers)
        return Selection(self.model_dump(mode="json", exclude_none=True), self.filters())


class ReleaseIn(Strict):
    force: StrictBool = Field(False, description="Also what is in a running campaign")


class SetIn(Strict):
    """What is absent stays as it is; null clears."""

    nickname: Nickname | None = None
    tags_add: Annotated[list[Label], Field(min_length=1, max_length=MOST_TAGS)] | None = None
    tags_remove: Annotated[list[Label], Field(min_length=1, max_length=MOST_TAGS)] | None = None
    cost_center: Label | None = None
    holder_user_id: ExternalId | None = None
    inbound_agent_id: AgentId | None = None
    outbound_agent_id: AgentId | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"needs at least one of {', '.join(SetIn.model_fields)}")
        if both := set(self.tags_add or ()) & set(self.tags_remove or ()):
            raise ValueError(f"adds and removes the tag {min(both)}; which is meant?")
        return self


class ChangeIn(Strict):
    release: ReleaseIn | None = None
    set: SetIn | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.release is None) == (self.set is None):
            raise ValueError("takes either release or set")
        return self

    def said(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_unset=True, exclude={"release"} if self.set else {"set"})

    def change(self) -> BulkChange:
        if self.set is None:
            assert self.release is not None
            return BulkChange("release", force=self.release.force)
        tags = {"tags_add", "tags_remove"}
        return BulkChange(
            "change",
            sets=self.set.model_dump(exclude_unset=True, exclude=tags),
            tags_add=tuple(self.set.tags_add or ()),
            tags_remove=tuple(self.set.tags_remove or ()),
        )


class BulkIn(Strict):
    """`preview` takes a selection and a change, `apply` the token that the preview gave."""

    action: Literal["preview", "apply"]
    selection: SelectionIn | None = None
    change: ChangeIn | None = None
    token: Annotated[StrictStr, Field(min_length=1, max_length=500)] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = ("selection", "change") if self.action == "preview" else ("token",)
        absent = [name for name in needed if getattr(self, name) is None]
        surplus = [name for name in self.model_fields_set - {"action", *needed} if getattr(self, name) is not None]
        faults = [f"needs {name}" for name in absent] + [f"takes no {name}" for name in sorted(surplus)]
        if faults:
            raise ValueError(f"{self.action} {', and '.join(faults)}")
        return self


class OrderItemIn(Strict):
    user_id: ExternalId = Field(description="Who owns it.")
    nickname: Nickname | None = Field(None, description="What it is called, as it stands here; else by the template.")


class OrderIn(Strict):
    """Many new numbers: for one user, for several in turn, or as `items` says, one each."""

    quantity: StrictInt | None = Field(None, ge=1, le=MOST, description="How many; of `items`, as many as there are.")
    tenant_id: ExternalId | None = Field(
        None, description="Whose order it is: an administrator must name the tenant, whose own key may name no other."
    )
    organization_id: ExternalId | None = Field(
        None, description="May be left out where the tenant has a grant for one only."
    )
    user_id: ExternalId | None = Field(None, description="Who owns all of them.")
    user_ids: Annotated[list[ExternalId], Field(min_length=1, max_length=1000)] | None = Field(
        None, description="Who own them, in turn."
    )
    items: Annotated[list[OrderItemIn], Field(min_length=1, max_length=MOST)] | None = None
    area_codes: Annotated[list[AreaCode], Field(min_length=1, max_length=50)] = Field(
        description="In the order in which they are asked for: the next one where Teli has none."
    )
    fallback: Annotated[list[Fallback], Field(max_length=2)] = Field(
        default=[], description="Asked for after those: the other codes of the same areas, and those near to them."
    )
    nickname: Annotated[PlainText, Field(min_length=1, max_length=200)] | None = Field(
        None,
        description="A template: {n} is the number's place in the order, {n:03} that in three digits, {area_code} the"
        " one that it is asked for in, {user_id} its owner.",
        examples=["Sales {area_code}-{n:03}"],
    )
    unique_nicknames: StrictBool = Field(False, description="Refuse a template that would name two the same.")
    tags: Annotated[list[Label], Field(max_length=MOST_TAGS)] | None = None
    cost_center: Label | None = None
    inbound_agent_id: AgentId | None = None
    outbound_agent_id: AgentId | None = None
    fulfilment: Literal["best_effort", "all"] = Field(
        "best_effort",
        description="With `all` nothing more is sent once one of them cannot be had; what was bought stays.",
    )
    deadline: Moment | None = Field(None, description="Nothing is sent after it.")
    dry_run: StrictBool = Field(False, description="Only tell what it would come to; nothing is written.")

    @field_validator("nickname")
    @classmethod
    def _a_template(cls, text: str | None) -> str | None:
        if text is not None:
            unmarked(Template.of(text).filled(n=1, area_code="200", user_id="x"))
        return text

    @model_validator(mode="after")
    def _owned(self) -> Self:
        given = [name for name in ("user_id", "user_ids", "items") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("takes user_id, or user_ids, or items: one of the three")
        if self.items is None and self.quantity is None:
            raise ValueError("needs a quantity")
        if self.items is not None and self.quantity not in (None, len(self.items)):
            raise ValueError(f"has a quantity of {self.quantity} and {len(self.items)} items; leave one of them out")
        return self

    def wanted(self, organization: OrganizationId) -> OrderWanted:
        if self.items is not None:
            items = [ItemWanted(UserId(one.user_id), one.nickname) for one in self.items]
        else:
            users = [self.user_id] if self.user_id is not None else self.user_ids or []
            items = [ItemWanted(UserId(user)) for user in islice(cycle(users), self.quantity)]
        return OrderWanted(
            organization_id=organization,
            items=tuple(items),
            area_codes=tuple(dict.fromkeys(self.area_codes)),
            fallback=tuple(dict.fromkeys(self.fallback)),
            nickname=self.nickname,
            unique_nicknames=self.unique_nicknames,
            tags=tuple(dict.fromkeys(self.tags or ())),
            cost_center=self.cost_center,
            inbound_agent_id=self.inbound_agent_id,
            outbound_agent_id=self.outbound_agent_id,
            fulfilment=self.fulfilment,
            deadline=self.deadline,
        )


class OrderPrice(BaseModel):
    """Micro-units of `currency`, of all numbers together, by the price book: as it is in force today for the area
    code that is asked for first. `at_once`: setup and the first month.
    """

    currency: str
    setup: int
    monthly: int
    at_once: int


class QuoteOut(BaseModel):
    """What an order would come to. `limits`: as they stand without it, each with what it asks of them."""

    dry_run: Literal[True]
    quantity: int
    area_codes: list[str] = Field(description="That would be asked for, in order")
    nicknames: list[str | None] = Field(description="Of the first five")
    price: OrderPrice
    allowed: bool
    why_not: str | None
    limits: list[dict[str, Any]]


class Shown(BaseModel):
    """A number as it stood when it was shown; `becomes`: the members that are to change, null for a release."""

    id: UUID
    phone_number: str
    state: str
    organization_id: str
    tenant_id: str
    user_id: str
    nickname: str | None
    cost_center: str | None
    tags: list[str]
    holder_user_id: str | None
    inbound_agent_id: str | None
    outbound_agent_id: str | None
    becomes: dict[str, Any] | None


class CostLess(BaseModel):
    """Micro-units of `currency`: what a month costs less, and the charges ahead that would not come."""

    currency: str
    monthly_less: int
    next_charges_avoided: int
    first_charge_avoided_at: datetime | None
    last_charge_avoided_at: datetime | None


class Cost(CostLess):
    """In the deployment's currency; `also`: in others, for what is of two cannot be added up."""

    also: list[CostLess] = []


class SkippedFor(BaseModel):
    reason: str
    detail: str
    count: int
    sample: list[dict[str, str]]


class SkippedOut(BaseModel):
    count: int
    reasons: list[SkippedFor]


class PreviewOut(BaseModel):
    """What would be done with `count` of the `selected` numbers; the token has exactly that done, until it expires."""

    order_id: UUID
    kind: Kind
    state: State
    expires_at: datetime
    token: str
    count: int
    selected: int
    sample: list[Shown]
    cost: Cost
    skipped: SkippedOut


class OrderOut(BaseModel):
    """`count`: numbers that were shown to be changed; `counts`: of all its numbers, how many came to which outcome, and
    `reasons` why, where they did not come to `done`.
    """

    order_id: UUID
    kind: Kind
    state: State
    tenant_id: str | None = Field(description="null: an administrator's")
    change: dict[str, Any]
    selection: dict[str, Any]
    count: int
    counts: dict[Outcome, int]
    reasons: dict[str, int]
    undoes: UUID | None
    created_at: datetime
    expires_at: datetime | None = Field(description="until when a preview can be applied")
    applied_at: datetime | None
    cancelled_at: datetime | None
    ended_at: datetime | None
    deadline: datetime | None = Field(description="of an order of new numbers: nothing is sent after it")


class OrderShown(OrderOut):
    """One order; `preview`: as it was shown, token and all, while whoever asked for it can still apply it."""

    preview: PreviewOut | None


class OrderPage(Page[OrderOut]):
    """Orders, newest first. `reasons` only of those that are not over."""


class OrderItemOut(BaseModel):
    """`operation_id`: what it owes Teli, where it does; of a new number its purchase, once it is begun. `area_code`:
    the one that it was last asked for in.
    """

    id: UUID | None
    phone_number: str | None
    tenant_id: str | None
    outcome: Outcome
    reason: str | None
    detail: str | None
    shown: dict[str, Any] | None
    becomes: dict[str, Any] | None
    operation_id: UUID | None
    area_code: str | None
    ended_at: datetime | None


class OrderItemPage(Page[OrderItemOut]):
    """Items, in the order in which they were shown."""
