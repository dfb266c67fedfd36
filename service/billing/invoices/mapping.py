"""Which column of a supplier's file means what, and how it writes amounts and days. Pure.

A mapping is guessed from the headers, shipped here, or remembered by name; what it says holds for the whole file.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from service.billing.invoices.spelling import DayOrder, Sign, Unit
from service.kit.errors import Fault
from service.kit.text import shown

Kind = Literal["setup", "rent", "credit", "other"]
Negatives = Literal["refused", "credit"]
Ends = Literal["exclusive", "inclusive"]
KINDS: tuple[Kind, ...] = ("setup", "rent", "credit", "other")
# What is read of a row, by the name of a line's member, and headers that mean it, the likeliest first.
FIELDS: dict[str, tuple[str, ...]] = {
    "line_ref": ("line_id", "line_item_id", "invoice_line_item_id", "line_ref", "line", "id", "reference"),
    "subscription_id": ("subscription_id", "subscription", "stripe_subscription_id"),
    "phone_number": ("phone_number", "phone", "number", "did", "tn", "telephone_number", "msisdn"),
    "user_id": ("user_id", "user", "owner_id"),
    "kind": ("kind", "charge_type", "type", "source_type", "category"),
    "begins": ("begins", "period_start", "start_date", "service_start", "from", "start", "date_from"),
    "ends": ("ends", "period_end", "end_date", "service_end", "to", "end", "date_to"),
    "quantity": ("quantity", "qty", "units"),
    "amount": ("amount", "total", "line_total", "charge", "net_amount", "price", "cost"),
    "currency": ("currency", "currency_code", "ccy"),
    "description": ("description", "details", "item", "memo", "product"),
}
NEEDED = "amount"
WORDS: dict[str, Kind] = {
    "setup": "setup", "purchase": "setup", "activation": "setup", "one-time": "setup", "one time": "setup",
    "rent": "rent", "rental": "rent", "monthly": "rent", "recurring": "rent", "subscription": "rent",
    "credit": "credit", "refund": "credit", "other": "other", "tax": "other", "fee": "other",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class InvoiceMapping:
    """`columns`: which header means which of FIELDS; what is not there is not read. `decimal`: the sign before the
    fraction; None is a point, and refuses what could be thousands as well.
    `unit`: whether amounts are in units or in the smallest ones. `day_order`: of days in figures. `ends`:
    whether the last day is charged still. `time_zone`: in which moments are days. `kinds`: what a word of the column
    `kind` means; `otherwise`: what any other does, or a file without. `negatives`: what a negative charge is.
    `phone_in_description`: where there is no number of its own, the one that the description names. `skip`: lines
    above the header. What is None is told from the file.
    """

    columns: Mapping[str, str]
    decimal: Sign | None = "."
    unit: Unit = "whole"
    currency: str | None = None
    day_order: DayOrder | None = None
    ends: Ends = "exclusive"
    time_zone: str = "UTC"
    kinds: Mapping[str, Kind] = field(default_factory=lambda: dict(WORDS))
    otherwise: Kind = "rent"
    negatives: Negatives = "refused"
    phone_in_description: bool = False
    charset: str | None = None
    separator: str | None = None
    sheet: str | None = None
    skip: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


# Stripe's table `invoice_line_items`, as Sigma, Data Pipeline and its reports write it: amounts in cents, currencies in
# small letters, periods as moments in UTC of which the last is the first of the next. A proration that gives back is
# negative.
PROFILES: dict[str, InvoiceMapping] = {
    "stripe": InvoiceMapping(
        {
            "line_ref": "id",
            "subscription_id": "subscription",
            "kind": "source_type",
            "begins": "period_start",
            "ends": "period_end",
            "quantity": "quantity",
            "amount": "amount",
            "currency": "currency",
            "description": "description",
        },
        unit="minor",
        kinds={"subscription": "rent", "invoiceitem": "other"},
        negatives="credit",
        phone_in_description=True,
    )
}


def guessed(headers: Sequence[str]) -> tuple[InvoiceMapping, str | None]:
    """What the headers of a file are taken to mean, and the shipped profile that it is, if it is one."""
    for name, profile in PROFILES.items():
        if set(map(normal, profile.columns.values())) <= set(map(normal, headers)):
            return profile, name
    columns: dict[str, str] = {}
    for member, names in FIELDS.items():
        found = next((header for name in names for header in headers if normal(header) == name), None)
        if found is not None and found not in columns.values():
            columns[member] = found
    return InvoiceMapping(columns, decimal=None), None


def normal(header: str) -> str:
    """A header as it is compared: `Line Item ID` is line_item_id."""
    return re.sub(r"[\W_]+", "_", header.lower()).strip("_")


def places_of(mapping: InvoiceMapping, headers: Sequence[str]) -> tuple[dict[str, int], list[Fault]]:
    """In which column each field is, and what is wrong with the columns."""
    plain = [normal(header) for header in headers]
    faults = []
    places = {}
    for member, header in mapping.columns.items():
        wanted = normal(header)
        if (count := plain.count(wanted)) == 1:
            places[member] = plain.index(wanted)
        elif count:
            faults.append(
                Fault("", f"has {count} columns {shown(header)!r}, which is to be {member}: rename all but one")
            )
        else:
            faults.append(
                Fault("", f"has no column {shown(header)!r}, which is to be {member}; there are {_listed(headers)}")
            )
    if NEEDED not in mapping.columns:
        told = f"names no column of amounts; there are {_listed(headers)}: say which in a profile"
        faults.append(Fault("", told))
    return places, faults


def _listed(headers: Sequence[str]) -> str:
    return ", ".join(shown(header) for header in headers[:30])


def settled(
    mapping: InvoiceMapping, *, charset: str | None, separator: str | None, sheet: str | None
) -> InvoiceMapping:
    """With what was told from the file, so that it is read on as it was begun."""
    return replace(mapping, charset=charset, separator=separator, sheet=sheet)
