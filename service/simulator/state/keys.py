"""Tenants and their API keys. A key is kept as its hash, so that no state file holds one."""

from hashlib import sha256
from typing import Literal, NamedTuple

from service.simulator.state.database import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS keys (hash TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, status TEXT NOT NULL)"

KeyStatus = Literal["active", "revoked", "forbidden"]


class Key(NamedTuple):
    """Whom a key speaks for. A revoked one is as good as unknown; a forbidden one is known and may do nothing."""

    tenant_id: str
    status: KeyStatus


class Keys:
    """Which key belongs to which tenant."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.create(SCHEMA)

    def set(self, key: str, tenant_id: str, status: KeyStatus = "active") -> None:
        """Give a tenant a key, or change the status of one."""
        self._db.run("INSERT OR REPLACE INTO keys VALUES (?, ?, ?)", _hash(key), tenant_id, status)

    def find(self, key: str) -> Key | None:
        """Whose key this is, or None."""
        row = self._db.row("SELECT tenant_id, status FROM keys WHERE hash = ?", _hash(key))
        return Key(**row) if row else None


def _hash(key: str) -> str:
    return sha256(key.encode()).hexdigest()
