"""What is asked of the inventory, and what it answers."""

import re
from datetime import datetime
from typing import Annotated, Literal, get_args
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from service.http.pages import LONGEST_CURSOR, Moment, Page
from service.inventory.filters import Filters
from service.inventory.sorting import SORTS
from service.kit.phone import path_number
from service.kit.text import shown
from service.numbers.members import MOST_TAGS
from service.numbers.schemas import AgentId, Label
from service.tenants.schemas import ExternalId, PlainText, Strict

State = Literal["active", "release_scheduled", "releasing", "released", "missing"]
STATES: tuple[str, ...] = get_args(State)
# One parameter, comma-separated: a parameter that comes twice is refused on every path.
STATES_PATTERN = rf"^({'|'.join(STATES)})(,({'|'.join(STATES)}))*$"
AREA_CODES_PATTERN = r"^[2-9][0-9]{2}(,[2-9][0-9]{2})*$"
MOST_AREA_CODES = 50
MOST_DAYS = 3650
MOST_OF_A_TAG = 64
MOST_WORDS = 8
SHORTEST_WORD = 3


def known_states(text: str) -> str:
    """The text itself, where it names states. Raises: ValueError, naming those that there are."""
    for name in text.split(","):
        if name not in STATES:
            told = f"names {shown(name)!r}, which is no state; known, separated by commas: {', '.join(STATES)}"
            raise ValueError(told)
    return text


def _area_codes(text: str) -> str:
    if re.fullmatch(AREA_CODES_PATTERN, text) is None:
        raise ValueError("must be area codes of three digits, the first from 2 to 9, separated by commas, as 415,628")
    if text.count(",") >= MOST_AREA_CODES:
        raise ValueError(f"names more than {MOST_AREA_CODES} area codes; ask for them in parts")
    return text


def tags_of(text: str) -> list[str]:
    r"""Tags separated by commas; `\,` is a comma of the tag itself, and `\\` a backslash."""
    tags = [""]
    for part in re.findall(r"\\[,\\]|.", text, re.DOTALL):
        if part == ",":
            tags.append("")
        else:
            tags[-1] += part[-1]
    return tags


def _tags(text: str) -> str:
    tags = tags_of(text)
    if len(tags) > MOST_TAGS:
        raise ValueError(f"names {len(tags)} tags, and a number has {MOST_TAGS} at most")
    if not all(tags):
        raise ValueError("names a tag without a character; remove the comma too many")
    if longest := next((tag for tag in tags if len(tag) > MOST_OF_A_TAG), None):
        raise ValueError(f"names a tag of {len(longest)} characters, and none has more than {MOST_OF_A_TAG}")
    return text


def _words(text: str) -> str:
    words = text.split()
    if not words or min(map(len, words)) < SHORTEST_WORD:
        raise ValueError(f"needs words of {SHORTEST_WORD} characters at least: shorter ones are in nearly everything")
    if len(words) > MOST_WORDS:
        raise ValueError(f"has {len(words)} words; {MOST_WORDS} at most")
    return text


def _whole(value: object) -> object:
    """A query has nothing but text; a body says a number where it means one."""
    if isinstance(value, bool | float):
        raise PydanticCustomError("int_type", "must be a whole number")
    return value


def _known_sort(text: str) -> str:
    if text not in SORTS:
        raise ValueError(f"is no order of this listing; there are {', '.join(SORTS)}")
    return text


def with_an_index(sort: str, state: str | None) -> str:
    """The order itself, where it has an index for numbers in these states. Raises: ValueError, naming the mend."""
    by, states = sort.removeprefix("-"), set(state.split(",")) if state else set()
    if by == "released_at" and states != {"released"}:
        raise ValueError("is an order of released numbers alone; add state=released, or sort by another")
    if by == "idle_since" and "released" in states:
        raise ValueError("is no order of released numbers; leave released out of state, or sort by another")
    return sort


class FiltersIn(Strict):
    """The filters of the inventory: of a query, of a bulk change, and of a saved filter. All that are given hold."""

    organization_id: ExternalId | None = None
    tenant_id: ExternalId | None = None
    user_id: ExternalId | None = Field(None, description="Who owns it at Teli")
    holder_user_id: ExternalId | None = Field(None, description="Who uses it")
    state: Annotated[StrictStr, AfterValidator(known_states), Field(max_length=200)] | None = Field(
        None,
        description="One or several, separated by commas; without it all but `released`",
        json_schema_extra={"pattern": STATES_PATTERN},
        examples=["active,missing"],
    )
    phone_number: Annotated[StrictStr, AfterValidator(path_number), Field(max_length=20)] | None = Field(
        None, description="This E.164 alone; for a part of one, `q`", examples=["+13135550142"]
    )
    area_code: Annotated[StrictStr, AfterValidator(_area_codes), Field(max_length=200)] | None = Field(
        None,
        description="One or several, separated by commas",
        json_schema_extra={"pattern": AREA_CODES_PATTERN},
        examples=["415,628"],
    )
    nickname: Annotated[PlainText, Field(min_length=1, max_length=100)] | None = Field(
        None, description="How it begins, in capitals or not", examples=["sales"]
    )
    tag: Annotated[PlainText, AfterValidator(_tags), Field(min_length=1, max_length=2000)] | None = Field(
        None,
        description="One or several, separated by commas: it has them all. A comma in a tag is written `\\,`",
        examples=["sales,west"],
    )
    agent_id: AgentId | None = Field(None, description="Wanted to answer it, or to call from it")
    cost_center: Label | None = Field(None, examples=["marketing"])
    created_after: Moment | None = Field(
        None, description="Acquired then or later; RFC 3339 with its zone", examples=["2026-01-01T00:00:00Z"]
    )
    created_before: Moment | None = Field(
        None, description="Acquired earlier than then; RFC 3339 with its zone", examples=["2026-02-01T00:00:00Z"]
    )
    idle_days: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=MOST_DAYS)] | None = Field(
        None, description="No call for so many days; unknown is not idle", examples=[30]
    )
    q: Annotated[PlainText, AfterValidator(_words), Field(max_length=200)] | None = Field(
        None,
        description="Words of three characters or more, each somewhere in number, nickname, tags, user or holder",
        examples=["sales 0142"],
    )

    @field_validator("created_before")
    @classmethod
    def _later(cls, before: datetime | None, info: ValidationInfo) -> datetime | None:
        after = info.data.get("created_after")
        if before is not None and after is not None and before <= after:
            raise ValueError("must be later than created_after; swap the two")
        return before

    def filters(self) -> Filters:
        return Filters(
            **{name: getattr(self, name) for name in SAME},
            states=_each(self.state and self.state.split(",")),
            area_codes=_each(self.area_code and self.area_code.split(",")),
            tags=_each(self.tag and tags_of(self.tag)),
            words=_each(self.q and self.q.split()),
        )


SAME = set(FiltersIn.model_fields) - {"state", "area_code", "tag", "q"}


def _each(values: list[str] | str | None) -> tuple[str, ...] | None:
    return tuple(sorted(set(values))) if values else None


SortName = Annotated[StrictStr, AfterValidator(_known_sort), Field(json_schema_extra={"enum": list(SORTS)})]


class Asked(FiltersIn):
    """What can be asked of the listing, and saved."""

    sort: SortName = Field(
        "acquired_at",
        description="The order of the listing; `released_at` goes with `state=released` alone, and `idle_since` with"
        " all states but that",
    )

    @field_validator("sort")
    @classmethod
    def _with_an_index(cls, sort: str, info: ValidationInfo) -> str:
        # A state that is refused itself is not there.
        return with_an_index(sort, info.data["state"]) if "state" in info.data else sort


class InventoryQuery(Asked):
    """A query of the listing. What is not known is refused before, by the path's route."""

    model_config = ConfigDict(extra="ignore")

    filter: UUID | None = Field(
        None, description="As this saved filter has it; what the query names itself stands in place of what is saved"
    )
    limit: int | None = Field(None, ge=1, le=1000, description="Rows of a page; 100 without it")
    cursor: str | None = Field(None, max_length=LONGEST_CURSOR)


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
    """Numbers in the order asked for. Where `total` is not exact, it is an estimate."""
