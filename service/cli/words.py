"""Text from elsewhere, made fit for a terminal; and times as a person reads them."""

import unicodedata
from datetime import UTC, datetime
from typing import Any

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
