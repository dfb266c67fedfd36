"""Teli's own counts of purchases: a witness beside the listing, good for "one more", never for which one."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite

from service.teli.heard import Heard


def read_purchases(heard: Heard) -> dict[str, int] | None:
    """Purchases in the period asked for, by user in whichever form Teli named it; None where it cannot be read.

    A user named more than once has bought all of it. A count that makes no sense makes no sense of the others.
    """
    users = heard.object().get("users") if heard.kind == "answer" and heard.status == 200 else None
    if not isinstance(users, list):
        return None
    counts: Counter[str] = Counter()
    for user in users:
        costs = user.get("cost_breakdown") if isinstance(user, dict) else None
        count = costs.get("phone_purchase_count") if isinstance(costs, dict) else None
        if type(count) is not int or count < 0 or not isinstance(user.get("user_id"), str):
            return None
        counts[user["user_id"]] += count
    return dict(counts)


@dataclass(frozen=True, slots=True)
class Counted:
    """Of a user in a period: numbers rented and bought, and what Teli says that they cost, in micro-units."""

    rentals: int
    purchases: int
    rental_micros: int
    purchase_micros: int


def read_counts(heard: Heard) -> dict[str, Counted] | None:
    """By user in whichever form Teli named it, those with nothing left out; None where it cannot be read."""
    users = heard.object().get("users") if heard.kind == "answer" and heard.status == 200 else None
    if not isinstance(users, list):
        return None
    found: dict[str, Counted] = {}
    for user in users:
        costs = user.get("cost_breakdown") if isinstance(user, dict) else None
        if not isinstance(costs, dict) or not isinstance(user.get("user_id"), str):
            return None
        rentals, purchases = (_count(costs.get(f"phone_{kind}_count")) for kind in ("rental", "purchase"))
        rented, bought = (_micros(costs.get(f"phone_{kind}_cost")) for kind in ("rental", "purchase"))
        if rentals is None or purchases is None or rented is None or bought is None:
            return None
        if rentals or purchases or rented or bought:
            found[user["user_id"]] = Counted(rentals, purchases, rented, bought)
    return found


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _micros(cost: object) -> int | None:
    """Teli writes dollars as a number with a fraction: as it stands there, to the millionth."""
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not isfinite(cost):
        return None
    return int((Decimal(str(cost)) * 1_000_000).to_integral_value())
