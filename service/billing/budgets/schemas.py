"""Budgets as they are sent and shown. Amounts are integer micro-units of their currency."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StrictInt, model_validator

from service.billing.budgets.budgets import Changeable, WantedBudget
from service.billing.schemas import Currency
from service.http.pages import Page
from service.numbers.schemas import Label
from service.tenants.schemas import ExternalId, PlainText, Strict

Amount = Annotated[StrictInt, Field(gt=0, le=1_000_000_000_000_000, description="A month, in micro-units")]
Name = Annotated[PlainText, Field(min_length=1, max_length=128)]


class BudgetPut(Strict):
    """What of a budget may be changed. `notify_tenant_id`: the tenant that is told by `budget.reached`, amounts and
    all; null is nobody.
    """

    name: Name | None
    amount: Amount
    notify_tenant_id: ExternalId | None

    def wanted(self) -> Changeable:
        return Changeable(self.name, self.amount, self.notify_tenant_id)


class BudgetIn(Strict):
    """What a month may cost of an organisation, a tenant, a cost centre, or of what is of all that are named. One of a
    tenant is told to it, unless `notify_tenant_id` says otherwise; one of several to nobody, unless that names one.
    """

    organization_id: ExternalId | None = None
    tenant_id: ExternalId | None = None
    cost_center: Label | None = None
    currency: Currency = "USD"
    name: Name | None = None
    amount: Amount
    notify_tenant_id: ExternalId | None = None

    @model_validator(mode="after")
    def _of_something(self) -> "BudgetIn":
        if self.organization_id is None and self.tenant_id is None and self.cost_center is None:
            raise ValueError("name an organization_id, a tenant_id or a cost_center")
        return self

    def wanted(self) -> WantedBudget:
        told = self.model_dump()
        if "notify_tenant_id" not in self.model_fields_set:
            told["notify_tenant_id"] = self.tenant_id
        return WantedBudget(**told)


class Reached(BaseModel):
    """A threshold, in percent, by what is charged so far or is to be expected of the whole month. `ended_at`: when a
    higher amount let it be reached anew.
    """

    threshold: int
    measure: Literal["charged", "forecast"]
    micros: int
    amount: int
    at: datetime
    ended_at: datetime | None


class Standing(BaseModel):
    """How the month that runs stands, as it was reckoned at that time; null: it is reckoned anew within seconds."""

    period: str
    so_far: int
    forecast: int
    reckoned_at: datetime | None
    reached: list[Reached]


class BudgetOut(BaseModel):
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


class BudgetPage(Page[BudgetOut]):
    """Budgets, in the order of filing."""
