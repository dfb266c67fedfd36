"""The database itself, for what is verified and not to be asked of the gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError

from service.db import Database, Role, open_database
from service.kit.errors import StorageUnavailable
from service.migrations import NotMigrated, check_migrated

ROLES: tuple[Role, ...] = ("numbergate_api", "numbergate_worker")


class CannotVerify(Exception):
    """Nothing can be said of what is to be verified; the text says why."""


@asynccontextmanager
async def ledger(url: str) -> AsyncIterator[Database]:
    """In whichever of the roles that may read this login can become."""
    refused = ""
    for role in ROLES:
        database = open_database(url, role, pool=1)
        try:
            await check_migrated(database)
            opened = True
        except NotMigrated as error:
            raise CannotVerify(str(error)) from None
        except (OSError, DBAPIError, StorageUnavailable, asyncpg.PostgresError) as error:
            opened, refused = False, str(error.orig if isinstance(error, DBAPIError) else error)
        if not opened:
            await database.engine.dispose()
            continue
        try:
            yield database
        except (StorageUnavailable, DBAPIError) as error:
            raise CannotVerify(f"the database broke off: {error.__cause__ or error}") from None
        finally:
            await database.engine.dispose()
        return
    raise CannotVerify(f"the database does not let us in as {' or '.join(ROLES)}: {refused}; check DATABASE_URL")
