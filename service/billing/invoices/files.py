"""A file that arrives: into a spool as it comes, then looked into, and stored in parts."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from tempfile import SpooledTemporaryFile
from typing import IO

from service.billing.invoices.batches import Batch, Reader
from service.billing.invoices.mapping import InvoiceMapping, guessed, places_of, settled
from service.billing.invoices.sheets import open_sheet
from service.kit.errors import Fault, InvalidRequest

MOST_BYTES = 256 << 20
IN_MEMORY = 4 << 20
PART = 1 << 20
LOOKED_AT = 50_000
HEAD_ROWS = 100
SHOWN = 10


class Arrived:
    """A file that came whole. Whoever has it closes it."""

    def __init__(self) -> None:
        self.file: IO[bytes] = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by `close`
        self.size = 0
        self._hash = hashlib.sha256()

    async def take(self, pieces: AsyncIterator[bytes]) -> None:
        async for piece in pieces:
            self.size += len(piece)
            self._hash.update(piece)
            self.file.write(piece)

    @property
    def content(self) -> bytes:
        """SHA-256 of it."""
        return self._hash.digest()

    def parts(self) -> Iterator[bytes]:
        self.file.seek(0)
        while part := self.file.read(PART):
            yield part

    def close(self) -> None:
        self.file.close()


@dataclass(frozen=True, slots=True)
class Looked:
    """What a file was found to be. `mapping`: with all that is told from the file."""

    mapping: InvoiceMapping
    profile: str | None
    guessed: bool
    headers: list[str]
    unused: list[str]
    first: Batch
    currency: str | None


def look(
    file: IO[bytes], mapping: InvoiceMapping | None, profile: str | None, *, charset: str | None, rows: int = HEAD_ROWS
) -> Looked:
    """The head of a file, by a mapping or by what its headers suggest. `charset`: as it was declared.

    Raises: InvalidRequest for what cannot be read, saying what is wrong.
    """
    declared = replace(mapping, charset=mapping.charset or charset) if mapping else None
    if declared is None and charset is not None:
        declared = InvoiceMapping({}, charset=charset)
    sheet = open_sheet(file, declared)
    was_guessed = mapping is None
    if mapping is None:
        mapping, profile = guessed(sheet.headers)
    mapping = settled(mapping, charset=sheet.charset, separator=sheet.separator, sheet=sheet.name)
    try:
        reader = Reader(sheet, mapping)
    except InvalidRequest as refused:
        # Whoever is to say which column means what, has to see which there are.
        refused.members["headers"] = list(sheet.headers)
        raise
    first = reader.batch(rows)
    if not first.lines and not first.rejects:
        raise InvalidRequest(Fault("", "has a header and no rows"))
    places = places_of(mapping, sheet.headers)[0].values()
    unused = [header for place, header in enumerate(sheet.headers) if place not in places]
    return Looked(mapping, profile, was_guessed, list(sheet.headers), unused, first, reader.currency)


def check_readable(looked: Looked) -> None:
    """Raises: InvalidRequest where of the first rows none is a line: then the mapping is wrong, and not the rows."""
    if looked.first.lines:
        return
    faults = [
        Fault("", f"line {reject.line}: {fault.column or 'row'}: {fault.detail}")
        for reject in looked.first.rejects[:SHOWN]
        for fault in reject.faults
    ]
    raise InvalidRequest(*faults, detail=f"Not one of the first rows can be read: {faults[0].detail}")
