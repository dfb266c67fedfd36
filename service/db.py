"""Postgres: one engine a process, in one role, with a principal set for each transaction.

Two ways in. `acting` opens an ordinary SQLAlchemy session. `call` runs one of the database's own functions on a JSON
object as a single statement: one round trip and, where it writes, one commit. The hot steps of a purchase use it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import asyncpg
import orjson
import structlog
from sqlalchemy import Select, event, func, select, text
from sqlalchemy.exc import IntegrityError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from service.kit.errors import StorageUnavailable
from service.kit.pagination import COUNTED
from service.kit.spans import POSTGRES, span

log = structlog.get_logger()
Role = Literal["numbergate_api", "numbergate_worker", "numbergate_owner"]
Pooler = Literal["none", "transaction"]
Function = Literal["admit", "settle", "list_numbers", "show_number"]
Call = Callable[[Function, dict[str, Any]], Awaitable[Any]]
# The last three are how a server says that it is going down; whether it committed before, it does not say.
BROKEN = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
)

# Classes of SQLSTATE that tell of the server and not of the question: connections, a server that is read only (perhaps
# a standby), transactions rolled back, resources, locks and states, interventions, its system, its own faults.
TROUBLE = frozenset({"08", "25", "40", "53", "55", "57", "58", "XX"})


def storage_trouble(error: BaseException) -> bool:
    """Is it Postgres or the way to it, rather than what was asked? Looks through the wrappings of SQLAlchemy."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, (*BROKEN, PoolTimeout, asyncpg.InternalClientError)):
            return True
        sqlstate = getattr(seen, "sqlstate", None)
        if sqlstate:
            return str(sqlstate)[:2] in TROUBLE
        seen = getattr(seen, "orig", None) or seen.__cause__
    return False


@dataclass(frozen=True, slots=True)
class Bounds:
    """Whose rows a transaction is held to, within what its tenant may see; None is no limit."""

    organizations: tuple[str, ...] | None = None
    users: tuple[str, ...] | None = None

    def may_be_of(self, organization: str | None) -> bool:
        """Whether this is one of the organisations; where there is no limit, also one that is not named."""
        return self.organizations is None or organization in self.organizations


UNBOUND = Bounds()
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
# Tables with a tenant's rows that anybody would be let into.
LET_TAKE = text("SELECT set_config('statement_timeout', :milliseconds, true)")
UNFORCED = text(
    "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = 'tenant_id'"
    " AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY c.relname"
)


class Base(DeclarativeBase):
    """Parent of every table's model."""


class CommitUnknown(Exception):
    """The connection broke while a statement was under way: it may have been committed, or not."""


class WrongRole(Exception):
    """The database would let this process do what it must not, or not let it do what it must."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request acts for, where that is neither an administrator nor an operator; `tenant`: None is of none."""

    tenant: str | None
    sees: tuple[str, ...]


# Of this request, as it was authenticated; None is somebody who may act for all, or the process by itself.
CALLER: ContextVar[Caller | None] = ContextVar("caller", default=None)


class Database:
    """`pool`: how many connections it has at most."""

    def __init__(self, engine: AsyncEngine, pool: int) -> None:
        self.engine = engine
        self.pool = pool
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)
        self.round_trips = 0

    @asynccontextmanager
    async def acting(
        self,
        *,
        tenant: str | None = None,
        duty: str = "service",
        sees: Sequence[str] = (),
        bounds: Bounds = UNBOUND,
        by_itself: bool = False,
        planning: Mapping[str, str] = NO_SETTINGS,
    ) -> AsyncIterator[AsyncSession]:
        """A transaction for one principal; commits at the end of the block, rolls back on any error.

        Within a request it is for nobody but the request's own caller, whatever it is asked for: where a check was
        forgotten, row-level security still holds. `by_itself`: what the gateway does of its own accord on the way.
        Raises: StorageUnavailable when Postgres does not answer.
        """
        try:
            async with self._sessions.begin() as session:
                await act_as(
                    session, tenant=tenant, duty=duty, sees=sees, bounds=bounds, by_itself=by_itself, planning=planning
                )
                yield session
        except Exception as error:
            if storage_trouble(error):
                raise StorageUnavailable from error
            raise

    async def call(self, function: Function, ask: dict[str, Any]) -> Any:
        """Run a function of the database on one object. Raises: as `hot`."""
        async with self.hot() as call:
            return await call(function, ask)

    async def read(
        self,
        function: Function,
        ask: dict[str, Any],
        *,
        tenant: str | None,
        duty: str = "service",
        sees: Sequence[str] = (),
        bounds: Bounds = UNBOUND,
    ) -> Any:
        """Run a function that only reads, for one principal and within a request for its own caller, as `acting`.

        Raises: StorageUnavailable when Postgres does not answer.
        """
        acting = _principal(tenant, duty, sees, bounds)
        try:
            return await self.call(function, ask | {"acting": acting})
        except CommitUnknown as error:
            raise StorageUnavailable from error
        except asyncpg.PostgresError as error:
            if storage_trouble(error):
                raise StorageUnavailable from error
            raise

    @asynccontextmanager
    async def hot(self) -> AsyncIterator[Call]:
        """A connection in hand, for calls of the database's functions: each a round trip and, if it writes, a commit.

        Raises: StorageUnavailable when nothing was sent; CommitUnknown when the connection broke on the way;
            asyncpg.PostgresError when the database refused, and nothing was written.
        """
        async with self._in_hand() as fetch:

            async def call(function: Function, ask: dict[str, Any]) -> Any:
                return await fetch(f"SELECT {function}($1::jsonb)", orjson.dumps(ask).decode())

            yield call

    async def revision(self) -> int:
        """Of the version row, in one round trip: where the loop is busy each further one takes a turn of it.

        Raises: StorageUnavailable when Postgres does not answer.
        """
        try:
            async with self._in_hand() as fetch:
                # Behind a pooler a connection outlives the server that it led to; elsewhere none does.
                return int(await fetch("SELECT revision FROM version, notice_restore()"))
        except (CommitUnknown, asyncpg.PostgresError) as error:
            raise StorageUnavailable from error

    @asynccontextmanager
    async def _in_hand(self) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
        """A connection for statements that are a transaction each, and give one value. Raises: as `hot`."""
        try:
            pooled = await self.engine.raw_connection()
        except Exception as error:  # Nothing was sent, whatever it was.
            raise StorageUnavailable from error

        async def fetch(question: str, *args: str) -> Any:
            connection = pooled.driver_connection
            assert isinstance(connection, asyncpg.Connection)
            self.round_trips += 1
            try:
                with span(question, "client", POSTGRES):
                    return await connection.fetchval(question, *args)
            except asyncpg.PostgresError as error:
                if not isinstance(error, BROKEN):
                    raise
                pooled.invalidate(error)
                raise CommitUnknown from error
            except Exception as error:
                pooled.invalidate(error)
                raise CommitUnknown from error
            except BaseException as error:  # Cancelled half-way: the connection's state is not known.
                pooled.invalidate(error)
                raise

        try:
            yield fetch
        finally:
            pooled.close()

    async def ping(self) -> None:
        """Raises: StorageUnavailable."""
        async with self.acting() as session:
            await session.execute(text("SELECT 1"))

    async def about(self) -> tuple[str, float]:
        """The server's version, and its clock in seconds since 1970. Needs no schema."""
        async with self.engine.connect() as connection:
            found = (
                await connection.execute(
                    text("SELECT current_setting('server_version'), extract(epoch FROM clock_timestamp())::float8")
                )
            ).one()
        return str(found[0]), float(found[1])

    async def check_role(self, role: Role) -> None:
        """Refuse to run as somebody whom row-level security does not hold, or where it is not in force.

        Raises: WrongRole; StorageUnavailable.
        """
        async with self.acting() as session:
            found = (
                await session.execute(
                    text(
                        # Of itself, or as a member of another role.
                        "SELECT r.rolname, EXISTS (SELECT FROM pg_roles o WHERE pg_has_role(r.oid, o.oid, 'MEMBER') AND"
                        " (o.rolsuper OR o.rolbypassrls OR EXISTS (SELECT FROM pg_tables WHERE tableowner = o.rolname"
                        "  AND schemaname = 'public'))) AS may_bypass"
                        " FROM pg_roles r WHERE r.rolname = current_user"
                    )
                )
            ).one()
            bare = (await session.scalars(UNFORCED)).all()
        if found.rolname != role:
            raise WrongRole(
                f"connected as {found.rolname}, not as {role}: behind a pooler the login itself must say so, "
                f"by ALTER ROLE … SET role = '{role}'"
            )
        if found.may_bypass:
            raise WrongRole(
                f"{role} is a superuser, bypasses row-level security, or owns tables, or may become such a role: "
                "take that away"
            )
        if bare:
            raise WrongRole(
                f"row-level security is not enabled and forced on {', '.join(bare)}: "
                "ALTER TABLE … ENABLE ROW LEVEL SECURITY, and FORCE ROW LEVEL SECURITY"
            )


async def act_as(
    session: AsyncSession,
    *,
    tenant: str | None,
    duty: str,
    sees: Sequence[str],
    bounds: Bounds = UNBOUND,
    by_itself: bool = False,
    planning: Mapping[str, str] = NO_SETTINGS,
) -> None:
    """From here to its end, or until it is said anew, the transaction is for this principal; see `acting`.

    What it is held to, once said, holds to its end.
    """
    said = _principal(tenant, duty, sees, bounds, by_itself=by_itself)
    calls = ["act_as(:tenant, :duty, :sees)"]
    if "only" in said:
        calls.insert(0, "set_config('numbergate.only', :only, true)")
    if "organizations" in said:
        calls.append("hold_to(:organizations, :users)")
    calls += [f"set_config('{name}', '{value}', true)" for name, value in planning.items()]
    await session.execute(text(f"SELECT {', '.join(calls)}"), said)


def _principal(
    tenant: str | None, duty: str, sees: Sequence[str], bounds: Bounds, *, by_itself: bool = False
) -> dict[str, Any]:
    """For whom a transaction acts, as the database is told it."""
    said: dict[str, Any] = {"tenant": tenant, "duty": duty, "sees": list(sees)}
    if not by_itself and (caller := CALLER.get()) is not None:
        if "*" not in caller.sees:
            said["sees"] = [one for one in sees if one in caller.sees]
        # The database holds the rest to it, its own functions included.
        said["only"] = caller.tenant or "@"
    if bounds != UNBOUND:
        said |= {"organizations": _list(bounds.organizations), "users": _list(bounds.users)}
    return said


async def let_take(session: AsyncSession, seconds: float) -> None:
    """The transaction's further statements may take so long, where its connection waits for as long."""
    await session.execute(LET_TAKE, {"milliseconds": str(int(seconds * 1000))})


async def count_up(session: AsyncSession, rows: Select[Any]) -> int:
    """How many rows there are; COUNTED + 1 where there are more than that, as `service.kit.pagination.total` has it."""
    among = rows.limit(COUNTED + 1).subquery()
    return (await session.scalars(select(func.count()).select_from(among))).one()


def broken_constraint(error: IntegrityError) -> str:
    """The name of the constraint that a statement would have broken."""
    return getattr(error.orig.__cause__, "constraint_name", None) or "" if error.orig is not None else ""


def _list(ids: Sequence[str] | None) -> list[str] | None:
    return None if ids is None else list(ids)


def async_url(url: str) -> str:
    """The SQLAlchemy URL of an ordinary `postgresql://` one."""
    scheme, rest = url.split("://", 1)
    return f"postgresql+asyncpg://{rest}" if scheme in ("postgresql", "postgres") else url


async def _notice_restore(connection: "asyncpg.Connection[Any]") -> None:
    """A ledger that was put back to an earlier moment buys nothing, from the first connection to it on."""
    try:
        if await connection.fetchval("SELECT notice_restore()"):
            log.error("the database was restored, or failed over: nothing is bought until what it lost is found")
    except (asyncpg.UndefinedFunctionError, asyncpg.InsufficientPrivilegeError):
        return  # Not migrated, or not in its role: whoever starts says so.


def open_database(
    url: str, role: Role, *, pool: int = 20, statement_timeout: float = 30, pooler: Pooler = "none"
) -> Database:
    """An engine whose every connection is in `role` from its first byte on. Nothing is connected yet.

    Behind a pooler that gives each transaction another connection nothing outlives a transaction: no statement stays
    prepared, and role and timeouts are those of the login.
    """
    ours = {"application_name": role, "timezone": "UTC"}
    kept: dict[str, Any] = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    if pooler == "none":
        ours |= {
            "role": role,
            "statement_timeout": str(int(statement_timeout * 1000)),
            "lock_timeout": "5000",
            "idle_in_transaction_session_timeout": "60000",
        }
        # A statement prepared anew is one more round trip.
        kept = {"max_cached_statement_lifetime": 0}
    engine = create_async_engine(
        async_url(url),
        pool_size=pool,
        max_overflow=0,
        pool_timeout=5,
        pool_use_lifo=True,
        # They hold numbers, nicknames and tenants, and the text of an error goes to the log.
        hide_parameters=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": 5,
            "command_timeout": statement_timeout,
            "server_settings": ours,
            **kept,
        },
    )
    database = Database(engine, pool)

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def count(*_: Any) -> None:
        database.round_trips += 1

    @event.listens_for(engine.sync_engine, "connect")
    def notice_restore(connected: Any, *_: Any) -> None:
        connected.run_async(_notice_restore)

    @event.listens_for(engine.sync_engine, "checkout")
    def refuse_closed(pooled: Any, *_: Any) -> None:
        # The driver knows without asking when the server has closed its end: then take a new connection, and of the
        # others in the pool none that is as old.
        if pooled.driver_connection.is_closed():
            raise InvalidatePoolError

    return database
