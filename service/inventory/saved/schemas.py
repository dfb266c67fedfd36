"""What callers send and get of saved filters."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from service.http.pages import Page
from service.inventory.saved.filters import Wanted
from service.inventory.schemas import FiltersIn, SortName, with_an_index
from service.numbers.schemas import Label
from service.tenants.schemas import ExternalId, Strict


class SavedFilterIn(Strict):
    name: Label = Field(examples=["Idle in Detroit"])
    organization_id: ExternalId | None = Field(
        None, description="With whom it is shared: whoever is granted this organisation reads it; null is nobody"
    )
    filters: FiltersIn
    sort: SortName | None = None

    @field_validator("sort")
    @classmethod
    def _with_an_index(cls, sort: str | None, info: ValidationInfo) -> str | None:
        filters = info.data.get("filters")
        return sort if sort is None or filters is None else with_an_index(sort, filters.state)

    def wanted(self) -> Wanted:
        asked = self.filters.model_dump(mode="json", exclude_none=True)
        return Wanted(self.name, self.organization_id, asked, self.sort)


class FilterFaultOut(BaseModel):
    pointer: str
    detail: str


class SavedFilterOut(BaseModel):
    """`mine`: whether it is the caller's own, and not another's that is shared."""

    id: UUID
    name: str
    organization_id: str | None
    filters: dict[str, Any]
    sort: str | None
    mine: bool
    faults: list[FilterFaultOut] = Field(
        description="What of it the listing knows no more; it is not applied until mended"
    )
    created_at: datetime
    updated_at: datetime


class SavedFilterPage(Page[SavedFilterOut]):
    """Saved filters, by name."""
