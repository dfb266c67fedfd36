"""Users we have not met: looked up once at Teli and filed, so that a purchase names an owner that exists."""

import time
from collections import OrderedDict
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
        asked = (account_id, organization, user)
        if self._unknown.get(asked, 0) > time.monotonic():
            return False
        users = read_users(await (await self._upstreams.of(account_id)).users(organization))
        if users is None:
            raise UpstreamUnavailable("Teli could not be asked whether this user exists; nothing was bought.")
        found = next((one for one in users if one.unique_id == user), None)
        if found is None:
            self._unknown[asked] = time.monotonic() + UNKNOWN_FOR
            if len(self._unknown) > UNKNOWN_SIZE:
                self._unknown.popitem(last=False)
            return False
        await self._file(tenant, organization, found)
        return True

    async def _file(self, tenant: TenantId, organization: OrganizationId, user: TeliUser) -> None:
        async with self._database.acting(tenant=tenant) as session:
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
