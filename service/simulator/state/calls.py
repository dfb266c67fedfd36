"""Telephone calls: the dial log that tells how often a person was rung up."""

from dataclasses import dataclass
from typing import Any

from service.simulator.state.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    call_id TEXT PRIMARY KEY, campaign_id TEXT, tenant_id TEXT NOT NULL, organization_id TEXT, user_id TEXT,
    voice_agent_id TEXT, direction TEXT NOT NULL, from_number TEXT NOT NULL, to_number TEXT NOT NULL,
    started_at REAL NOT NULL, ended_at REAL NOT NULL, outcome TEXT NOT NULL, in_voicemail INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS calls_by_organization ON calls (organization_id, started_at);
CREATE INDEX IF NOT EXISTS calls_by_campaign ON calls (tenant_id, campaign_id);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneCall:
    """One call. `outcome` is `ended` or `error` once `ended_at` has passed; before that it is ongoing."""

    call_id: str
    campaign_id: str | None
    tenant_id: str
    organization_id: str | None
    user_id: str | None
    voice_agent_id: str | None
    direction: str
    from_number: str
    to_number: str
    started_at: float
    ended_at: float
    outcome: str
    in_voicemail: int = 0

    def status(self, now: float) -> str:
        """`ended`, `error` or `ongoing`."""
        return self.outcome if self.ended_at <= now else "ongoing"


class Calls:
    """All calls ever begun, and those that campaigns have planned."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.create(SCHEMA)

    def add(self, *calls: PhoneCall) -> None:
        """Write calls down."""
        with self._db.together():
            self._db.insert("calls", *calls)

    def find(self, tenant_id: str, call_id: str) -> PhoneCall | None:
        """One call of a tenant."""
        row = self._db.row("SELECT * FROM calls WHERE tenant_id = ? AND call_id = ?", tenant_id, call_id)
        return PhoneCall(**row) if row else None

    def of_campaign(self, tenant_id: str, campaign_id: str) -> list[PhoneCall]:
        """The calls of a campaign, oldest first."""
        query = "SELECT * FROM calls WHERE tenant_id = ? AND campaign_id = ? ORDER BY started_at"
        return [PhoneCall(**row) for row in self._db.rows(query, tenant_id, campaign_id)]

    def of_organization(self, tenant_id: str, organization_id: str, start: float, end: float) -> list[PhoneCall]:
        """The calls of an organisation that start in a span, newest first."""
        rows = self._db.rows(
            "SELECT * FROM calls WHERE tenant_id = ? AND organization_id = ? AND started_at >= ? AND started_at <= ?"
            " ORDER BY started_at DESC",
            tenant_id,
            organization_id,
            start,
            end,
        )
        return [PhoneCall(**row) for row in rows]

    def cancel(self, tenant_id: str, campaign_id: str, after: float) -> None:
        """Forget the calls of a campaign that have not begun."""
        query = "DELETE FROM calls WHERE tenant_id = ? AND campaign_id = ? AND started_at > ?"
        self._db.run(query, tenant_id, campaign_id, after)

    def seconds(
        self,
        tenant_id: str,
        start: float,
        end: float,
        *,
        organization_id: str | None = None,
        user_id: str | None = None,
    ) -> tuple[int, int]:
        """How many calls ended in a span, and their seconds; of a tenant, or of one organisation or user of it."""
        row = self._db.row(
            "SELECT count(*) AS calls, total(ended_at - started_at) AS seconds FROM calls"
            " WHERE tenant_id = ?1 AND ended_at >= ?2 AND ended_at < ?3"
            " AND (?4 IS NULL OR organization_id = ?4) AND (?5 IS NULL OR user_id = ?5)",
            tenant_id,
            start,
            end,
            organization_id,
            user_id,
        )
        assert row is not None
        return int(row["calls"]), round(row["seconds"])

    def dialled(self, now: float) -> list[dict[str, Any]]:
        """How often each lead of each campaign was rung up."""
        return self._db.rows(
            "SELECT tenant_id, campaign_id, to_number AS phone_number, count(*) AS calls FROM calls"
            " WHERE campaign_id IS NOT NULL AND started_at <= ? GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            now,
        )
