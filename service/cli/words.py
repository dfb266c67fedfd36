"""Text from elsewhere, made fit for a terminal; and times as a person reads them."""

import unicodedata
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from service.kit.money import MICROS
from service.kit.money import money as in_words
from service.kit.text import BIDI_CONTROLS, UNSAFE_CATEGORIES


def fit(text: str, most: int = 2000) -> str:
    """On one line, to a length, with U+FFFD for whatever could move a terminal's cursor or reorder its text."""
    safe = "".join(
        "\ufffd" if character in BIDI_CONTROLS or unicodedata.category(character) in UNSAFE_CATEGORIES else character
        for character in " ".join(text[: most + 1].split())
    )
    return safe if len(safe) <= most else safe[:most] + "…"


def known(value: Any) -> str:
    return "–" if value is None or value == "" else fit(str(value))


def moment(text: str | None) -> str:
    """`2026-11-23 16:58:52 UTC`; whatever is no time is shown as it came."""
    if not text:
        return "–"
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return fit(text)


def count_of(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def money(micros: int | None, currency: str | None = None) -> str:
    """`1,234.50 USD`: to the cent, and further where there is more. Without a currency where one was told before."""
    return in_words(micros, fit(currency or ""))


def micros(text: str) -> int:
    """Of an amount as people write it, `2.99`. Raises: ValueError, with the mend."""
    try:
        amount = Decimal(text) * MICROS
    except InvalidOperation:
        raise ValueError("must be an amount, as 2.99") from None
    if not amount.is_finite() or amount != int(amount) or amount < 0:
        raise ValueError("must be an amount of six decimals at most and not below zero, as 2.99")
    return int(amount)
