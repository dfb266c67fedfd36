"""How each upstream account stands: what has been learned of it, and what is open."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from service.db import Database
from service.reconciliation.judgement import GHOST_LOOKS
from service.reconciliation.lists import GHOSTS
from service.tenants.upstreams import DEFAULT

ACCOUNTS = text("""
    SELECT a.id, a.name, a.mode, coalesce(a.mode_changed_at, a.created_at) AS mode_since,
           a.mode_changed_at IS NOT NULL AS mode_learned, a.listed_at,
           (SELECT count(*) FROM numbers n WHERE n.account_id = a.id AND n.state <> 'released') AS held,
           (SELECT count(*) FROM numbers n WHERE n.account_id = a.id AND n.state <> 'released'
            AND n.confirmed_at IS NULL) AS unconfirmed,
           (SELECT count(*) FROM intents i WHERE i.account_id = a.id AND i.state = 'doubtful') AS doubtful,
           (SELECT count(*) FROM intents i WHERE i.account_id = a.id AND i.state = 'unresolved') AS unresolved,
           (SELECT count(*) FROM orphans o WHERE o.account_id = a.id AND o.state = 'open') AS orphans
    FROM accounts a ORDER BY a.name
""")
GHOSTS_OF_ACCOUNTS = text(
    f"SELECT n.account_id, count(*) AS ghosts FROM ({GHOSTS}) g"  # noqa: S608 - both are our own  # nosec B608
    " JOIN numbers n ON n.id = g.id GROUP BY n.account_id"
)
# Whoever holds a number has rows to look at; of several, whoever bought last. By the deployment's own account alone,
# for that is the one that Teli is asked by.
OWNER = text("""
    (SELECT n.organization_id, n.user_id FROM numbers n JOIN accounts a ON a.id = n.account_id AND a.name = :own
     WHERE n.state = 'active' ORDER BY n.acquired_at DESC, n.id DESC LIMIT 1)
    UNION ALL
    (SELECT u.organization_id, u.id FROM users u JOIN organizations o ON o.id = u.organization_id
     WHERE o.account_id IS NULL ORDER BY u.created_at, u.organization_id, u.id LIMIT 1)
    LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Standing:
    """`mode_since`: since the account was filed, unless `mode_learned`. `listed_at`: None bars every purchase."""

    name: str
    mode: str
    mode_since: datetime
    mode_learned: bool
    listed_at: datetime | None
    held: int
    unconfirmed: int
    doubtful: int
    unresolved: int
    orphans: int
    ghosts: int


@dataclass(frozen=True, slots=True)
class Standings:
    """`owner`: an organisation and a user of it that Teli should know; `organizations`: all that are filed and have no
    account of their own.
    """

    accounts: tuple[Standing, ...]
    owner: tuple[str, str] | None
    organizations: tuple[str, ...]


async def read_standings(database: Database, *, window: timedelta) -> Standings:
    """As an administrator, who sees every tenant; in the role of the API or of the worker. `window`: for settling.

    Raises: StorageUnavailable.
    """
    async with database.acting(duty="admin", sees=("*",)) as session:
        accounts = (await session.execute(ACCOUNTS)).all()
        owner = (await session.execute(OWNER, {"own": DEFAULT})).one_or_none()
        query = text("SELECT id FROM organizations WHERE account_id IS NULL ORDER BY id")
        filed = (await session.execute(query)).scalars().all()
    # What listings showed is an operator's to read, as the short list itself is.
    async with database.acting(duty="operator", sees=("*",)) as session:
        counted = await session.execute(GHOSTS_OF_ACCOUNTS, {"window": window, "enough": GHOST_LOOKS})
        ghosts: dict[UUID, int] = {one.account_id: one.ghosts for one in counted}
    standings = tuple(_standing(row, ghosts.get(row.id, 0)) for row in accounts)
    return Standings(standings, (owner[0], owner[1]) if owner else None, tuple(filed))


def _standing(row: Row[Any], ghosts: int) -> Standing:
    return Standing(**{name: value for name, value in row._mapping.items() if name != "id"}, ghosts=ghosts)
