"""Whether a number is still what its E.164 stands for at Teli.

Teli is told to change or to release an E.164, and an E.164 is given out anew. Where that may have happened the row
that is meant is looked for first: it must be listed, and no other under its E.164. A row of ours is no proof by itself,
for Teli may list one on whose number was given back; so nothing that is known of anywhere else, in another organisation
or of a purchase that is not listed yet, may stand for that E.164 either. That is the worker's, for only it sees what
others hold.
"""

from dataclasses import dataclass
from typing import Literal

from service.numbers.confirm import Confirmation
from service.numbers.models import Number
from service.numbers.repository import Numbers
from service.teli.listing import Row


@dataclass(frozen=True, slots=True)
class Shared:
    """Its row is listed, and its E.164 stands for something else too: `by`, for an operator."""

    by: str


Unfound = Literal["gone", "given out anew", "not to be told"] | Shared


async def own_row(number: Number, numbers: Numbers, confirmation: Confirmation) -> Row | Unfound:
    """The row of a confirmed number, where it is listed and its E.164 stands for nothing else."""
    listing = await confirmation.listing(number, whole=True)
    if listing is None:
        return "not to be told"
    rows = {row.row_id: row for row in listing.rows if row.phone_number == number.phone_number}
    others = rows.keys() - {number.upstream_row_id}
    # A row of an acquisition before this one is only slow to vanish.
    if others and others - set(await numbers.earlier_rows(number)):
        return "given out anew"
    if number.upstream_row_id in rows:
        # Asked last: what came to be known while the listing was under way counts.
        by = await numbers.shared_by(number)
        return Shared(by) if by else rows[number.upstream_row_id]
    return "gone" if listing.complete else "not to be told"
