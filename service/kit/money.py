"""Amounts of money: integer micro-units of one currency, and months counted from a day."""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NewType, TypeVar

# A millionth of the currency's unit: 2.99 USD is 2,990,000.
Micros = NewType("Micros", int)
MICROS = 1_000_000
Day = TypeVar("Day", bound=date)


# ISO 4217, with those that have lately gone and still stand on invoices. No metals, no funds, nothing for tests.
CURRENCIES = frozenset((
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BHD", "BIF",
    "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLP", "CNY", "COP", "CRC",
    "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS",
    "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD",
    "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL",
    "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD",
    "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD",
    "RUB", "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP",
    "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS", "VES",
    "VND", "VUV", "WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
))  # fmt: skip


def known_currency(code: str) -> str:
    """The code itself. Raises: ValueError for what ISO 4217 does not have: a slip would price numbers in nothing."""
    if code not in CURRENCIES:
        raise ValueError("is no currency of ISO 4217; write its three capitals, as USD")
    return code


@dataclass(frozen=True, slots=True)
class Price:
    """`setup` once, and `monthly` for each month that has begun, both micro-units of `currency` (ISO 4217)."""

    setup: int
    monthly: int
    currency: str

    @property
    def first(self) -> int:
        """What a purchase costs at once: setup and first month."""
        return self.setup + self.monthly


def money(micros: int | None, currency: str | None = None) -> str:
    """`1,234.50 USD`: to the cent, and further where there is more; exactly. Without a currency where one was told."""
    if micros is None:
        return "–"
    amount = Decimal(micros) / MICROS
    places = max(2, len(f"{amount:f}".partition(".")[2].rstrip("0")))
    return f"{amount:,.{places}f} {currency or ''}".rstrip()


def month_after(began: datetime, months: int) -> datetime:
    """The same day and time, in UTC, so many months later; the last day of a month that has no such day."""
    return months_later(began.astimezone(UTC), months)


def months_later(day: Day, count: int) -> Day:
    """The same day so many months later; the last one of a month without such a day: 31 January, 28 February, 31 March.

    Of a moment the time of day stays. Raises: ValueError beyond the year 9999.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return day.replace(year=year, month=month + 1, day=min(day.day, last))


def months_begun(began: datetime, until: datetime) -> int:
    """How many months, counted from `began`, had begun by `until`: 1 from the first moment on, 0 before it.

    The first moment of a month belongs to it.
    """
    if until < began:
        return 0
    whole = (until.year - began.year) * 12 + until.month - began.month
    return whole + 1 if month_after(began, whole) <= until else whole
