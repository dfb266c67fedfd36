"""Phone numbers and area codes of the United States and Canada, and what is said of those that will not do.

Two strictnesses on purpose. What a caller asks for must be an area code in service (`check_area_code`). What has been
bought only has to look like a number of the plan (`is_nanp`): it is paid for, and must not be thrown away because
its area code is newer than our table. Nothing here needs the network or `phonenumbers`.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple, NewType

from service.kit import nanp

E164 = NewType("E164", str)
"""A number of the North American plan as +1NXXNXXXXXX, N from 2 to 9 and X any digit."""

MOST_NEIGHBOURS: Final = 8
MOST_ECHOED: Final = 32

# Written out as [0-9]: \d also matches the digits of other scripts.
_E164: Final = re.compile(r"\+1[2-9][0-9]{2}[2-9][0-9]{6}")
_IN_PATH: Final = re.compile(r"[+ ]?(1[2-9][0-9]{2}[2-9][0-9]{6})")
_AREA_CODE: Final = re.compile(r"[2-9][0-9]{2}")

_PICK_ANOTHER: Final = "ask for the area code of a place in the United States or Canada, such as 313"


class NotAPhoneNumber(ValueError):
    """The text is not a phone number of the United States or Canada, as we write them."""

    def __init__(self, text: str, expected: str) -> None:
        super().__init__(f"{_shown(text)} is not a phone number of the North American plan; write it as {expected}")


class Reason(StrEnum):
    """Why an area code is refused."""

    malformed = "malformed"
    toll_free = "toll_free"
    premium = "premium"
    special = "special"
    caribbean = "caribbean"
    territory = "territory"
    unassigned = "unassigned"


class AreaCodeRefused(ValueError):
    """No number is bought in this area code. `detail` is one sentence for people, `suggestions` may be empty."""

    def __init__(self, reason: Reason, detail: str, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.suggestions = suggestions


class AreaCode(NamedTuple):
    """An area code in service. `region` is the postal code of its state or province, two or three joined by slashes
    where provinces share it; `place` is its principal city; `overlays` are the other codes of the same area."""

    code: str
    country: str
    region: str
    region_name: str
    place: str
    overlays: tuple[str, ...]


def parse_e164(text: str) -> E164:
    """The text itself, if it is a number of the plan in E.164 and nothing else.

    Raises: NotAPhoneNumber.
    """
    if _E164.fullmatch(text) is None:
        raise NotAPhoneNumber(text, "+13135550142")
    return E164(text)


def path_number(text: str) -> E164:
    """The number that a decoded URL path names: +1…, 1…, or the space that a + becomes when decoded as a form.

    Ten digits are refused: nowhere else are they a number, and one more way to name a thing is one more to get wrong.
    Raises: NotAPhoneNumber.
    """
    found = _IN_PATH.fullmatch(text)
    if found is None:
        raise NotAPhoneNumber(text, "+13135550142 or 13135550142")
    return E164("+" + found[1])


def is_nanp(text: str) -> bool:
    """Whether the text is an E.164 number of the plan's general form, whatever its area code."""
    return _E164.fullmatch(text) is not None


def pretty(number: E164) -> str:
    """+1 313-555-0142, as the upstream writes it."""
    return f"{number[:2]} {number[2:5]}-{number[5:8]}-{number[8:]}"


def area_code_of(number: E164) -> str:
    """The three digits of its area code, which need not be one in service."""
    return number[2:5]


def area_codes() -> Iterator[AreaCode]:
    """Every area code in service that can be asked for, in ascending order."""
    return map(_area_code, nanp.AREAS)


def check_area_code(text: str) -> AreaCode:
    """The area code, if numbers can be bought there.

    Raises: AreaCodeRefused.
    """
    if text in nanp.AREAS:
        return _area_code(text)
    raise _refusal(text)


def neighbours(code: str) -> tuple[str, ...]:
    """At most eight other codes, none outside its state or province: first those of the same area, then nearest first.

    Nearest by the distance between principal cities. The first of them, `AreaCode.overlays`, are local to the same
    people; the others are merely near, in a large state hundreds of kilometres. None for a code that is not sold.
    """
    if code not in nanp.AREAS:
        return ()
    _region, _place, overlays, near = nanp.AREAS[code]
    return (*overlays.split(), *near.split())[:MOST_NEIGHBOURS]


def _area_code(code: str) -> AreaCode:
    region, place, overlays, _near = nanp.AREAS[code]
    country, region_name = nanp.REGIONS[region]
    return AreaCode(code, country, region, region_name, place, tuple(overlays.split()))


def _refusal(text: str) -> AreaCodeRefused:
    if _AREA_CODE.fullmatch(text) is None:
        detail = f"{_shown(text)} is not an area code; send three digits, the first from 2 to 9, such as 313"
        return AreaCodeRefused(Reason.malformed, detail)
    if text in nanp.TOLL_FREE:
        return AreaCodeRefused(Reason.toll_free, f"{text} is a toll-free code, of no place; {_PICK_ANOTHER}")
    if text in nanp.PREMIUM:
        return AreaCodeRefused(Reason.premium, f"{text} is a premium-rate code, of no place; {_PICK_ANOTHER}")
    if text in nanp.SPECIAL:
        return AreaCodeRefused(Reason.special, f"{text} is {nanp.SPECIAL[text]}; {_PICK_ANOTHER}")
    if text in nanp.ABROAD:
        detail = f"{text} is in {nanp.ABROAD[text]}, where no numbers are sold; {_PICK_ANOTHER}"
        return AreaCodeRefused(Reason.caribbean, detail)
    if text in nanp.TERRITORIES:
        detail = f"{text} is in {nanp.TERRITORIES[text]}, a territory where no numbers are sold; {_PICK_ANOTHER}"
        return AreaCodeRefused(Reason.territory, detail)
    if text in nanp.PLANNED:
        return _not_yet(text)
    return AreaCodeRefused(Reason.unassigned, f"{text} is not in service anywhere; {_PICK_ANOTHER}")


def _not_yet(code: str) -> AreaCodeRefused:
    region, since, joins = nanp.PLANNED[code]
    _country, name = nanp.REGIONS[region]
    suggestions = tuple(joins.split())
    when = f"enters service in {name} on {since}" if since else f"is planned for {name} but not in service yet"
    instead = f"ask for {' or '.join(suggestions)} of the same area" if suggestions else _PICK_ANOTHER
    return AreaCodeRefused(Reason.unassigned, f"{code} {when}; {instead}", suggestions)


def _shown(text: str) -> str:
    """The text in quotes, safe to repeat to whoever sent it: escaped, and cut to 32 characters."""
    escaped = ascii(text[: MOST_ECHOED + 1])[1:-1]
    return f"'{escaped}'" if len(escaped) <= MOST_ECHOED else f"'{escaped[: MOST_ECHOED - 1]}…'"
