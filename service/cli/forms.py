"""The forms in which Teli is known to write ids and times, told apart."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

UNIQUE_ID = re.compile(r"[0-9]{10,13}x[0-9]{10,20}")
ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?")


def id_form(value: Any) -> str:
    """UUID, unique_id (milliseconds, an x, digits), missing, or other."""
    if value is None or value == "":
        return "missing"
    if not isinstance(value, str):
        return "not text"
    if UNIQUE_ID.fullmatch(value):
        return "unique_id"
    try:
        UUID(value)
    except ValueError:
        return "other text"
    return "UUID"


def time_form(value: Any) -> str:
    """How a moment is written; one without a zone is most likely, and not surely, in UTC."""
    if value is None:
        return "missing"
    if value == "":
        return "empty text"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "a number" if value < 10**11 else "milliseconds since 1970"
    if not isinstance(value, str):
        return "not text"
    if value.isdecimal():
        return "milliseconds since 1970, as text"
    if (found := ISO.match(value)) is None:
        return "other text"
    zone = value[found.end() :]
    if zone == "":
        return "ISO without a zone"
    return "ISO with Z" if zone == "Z" else "ISO with an offset" if zone[0] in "+-" else "other text"


def told(forms: Iterable[str]) -> str:
    """`all UUID`, or each form with its count, the most frequent first."""
    counts = Counter(forms)
    if len(counts) == 1:
        return f"all {next(iter(counts))}"
    return ", ".join(f"{count} {form}" for form, count in counts.most_common())
