"""First truth: what the carrier sold. Money is counted here, whatever any client was told."""

from dataclasses import dataclass

from service.simulator.state.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS purchases (
    purchase_id INTEGER PRIMARY KEY, phone_number TEXT NOT NULL, phone_type TEXT NOT NULL,
    tenant_id TEXT NOT NULL, organization_id TEXT, user_id TEXT, nickname TEXT,
    bought_at REAL NOT NULL, bought_by TEXT NOT NULL, request_id INTEGER, released_at REAL, released_by TEXT
);
CREATE INDEX IF NOT EXISTS purchases_by_number ON purchases (phone_number, purchase_id);
CREATE INDEX IF NOT EXISTS purchases_held ON purchases (purchase_id) WHERE released_at IS NULL;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """One sale, kept for ever. A recycled number is another purchase.

    Owner and nickname are as they were asked for, so that an oracle can count sales by what the buyer meant.
    `bought_by` and `released_by` are `api` or `dashboard`; `request_id` is that of the request log.
    """

    purchase_id: int
    phone_number: str
    phone_type: str
    tenant_id: str
    organization_id: str | None
    user_id: str | None
    nickname: str | None
    bought_at: float
    bought_by: str
    request_id: int | None
    released_at: float | None = None
    released_by: str | None = None


class Carrier:
    """Every purchase ever made, and which are still held."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.create(SCHEMA)

    def sell(
        self,
        phone_number: str,
        at: float,
        *,
        phone_type: str,
        tenant_id: str,
        organization_id: str | None,
        user_id: str | None,
        nickname: str | None,
        by: str,
        request_id: int | None,
    ) -> Purchase:
        """Write a sale down, under the next purchase id."""
        purchase = Purchase(
            purchase_id=self._db.number("SELECT max(purchase_id) FROM purchases") + 1,
            phone_number=phone_number,
            phone_type=phone_type,
            tenant_id=tenant_id,
            organization_id=organization_id,
            user_id=user_id,
            nickname=nickname,
            bought_at=at,
            bought_by=by,
            request_id=request_id,
        )
        self._db.insert("purchases", purchase)
        return purchase

    def take_back(self, purchase_id: int, at: float, by: str) -> bool:
        """End a purchase; False when it had ended before."""
        ended = self._db.run(
            "UPDATE purchases SET released_at = ?, released_by = ? WHERE purchase_id = ? AND released_at IS NULL",
            at,
            by,
            purchase_id,
        )
        return ended == 1

    def purchase(self, purchase_id: int) -> Purchase | None:
        """One purchase by its id."""
        row = self._db.row("SELECT * FROM purchases WHERE purchase_id = ?", purchase_id)
        return Purchase(**row) if row else None

    def latest(self, phone_number: str) -> Purchase | None:
        """The last purchase of a number, held or not."""
        query = "SELECT * FROM purchases WHERE phone_number = ? ORDER BY purchase_id DESC LIMIT 1"
        row = self._db.row(query, phone_number)
        return Purchase(**row) if row else None

    def purchases(self) -> list[Purchase]:
        """Every purchase ever made, oldest first."""
        return [Purchase(**row) for row in self._db.rows("SELECT * FROM purchases ORDER BY purchase_id")]

    def bought(self) -> int:
        """How many purchases were ever made."""
        return self._db.number("SELECT count(*) FROM purchases")

    def held(self) -> int:
        """How many purchases have not ended."""
        return self._db.number("SELECT count(*) FROM purchases WHERE released_at IS NULL")
