"""Voice agents, each with four ids."""

from dataclasses import dataclass

from service.simulator import identifiers
from service.simulator.state.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS agents (
    id TEXT PRIMARY KEY, agent_id TEXT NOT NULL, unique_id TEXT NOT NULL, voice_agent_id TEXT NOT NULL,
    tenant_id TEXT NOT NULL, organization_id TEXT, user_id TEXT, name TEXT NOT NULL, created_at REAL NOT NULL
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A voice agent. Creation answers `agent_id`, `unique_id` and `voice_agent_id`; call rows show `id`, a UUID."""

    id: str
    agent_id: str
    unique_id: str
    voice_agent_id: str
    tenant_id: str
    organization_id: str | None
    user_id: str | None
    name: str
    created_at: float


class Agents:
    """The agents of all tenants."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.create(SCHEMA)

    def add(self, tenant_id: str, at: float, *, name: str, organization_id: str | None, user_id: str | None) -> Agent:
        """Make an agent with all its ids."""
        agent = Agent(
            id=identifiers.row_id(),
            agent_id=identifiers.unique_id(),
            unique_id=identifiers.unique_id(),
            voice_agent_id=identifiers.hexadecimal("agent"),
            tenant_id=tenant_id,
            organization_id=organization_id,
            user_id=user_id,
            name=name,
            created_at=at,
        )
        self._db.insert("agents", agent)
        return agent

    def find(self, tenant_id: str, any_id: str) -> Agent | None:
        """The agent that has this id in any of its forms."""
        row = self._db.row(
            "SELECT * FROM agents WHERE tenant_id = ?1 AND ?2 IN (id, agent_id, unique_id, voice_agent_id)",
            tenant_id,
            any_id,
        )
        return Agent(**row) if row else None

    def all(self, tenant_id: str) -> list[Agent]:
        """All agents of a tenant."""
        rows = self._db.rows("SELECT * FROM agents WHERE tenant_id = ? ORDER BY created_at", tenant_id)
        return [Agent(**row) for row in rows]
