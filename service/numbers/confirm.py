"""Confirming a purchase: seeing the row of a number at Teli, and with it whether marks come back at all.

Until a number is confirmed its row id is not known, and the row id alone tells this acquisition from a later one of
the same E.164.
"""

from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import Database
from service.kit.types import TenantId
from service.numbers.marks import mark_of
from service.numbers.models import Number, Step
from service.numbers.steps import Done, Later, owe
from service.observability.metrics import LANE_MODE
from service.outbox.events import record
from service.teli.client import TeliClient
from service.teli.directory import read_users
from service.teli.listing import Listing, Row, read_listing
from service.tenants.models import Account, User
from service.tenants.version import bump

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sighting:
    """A row that is this number's. `marked`: it carries the number's mark."""

    row: Row
    marked: bool


class Confirmation:
    def __init__(self, database: Database, teli: TeliClient, *, mark_keep: float) -> None:
        self._database = database
        self._teli = teli
        self._mark_keep = mark_keep

    async def perform(self, step: Step, tenant: TenantId | None = None) -> Done | Later:
        """The `confirm` step."""
        async with self._database.acting(tenant=tenant) as session:
            number = await session.get_one(Number, step.number_id)
        if number.confirmed_at is not None:
            return Done("confirmed before")
        sighting = await self.look(number, tenant)
        if sighting is None:
            return Later("not listed yet")
        return await self._confirm(number, sighting, tenant)

    async def look(self, number: Number, tenant: TenantId | None) -> Sighting | None:
        """This number's row in a fresh listing of its user, or None. A row of another acquisition is not ours."""
        listing = read_listing(await self._teli.list_numbers(number.organization_id, number.user_id, whole=False))
        if listing is None:
            return None
        for row in listing.rows:
            if row.phone_number != number.phone_number:
                continue
            if number.upstream_row_id is not None and row.row_id != number.upstream_row_id:
                continue
            if await self._owner_agrees(row, number, tenant):
                return Sighting(row, marked=mark_of(row.nickname) == number.mark)
        return None

    async def listing(self, organization: str, user: str) -> Listing | None:
        return read_listing(await self._teli.list_numbers(organization, user, whole=False))

    async def _owner_agrees(self, row: Row, number: Number, tenant: TenantId | None) -> bool:
        """Rows carry either form of an id; a form not met yet is asked for once."""
        if row.user_id in (None, number.user_id):
            return True
        async with self._database.acting(tenant=tenant) as session:
            known = await session.scalar(
                select(User.upstream_uuid).where(
                    User.organization_id == number.organization_id, User.id == number.user_id
                )
            )
        if known is None:
            known = await self._learn(number, tenant)
        return row.user_id == known

    async def _learn(self, number: Number, tenant: TenantId | None) -> str | None:
        users = read_users(await self._teli.users(number.organization_id)) or []
        uuid = next((user.uuid for user in users if user.unique_id == number.user_id), None)
        if uuid is not None:
            async with self._database.acting(tenant=tenant) as session:
                await session.execute(
                    update(User)
                    .where(User.organization_id == number.organization_id, User.id == number.user_id)
                    .values(upstream_uuid=uuid)
                )
        return uuid

    async def _confirm(self, number: Number, sighting: Sighting, tenant: TenantId | None) -> Done | Later:
        row = sighting.row
        try:
            async with self._database.acting(tenant=tenant) as session:
                await session.execute(
                    update(Number)
                    .where(Number.id == number.id)
                    .values(
                        confirmed_at=func.clock_timestamp(),
                        upstream_row_id=row.row_id,
                        upstream_created_at=row.created_at,
                        subscription_id=row.subscription_id,
                        marked=sighting.marked,
                        **({} if sighting.marked else {"upstream_nickname": row.nickname or ""}),
                    )
                )
                if sighting.marked:
                    await owe(session, number.tenant_id, number.id, "unmark", after=self._mark_keep)
                await record(
                    session, number.tenant_id, "number.confirmed", number_id=number.id, row_id=row.row_id
                )
                await self._learn_mode(session, number.account_id, marks_come_back=sighting.marked)
        except IntegrityError:
            return Later("the row belongs to another acquisition")
        return Done("confirmed" if sighting.marked else "confirmed without its mark")

    async def _learn_mode(self, session: AsyncSession, account_id: UUID, *, marks_come_back: bool) -> None:
        mode = "mark" if marks_come_back else "lane"
        changed = await session.execute(
            update(Account)
            .where(Account.id == account_id, Account.mode != mode)
            .values(mode=mode, mode_changed_at=func.clock_timestamp())
            .returning(Account.name)
        )
        if (name := changed.scalar_one_or_none()) is not None:
            await bump(session)
            LANE_MODE.labels(name).set(mode == "lane")
            log.warning("account mode changed", account=name, mode=mode)
