"""What tenants, organisations and users are called, for whoever shows their ids to people."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, any_, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.expression import cast

from service.db import Database
from service.tenants.models import Organization, Tenant, User
from service.tenants.principals import Principal


@dataclass(frozen=True, slots=True)
class Named:
    """Ids, or of an answer the name of each."""

    tenants: Collection[str] = ()
    organizations: Collection[str] = ()
    users: Collection[str] = ()


class Names:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, caller: Principal, asked: Named) -> dict[str, dict[str, str]]:
        """Of those that the caller may see, and that have a name: a tenant itself, with its organisations and their
        users; whoever sees an organisation, that and its users; whoever sees all, all. A user without a name is called
        by the email, to who acts for no tenant.
        """
        everything = caller.tenant_id is None and "*" in caller.sees
        seen = {*caller.organization_ids, *caller.sees}
        called = func.coalesce(User.name, None if caller.tenant_id else User.email)
        among: list[ColumnElement[bool]] = [] if everything else [_in(User.organization_id, seen)]
        if caller.bounds.users is not None:
            among.append(_in(User.id, caller.bounds.users))
        queries = {
            "tenants": select(Tenant.id, Tenant.name).where(
                _in(Tenant.id, asked.tenants), *([] if everything else [Tenant.id == caller.tenant_id])
            ),
            "organizations": select(Organization.id, Organization.name).where(
                _in(Organization.id, asked.organizations), *([] if everything else [_in(Organization.id, seen)])
            ),
            "users": select(User.id, called).where(_in(User.id, asked.users), *among),
        }
        acting = self._database.acting(
            tenant=caller.tenant_id, duty="finance" if everything else "service", sees=caller.sees, bounds=caller.bounds
        )
        found: dict[str, dict[str, str]] = {kind: {} for kind in queries}
        if not any(getattr(asked, kind) for kind in queries):
            return found
        async with acting as session:
            for kind, query in queries.items():
                if getattr(asked, kind):  # A page asks for one kind, mostly.
                    found[kind] = {row[0]: row[1] for row in await session.execute(query) if row[1]}
        return found


def _in(column: InstrumentedAttribute[str], ids: Collection[str]) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column == any_(cast(list(ids), ARRAY(Text)))
    return found
