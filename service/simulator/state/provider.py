"""Second truth: which purchases the voice provider can use. An unlinked number is paid for and dead."""

from typing import Any

from service.simulator.state.database import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS links (purchase_id INTEGER PRIMARY KEY, linked INTEGER NOT NULL)"


class Provider:
    """Links between purchases and the voice provider."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.create(SCHEMA)

    def link(self, purchase_id: int) -> None:
        """Make a purchased number usable."""
        self._db.run("INSERT OR REPLACE INTO links VALUES (?, TRUE)", purchase_id)

    def unlink(self, purchase_id: int) -> None:
        """Make it unusable; doing so twice is the same as once."""
        self._db.run("UPDATE links SET linked = FALSE WHERE purchase_id = ?", purchase_id)

    def linked(self, purchase_id: int) -> bool:
        """Whether the number of a purchase can be used."""
        return self._db.number("SELECT linked FROM links WHERE purchase_id = ?", purchase_id) == 1

    def links(self) -> list[dict[str, Any]]:
        """Every purchase that was ever linked, and whether it still is."""
        found = self._db.rows(
            "SELECT links.purchase_id, phone_number, linked FROM links JOIN purchases USING (purchase_id) ORDER BY 1"
        )
        return [{**row, "linked": bool(row["linked"])} for row in found]
