"""What an account held before Numbergate first bought through it: listed once, completely, before any purchase.

Over the organisations Teli names and those filed here; none is complete too. Until then creates are refused, for a
row seen later could not be told from one that was always there. What Teli names later is filed, so that sweeps find it.
"""

from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy import exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.db import Database
from service.reconciliation.models import ExistingNumber
from service.teli.client import TeliClient
from service.teli.directory import TeliOrganization, TeliUser, read_organizations, read_users
from service.teli.listing import Row, read_listing
from service.tenants.models import Account, Organization, User
from service.tenants.version import bump

log = structlog.get_logger()


class NotListed(Exception):
    """Something of the account could not be listed completely; try again."""


class ExistingNumbers:
    def __init__(self, database: Database, teli: TeliClient) -> None:
        self._database = database
        self._teli = teli

    async def list_new_accounts(self) -> None:
        """List every account that never was, and open it for purchases.

        Raises: NotListed, saying what could not be had.
        """
        async with self._database.acting() as session:
            accounts = (await session.scalars(select(Account).where(Account.listed_at.is_(None)))).all()
        for account in accounts:
            organizations = await self._organizations()
            rows = [row for organization in organizations for row in await self._rows(organization)]
            await self._file(account.id, rows)
            log.info("account listed", account=account.name, organizations=len(organizations), existing=len(rows))

    async def file_what_teli_names(self) -> None:
        """File organisations that nobody filed, and a user of each that has none, so that its numbers are listed too.

        That grants nobody anything. Asks Teli once, and once more for each organisation without a user.

        Raises: NotListed where the organisations could not be had.
        """
        named = await self._named()
        async with self._database.acting() as session:
            await self._file_organizations(session, named)
            without = await session.scalars(
                select(Organization.id).where(~exists().where(User.organization_id == Organization.id))
            )
        for organization in without.all():
            try:
                await self._file_a_user(organization)
            except NotListed as error:
                log.warning("an organisation without a user cannot be listed", why=str(error))

    async def _file_organizations(self, session: AsyncSession, named: Sequence[TeliOrganization]) -> None:
        filed = await session.execute(
            text(
                "INSERT INTO organizations (id, name, upstream_uuid)"
                " SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:names AS text[]), CAST(:uuids AS text[]))"
                " ON CONFLICT DO NOTHING RETURNING id, name"
            ),
            {
                "ids": [one.unique_id for one in named],
                "names": [one.name for one in named],
                "uuids": [one.uuid for one in named],
            },
        )
        for row in filed:
            of = ("organization", row.id)
            note(session, actor="worker", action="organization.filed", of=of, after={"name": row.name})
            log.info("organisation filed", organization=row.id)

    async def _file_a_user(self, organization: str) -> None:
        user = await self._first_user(organization)
        if user is None:
            return
        async with self._database.acting() as session:
            await session.execute(
                insert(User)
                .values(
                    organization_id=organization,
                    id=user.unique_id,
                    name=user.name,
                    email=user.email,
                    upstream_uuid=user.uuid,
                )
                .on_conflict_do_nothing()
            )
        log.info("user filed", organization=organization, user=user.unique_id)

    async def _organizations(self) -> Sequence[str]:
        named = await self._named()
        async with self._database.acting() as session:
            filed = (await session.scalars(select(Organization.id))).all()
        return list(dict.fromkeys([*(one.unique_id for one in named), *filed]))

    async def _named(self) -> Sequence[TeliOrganization]:
        heard = await self._teli.organizations()
        named = read_organizations(heard)
        if named is None and heard.status != 404:
            raise NotListed(f"organisations: {heard.detail or f'status {heard.status}'}")
        return named or []

    async def _rows(self, organization: str) -> Sequence[Row]:
        """Every row of an organisation; any one of its users opens the listing."""
        user = await self._some_user(organization)
        if user is None:
            return []
        heard = await self._teli.list_numbers(organization, user, whole=True)
        if heard.kind == "answer" and heard.status == 404:
            return []  # Filed here, and unknown to Teli.
        listing = read_listing(heard)
        if listing is None or not listing.complete:
            why = "is incomplete" if listing else heard.detail or f"status {heard.status}"
            raise NotListed(f"numbers of organisation {organization}: {why}")
        return listing.rows

    async def _some_user(self, organization: str) -> str | None:
        async with self._database.acting() as session:
            filed = await session.scalar(select(User.id).where(User.organization_id == organization).limit(1))
        if filed is not None:
            return filed
        user = await self._first_user(organization)
        return user.unique_id if user else None

    async def _first_user(self, organization: str) -> TeliUser | None:
        heard = await self._teli.users(organization)
        users = read_users(heard)
        if users is None:
            raise NotListed(f"users of organisation {organization}: {heard.detail or f'status {heard.status}'}")
        return users[0] if users else None

    async def _file(self, account_id: UUID, rows: Sequence[Row]) -> None:
        async with self._database.acting() as session:
            account = (
                await session.scalars(
                    select(Account).where(Account.id == account_id, Account.listed_at.is_(None)).with_for_update()
                )
            ).one_or_none()
            if account is None:
                return  # Another worker was first; what was bought since then is in our listing, and not existing.
            for row in rows:
                await session.execute(
                    insert(ExistingNumber)
                    .values(
                        account_id=account_id,
                        row_id=row.row_id,
                        phone_number=row.phone_number,
                        organization_id=row.organization_id,
                        user_id=row.user_id,
                        nickname=row.nickname,
                        upstream_created_at=row.created_at,
                    )
                    .on_conflict_do_nothing()
                )
            await session.execute(
                update(Account).where(Account.id == account_id).values(listed_at=func.clock_timestamp())
            )
            of = ("account", account.name)
            note(session, actor="worker", action="account.listed", of=of, after={"existing": len(rows)})
            await bump(session)
