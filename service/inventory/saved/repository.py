"""Saved filters as they are kept."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import count_up
from service.inventory.saved.models import SavedFilter

Position = tuple[str, UUID]


class SavedFilterRepository:
    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def get(self, filter_id: UUID, visible: ColumnElement[bool], *, lock: bool = False) -> SavedFilter | None:
        query = select(SavedFilter).where(SavedFilter.id == filter_id, visible)
        return await self.session.scalar(query.with_for_update() if lock else query)

    async def page(
        self, visible: ColumnElement[bool], *, after: Position | None, limit: int
    ) -> tuple[Sequence[SavedFilter], int]:
        """By name; and how many there are, to COUNTED + 1."""
        page = select(SavedFilter).where(visible).order_by(SavedFilter.name, SavedFilter.id).limit(limit)
        if after is not None:
            page = page.where(tuple_(SavedFilter.name, SavedFilter.id) > tuple_(*after))
        found = (await self.session.scalars(page)).all()
        return found, await count_up(self.session, select(SavedFilter.id).where(visible))

    async def names(self, owner: str, organization: str | None) -> Mapping[str, UUID]:
        """Those that are shared with an organisation; without one the owner's that are not shared.

        Whoever asks the same waits for the end of this transaction, so that what is found here holds till then.
        """
        scope = organization or owner
        await self.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"filters of {scope}", 0))))
        where = (
            and_(SavedFilter.organization_id.is_(None), SavedFilter.tenant_id == owner)
            if organization is None
            else SavedFilter.organization_id == organization
        )
        found = await self.session.execute(select(SavedFilter.name, SavedFilter.id).where(where))
        return {one.name: one.id for one in found}
