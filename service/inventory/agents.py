"""Which agents are linked to how many numbers, for whoever sees these."""

from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal_column, select, union_all

from service.agents.models import AgentLink
from service.db import Database
from service.inventory.filters import Filters
from service.inventory.inventory import check_asked
from service.inventory.selecting import Visible
from service.kit.pagination import COUNTED, Cursors, total
from service.numbers.models import Number
from service.tenants.principals import Principal

HELD = Number.state != "released"


class AgentList:
    def __init__(self, database: Database, cursors: Cursors) -> None:
        self._database = database
        self._cursors = cursors

    async def page(
        self, caller: Principal, *, organization_id: str | None, limit: int, cursor: str | None
    ) -> dict[str, Any]:
        """One page of the agents that are wanted or confirmed for a number, by id.

        Raises: NotYourOrganization; InvalidRequest for a cursor of another query.
        """
        query = {"list": "agents", "organization_id": organization_id}
        filters, visible = Filters(organization_id), Visible(caller.tenant_id, caller.lists_whole)
        check_asked(caller, filters, visible)
        of = visible.conditions(filters, Number.__table__)
        if organization_id is not None:
            of.append(Number.organization_id == organization_id)
        linked = _linked(of)
        agents = linked.group_by(literal_column("agent_id"))
        page = agents.order_by(literal_column("agent_id")).limit(limit + 1)
        if cursor is not None:
            [after] = self._cursors.open(query, cursor)
            page = page.where(literal_column("agent_id") > after)
        matches = agents.limit(COUNTED + 1).subquery()
        async with self._database.acting(tenant=visible.tenant_id, sees=visible.sees, bounds=caller.bounds) as session:
            found = (await session.execute(page)).all()
            counted = (await session.scalars(select(func.count()).select_from(matches))).one()
        more = len(found) > limit
        return {
            "items": [
                {
                    "agent_id": row.agent_id,
                    "numbers": row.numbers,
                    "inbound": {"desired": row.inbound_desired, "confirmed": row.inbound_confirmed},
                    "outbound": {"desired": row.outbound_desired, "confirmed": row.outbound_confirmed},
                }
                for row in found[:limit]
            ],
            "next_cursor": self._cursors.seal(query, [found[limit - 1].agent_id]) if more else None,
            "total": total(counted),
        }


def _linked(of: list[ColumnElement[bool]]) -> Select[Any]:
    """Each agent, with how many numbers it is wanted for and confirmed for, by direction. Not grouped yet.

    One that Teli refused is wanted no longer.
    """
    ways = [
        select(
            AgentLink.number_id,
            (AgentLink.direction + literal_column(f"'_{how}'")).label("way"),
            agent.label("agent_id"),
        )
        .join(Number, Number.id == AgentLink.number_id)
        .where(agent.is_not(None), HELD, *of, *wanted)
        for how, agent, wanted in (
            ("desired", AgentLink.desired, [AgentLink.state != "refused"]),
            ("confirmed", AgentLink.confirmed, []),
        )
    ]
    used = union_all(*ways).subquery()
    counts = (
        func.count().filter(used.c.way == name).label(name)
        for name in ("inbound_desired", "inbound_confirmed", "outbound_desired", "outbound_confirmed")
    )
    return select(used.c.agent_id.label("agent_id"), func.count(used.c.number_id.distinct()).label("numbers"), *counts)
