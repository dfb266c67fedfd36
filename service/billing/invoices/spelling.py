"""Amounts, days and numbers as suppliers write them. Pure; never by floating point, and never a guess.

What may be read in two ways is refused until the mapping says which: every error says so in words that name the mend.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from service.kit.phone import NotAPhoneNumber, path_number

Sign = Literal[".", ","]
Unit = Literal["whole", "minor"]
DayOrder = Literal["month_first", "day_first"]
MICROS = 1_000_000
# Of a line, so that the sum of the most lines that there may be can be stored.
MOST_MICROS = 1_000_000_000_000
LONGEST_AMOUNT = 64
EARLIEST, LATEST = date(2000, 1, 1), date(2100, 1, 1)
# ISO 4217: of these the smallest unit is the unit itself, or a thousandth of it; of all others it is a hundredth.
WITHOUT_CENTS = {
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF",
}  # fmt: skip
WITH_THOUSANDTHS = {"BHD", "JOD", "KWD", "OMR", "TND"}
DOLLARS_AND_PESOS = ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "CLP", "COP", "ARS")
SYMBOLS = {"$": DOLLARS_AND_PESOS, "€": ("EUR",), "£": ("GBP",), "¥": ("JPY", "CNY")}
MARK = r"[A-Z]{3}|[$€£¥]"
AMOUNT = re.compile(
    rf"(?P<before>[-+])?\s?(?P<mark>{MARK})?\s?(?P<within>[-+])?\s?(?P<number>[0-9.,'][0-9 .,']*?)\s?"
    rf"(?P<after>-)?\s?(?P<behind>{MARK})?"
)
# 1.234 and 1,234: a thousand times more by the one than by the other.
THOUSANDS_OR_NOT = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")
ALIKE = str.maketrans({"\u2212": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'"})
MONTHS = {
    name: place
    for place, names in enumerate(
        ("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
         "sep sept september", "oct october", "nov november", "dec december"), 1)
    for name in names.split()
}  # fmt: skip
ISO = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})")
MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.[0-9]+)?\s?(Z|UTC|[+-][0-9]{2}:?[0-9]{2})?"
)
UNIX = re.compile(r"[0-9]{9,10}")
IN_FIGURES = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4})")
DAY_IN_WORDS = re.compile(r"([0-9]{1,2})[ -]([A-Za-z]{3,9})\.?,?[ -]([0-9]{4})")
MONTH_IN_WORDS = re.compile(r"([A-Za-z]{3,9})\.? ([0-9]{1,2}),? ([0-9]{4})")
PUNCTUATION = {ord(sign): None for sign in " ().-\u00a0\u2011\u2013"}
NATIONAL = re.compile(r"[2-9][0-9]{2}[2-9][0-9]{6}")
WITHIN_TEXT = re.compile(r"\+1[ .-]?\(?[2-9][0-9]{2}\)?[ .-]?[2-9][0-9]{2}[ .-]?[0-9]{4}(?![0-9])")


@dataclass(frozen=True, slots=True)
class Amount:
    """`mark`: the currency that is written beside it, by its code or its symbol."""

    value: Decimal
    mark: str | None = None


@lru_cache(maxsize=50_000)
def amount_of(text: str, decimal: Sign | None = ".") -> Amount:
    """An amount with its sign: before, behind, or as brackets. `decimal`: the sign before its fraction; None is a
    point, as nobody said which, and what could be thousands as well is refused.

    Raises: ValueError.
    """
    is_said, decimal = decimal is not None, decimal or "."
    said = text.translate(ALIKE).strip()
    if len(said) > LONGEST_AMOUNT:
        raise ValueError(f"is longer than {LONGEST_AMOUNT} characters: write an amount, as {_like(decimal)}")
    in_brackets = said.startswith("(") and said.endswith(")")
    found = AMOUNT.fullmatch(said[1:-1].strip() if in_brackets else said)
    if found is None:
        raise ValueError(f"is no amount: write it as {_like(decimal)}")
    if not is_said and THOUSANDS_OR_NOT.fullmatch(found["number"].strip()):
        raise ValueError(
            "may be thousands or a fraction: a profile says decimal, the sign before the decimals, '.' or ','"
        )
    signs = [sign for sign in (found["before"], found["within"], found["after"], in_brackets or None) if sign]
    marks = [mark for mark in (found["mark"], found["behind"]) if mark]
    if len(signs) > 1:
        raise ValueError("has two signs: write one, as -12.00 or (12.00)")
    if len({mark for mark in marks if mark not in SYMBOLS}) > 1:
        raise ValueError("names two currencies: write one")
    value = _number(found["number"], decimal)
    codes = [mark for mark in marks if mark not in SYMBOLS]
    return Amount(-value if signs and signs[0] != "+" else value, (codes or marks or [None])[0])


def _like(decimal: Sign) -> str:
    return "1,234.56" if decimal == "." else "1.234,56"


def _number(text: str, decimal: Sign) -> Decimal:
    """Raises: ValueError."""
    whole, point, fraction = text.partition(decimal)
    other = "," if decimal == "." else "."
    groups = re.split(r"[ ',.]", whole)
    between = {sign for sign in whole if not sign.isdigit()}
    in_thousands = len(groups) == 1 or (
        1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:]) and len(between) == 1
    )
    if not in_thousands or (point and not fraction.isdigit()):
        raise ValueError(
            f"is no amount in groups of three digits: write it as {_like(decimal)}; where {other!r} is the sign before"
            f" the decimals, the mapping says decimal: {other!r}"
        )
    if not (digits := "".join(groups)) and not fraction:
        raise ValueError(f"has no digits: write it as {_like(decimal)}")
    return Decimal(f"{digits or '0'}.{fraction or '0'}")


def micros_of(value: Decimal, unit: Unit, currency: str) -> int:
    """Millionths of the currency. `unit`: whether it is in units, as 2.99, or in the smallest ones, as 299.

    Raises: ValueError.
    """
    if unit == "minor":
        if value != value.to_integral_value() and currency in WITHOUT_CENTS:
            raise ValueError(f"has a fraction, and {currency} has no smaller unit")
        value = value.scaleb(0 if currency in WITHOUT_CENTS else -3 if currency in WITH_THOUSANDTHS else -2)
    scaled = value * MICROS
    if scaled != scaled.to_integral_value():
        raise ValueError("has more than six decimals: round it")
    if abs(scaled) > MOST_MICROS:
        raise ValueError(f"is more than {MOST_MICROS // MICROS}, which one line may be: is the sign before the decimals"
                         " as the mapping says?")  # fmt: skip
    return int(scaled)


def fits(mark: str, currency: str) -> bool:
    """Whether what stands beside an amount may mean this currency. A symbol is of several countries."""
    return currency in SYMBOLS.get(mark, (mark,))


@lru_cache(maxsize=50_000)
def day_of(text: str, order: DayOrder | None = None, zone: str = "UTC") -> date:
    """A day. `order`: of 03/01/2026, which is refused without. `zone`: in which moments are days.

    Raises: ValueError.
    """
    said = text.translate(ALIKE).strip()
    try:
        found = _day(said, order, ZoneInfo(zone))
    except (ValueError, OverflowError) as error:
        if isinstance(error, _Unclear):
            raise
        raise ValueError("is no day of the calendar: write it as 2026-03-01") from None
    if found is None:
        raise ValueError("is no day: write it as 2026-03-01")
    if not EARLIEST <= found < LATEST:
        raise ValueError(f"lies outside the years {EARLIEST.year} to {LATEST.year - 1}: write it as 2026-03-01")
    return found


class _Unclear(ValueError):
    """It may be one day or another."""


def _day(said: str, order: DayOrder | None, zone: ZoneInfo) -> date | None:
    if found := ISO.fullmatch(said):
        return date(int(found[1]), int(found[2]), int(found[3]))
    if found := MOMENT.fullmatch(said):
        return _of_moment(found, zone)
    if UNIX.fullmatch(said):
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(said))).astimezone(zone).date()
    if found := IN_FIGURES.fullmatch(said):
        if order is None:
            raise _Unclear(
                "may be one day or another: the mapping says day_order, month_first (03/01 is 1 March) or day_first"
            )
        first, second = int(found[1]), int(found[3])
        month, day = (first, second) if order == "month_first" else (second, first)
        return date(int(found[4]), month, day)
    if found := DAY_IN_WORDS.fullmatch(said):
        return date(int(found[3]), MONTHS.get(found[2].lower(), 0), int(found[1]))
    if found := MONTH_IN_WORDS.fullmatch(said):
        return date(int(found[3]), MONTHS.get(found[1].lower(), 0), int(found[2]))
    return None


def _of_moment(found: re.Match[str], zone: ZoneInfo) -> date:
    """Without a zone of its own, the day as it is written."""
    moment = datetime.fromisoformat(f"{found[1]}T{found[2]}")
    if found[3] is None:
        return moment.date()
    own = "+00:00" if found[3] in ("Z", "UTC") else found[3]
    return datetime.fromisoformat(f"{moment.isoformat()}{own}").astimezone(zone).date()


@lru_cache(maxsize=50_000)
def phone_of(text: str) -> str:
    """A number of the United States or Canada in E.164. Raises: ValueError."""
    bare = text.translate(PUNCTUATION)
    try:
        return str(path_number(f"1{bare}" if NATIONAL.fullmatch(bare) else bare))
    except NotAPhoneNumber:
        raise ValueError("is not a phone number of the United States or Canada: write it as +13135550142") from None


def phone_within(text: str) -> str | None:
    """The number that a text names, where it names one, and only one."""
    found = {phone_of(one) for one in WITHIN_TEXT.findall(text)}
    return found.pop() if len(found) == 1 else None


def whole_of(text: str) -> int:
    """Raises: ValueError."""
    found = re.fullmatch(r"([0-9]{1,15})(?:\.0+)?", text.strip())
    if found is None:
        raise ValueError("is no whole number")
    return int(found[1])
