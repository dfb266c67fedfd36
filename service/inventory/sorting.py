"""The orders in which numbers can be listed, each with an index that has it.

Every order ends with the id, so that no two numbers stand at one place; backwards is the whole of it turned round.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Text, Uuid, cast, literal, tuple_

from service.inventory.filters import IDLE_SINCE, NICKNAME, RELEASED_AT, SEEN
from service.numbers.models import Moment

By = Literal["acquired_at", "phone_number", "nickname", "idle_since", "released_at"]
KEYS: dict[By, ColumnElement[Any]] = {
    "acquired_at": SEEN.c.acquired_at,
    "phone_number": SEEN.c.phone_number,
    "nickname": NICKNAME,
    "idle_since": IDLE_SINCE,
    "released_at": RELEASED_AT,
}
SORTS: tuple[str, ...] = tuple(sign + by for by in get_args(By) for sign in ("", "-"))


@dataclass(frozen=True, slots=True)
class Sort:
    by: By = "acquired_at"
    descending: bool = False

    @classmethod
    def of(cls, text: str) -> "Sort":
        """As it is asked for: a name of SORTS. Raises: KeyError."""
        by = {name: name for name in KEYS}[text.removeprefix("-")]  # type: ignore[index]
        return cls(by, text.startswith("-"))

    def __str__(self) -> str:
        return ("-" if self.descending else "") + self.by

    @property
    def key(self) -> ColumnElement[Any]:
        """What is ordered by, before the id; as text it is where a row stands, as `beyond` takes it."""
        return KEYS[self.by]

    def order(self) -> list[ColumnElement[Any]]:
        return self.directed(self.key, SEEN.c.id)

    def directed(self, key: ColumnElement[Any], number_id: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        """The same order of what was selected before."""
        return [key.desc(), number_id.desc()] if self.descending else [key, number_id]

    def beyond(self, position: str, number_id: Any) -> ColumnElement[bool]:
        """Whatever comes after the row that stood there."""
        place: ColumnElement[Any] = literal(position, Text)
        if isinstance(KEYS[self.by].type, type(Moment)):
            place = cast(place, Moment)
        here, there = tuple_(KEYS[self.by], SEEN.c.id), tuple_(place, literal(number_id, Uuid))
        return here < there if self.descending else here > there
