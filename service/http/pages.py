"""The one shape of every listing on our own paths."""

from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

Item = TypeVar("Item")
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(max_length=1000)]


class Total(BaseModel):
    value: int
    exact: bool


class Page(BaseModel, Generic[Item]):
    items: list[Item]
    next_cursor: str | None
    total: Total
