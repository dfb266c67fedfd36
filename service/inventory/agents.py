"""Which agents are linked to how many numbers, for whoever sees these."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    cast,
    func,
    literal_column,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.agents.models import AgentLink
from service.db import Database
from service.inventory.filters import Filters
from service.inventory.inventory import check_asked
from service.kit.pagination import COUNTED, Cursors, total
from service.numbers.models import Number
from service.tenants.principals import Principal
from service.tenants.visible import Visible

HELD = Number.state != "released"
WAYS = ("inbound_desired", "inbound_confirmed", "outbound_desired", "outbound_confirmed")
# An agent that is wanted, or was and is still the one that Teli confirmed.
FOLLOWING = """
    SELECT least(
      (SELECT desired FROM agent_links WHERE desired > {0} ORDER BY desired LIMIT 1),
      (SELECT confirmed FROM agent_links WHERE confirmed > {0} AND confirmed IS DISTINCT FROM desired
       ORDER BY confirmed LIMIT 1))
"""
NEXT = text(f"""
    WITH RECURSIVE agents (agent_id) AS (
      {FOLLOWING.format(":after")}
      UNION ALL
      SELECT ({FOLLOWING.format("a.agent_id")}) FROM agents a WHERE a.agent_id IS NOT NULL)
    SELECT agent_id FROM agents WHERE agent_id IS NOT NULL LIMIT :most
""")  # noqa: S608 - all of it is our own  # nosec B608


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
        filters, visible = Filters(organization_id), Visible.to(caller)
        check_asked(caller, filters, visible)
        of = visible.conditions(Number.__table__, organization_id)
        if organization_id is not None:
            of.append(Number.organization_id == organization_id)
        after = self._cursors.open(query, cursor)[0] if cursor is not None else ""
        async with self._database.acting(tenant=visible.tenant_id, sees=visible.sees, bounds=caller.bounds) as session:
            if of:
                found, known = await _page_of(session, of, after, limit + 1)
            else:
                found, known = await _page_of_all(session, after, limit + 1)
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
            "total": known,
        }


async def _page_of(
    session: AsyncSession, of: list[ColumnElement[bool]], after: str, limit: int
) -> tuple[Sequence[Row[Any]], dict[str, Any]]:
    """Whatever links these numbers have is gone through once, for page and total."""
    agents = _linked(of).cte("agents")
    counted = select(func.count().label("counted")).select_from(agents).subquery()
    page = select(agents).where(agents.c.agent_id > after).order_by(agents.c.agent_id).limit(limit).subquery()
    both = select(counted.c.counted, *page.c).select_from(counted.outerjoin(page, true())).order_by(page.c.agent_id)
    found = (await session.execute(both)).all()
    return [row for row in found if row.agent_id is not None], total(found[0].counted)


async def _page_of_all(session: AsyncSession, after: str, limit: int) -> tuple[Sequence[Row[Any]], dict[str, Any]]:
    """From one agent to the next in the order of the index, so that a page costs what its agents have."""
    found: list[Row[Any]] = []
    names, last = [""], after
    while names and len(found) < limit:
        names = list((await session.scalars(NEXT, {"after": last, "most": limit})).all())
        found += (await session.execute(_linked([], names).order_by(literal_column("agent_id")))).all()
        last = names[-1] if names else last
    if not after and len(found) < limit:
        return found, {"value": len(found), "exact": True}
    # Among them are those of released numbers alone.
    counted = len((await session.scalars(NEXT, {"after": "", "most": COUNTED})).all())
    return found[:limit], {"value": counted, "exact": False}


def _linked(of: list[ColumnElement[bool]], names: Sequence[str] | None = None) -> Select[Any]:
    """Each agent, or each of these, with how many numbers it is wanted for and confirmed for, by direction.

    One that Teli refused is wanted no longer.
    """
    links = (
        select(AgentLink.number_id, AgentLink.direction, AgentLink.desired, AgentLink.confirmed, AgentLink.state)
        .join(Number, Number.id == AgentLink.number_id)
        .where(HELD, *of)
    )
    if names is not None:
        former = AgentLink.confirmed.is_distinct_from(AgentLink.desired)
        links = links.where(AgentLink.desired.in_(names) | (AgentLink.confirmed.in_(names) & former))
    kept = links.cte("links")
    ways = union_all(
        *(
            select(
                kept.c.number_id, (kept.c.direction + literal_column(f"'_{how}'")).label("way"), agent.label("agent_id")
            ).where(agent.is_not(None), *wanted)
            for how, agent, wanted in (
                ("desired", kept.c.desired, [kept.c.state != "refused"]),
                ("confirmed", kept.c.confirmed, []),
            )
        )
    ).subquery("ways")
    # By number first, which is not linked twice one way: to count what is distinct would sort them all.
    each = {way: func.count().filter(ways.c.way == way).label(way) for way in WAYS}
    of_number = select(ways.c.agent_id, *each.values()).group_by(ways.c.agent_id, ways.c.number_id)
    if names is not None:
        of_number = of_number.where(ways.c.agent_id.in_(names))
    used = of_number.subquery("used")
    sums = (cast(func.sum(used.c[way]), BigInteger).label(way) for way in WAYS)
    return select(used.c.agent_id, func.count().label("numbers"), *sums).group_by(used.c.agent_id)
