"""What is true upstream, whoever was told of it: purchases, releases, and Teli's own record of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tests.simulation.answers import pretty, utc

Who = Literal["gateway", "stranger"]


@dataclass(frozen=True, slots=True)
class Purchase:
    """Money spent once. `serial` counts the creates heard, None for strangers; ids as sent; `nickname` as sent.

    `ever_listed`: whether Teli has a row of it, be it late.
    """

    at: float
    phone_number: str
    row_id: str
    user: str
    organization: str
    nickname: str | None
    who: Who
    serial: int | None
    ever_listed: bool


@dataclass(frozen=True, slots=True)
class Release:
    """A number given back to the carrier."""

    at: float
    purchase: Purchase
    who: Who


@dataclass(slots=True)
class Row:
    """Teli's record of a purchase; `released_at` is when Teli noted its release, which the carrier may know earlier."""

    purchase: Purchase
    nickname: str | None
    listed_from: float
    listed_until: float = math.inf
    released_at: float | None = None
    inbound_agent_id: str | None = None
    outbound_agent_id: str | None = None

    def shown(self, form: Callable[[str], str], organization_form: Callable[[str], str]) -> dict[str, Any]:
        """As Teli lists it, ids in the forms given."""
        bought = self.purchase
        return {
            "phone_number": bought.phone_number,
            "pretty_phone_number": pretty(bought.phone_number),
            "id": bought.row_id,
            "area_code": bought.phone_number[2:5],
            "phone_type": "voice",
            "provider": "teli_voice",
            "user_id": form(bought.user),
            "organization_id": organization_form(bought.organization),
            "tenant_id": "acme",
            "outbound_agent_id": self.outbound_agent_id,
            "inbound_agent_id": self.inbound_agent_id,
            "nickname": self.nickname,
            "location": None,
            "accessible_by": [],
            "stripe_subscription_id": f"sub_{bought.row_id[:8]}",
            "zapier": False,
            "created_at": utc(bought.at).replace(tzinfo=None).isoformat(),
        }
