"""What the carrier has on its shelves, by area code."""

from typing import Any

from service.simulator import nanp
from service.simulator.state.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS shelves (area_code TEXT PRIMARY KEY, taken INTEGER NOT NULL, remaining INTEGER);
CREATE TABLE IF NOT EXISTS returned (id INTEGER PRIMARY KEY, area_code TEXT NOT NULL, phone_number TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS returned_by_area_code ON returned (area_code, id);
"""


class Stock:
    """Fresh numbers in a fixed order, never one twice, and those that came back."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.create(SCHEMA)

    def take(self, area_code: str, *, recycled: bool) -> str | None:
        """The next number of an area code, or None when there is none.

        With `recycled`, the number that has been back longest comes before any fresh one.
        """
        if not nanp.possible(area_code):
            return None
        if recycled and (number := self._take_back(area_code)):
            return number
        shelf = self._db.row("SELECT taken, remaining FROM shelves WHERE area_code = ?", area_code)
        taken, remaining = (shelf["taken"], shelf["remaining"]) if shelf else (0, None)
        if remaining == 0 or taken >= nanp.CAPACITY:
            return None
        self._db.run(
            "INSERT INTO shelves VALUES (?1, 1, NULL) ON CONFLICT (area_code)"
            " DO UPDATE SET taken = taken + 1, remaining = remaining - 1",
            area_code,
        )
        return nanp.e164(area_code, taken)

    def put_back(self, phone_number: str) -> None:
        """A number is given back. It is sold again only by a `take` that wants recycled ones."""
        area_code = nanp.area_code_of(phone_number)
        self._db.run("INSERT INTO returned (area_code, phone_number) VALUES (?, ?)", area_code, phone_number)

    def limit(self, area_code: str, remaining: int | None) -> None:
        """Say how many fresh numbers an area code has left; None is no limit."""
        self._db.run(
            "INSERT INTO shelves VALUES (?1, 0, ?2) ON CONFLICT (area_code) DO UPDATE SET remaining = ?2",
            area_code,
            remaining,
        )

    def shelves(self) -> list[dict[str, Any]]:
        """Every area code that was sold from or limited."""
        return self._db.rows("SELECT area_code, taken, remaining FROM shelves ORDER BY area_code")

    def _take_back(self, area_code: str) -> str | None:
        found = self._db.row("SELECT id, phone_number FROM returned WHERE area_code = ? ORDER BY id LIMIT 1", area_code)
        if found is None:
            return None
        self._db.run("DELETE FROM returned WHERE id = ?", found["id"])
        return str(found["phone_number"])
