"""The one store of every truth: SQLite, in a file that outlives the process or in memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any


class Database:
    """Plain SQL on one connection. Outside `together()` each statement is its own transaction."""

    def __init__(self, path: Path | None) -> None:
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        # A killed process loses nothing that it handed to the kernel, and only the machine's end could; so no fsync.
        self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")

    def create(self, schema: str) -> None:
        """Make the tables of one truth, if they are not there yet."""
        self._connection.executescript(schema)

    def run(self, statement: str, *values: Any) -> int:
        """Run a change; answers how many rows it touched."""
        return self._connection.execute(statement, values).rowcount

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Every row of a query, each by its column names."""
        return [dict(row) for row in self._connection.execute(query, values)]

    def row(self, query: str, *values: Any) -> dict[str, Any] | None:
        """The first row of a query, by its column names, or None."""
        found = self._connection.execute(query, values).fetchone()
        return None if found is None else dict(found)

    def number(self, query: str, *values: Any) -> int:
        """The single integer that a query answers; none is 0."""
        found = self._connection.execute(query, values).fetchone()
        return int(found[0] or 0) if found else 0

    def insert(self, table: str, *things: Any) -> None:
        """Write dataclass instances, whose fields are the table's columns."""
        for thing in things:
            self._insert("INSERT", table, thing)

    def insert_new(self, table: str, thing: Any) -> None:
        """Write a dataclass instance unless its key is taken."""
        self._insert("INSERT OR IGNORE", table, thing)

    @contextmanager
    def together(self) -> Iterator[None]:
        """All changes inside happen, or none."""
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def clear(self) -> None:
        """Forget every row of every table."""
        with self.together():
            for table in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
                self._connection.execute(f"DELETE FROM {table['name']}")  # noqa: S608 - the names are our own  # nosec B608

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _insert(self, verb: str, table: str, thing: Any) -> None:
        names = [field.name for field in fields(thing)]
        statement = f"{verb} INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        self._connection.execute(statement, [getattr(thing, name) for name in names])
