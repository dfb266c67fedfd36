"""The inventory as it is answered."""

from datetime import datetime
from typing import Annotated, Literal, get_args
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr

from service.http.pages import Page
from service.inventory.repository import Filters
from service.numbers.schemas import ExternalId
from service.tenants.schemas import Strict

State = Literal["active", "release_scheduled", "releasing", "released", "missing"]
STATES: tuple[str, ...] = get_args(State)
# One parameter, comma-separated: a parameter that comes twice is refused on every path.
STATES_PATTERN = rf"^({'|'.join(STATES)})(,({'|'.join(STATES)}))*$"


def known_states(text: str) -> str:
    """The text itself, where it names states. Raises: ValueError, naming the first that there is not."""
    for name in text.split(","):
        if name not in STATES:
            raise ValueError(f"names no state; known, separated by commas: {', '.join(STATES)}")
    return text


SORTS = ("acquired_at",)


def _known_sort(text: str) -> str:
    if text not in SORTS:
        raise ValueError(f"is no order of this listing; there are {', '.join(SORTS)}")
    return text


class FiltersIn(Strict):
    """The filters of the inventory: of a query, of a bulk change, and of a saved filter. All that are given hold."""

    organization_id: ExternalId | None = None
    tenant_id: ExternalId | None = None
    user_id: ExternalId | None = Field(None, description="Who owns it at Teli")
    state: Annotated[StrictStr, AfterValidator(known_states), Field(max_length=200)] | None = Field(
        None,
        description="One or several, separated by commas; without it all but `released`",
        json_schema_extra={"pattern": STATES_PATTERN},
        examples=["active,missing"],
    )

    def filters(self) -> Filters:
        states = tuple(set(self.state.split(","))) if self.state else None
        return Filters(self.organization_id, self.tenant_id, self.user_id, states)


SortName = Annotated[StrictStr, AfterValidator(_known_sort), Field(json_schema_extra={"enum": list(SORTS)})]


class Asked(FiltersIn):
    """What can be asked of the listing, and saved."""

    sort: SortName = Field("acquired_at", description="The order of the listing")


class InventoryQuery(Asked):
    """A query of the listing. What is not known is refused before, by the path's route."""

    model_config = ConfigDict(extra="ignore")

    filter: UUID | None = Field(
        None, description="As this saved filter has it; what the query names itself stands in place of what is saved"
    )
    limit: int | None = Field(None, ge=1, le=1000, description="Rows of a page; 100 without it")
    cursor: str | None = Field(None, max_length=1000)


class NumberItem(BaseModel):
    """One acquisition; an E.164 that was released and bought again is two."""

    id: UUID
    phone_number: str
    state: State
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None
    cost_center: str | None
    tags: list[str]
    acquired_at: datetime
    confirmed_at: datetime | None
    released_at: datetime | None


class NumberPage(Page[NumberItem]):
    """Numbers, oldest acquisition first. Where `total` is not exact, there are at least so many."""
