"""Users we have not met: looked up once at Teli and filed, so that a purchase names an owner that exists."""

import time
from collections import OrderedDict
from collections.abc import Collection
from uuid import UUID

import structlog
from sqlalchemy.dialects.postgresql import insert

from service.db import Database
from service.kit.types import OrganizationId, TenantId, UserId
from service.teli.client import Upstreams
from service.teli.directory import TeliUser, read_users
from service.teli.errors import UpstreamUnavailable
from service.tenants.models import User

UNKNOWN_FOR = 30.0
UNKNOWN_SIZE = 10_000
log = structlog.get_logger()


class Directory:
    def __init__(self, database: Database, upstreams: Upstreams) -> None:
        self._database = database
        self._upstreams = upstreams
        self._unknown: OrderedDict[tuple[UUID, str, str], float] = OrderedDict()

    async def file_user(self, account_id: UUID, tenant: TenantId, organization: OrganizationId, user: UserId) -> bool:
        """Is this a user of that organisation at Teli, as the account is told? If so it is filed.

        A no is remembered for half a minute.

        Raises: UpstreamUnavailable; StorageUnavailable.
        """
        return user in await self.file_users(account_id, organization, [user], tenant=tenant)

    async def file_users(
        self, account_id: UUID, organization: str, users: Collection[str], *, tenant: str | None = None
    ) -> Collection[str]:
        """As `file_user`, of several, for one question to Teli; `tenant`: who asks, None for an administrator.

        Returns those that are.
        """
        now = time.monotonic()
        wanted = {user for user in users if self._unknown.get((account_id, organization, user), 0) <= now}
        if not wanted:
            return ()
        listed = read_users(await (await self._upstreams.of(account_id)).users(organization))
        if listed is None:
            raise UpstreamUnavailable("Teli could not be asked whether this user exists; nothing was bought.")
        found = {one.unique_id: one for one in listed if one.unique_id in wanted}
        for user in wanted - found.keys():
            self._unknown[account_id, organization, user] = time.monotonic() + UNKNOWN_FOR
            if len(self._unknown) > UNKNOWN_SIZE:
                self._unknown.popitem(last=False)
        if found:
            await self._file(tenant, organization, found.values())
        return found.keys()

    async def _file(self, tenant: str | None, organization: str, users: Collection[TeliUser]) -> None:
        duty = "service" if tenant is not None else "admin"
        async with self._database.acting(tenant=tenant, duty=duty) as session:
            await session.execute(
                insert(User).on_conflict_do_nothing(),
                [
                    {
                        "organization_id": organization,
                        "id": user.unique_id,
                        "name": user.name,
                        "email": user.email,
                        "upstream_uuid": user.uuid,
                    }
                    for user in users
                ],
            )
        log.info("users filed", organization=organization, users=[user.unique_id for user in users])
