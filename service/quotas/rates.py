"""How often a tenant may ask: the same arithmetic as in `gcra.lua`, and a count in this process for want of Redis."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from service.http.limits import limit_headers
from service.kit.clock import monotonic
from service.kit.types import TenantId
from service.quotas.errors import AGAIN_ALLOWED, RateLimited
from service.tenants.principals import Rate

MOST_TENANTS = 10_000


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of one request. `level`: those that were let through and have not drained yet, it among them."""

    tenant: TenantId
    rate: Rate
    granted: bool
    level: float

    @property
    def headers(self) -> dict[str, str]:
        """What may come at once now, of what may at most, and the seconds until that may: as the answer tells it."""
        burst, each = self.rate.burst, self.rate.per_second
        left = int(burst - self.level)
        if not burst:
            return limit_headers("requests", quota=0, left=0, seconds=None)
        return limit_headers("requests", quota=burst, left=left, seconds=self.level / each, window=burst / each)

    @property
    def word(self) -> dict[str, Any]:
        """The limit, as refusals and reports have it."""
        return {
            "limit_name": "requests_per_second", "scope": "tenant", "scope_id": self.tenant, "limit": self.rate.burst,
        }  # fmt: skip

    @property
    def refusal(self) -> RateLimited | None:
        """Of a request that is not let through."""
        if self.granted or self.rate.shadow:
            return None
        after = (self.level + 1 - self.rate.burst) / self.rate.per_second if self.rate.burst else AGAIN_ALLOWED
        return RateLimited(scope="tenant", scope_id=self.tenant, limit=self.rate.burst, after=after)


def pour(rate: Rate, level: float, seconds: float, weight: int = 1) -> tuple[bool, float]:
    """Add `weight` requests to the level that stood so many seconds ago, where there is room.

    Returns whether there was, and the level that it comes to.
    """
    level = max(0.0, min(level, rate.burst) - max(0.0, seconds) * rate.per_second)
    granted = level + weight <= rate.burst
    return granted, level + weight * granted


def read_level(said: Any) -> tuple[bool, float] | None:
    """What `pour` of gcra.lua answered; None for what it never says."""
    match said:
        case [0 | 1 as granted, bytes(text)]:
            try:
                level = float(text)
            except ValueError:
                return None
            return (bool(granted), level) if isfinite(level) else None
        case _:
            return None


def share_of(rate: Rate, replicas: int) -> Rate:
    """What each of so many processes may let through by itself."""
    burst = rate.burst and max(1, rate.burst // replicas)
    return replace(rate, per_second=rate.per_second / replicas, burst=burst)


class LocalRates:
    """Each process lets through its share, so that all of them together keep to the rate.

    Of 10,000 tenants at most; who has asked for longest nothing is forgotten.
    """

    def __init__(self, replicas: int) -> None:
        """`replicas`: how many processes there are at most."""
        self._replicas = replicas
        self._levels: OrderedDict[TenantId, tuple[float, float]] = OrderedDict()

    def count(self, tenant: TenantId, rate: Rate) -> Turn:
        share = share_of(rate, self._replicas)
        now = monotonic()
        level, at = self._levels.pop(tenant, (0.0, now))
        granted, level = pour(share, level, now - at)
        self._levels[tenant] = level, now
        if len(self._levels) > MOST_TENANTS:
            self._levels.popitem(last=False)
        return Turn(tenant, share, granted, level)
