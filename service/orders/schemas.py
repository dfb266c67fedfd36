"""What callers send and get of orders."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self, get_args
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictStr, model_validator

from service.http.pages import Page
from service.inventory.schemas import FiltersIn
from service.kit.phone import path_number
from service.numbers.members import MOST_TAGS
from service.numbers.schemas import AgentId, ExternalId, Label, Nickname
from service.orders.judgement import BulkChange
from service.orders.repository import MOST, Selection
from service.tenants.schemas import Strict

Kind = Literal["release", "change", "buy", "import"]
State = Literal["previewed", "pending", "running", "completed", "partial", "cancelled", "failed"]
Outcome = Literal["waiting", "begun", "done", "skipped", "failed", "unresolved", "cancelled"]
ORDER_STATES: tuple[str, ...] = get_args(State)
ORDER_STATES_PATTERN = rf"^({'|'.join(ORDER_STATES)})(,({'|'.join(ORDER_STATES)}))*$"


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


class Cost(BaseModel):
    """Micro-units of `currency`: what a month costs less, and the charges ahead that would not come."""

    currency: str
    monthly_less: int
    next_charges_avoided: int
    first_charge_avoided_at: datetime | None
    last_charge_avoided_at: datetime | None


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


class OrderPage(Page[OrderOut]):
    """Orders, newest first. `reasons` only of those that are not over."""


class OrderItemOut(BaseModel):
    """`operation_id`: what it owes Teli, where it does."""

    id: UUID | None
    phone_number: str | None
    tenant_id: str | None
    outcome: Outcome
    reason: str | None
    detail: str | None
    shown: dict[str, Any] | None
    becomes: dict[str, Any] | None
    operation_id: UUID | None
    ended_at: datetime | None


class OrderItemPage(Page[OrderItemOut]):
    """Items, in the order in which they were shown."""
