"""Voice campaigns: who is to be called, from which numbers, and in what state."""

from dataclasses import dataclass

from service.simulator.state.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS campaigns (
    tenant_id TEXT NOT NULL, campaign_id TEXT NOT NULL, organization_id TEXT, user_id TEXT,
    voice_agent_id TEXT NOT NULL, caller_ids TEXT NOT NULL, leads TEXT NOT NULL, status TEXT NOT NULL,
    begins_at REAL NOT NULL, ends_at REAL NOT NULL, created_at REAL NOT NULL,
    PRIMARY KEY (tenant_id, campaign_id)
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One campaign. `caller_ids` and `leads` are E.164 numbers, each list joined by blanks."""

    tenant_id: str
    campaign_id: str
    organization_id: str | None
    user_id: str | None
    voice_agent_id: str
    caller_ids: str
    leads: str
    status: str
    begins_at: float
    ends_at: float
    created_at: float


class Campaigns:
    """The campaigns of all tenants."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.create(SCHEMA)

    def put(self, campaign: Campaign) -> None:
        """Write a campaign, over the one that had its id."""
        self.delete(campaign.tenant_id, campaign.campaign_id)
        self._db.insert("campaigns", campaign)

    def find(self, tenant_id: str, campaign_id: str) -> Campaign | None:
        """One campaign of a tenant."""
        row = self._db.row("SELECT * FROM campaigns WHERE tenant_id = ? AND campaign_id = ?", tenant_id, campaign_id)
        return Campaign(**row) if row else None

    def of_organization(self, tenant_id: str, organization_id: str) -> list[Campaign]:
        """The campaigns of an organisation, oldest first."""
        query = "SELECT * FROM campaigns WHERE tenant_id = ? AND organization_id = ? ORDER BY created_at"
        return [Campaign(**row) for row in self._db.rows(query, tenant_id, organization_id)]

    def set_status(self, tenant_id: str, campaign_id: str, status: str) -> None:
        """Move a campaign to another state."""
        query = "UPDATE campaigns SET status = ? WHERE tenant_id = ? AND campaign_id = ?"
        self._db.run(query, status, tenant_id, campaign_id)

    def delete(self, tenant_id: str, campaign_id: str) -> None:
        """Erase a campaign; its calls stay."""
        self._db.run("DELETE FROM campaigns WHERE tenant_id = ? AND campaign_id = ?", tenant_id, campaign_id)
