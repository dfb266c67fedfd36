"""What an answer to create means: the table of outcomes, pure, cell by cell.

Only what is proof that nothing was bought counts as refused, and only what names a number counts as sold; everything
else is unclear, which costs a look later, never a second purchase. What we know of Teli's answers is in docs/teli.md.
"""

import re
from dataclasses import dataclass
from typing import Literal

from service.kit.phone import E164, is_nanp, pretty
from service.teli.heard import DETAIL_LIMIT, Heard, storable

OUT_OF_STOCK = re.compile(r"No numbers available in area code (\S{1,10})")

RefusalReason = Literal["never_sent", "credentials", "rate_limited", "bad_request", "out_of_stock"]


@dataclass(frozen=True, slots=True)
class Sold:
    """A number changed hands. `pretty` and `number_type` are Teli's where it gave them."""

    phone_number: E164
    pretty: str
    area_code: str
    number_type: str | None

    def as_json(self) -> dict[str, str | None]:
        """For the ledger."""
        return {
            "phone_number": self.phone_number,
            "pretty": self.pretty,
            "area_code": self.area_code,
            "type": self.number_type,
        }


@dataclass(frozen=True, slots=True)
class Refused:
    """Proof that nothing was bought. `error` and `message` are Teli's own words, where it gave any."""

    reason: RefusalReason
    error: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Unclear:
    """No proof either way."""

    reason: str


def read_create(heard: Heard, *, area_code: str) -> Sold | Refused | Unclear:
    """Read the answer to a create that asked for `area_code`."""
    if heard.kind == "never_sent":
        return Refused("never_sent", message=_text(heard.detail))
    if heard.kind == "broken" or heard.status is None:
        return Unclear(_text(heard.detail) or "broken")
    body = heard.object()
    error, message = _text(body.get("error")), _text(body.get("message"))
    match heard.status:
        case status if 200 <= status < 300:
            return _read_sale(body, status)
        case 400:
            return Refused("bad_request", error, message)
        case 401 | 403:
            return Refused("credentials", error, message)
        case 422 if isinstance(body.get("detail"), list):
            return Refused("bad_request", error, message)
        case 429:
            return Refused("rate_limited", error, message)
        case 500 if (found := OUT_OF_STOCK.fullmatch(message or "")) and found[1] == area_code:
            return Refused("out_of_stock", error, message)
        case status:
            return Unclear(f"status {status}")


def _read_sale(body: dict[str, object], status: int) -> Sold | Unclear:
    # Written as text or as a digit it is no less a denial.
    if body.get("success") in (False, "false", "0"):
        return Unclear(f"status {status} with success false")
    number = body.get("phone_number")
    if not isinstance(number, str) or not is_nanp(number):
        return Unclear(f"status {status} without a number")
    e164 = E164(number)
    return Sold(
        phone_number=e164,
        pretty=_text(body.get("phone_number_pretty")) or pretty(e164),
        area_code=e164[2:5],
        number_type=_text(body.get("phone_number_type")),
    )


def _text(value: object) -> str | None:
    return storable(value, DETAIL_LIMIT) if isinstance(value, str) else None
