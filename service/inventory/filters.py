"""What is asked of the inventory, and the conditions that say so.

The conditions are on `numbers_seen`, the numbers that the transaction's principal may see. It is a view, and no table
under row-level security, for that keeps every index from `LIKE`, `@>` and `lower()`: whatever might tell of a row is
run after the policy, row by row. The view holds the same conditions as the policies do.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Text,
    any_,
    cast,
    collate,
    column,
    func,
    literal,
    literal_column,
    select,
    table,
)

from service.agents.models import AgentLink
from service.numbers.models import Number

SEEN = table("numbers_seen", *(column(one.name, one.type) for one in Number.__table__.columns))


def nickname_of(rows: FromClause) -> ColumnElement[str]:
    """As the indexes have it; what has none comes first."""
    return collate(func.coalesce(func.lower(rows.c.nickname), literal_column("''")), "C")


NICKNAME = nickname_of(SEEN)
# As the indexes have it; what is not known comes last.
IDLE_SINCE = func.coalesce(SEEN.c.idle_since, literal_column("'infinity'::timestamptz"))
# As the indexes have it; what is held comes last.
RELEASED_AT = func.coalesce(SEEN.c.released_at, literal_column("'infinity'::timestamptz"))
# Written out, and no parameters: there are indexes of what is held and of what is not.
HELD = SEEN.c.state != literal_column("'released'")
RELEASED = SEEN.c.state == literal_column("'released'")
# What `q` looks through.
LOOKED_THROUGH = (
    SEEN.c.phone_number,
    SEEN.c.pretty,
    SEEN.c.nickname,
    SEEN.c.tags,
    SEEN.c.user_id,
    SEEN.c.holder_user_id,
)
# In the order of bytes nothing that begins with a text comes after it and this, which is no character.
LAST = "\U0010ffff"
DAY = timedelta(days=1)
EQUAL = ("organization_id", "tenant_id", "user_id", "holder_user_id", "phone_number", "cost_center")


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for; None is no condition, and for `states` all but released.

    `nickname`: how it begins, in whatever case. `tags`: it has all of them. `agent_id`: is wanted for either
    direction. `created_after` is part of the time asked for, `created_before` is not. `idle_days`: no call of it is
    known for so long, as far as calls were looked for. `words`: each is somewhere in its number, nickname, tags, user
    or holder.
    """

    organization_id: str | None = None
    tenant_id: str | None = None
    user_id: str | None = None
    holder_user_id: str | None = None
    states: tuple[str, ...] | None = None
    phone_number: str | None = None
    area_codes: tuple[str, ...] | None = None
    nickname: str | None = None
    tags: tuple[str, ...] | None = None
    agent_id: str | None = None
    cost_center: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    idle_days: int | None = None
    words: tuple[str, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """For the cursor: it continues these filters and no others."""
        return {name: _sorted(value) for name, value in asdict(self).items() if value is not None}

    def conditions(self) -> list[ColumnElement[bool]]:
        named = ((SEEN.c[name], getattr(self, name)) for name in EQUAL)
        found = [self._state(), *(of == value for of, value in named if value is not None)]
        if self.area_codes is not None:
            found.append(SEEN.c.area_code.in_(self.area_codes))
        if self.agent_id is not None:
            # As an array, so that it is the links that are gone through: how many there are is not known beforehand.
            linked = select(AgentLink.number_id).where(AgentLink.desired == self.agent_id)
            found.append(SEEN.c.id == any_(func.array(linked.scalar_subquery())))
        if self.created_after is not None:
            found.append(SEEN.c.acquired_at >= self.created_after)
        if self.created_before is not None:
            found.append(SEEN.c.acquired_at < self.created_before)
        if self.idle_days is not None:
            found.append(func.statement_timestamp() - self.idle_days * DAY >= IDLE_SINCE)
        return found + self.written_in(SEEN)

    def written_in(self, rows: FromClause) -> list[ColumnElement[bool]]:
        """What people wrote: nickname, tags and words. `rows`: the view, or what was selected of it."""
        found: list[ColumnElement[bool]] = []
        if self.nickname is not None:
            # The database makes both small, so that they are made so alike.
            nickname, first = nickname_of(rows), func.lower(literal(self.nickname, Text))
            found += [first <= nickname, first.concat(LAST) > nickname]
        if self.tags is not None:
            found.append(rows.c.tags.bool_op("@>")(cast(list(self.tags), ARRAY(Text))))
        text = func.number_words(*(rows.c[column.name] for column in LOOKED_THROUGH))
        return found + [text.like(func.lower(literal(f"%{_escaped(word)}%", Text))) for word in self.words or ()]

    @property
    def unwritten(self) -> "Filters":
        return replace(self, nickname=None, tags=None, words=None)

    @property
    def held_only(self) -> bool:
        return self.states is None or "released" not in self.states

    @property
    def narrow(self) -> bool:
        """Asks for something else than whose they are, which states, area codes and times: then few may be meant."""
        wide = replace(
            self, organization_id=None, tenant_id=None, states=None, area_codes=None, created_after=None,
            created_before=None,
        )  # fmt: skip
        return wide != Filters()

    def _state(self) -> ColumnElement[bool]:
        if self.states is None:
            return HELD
        return SEEN.c.state.in_([literal_column(f"'{state}'") for state in sorted(self.states)])


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _sorted(value: Any) -> Any:
    return sorted(value) if isinstance(value, tuple) else value
