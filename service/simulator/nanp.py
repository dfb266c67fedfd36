"""Telephone numbers of North America: which area codes can exist, and the n-th number of one."""

import re

_AREA_CODE = re.compile(r"[2-9](?!11)[0-8][0-9]")
_LINES = 10_000
_FICTIONAL = 100  # 555-0100 to 555-0199 are set aside for fiction, so they are given out first.
_EXCHANGES = [n for n in range(200, 1000) if n % 100 != 11 and n != 555]

CAPACITY = _FICTIONAL + len(_EXCHANGES) * _LINES
"""Numbers an area code can ever give out."""


def possible(area_code: str) -> bool:
    """Whether the code fits the numbering plan: N[0-8]X with N from 2 to 9, and not N11."""
    return _AREA_CODE.fullmatch(area_code) is not None


def e164(area_code: str, index: int) -> str:
    """The index-th number of an area code, from 0 to CAPACITY - 1; no two indexes give the same one."""
    if index < _FICTIONAL:
        return f"+1{area_code}5550{100 + index}"
    exchange, line = divmod(index - _FICTIONAL, _LINES)
    return f"+1{area_code}{_EXCHANGES[exchange]}{line:04}"


def area_code_of(number: str) -> str:
    """The area code of an E.164 number of North America."""
    return number[2:5]


def pretty(number: str) -> str:
    """Teli's display form: +13135550142 becomes +1 313-555-0142."""
    return f"+1 {number[2:5]}-{number[5:8]}-{number[8:]}"
