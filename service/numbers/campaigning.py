"""Whether a number is one that a campaign calls from: then it is not given back, unless by force.

Campaigns are filed in a transaction that locks the numbers they call from, and releases lock theirs too. So whichever
of the two comes second sees the other: a campaign that is about to begin, or a number that is about to go.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, cast, column, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.kit.errors import StateConflict

MOST_NAMED = 20


async def in_campaigns(session: AsyncSession, ids: Collection[UUID]) -> Mapping[UUID, list[str]]:
    """Of these numbers those that campaigns call from, with the campaigns' ids. To be asked with the rows locked."""
    called = func.campaigns_from(cast(list(ids), ARRAY(Uuid))).table_valued(column("number_id"), column("campaign_id"))
    found: defaultdict[UUID, list[str]] = defaultdict(list)
    for number_id, campaign_id in await session.execute(select(called.c.number_id, called.c.campaign_id)):
        found[number_id].append(campaign_id)
    return found


async def check_no_campaign(session: AsyncSession, number_id: UUID) -> None:
    """Raises: StateConflict, naming the campaigns."""
    found = await in_campaigns(session, [number_id])
    if campaigns := found.get(number_id):
        named = ", ".join(campaigns[:MOST_NAMED])
        raise StateConflict(
            f"This number is called from by {len(campaigns)} campaigns that are not over: {named}. End them first, or "
            "release it all the same with ?force=true.",
            campaigns=campaigns[:MOST_NAMED],
        )
