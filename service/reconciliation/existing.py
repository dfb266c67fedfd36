"""What an account held before Numbergate first bought through it: listed once, completely, before any purchase.

Over the organisations Teli names and those filed here for it; none is complete too. Until then creates are refused, for
a row seen later could not be told from one that was always there. What Teli names later is filed, so that sweeps find
it: what it names to another account than the deployment's own is that account's from then on.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.db import Database
from service.reconciliation.models import ExistingNumber
from service.teli.client import TeliClient, Upstreams
from service.teli.directory import TeliOrganization, TeliUser, read_organizations, read_users
from service.teli.listing import Row, read_listing
from service.tenants.models import Account, Grant, Organization, Tenant, User
from service.tenants.upstreams import DEFAULT
from service.tenants.version import bump

log = structlog.get_logger()


class NotListed(Exception):
    """Something of the account could not be listed completely; try again."""


class ExistingNumbers:
    def __init__(self, database: Database, upstreams: Upstreams) -> None:
        self._database = database
        self._upstreams = upstreams

    async def list_new_accounts(self, account_id: UUID | None = None) -> bool:
        """List every account that never was, or the one named, and open it for purchases.

        Returns whether there was any.
        Raises: NotListed, saying what could not be had; UpstreamUnavailable where the account is out of service.
        """
        new = await self._accounts(account_id, Account.listed_at.is_(None))
        for account in new:
            teli = await self._upstreams.of(account.id)
            organizations = await self._organizations(teli, account)
            rows = [row for one, named in organizations.items() for row in await self._rows(teli, one, named=named)]
            await self._file(account.id, rows)
            log.info("account listed", account=account.name, organizations=len(organizations), existing=len(rows))
        return bool(new)

    async def file_what_teli_names(self, account_id: UUID | None = None) -> None:
        """File organisations that nobody filed, and a user of each that has none, so that its numbers are listed too.

        That grants nobody anything. Asks Teli once, and once more for each organisation without a user; by every
        account, or by the one named.

        Raises: as `list_new_accounts`.
        """
        for account in await self._accounts(account_id):
            teli = await self._upstreams.of(account.id)
            named = await self._named(teli)
            async with self._database.acting() as session:
                await self._file_organizations(session, account, named)
                without = await session.scalars(
                    select(Organization.id).where(
                        ~exists().where(User.organization_id == Organization.id), _filed_for(account)
                    )
                )
            for organization in without.all():
                try:
                    await self._file_a_user(teli, organization)
                except NotListed as error:
                    log.warning("an organisation without a user cannot be listed", why=str(error))

    async def _accounts(self, account_id: UUID | None, *which: ColumnElement[bool]) -> Sequence[Account]:
        named = [Account.id == account_id] if account_id is not None else []
        query = select(Account).where(*named, *which).order_by(Account.created_at, Account.id)
        async with self._database.acting() as session:
            return (await session.scalars(query)).all()

    async def _file_organizations(
        self, session: AsyncSession, account: Account, named: Sequence[TeliOrganization]
    ) -> None:
        values = {
            "ids": [one.unique_id for one in named],
            "names": [one.name for one in named],
            "uuids": [one.uuid for one in named],
            "account": None if account.name == DEFAULT else account.id,
        }
        filed = await session.execute(
            text(
                "INSERT INTO organizations (id, name, upstream_uuid, account_id)"
                " SELECT *, CAST(:account AS uuid)"
                " FROM unnest(CAST(:ids AS text[]), CAST(:names AS text[]), CAST(:uuids AS text[]))"
                " ON CONFLICT DO NOTHING RETURNING id, name"
            ),
            values,
        )
        # Looked at by this account from now on, whoever filed it first.
        await session.execute(
            text(
                "INSERT INTO looks (account_id, organization_id) SELECT :by, unnest(CAST(:ids AS text[]))"
                " ON CONFLICT DO NOTHING"
            ),
            {"by": account.id, "ids": values["ids"]},
        )
        for row in filed:
            note(
                session, actor="worker", action="organization.filed", of=("organization", row.id),
                after={"name": row.name},
            )  # fmt: skip
            log.info("organisation filed", organization=row.id)

    async def _file_a_user(self, teli: TeliClient, organization: str) -> None:
        user = await self._first_user(teli, organization)
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

    async def _organizations(self, teli: TeliClient, account: Account) -> Mapping[str, bool]:
        """Those to be listed, and whether Teli names each."""
        named = await self._named(teli)
        async with self._database.acting() as session:
            filed = (await session.scalars(select(Organization.id).where(_filed_for(account)))).all()
        return dict.fromkeys(filed, False) | dict.fromkeys((one.unique_id for one in named), True)

    async def _named(self, teli: TeliClient) -> Sequence[TeliOrganization]:
        heard = await teli.organizations()
        named = read_organizations(heard)
        if named is None and heard.status != 404:
            refused = f"Teli refuses the account's key with {heard.status}" if heard.status in (401, 403) else None
            raise NotListed(f"organisations: {refused or heard.detail or f'status {heard.status}'}")
        return named or []

    async def _rows(self, teli: TeliClient, organization: str, *, named: bool) -> Sequence[Row]:
        """Every row of an organisation; any one of its users opens the listing."""
        user = await self._some_user(teli, organization)
        if user is None:
            return []
        heard = await teli.list_numbers(organization, user, whole=True)
        if heard.kind == "answer" and (heard.status == 404 or (heard.status == 403 and not named)):
            return []  # Filed here, and unknown to Teli, or another account's there.
        listing = read_listing(heard)
        if listing is None or not listing.complete:
            why = "is incomplete" if listing else heard.detail or f"status {heard.status}"
            raise NotListed(f"numbers of organisation {organization}: {why}")
        return listing.rows

    async def _some_user(self, teli: TeliClient, organization: str) -> str | None:
        async with self._database.acting() as session:
            filed = await session.scalar(select(User.id).where(User.organization_id == organization).limit(1))
        if filed is not None:
            return filed
        user = await self._first_user(teli, organization)
        return user.unique_id if user else None

    async def _first_user(self, teli: TeliClient, organization: str) -> TeliUser | None:
        heard = await teli.users(organization)
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
            note(
                session, actor="worker", action="account.listed", of=("account", account.name),
                after={"existing": len(rows)},
            )  # fmt: skip
            await bump(session)


def _filed_for(account: Account) -> ColumnElement[bool]:
    """Organisations filed here that may be this account's: its own, and of those without an account what its tenants
    may buy for; for the deployment's own account all of these.
    """
    granted = exists().where(
        Grant.organization_id == Organization.id, Grant.tenant_id == Tenant.id, Tenant.account_id == account.id
    )
    unbound = Organization.account_id.is_(None)
    return or_(Organization.account_id == account.id, unbound if account.name == DEFAULT else unbound & granted)
