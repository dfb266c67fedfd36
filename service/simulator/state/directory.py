"""Organisations and users, each with its `unique_id` and its UUID."""

from dataclasses import dataclass

from service.simulator import identifiers
from service.simulator.state.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS organizations (
    unique_id TEXT PRIMARY KEY, id TEXT NOT NULL, tenant_id TEXT NOT NULL, name TEXT NOT NULL,
    contact_email TEXT NOT NULL, status TEXT NOT NULL, created_at REAL NOT NULL, modified_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS users (
    unique_id TEXT PRIMARY KEY, id TEXT NOT NULL, organization_id TEXT NOT NULL, tenant_id TEXT NOT NULL,
    name TEXT NOT NULL, email TEXT NOT NULL, phone TEXT, permission TEXT NOT NULL, status TEXT NOT NULL,
    created_at REAL NOT NULL, modified_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS users_by_email ON users (organization_id, email);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """Whom numbers are bought for."""

    unique_id: str
    id: str
    tenant_id: str
    name: str
    contact_email: str
    status: str = "active"
    created_at: float
    modified_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An owner of numbers. `organization_id` is the unique_id; one person in two organisations is two users."""

    unique_id: str
    id: str
    organization_id: str
    tenant_id: str
    name: str
    email: str
    phone: str | None = None
    permission: str = "user"
    status: str = "active"
    created_at: float
    modified_at: float


class Directory:
    """Who is who in the tenants."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.create(SCHEMA)

    def add_organization(
        self, tenant_id: str, at: float, *, name: str, contact_email: str, unique_id: str | None = None
    ) -> Organization:
        """Add an organisation, or find it where the given unique_id is taken."""
        unique_id = unique_id or identifiers.unique_id()
        made = Organization(
            unique_id=unique_id,
            id=identifiers.uuid_of(unique_id),
            tenant_id=tenant_id,
            name=name,
            contact_email=contact_email,
            created_at=at,
            modified_at=at,
        )
        self._db.insert_new("organizations", made)
        return self.organization(unique_id) or made

    def add_user(
        self,
        organization: Organization,
        at: float,
        *,
        name: str,
        email: str,
        phone: str | None = None,
        permission: str = "user",
        unique_id: str | None = None,
    ) -> User:
        """Add a user, or find it where the given unique_id is taken."""
        unique_id = unique_id or identifiers.unique_id()
        made = User(
            unique_id=unique_id,
            id=identifiers.uuid_of(unique_id),
            organization_id=organization.unique_id,
            tenant_id=organization.tenant_id,
            name=name,
            email=email,
            phone=phone,
            permission=permission,
            created_at=at,
            modified_at=at,
        )
        self._db.insert_new("users", made)
        return self.user(unique_id) or made

    def organization(self, unique_id: str) -> Organization | None:
        """One organisation."""
        row = self._db.row("SELECT * FROM organizations WHERE unique_id = ?", unique_id)
        return Organization(**row) if row else None

    def organizations(self, tenant_id: str) -> list[Organization]:
        """All organisations of a tenant."""
        rows = self._db.rows("SELECT * FROM organizations WHERE tenant_id = ? ORDER BY created_at", tenant_id)
        return [Organization(**row) for row in rows]

    def change_organization(self, changed: Organization) -> None:
        """Store the name, contact_email and status of an organisation as they now are."""
        self._db.run(
            "UPDATE organizations SET name = ?, contact_email = ?, status = ?, modified_at = ? WHERE unique_id = ?",
            changed.name,
            changed.contact_email,
            changed.status,
            changed.modified_at,
            changed.unique_id,
        )

    def user(self, unique_id: str) -> User | None:
        """One user."""
        row = self._db.row("SELECT * FROM users WHERE unique_id = ?", unique_id)
        return User(**row) if row else None

    def users(self, organization_id: str) -> list[User]:
        """All users of an organisation."""
        rows = self._db.rows("SELECT * FROM users WHERE organization_id = ? ORDER BY created_at", organization_id)
        return [User(**row) for row in rows]

    def has_email(self, organization_id: str, email: str) -> bool:
        """Whether a user of the organisation has this address."""
        query = "SELECT count(*) FROM users WHERE organization_id = ? AND email = ?"
        return self._db.number(query, organization_id, email) > 0

    def change_user(self, changed: User) -> None:
        """Store the name, email, phone, permission and status of a user as they now are."""
        self._db.run(
            "UPDATE users SET name = ?, email = ?, phone = ?, permission = ?, status = ?, modified_at = ?"
            " WHERE unique_id = ?",
            changed.name,
            changed.email,
            changed.phone,
            changed.permission,
            changed.status,
            changed.modified_at,
            changed.unique_id,
        )

    def uuid_of_organization(self, unique_id: str | None) -> str | None:
        """The UUID of a known organisation; any other id comes back as it is."""
        known = self.organization(unique_id) if unique_id else None
        return known.id if known else unique_id

    def uuids_of_users(self, organization_id: str) -> dict[str, str]:
        """The UUID of each user of an organisation by its unique_id."""
        rows = self._db.rows("SELECT unique_id, id FROM users WHERE organization_id = ?", organization_id)
        return {row["unique_id"]: row["id"] for row in rows}
