"""How often the simulated upstream does what."""

from dataclasses import dataclass, fields
from random import Random
from typing import Self

MOST = 0.35
# What is no fault, but what a market and a store of lists are like.
HABITS = ("recycles", "lists_late", "lists_on", "omits_rows")
MOST_OF_A_HABIT = 0.9


@dataclass(frozen=True, slots=True)
class Rates:
    """Each the probability of one behaviour where it may occur, 0 to 1. All zero is a healthy upstream."""

    # A create.
    refuses: float = 0.0  # 400, 401, 403, 422, 429 or out of stock: nothing bought.
    sells_refused: float = 0.0  # 422 or 429; bought all the same.
    fails: float = 0.0  # An answer that proves nothing; nothing bought.
    sells_unheard: float = 0.0  # An answer that proves nothing; bought.
    names_held: float = 0.0  # A 2xx that names a number held before; nothing bought.
    sells_elsewhere: float = 0.0  # In another area code than asked for.
    forgets: float = 0.0  # Bought and never listed; answered as sold, or by 500.
    recycles: float = 0.0  # The number given back last comes first.
    switches_nicknames: float = 0.0  # From here on nicknames are kept in another way.

    # A listing of numbers, of organisations or of users.
    lists_late: float = 0.0  # For each row: seconds to minutes after its sale.
    lists_on: float = 0.0  # For each row: still there seconds to minutes after its release.
    list_fails: float = 0.0  # 500, empty, or no listing at all.
    omits_rows: float = 0.0  # With or without a count that tells.
    miscounts: float = 0.0  # All rows, and a count that is wrong, or no count.
    shows_uuids: float = 0.0  # For users and for organisations, each by itself: UUID instead of unique_id.

    # A release, an update, the analytics.
    release_refused: float = 0.0  # 400 or 404, though it is held.
    release_fails: float = 0.0  # 502 in both forms, or gone at the carrier and still listed.
    update_refused: float = 0.0  # 400 or 404, though it is held.
    update_fails: float = 0.0  # 500, with or without effect.
    analytics_fail: float = 0.0
    analytics_late: float = 0.0  # Counts as they were a day ago.

    @classmethod
    def drawn(cls, chance: Random) -> Self:
        """Half of them zero, the others up to MOST, or to MOST_OF_A_HABIT."""
        most = {rate.name: MOST_OF_A_HABIT if rate.name in HABITS else MOST for rate in fields(cls)}
        return cls(**{name: chance.choice((0.0, chance.uniform(0, limit))) for name, limit in most.items()})
