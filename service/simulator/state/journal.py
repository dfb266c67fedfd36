"""The log of requests: what came in, how it ended, and whether the same had come before. It never sees a key."""

from hashlib import blake2b
from typing import Any

import orjson

from service.simulator.reply import Json
from service.simulator.state.clock import Clock, zulu
from service.simulator.state.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    request_id INTEGER PRIMARY KEY AUTOINCREMENT, operation TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    query TEXT NOT NULL, body TEXT NOT NULL, fingerprint BLOB NOT NULL, retry_of INTEGER,
    received_at REAL NOT NULL, ended_at REAL, status INTEGER, ended TEXT
);
CREATE INDEX IF NOT EXISTS requests_by_fingerprint ON requests (fingerprint, request_id);
CREATE INDEX IF NOT EXISTS requests_by_operation ON requests (operation, request_id);
CREATE TABLE IF NOT EXISTS received (operation TEXT PRIMARY KEY, requests INTEGER NOT NULL);
"""


class Journal:
    """Every request in the order in which it came."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        db.create(SCHEMA)
        # What a former process left open can never be answered.
        db.run("UPDATE requests SET ended = 'killed' WHERE ended IS NULL")

    def open(self, operation: str, method: str, path: str, query: dict[str, str], body: Json | None) -> int:
        """Write down a request as it arrives; answers its request id.

        `retry_of` becomes the first request with the same method, path and body. Two honest purchases can look the
        same, so it is a hint; a GET is never a retry.
        """
        text = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
        fingerprint = blake2b(b"\n".join((method.encode(), path.encode(), text)), digest_size=16).digest()
        query_text = orjson.dumps(query).decode()
        retry_of = None
        if method != "GET":
            first = self._db.row(
                "SELECT request_id FROM requests WHERE fingerprint = ? ORDER BY request_id LIMIT 1", fingerprint
            )
            retry_of = first["request_id"] if first else None
        with self._db.together():
            self._db.run(
                "INSERT INTO requests (operation, method, path, query, body, fingerprint, retry_of, received_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                operation,
                method,
                path,
                query_text,
                text.decode(),
                fingerprint,
                retry_of,
                self._clock.now(),
            )
            request_id = self._db.number("SELECT last_insert_rowid()")
            self._db.run(
                "INSERT INTO received VALUES (?, 1) ON CONFLICT (operation) DO UPDATE SET requests = requests + 1",
                operation,
            )
        return request_id

    def close(self, request_id: int, ended: str, status: int | None) -> None:
        """Write down how it ended: `answered`, `disconnected` by a fault, or `client_left` before the answer."""
        self._db.run(
            "UPDATE requests SET ended = ?, status = ?, ended_at = ? WHERE request_id = ?",
            ended,
            status,
            self._clock.now(),
            request_id,
        )

    def received(self, operation: str) -> int:
        """How many requests of an operation ever came, also those since cleared from the log."""
        return self._db.number("SELECT requests FROM received WHERE operation = ?", operation)

    def entries(self, operation: str | None) -> list[dict[str, Any]]:
        """The log, oldest first, of one operation or all. An open request has `ended` null."""
        query = "SELECT * FROM requests WHERE ?1 IS NULL OR operation = ?1 ORDER BY request_id"
        return [_entry(row) for row in self._db.rows(query, operation)]

    def clear(self) -> None:
        """Forget the log, not the counts."""
        self._db.run("DELETE FROM requests WHERE ended IS NOT NULL")


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    del row["fingerprint"]
    return {
        **row,
        "query": orjson.loads(row["query"]),
        "body": orjson.loads(row["body"]),
        "received_at": zulu(row["received_at"]),
        "ended_at": zulu(row["ended_at"]) if row["ended_at"] is not None else None,
    }
