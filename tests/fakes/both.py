"""One question asked of a store over Postgres and of its twin in memory, at one virtual moment, and both answers."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg
from sqlalchemy import Date, DateTime
from sqlalchemy.types import TypeEngine

from service.db import Base
from service.kit import clock
from service.kit.errors import ServiceError
from tests.fakes.world import MODELS, World, columns_of
from tests.support.simulated_time import SimulatedPostgres

BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)
# More ids than one question draws.
DRAWS = 1 << 16
BY_NAME: dict[str, type[Base]] = {model.__tablename__: model for model in MODELS}
READERS: dict[type[TypeEngine[Any]], Callable[[str], Any]] = {
    DateTime: datetime.fromisoformat,
    Date: date.fromisoformat,
}
TIMES = {
    model: {column.key: read for column in model.__table__.columns if (read := READERS.get(type(column.type)))}
    for model in MODELS
}
KEYS = {model: [column.key for column in model.__table__.primary_key] for model in MODELS}
# Counters of the database: they show in what order rows were made, and have holes where something was undone.
ORDER_ONLY = ("evidence", "listings")
BYTES = {"content", "digest", "fingerprint", "payload"}


Role = Literal["api", "worker"]
Arrange = Callable[[Any], Any]


def plainly(answer: Any) -> Any:
    return answer


class Still(clock.Source):
    """Time that stands until it is moved, and ids that count, as those of the simulated Postgres do."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.at = BEGINNING
        self.drawn = 0

    def pass_time(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def monotonic(self) -> float:
        return (self.at - BEGINNING).total_seconds()

    def wall(self) -> float:
        return self.at.timestamp()

    def random_bytes(self, count: int) -> bytes:
        self.drawn += 1
        return (self.drawn - 1).to_bytes(count)


@dataclass(frozen=True)
class Stores:
    """Those over Postgres, by name: as the API has them and as the worker has them, who are let see different rows."""

    api: Mapping[str, Any]
    worker: Mapping[str, Any]


class Difference(AssertionError):
    """The twin is not true."""


class Both:
    """`world` is the twin's; Postgres is made equal to it at the beginning, and compared with it at the end."""

    def __init__(
        self, postgres: SimulatedPostgres, still: Still, world: World, stores: Stores, twins: Mapping[str, Any]
    ) -> None:
        self.world, self.still = world, still
        self._postgres, self._stores, self._twins = postgres, stores, twins
        self._questions = 0
        self._history: list[str] = []

    async def begin(self) -> None:
        await self._postgres.empty()
        await self._copy(name for name, _ in self.world.tables())

    async def _copy(self, tables: Iterable[str]) -> None:
        wanted = set(tables)
        await self._postgres.load(
            {name: [as_json(row) for row in rows] for name, rows in self.world.tables() if name in wanted}
        )

    async def change(self, what: Callable[[World], None], *tables: str) -> None:
        """What is done beside the stores: in the world, and copied from there; `tables` are those it changes."""
        await self.check()
        what(self.world)
        names = ", ".join(tables)
        self._history.append(f"{self.still.at:%H:%M:%S.%f} changed {names}")
        await self._postgres.sql("SET session_replication_role = replica")
        for table in tables:
            await self._postgres.sql(f"DELETE FROM {table}")
        await self._copy(tables)
        await self._postgres.sql("SET session_replication_role = origin")

    async def ask(
        self, store: str, method: str, *arguments: Any, role: Role = "api", arrange: Arrange = plainly, **named: Any
    ) -> Any:
        """The twin's answer, which is the real one's too."""
        return (await self.ask_both(store, method, *arguments, role=role, arrange=arrange, **named))[1]

    async def ask_both(
        self, store: str, method: str, *arguments: Any, role: Role = "api", arrange: Arrange = plainly, **named: Any
    ) -> tuple[Any, Any]:
        """What the real store gave out, and what the twin did.

        Such a pair may be an argument again: to each store what it gave. `arrange` puts what has no order into one.
        Raises: Difference.
        """
        self.still.pass_time(0.001)
        self._questions += 1
        stores = self._stores.api if role == "api" else self._stores.worker
        drawn = self._questions * DRAWS
        await self._postgres.set(self.still.at, drawn=drawn)
        answers = []
        for side, asked in enumerate((stores[store], self._twins[store])):
            self.still.drawn = drawn
            given = [_side(value, side) for value in arguments]
            also = {name: _side(value, side) for name, value in named.items()}
            answers.append(await _answer(getattr(asked, method)(*given, **also)))
        real, twin = (plain(answer if isinstance(answer, Exception) else arrange(answer)) for answer in answers)
        self._history.append(f"{self.still.at:%H:%M:%S.%f} {role} {store}.{method}{arguments} {named} -> {twin}")
        if real != twin:
            raise Difference(f"{self._told()}\nPostgres: {real}\n    twin: {twin}")
        return answers[0], answers[1]

    def _told(self) -> str:
        return "\n".join(self._history[-60:])

    async def check(self) -> None:
        """Every row of every table is the same; of audit and outbox, how many there are of each kind."""
        found = await self._postgres.dump()
        for name, rows in self.world.tables():
            here, there = _by_key(name, map(columns_of, rows), plain), _by_key(name, found[name], _from_json(name))
            if here != there:
                keys = [key for key in here.keys() | there.keys() if here.get(key) != there.get(key)]
                told = "\n".join(f"Postgres: {there.get(key)}\n    twin: {here.get(key)}" for key in keys[:3])
                raise Difference(f"{self._told()}\n{name}\n{told}")
        actions, kinds = (
            Counter(row["action"] for row in found["audit"]),
            Counter(row["kind"] for row in found["outbox"]),
        )
        real = (actions, kinds, found["version"][0]["revision"])
        twin = (self.world.audited, self.world.told, self.world.revision)
        if real != twin:
            raise Difference(f"{self._told()}\nPostgres: {real}\n    twin: {twin}")


def _side(value: Any, side: int) -> Any:
    return value[side] if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], Base) else value


async def _answer(asked: Awaitable[Any]) -> Any:
    try:
        return await asked
    except Exception as error:
        return error


def plain(value: Any) -> Any:
    """A value that can be compared with `==`, whatever it was."""
    match value:
        case asyncpg.PostgresError():
            return type(value).__name__, getattr(value, "constraint_name", None)
        case ServiceError():
            return type(value).__name__, str(value), value.members
        case Exception():
            return type(value).__name__
        case Base():
            return type(value).__name__, plain({name: getattr(value, name) for name in columns_of_model(type(value))})
        case UUID():
            return str(value)
        case dict():
            return {str(plain(key)): plain(_in_order(key, item)) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case set() | frozenset():
            return {plain(item) for item in value}
        case _ if is_dataclass(value):
            return type(value).__name__, {one.name: plain(getattr(value, one.name)) for one in fields(value)}
        case _:
            return value


def _in_order(name: Any, value: Any) -> Any:
    """The members that a step is about have no order."""
    return sorted(value) if name == "given" and value else value


def columns_of_model(model: type[Base]) -> list[str]:
    return list(model.__table__.columns.keys())


def as_json(row: Base) -> dict[str, Any]:
    return {name: f"\\x{value.hex()}" if isinstance(value, bytes) else value for name, value in columns_of(row).items()}


def _from_json(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    model = BY_NAME[name]
    times = TIMES[model]

    def read(row: dict[str, Any]) -> dict[str, Any]:
        for column, of_text in times.items():
            if row[column] is not None:
                row[column] = of_text(row[column])
        if "given" in row:
            row["given"] = _in_order("given", row["given"])
        for column in BYTES & row.keys():
            row[column] = row[column] and bytes.fromhex(row[column][2:])
        return row

    return read


def _by_key(
    name: str, rows: Iterable[dict[str, Any]], read: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[Any, dict[str, Any]]:
    if name in ORDER_ONLY:
        in_order = sorted((read(row) for row in rows), key=lambda row: row["id"])
        return {number: row | {"id": None} for number, row in enumerate(in_order)}
    keys = KEYS[BY_NAME[name]]
    return {tuple(str(row[key]) for key in keys): row for row in map(read, rows)}
