"""When a number that was not seen may be called absent: pure, from the log of listings.

Absence is proved by no single look. It takes three listings of the whole organisation, apart from one another, each
complete and trustworthy, the last after everything may have settled.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

# A number, and the row it is known by, if any.
Bought = tuple[str, str | None]

LOOKS = 3
APART = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Taken:
    """One listing of an organisation. `began_at`: when it was asked for."""

    began_at: datetime
    complete: bool
    trustworthy: bool


def proves_absence(looks: Iterable[Taken], *, send_ended_at: datetime, window: timedelta) -> bool:
    """Do these listings, none of which showed the number, prove that it was not bought?

    Args: `looks` in any order; `window`, the settling window. Listings count from the end of the send on, a minute
        apart (a third of the window, if that is shorter), and the last must come after the window is over.
    """
    apart = min(APART, window / LOOKS)
    earlier: list[datetime] = []
    for look in sorted(looks, key=lambda one: one.began_at):
        if not (look.complete and look.trustworthy) or look.began_at < send_ended_at:
            continue
        before = [one for one in earlier if one <= look.began_at - apart]
        if len(before) >= LOOKS - 1 and look.began_at >= send_ended_at + window:
            return True
        if not earlier or look.began_at - earlier[-1] >= apart:
            earlier.append(look.began_at)
    return False


def count_purchases(known: Iterable[Bought]) -> int:
    """How many purchases these are, each named by its number and, where it is known, its row.

    A purchase may be told of twice, as ours and as an orphan, with its row and without; a number may be bought twice,
    under two rows. Where in doubt it counts one: a count too high would hide a purchase.
    """
    told = set(known)
    rows = {row_id for _, row_id in told if row_id is not None}
    with_row = {phone_number for phone_number, row_id in told if row_id is not None}
    return len(rows) + len({phone_number for phone_number, _ in told} - with_row)
