"""Whether a number is still what its E.164 stands for at Teli.

Teli is told to change or to release an E.164, and an E.164 is given out anew. Where that may have happened the row
that is meant is looked for first: it must be listed, and no other under its E.164. That is the worker's, for only it
sees the rows of earlier acquisitions that others held.
"""

from typing import Literal

from service.numbers.confirm import Confirmation
from service.numbers.models import Number
from service.numbers.repository import Numbers
from service.teli.listing import Row

Unfound = Literal["gone", "given out anew", "not to be told"]


async def own_row(number: Number, numbers: Numbers, confirmation: Confirmation) -> Row | Unfound:
    """The row of a confirmed number, where it and no other of its E.164 is listed in its organisation."""
    listing = await confirmation.listing(number, whole=True)
    if listing is None:
        return "not to be told"
    rows = {row.row_id: row for row in listing.rows if row.phone_number == number.phone_number}
    others = rows.keys() - {number.upstream_row_id}
    # A row of an acquisition before this one is only slow to vanish.
    if others and others - set(await numbers.earlier_rows(number)):
        return "given out anew"
    if number.upstream_row_id in rows:
        return rows[number.upstream_row_id]
    return "gone" if listing.complete else "not to be told"
