"""The one shape of every listing on our own paths, and what listings are asked with."""

import re
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator

NDJSON = "application/x-ndjson"
# What a URL makes of the offset +01:00.
SPACE_FOR_PLUS = re.compile(r"T[0-9:.]+ [0-9]{2}:?[0-9]{2}$")
Item = TypeVar("Item")
Limit = Annotated[int, Query(ge=1, le=1000)]
# It holds what its page was sorted by, and that may be 500 characters as Teli lists them, of up to six bytes each.
LONGEST_CURSOR = 5000
Cursor = Annotated[str | None, Query(max_length=LONGEST_CURSOR)]


class Total(BaseModel):
    value: int
    exact: bool


class Page(BaseModel, Generic[Item]):
    items: list[Item]
    next_cursor: str | None
    total: Total


def _no_number(value: object) -> object:
    if isinstance(value, int | float) or (isinstance(value, str) and value[4:5] != "-"):
        raise ValueError("must be a time by RFC 3339, as 2026-01-31T12:00:00Z")
    if isinstance(value, str) and SPACE_FOR_PLUS.search(value):
        raise ValueError("has a space where a + was: write + as %2B in a URL, or the time in UTC, with Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the years 1 to 9999 in UTC") from None


# Of a query or a body: a number is no time, and what is one is so in UTC too.
Moment = Annotated[AwareDatetime, BeforeValidator(_no_number), AfterValidator(_in_utc)]
