"""Third truth: the rows of Teli's own store, which its listings show. Soft-deleted, never erased."""

from dataclasses import dataclass

from service.simulator.state.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    id TEXT PRIMARY KEY, purchase_id INTEGER NOT NULL, phone_number TEXT NOT NULL, phone_type TEXT NOT NULL,
    tenant_id TEXT NOT NULL, organization_id TEXT, user_id TEXT, nickname TEXT,
    inbound_agent_id TEXT, outbound_agent_id TEXT,
    created_at REAL NOT NULL, listed_from REAL NOT NULL, deleted_at REAL
);
CREATE INDEX IF NOT EXISTS records_by_owner ON records (organization_id, phone_type, user_id);
CREATE INDEX IF NOT EXISTS records_by_number ON records (phone_number);
CREATE INDEX IF NOT EXISTS records_by_purchase ON records (purchase_id);
CREATE INDEX IF NOT EXISTS records_live ON records (id) WHERE deleted_at IS NULL;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row. `id` is the UUID of the row, new for each purchase; `listed_from` is when listings begin to show it."""

    id: str
    purchase_id: int
    phone_number: str
    phone_type: str
    tenant_id: str
    organization_id: str | None
    user_id: str | None
    nickname: str | None
    inbound_agent_id: str | None = None
    outbound_agent_id: str | None = None
    created_at: float
    listed_from: float
    deleted_at: float | None = None


class Records:
    """Teli's store of numbers."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.create(SCHEMA)

    def write(self, record: Record) -> None:
        """Add a row."""
        self._db.insert("records", record)

    def latest(self, phone_number: str, tenant_id: str) -> Record | None:
        """The row of a tenant's number: the live one, else the one deleted last."""
        row = self._db.row(
            "SELECT * FROM records WHERE phone_number = ? AND tenant_id = ?"
            " ORDER BY deleted_at IS NULL DESC, purchase_id DESC LIMIT 1",
            phone_number,
            tenant_id,
        )
        return Record(**row) if row else None

    def of_purchase(self, purchase_id: int) -> Record | None:
        """The row that a purchase led to, if it did."""
        row = self._db.row("SELECT * FROM records WHERE purchase_id = ?", purchase_id)
        return Record(**row) if row else None

    def change(self, record: Record) -> None:
        """Store the owner, the nickname and the agents of a row as they now are."""
        self._db.run(
            "UPDATE records SET user_id = ?, nickname = ?, inbound_agent_id = ?, outbound_agent_id = ? WHERE id = ?",
            record.user_id,
            record.nickname,
            record.inbound_agent_id,
            record.outbound_agent_id,
            record.id,
        )

    def delete(self, purchase_id: int, at: float) -> None:
        """Soft-delete the row of a purchase."""
        self._db.run("UPDATE records SET deleted_at = ? WHERE purchase_id = ? AND deleted_at IS NULL", at, purchase_id)

    def listed(
        self,
        *,
        tenant_id: str,
        organization_id: str,
        user_id: str | None,
        phone_type: str,
        created_before: float,
        removed_after: float,
        now: float,
    ) -> list[Record]:
        """What a listing shows: rows created long enough ago and not removed, or removed only lately.

        Args: user_id, None for the whole organisation; the moments make the lags of both kinds.
        """
        rows = self._db.rows(
            "SELECT * FROM records WHERE organization_id = ?1 AND phone_type = ?2 AND tenant_id = ?3"
            " AND (?4 IS NULL OR user_id = ?4) AND created_at <= ?5 AND listed_from <= ?7"
            " AND (deleted_at IS NULL OR deleted_at > ?6)",
            organization_id,
            phone_type,
            tenant_id,
            user_id,
            created_before,
            removed_after,
            now,
        )
        return [Record(**row) for row in rows]

    def first_held(self, tenant_id: str) -> Record | None:
        """Some number that the tenant holds."""
        row = self._db.row("SELECT * FROM records WHERE tenant_id = ? AND deleted_at IS NULL LIMIT 1", tenant_id)
        return Record(**row) if row else None

    def all(self) -> list[Record]:
        """Every row ever written, oldest first."""
        return [Record(**row) for row in self._db.rows("SELECT * FROM records ORDER BY purchase_id")]

    def live(self) -> int:
        """How many rows are not deleted."""
        return self._db.number("SELECT count(*) FROM records WHERE deleted_at IS NULL")
