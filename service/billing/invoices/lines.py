"""From a row of a file to a line of an invoice, or to all that is wrong with it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from service.billing.invoices.mapping import InvoiceMapping, Kind
from service.billing.invoices.spelling import (
    Amount,
    amount_of,
    day_of,
    fits,
    micros_of,
    phone_of,
    phone_within,
    whole_of,
)
from service.kit.text import plain, shown

Cell = str | Decimal | date
ONE_DAY = timedelta(days=1)
LONGEST = {"line_ref": 255, "subscription_id": 255, "user_id": 128, "description": 2000}
LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong, and with which member of a line; "" is the row as a whole."""

    column: str
    detail: str

    def as_json(self) -> dict[str, str]:
        return {"column": self.column, "detail": self.detail}


class BadRow(ValueError):
    """A row that is no line, and all that is wrong with it."""

    def __init__(self, *faults: RowFault) -> None:
        super().__init__("; ".join(f"{one.column or 'row'}: {one.detail}" for one in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Line:
    """What the supplier charges. `ends`: the day after the last. `micros`: what gives back is negative."""

    line_ref: str | None
    subscription_id: str | None
    phone_number: str | None
    user_id: str | None
    kind: Kind
    begins: date | None
    ends: date | None
    quantity: int | None
    micros: int
    currency: str
    description: str


def line_of(cells: Mapping[str, Cell], mapping: InvoiceMapping, currency: str | None = None) -> Line:
    """`cells`: by member. `currency`: of the invoice; None is for its first line to say.

    Raises: BadRow, naming every fault.
    """
    reading = _Reading(cells, mapping)
    told = {name: reading.text(name, most) for name, most in LONGEST.items()}
    phone = reading.phone(told["description"])
    begins, ends = reading.period()
    quantity = reading.quantity()
    amount = reading.amount()
    code = reading.currency(amount, currency)
    kind = reading.kind()
    micros = 0
    if amount is not None and code is not None:
        micros = reading.micros(amount, code)
        kind = reading.kind_by_sign(kind, micros)
    if reading.faults or code is None:
        raise BadRow(*reading.faults)
    return Line(
        told["line_ref"], told["subscription_id"], phone, told["user_id"], kind, begins, ends, quantity, micros, code,
        told["description"] or "",
    )  # fmt: skip


class _Reading:
    """One row, and what was found to be wrong with it so far."""

    def __init__(self, cells: Mapping[str, Cell], mapping: InvoiceMapping) -> None:
        self._cells, self._mapping = cells, mapping
        self.faults: list[RowFault] = []

    def wrong(self, column: str, detail: str) -> None:
        cell = self._cells.get(column)
        said = f"{shown(str(cell), LONGEST_SHOWN)!r} " if cell not in (None, "") else ""
        self.faults.append(RowFault(column, f"{said}{detail}"))

    def text(self, column: str, most: int) -> str | None:
        said = _plainly(self._cells.get(column))
        if said is None:
            return None
        if len(said) > most:
            self.wrong(column, f"is longer than {most} characters: shorten it")
            return None
        try:
            plain(said)
        except ValueError as error:
            self.wrong(column, f"cannot be stored: {error}")
            return None
        if "\ufffd" in said:
            self.wrong(
                column, "has a byte that is no character of this charset: a profile says charset, as windows-1252"
            )
            return None
        return said

    def phone(self, description: str | None) -> str | None:
        said = _plainly(self._cells.get("phone_number"))
        if said is None:
            within = self._mapping.phone_in_description and description
            return phone_within(within) if within else None
        try:
            return phone_of(said)
        except ValueError as error:
            self.wrong("phone_number", str(error))
            return None

    def period(self) -> tuple[date | None, date | None]:
        begins, ends = self._day("begins"), self._day("ends")
        if begins is None or ends is None:
            return begins, ends
        # A charge of one moment begins and ends on one day.
        if self._mapping.ends == "inclusive" or ends == begins:
            ends += ONE_DAY
        if ends <= begins:
            self.wrong("ends", f"lies before the beginning, {begins}: mend one of the two")
        return begins, ends

    def _day(self, column: str) -> date | None:
        cell = self._cells.get(column)
        if isinstance(cell, date):
            return cell
        if (said := _plainly(cell)) is None:
            return None
        try:
            return day_of(said, self._mapping.day_order, self._mapping.time_zone)
        except ValueError as error:
            self.wrong(column, str(error))
            return None

    def quantity(self) -> int | None:
        if (said := _plainly(self._cells.get("quantity"))) is None:
            return None
        try:
            return whole_of(said)
        except ValueError as error:
            self.wrong("quantity", str(error))
            return None

    def amount(self) -> Amount | None:
        cell = self._cells.get("amount")
        if isinstance(cell, Decimal):
            return Amount(cell)
        if (said := _plainly(cell)) is None:
            self.wrong("amount", "is empty: every line says what it charges")
            return None
        try:
            return amount_of(said, self._mapping.decimal)
        except ValueError as error:
            self.wrong("amount", str(error))
            return None

    def currency(self, amount: Amount | None, expected: str | None) -> str | None:
        """The currency of the line, by its own column, what stands beside the amount, the mapping, or the invoice."""
        said = (_plainly(self._cells.get("currency")) or "").upper()
        mark = amount.mark if amount else None
        code = mark if mark and len(mark) == 3 else None
        found = said or code or self._mapping.currency or expected
        if found is None:
            self.wrong("currency", "is not said: a profile says currency, as USD, or names its column")
            return None
        if not (len(found) == 3 and found.isascii() and found.isalpha()):
            self.wrong("currency", "is no currency: write its code of three letters, as USD")
            return None
        if mark and not fits(mark, found):
            self.wrong("amount", f"is in {mark}, and the line in {found}: which is meant?")
        if (wanted := expected or self._mapping.currency) and found != wanted:
            self.wrong(
                "currency",
                f"is not that of the invoice, {wanted}, and it has one: file the lines of another as an invoice of"
                " their own, and drop them here",
            )
        return found

    def micros(self, amount: Amount, currency: str) -> int:
        try:
            return micros_of(amount.value, self._mapping.unit, currency)
        except ValueError as error:
            self.wrong("amount", str(error))
            return 0

    def kind(self) -> Kind:
        said = (_plainly(self._cells.get("kind")) or "").lower()
        return self._mapping.kinds.get(said, self._mapping.otherwise)

    def kind_by_sign(self, kind: Kind, micros: int) -> Kind:
        if micros < 0 and self._mapping.negatives == "credit":
            return "credit"
        if micros < 0 and kind in ("setup", "rent"):
            told = f"is negative, and a charge of the kind {kind} is not: if it gives back, its kind is credit, or the"
            self.wrong("amount", f"{told} mapping says negatives: credit")
        if micros > 0 and kind == "credit":
            self.wrong("amount", "is positive, and a credit gives back: write it negative, or name another kind")
        return kind


def _plainly(cell: Cell | None) -> str | None:
    """A cell as text, without what stands around it and between its lines; None where there is nothing."""
    if cell is None:
        return None
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    said = " ".join(str(cell).split())
    return said or None
