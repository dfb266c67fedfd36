"""Whose rows a caller lists."""

from dataclasses import dataclass
from typing import Self

from sqlalchemy import ColumnElement, FromClause, or_

from service.tenants.principals import Principal


@dataclass(frozen=True, slots=True)
class Visible:
    """A tenant's own, and all of the organisations in `sees`; ("*",) is all there are.

    Row-level security says the same. It is said here too: so that an index can be used, and because one of the two may
    be wrong.
    """

    tenant_id: str | None
    sees: tuple[str, ...]

    @classmethod
    def to(cls, caller: Principal) -> Self:
        return cls(caller.tenant_id, caller.lists_whole)

    def conditions(self, of: FromClause, organization_id: str | None = None) -> list[ColumnElement[bool]]:
        """`of`: a table or view of what tenants and organisations have. `organization_id`: of which alone is asked."""
        if "*" in self.sees or organization_id in self.sees:
            return []
        own = of.c.tenant_id == self.tenant_id
        seen = of.c.organization_id.in_(self.sees)
        if self.tenant_id is None:
            return [seen]
        return [or_(own, seen)] if self.sees and organization_id is None else [own]
