"""Confirming a purchase: seeing the row of a number at Teli, and with it whether marks come back at all.

Until a number is confirmed its row id is not known, and the row id alone tells this acquisition from a later one of
the same E.164.
"""

from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
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

WORKER = "worker"
log = structlog.get_logger()


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
        if number.state == "released":
            return Done("released before it was listed")
        if not await self.confirm(number, tenant, request_id=step.request_id):
            return Later("not listed yet")
        return Done("confirmed")

    async def confirm(self, number: Number, tenant: TenantId | None, *, request_id: str | None) -> bool:
        """Look for the row of a number that is not confirmed, and file what it says. False while it is not listed."""
        listing = await self.listing(number, whole=False)
        rows = [
            row
            for row in (listing.rows if listing else ())
            # A row with another mark is another purchase's, whatever its E.164.
            if row.phone_number == number.phone_number and mark_of(row.nickname) in (None, number.mark)
        ]
        for row in sorted(rows, key=lambda row: mark_of(row.nickname) != number.mark):
            if await self._owner_agrees(row, number, tenant):
                try:
                    await self._file(number, row, tenant, request_id)
                except IntegrityError:
                    continue  # That row is another acquisition's, perhaps of a tenant we may not see.
                return True
        return False

    async def listing(self, number: Number, *, whole: bool) -> Listing | None:
        """A fresh listing of the number's user, or with `whole` of its organisation; None where none can be had."""
        heard = await self._teli.list_numbers(number.organization_id, number.user_id, whole=whole)
        return read_listing(heard)

    async def _owner_agrees(self, row: Row, number: Number, tenant: TenantId | None) -> bool:
        """Rows carry either form of an id; one that is not known yet is asked for."""
        if row.user_id in (None, number.user_id):
            return True
        async with self._database.acting(tenant=tenant) as session:
            known = await session.scalar(
                select(User.upstream_uuid).where(
                    User.organization_id == number.organization_id, User.id == number.user_id
                )
            )
        return row.user_id == known or row.user_id == await self._learn(number, tenant)

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

    async def _file(self, number: Number, row: Row, tenant: TenantId | None, request_id: str | None) -> None:
        """Raises: IntegrityError where the row's id belongs to another acquisition."""
        marked = mark_of(row.nickname) == number.mark
        found = {
            "upstream_row_id": row.row_id,
            "upstream_created_at": row.created_at,
            "subscription_id": row.subscription_id,
            "marked": marked,
            **({} if marked else {"upstream_nickname": row.nickname or ""}),
        }
        # The account's mode is nobody's but an administrator's to change, and learned here for all.
        async with self._database.acting(tenant=tenant, duty="admin") as session:
            confirmed = await session.scalar(
                update(Number)
                .where(Number.id == number.id, Number.confirmed_at.is_(None))
                .values(confirmed_at=func.clock_timestamp(), **found)
                .returning(Number.id)
            )
            if confirmed is None:
                return
            if marked:
                await owe(session, number.tenant_id, number.id, "unmark", after=self._mark_keep, request_id=request_id)
            note(
                session,
                actor=WORKER,
                action="number.confirmed",
                of=("number", str(number.id)),
                tenant=number.tenant_id,
                after={"row_id": row.row_id, "marked": marked},
                request_id=request_id,
            )
            await record(session, number.tenant_id, "number.confirmed", number_id=number.id, row_id=row.row_id)
            await self._learn_mode(session, number.account_id, "mark" if marked else "lane")

    async def _learn_mode(self, session: AsyncSession, account_id: UUID, mode: str) -> None:
        changed = await session.execute(
            update(Account)
            .where(Account.id == account_id, Account.mode != mode)
            .values(mode=mode, mode_changed_at=func.clock_timestamp())
            .returning(Account.name)
        )
        if (name := changed.scalar_one_or_none()) is not None:
            before = {"mode": "lane" if mode == "mark" else "mark"}
            of = ("account", name)
            note(session, actor=WORKER, action="account.mode_learned", of=of, before=before, after={"mode": mode})
            await bump(session)
            LANE_MODE.labels(name).set(mode == "lane")
            (log.info if mode == "mark" else log.warning)("account mode changed", account=name, mode=mode)
