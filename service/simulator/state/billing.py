"""Fourth truth: from when to when each purchase is billed."""

from dataclasses import dataclass
from typing import Any

from service.simulator.state.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS bills (purchase_id INTEGER PRIMARY KEY, billed_from REAL NOT NULL, billed_to REAL);
CREATE INDEX IF NOT EXISTS bills_open ON bills (purchase_id) WHERE billed_to IS NULL;
"""

MONTHLY, SETUP = 2.99, 1.00
"""Dollars a rental and a purchase, as the vendor's sample of analytics works out."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers billed at some time of a period, and those bought in it."""

    rentals: int
    purchases: int

    def costs(self) -> dict[str, Any]:
        """As `cost_breakdown` shows them, in dollars."""
        return {
            "phone_rental_cost": round(self.rentals * MONTHLY, 2),
            "phone_rental_count": self.rentals,
            "phone_purchase_cost": round(self.purchases * SETUP, 2),
            "phone_purchase_count": self.purchases,
        }


class Billing:
    """What is charged, apart from what any listing shows."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.create(SCHEMA)

    def start(self, purchase_id: int, at: float) -> None:
        """Begin to bill a purchase."""
        self._db.run("INSERT INTO bills VALUES (?, ?, NULL)", purchase_id, at)

    def stop(self, purchase_id: int, at: float) -> None:
        """Bill it no longer; once stopped it stays so."""
        self._db.run("UPDATE bills SET billed_to = ? WHERE purchase_id = ? AND billed_to IS NULL", at, purchase_id)

    def counts(
        self,
        tenant_id: str,
        start: float,
        end: float,
        *,
        sms: bool,
        organization_id: str | None = None,
        user_id: str | None = None,
    ) -> Counts:
        """The counts of a tenant, or of one organisation or user of it, from `start` to before `end`."""
        row = self._db.row(
            "SELECT count(*) AS rentals, count(*) FILTER (WHERE billed_from >= ?2) AS purchases"
            " FROM bills JOIN purchases USING (purchase_id)"
            " WHERE tenant_id = ?1 AND billed_from < ?3 AND (billed_to IS NULL OR billed_to >= ?2)"
            " AND (?4 OR phone_type = 'voice')"
            " AND (?5 IS NULL OR organization_id = ?5) AND (?6 IS NULL OR user_id = ?6)",
            tenant_id,
            start,
            end,
            sms,
            organization_id,
            user_id,
        )
        assert row is not None
        return Counts(**row)

    def bills(self) -> list[dict[str, Any]]:
        """Every purchase with its billing period."""
        return self._db.rows(
            "SELECT purchase_id, phone_number, billed_from, billed_to"
            " FROM bills JOIN purchases USING (purchase_id) ORDER BY purchase_id"
        )

    def open(self) -> int:
        """How many purchases are being billed."""
        return self._db.number("SELECT count(*) FROM bills WHERE billed_to IS NULL")
