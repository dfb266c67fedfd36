"""Requests whose key is refused, and logins that fail, counted by the address they come from: too many, and they are
told to wait.

A good key is never held to this, whoever else is behind its address: who asks is found out first, and only a failure is
counted. So there is no count by key either: who guesses takes another one each time, and what is refused once is
remembered (`Principals`). A login is another matter, for each costs a call to the identity provider: `check` comes
before it. Redis counts for all processes; while it is away each lets through its share.
"""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from math import ceil
from pathlib import Path

import structlog

from service.kit.clock import monotonic
from service.kit.errors import ServiceError
from service.kit.networks import Address
from service.kv import KeyValue, RedisAway, Script
from service.observability.metrics import AUTHENTICATION_FAILURES
from service.quotas.errors import RateLimited
from service.quotas.rates import pour, read_level, share_of
from service.tenants.principals import Rate

HERE = Path(__file__).parent
WINDOW = 60.0
MOST_ORIGINS = 10_000
# Of an IPv6 address whoever has one has as many as are in such a network.
IPV6_LENGTH = 64
log = structlog.get_logger()


class TooManyFailures(RateLimited):
    """Too many keys that are refused, or logins that failed, came from this address; the next are not told why."""

    def __init__(self, after: float) -> None:
        ServiceError.__init__(
            self,
            "Too many requests from your address had a key that is refused, or a login that failed; a good key is "
            "answered all the same. Mend the key, or wait as Retry-After says to be told what is wrong.",
            headers={"Retry-After": str(max(1, ceil(after)))},
        )


@dataclass(slots=True)
class _Origin:
    """By this process's clock: until when nothing more is counted, and until when the log has been told enough.

    `level` at `at`: as in `pour`, for want of Redis.
    """

    at: float
    level: float = 0.0
    refused_until: float = 0.0
    logged_until: float = 0.0


class Strangers:
    def __init__(self, kv: KeyValue, *, most: int, replicas: int) -> None:
        """`most`: failures of an address in a minute; `replicas`: how many processes there are at most."""
        self._rate = Rate(most / WINDOW, most)
        self._share = share_of(self._rate, replicas)
        self._count = kv.script(HERE / "gcra.lua", HERE / "count.lua")
        self._look = kv.script(HERE / "gcra.lua", HERE / "look.lua")
        self._origins: OrderedDict[str, _Origin] = OrderedDict()

    async def refusal(self, address: Address | None, error: ServiceError) -> ServiceError:
        """What a request is answered whose key was refused with `error`.

        One round trip; none once there were too many.
        """
        name, origin = self._origin(address)
        if monotonic() >= origin.refused_until:
            rate, granted, level = await self._failed(name, origin)
            if not granted:
                origin.refused_until = monotonic() + _wait(rate, level)
        left = origin.refused_until - monotonic()
        AUTHENTICATION_FAILURES.labels(error.code, str(left > 0).lower()).inc()
        if left <= 0:
            return error
        if monotonic() >= origin.logged_until:
            origin.logged_until = monotonic() + WINDOW
            log.warning("too many keys refused", address=name, most=self._rate.burst, code=error.code)
        return TooManyFailures(left)

    async def check(self, address: Address | None) -> None:
        """Before what costs more than a look at a key. Counts nothing, by one round trip at most.

        Raises: TooManyFailures where the next failure of this address would be refused.
        """
        name, origin = self._origin(address)
        if monotonic() >= origin.refused_until:
            rate, level = await self._level(name, origin)
            origin.refused_until = monotonic() + _wait(rate, level)
        if (left := origin.refused_until - monotonic()) > 0:
            raise TooManyFailures(left)

    def _origin(self, address: Address | None) -> tuple[str, _Origin]:
        name = origin_of(address)
        origin = self._origins.pop(name, None) or _Origin(monotonic())
        self._origins[name] = origin
        if len(self._origins) > MOST_ORIGINS:
            self._origins.popitem(last=False)
        return name, origin

    async def _level(self, name: str, origin: _Origin) -> tuple[Rate, float]:
        """How many failures there were that have not drained, and the rate that they are held to."""
        if (found := await self._asked(self._look, name)) is not None:
            return self._rate, found[1]
        return self._share, pour(self._share, origin.level, monotonic() - origin.at, 0)[1]

    async def _failed(self, name: str, origin: _Origin) -> tuple[Rate, bool, float]:
        """One failure more: the rate it was held to, whether that had room, and the level it comes to."""
        if (found := await self._asked(self._count, name)) is not None:
            return self._rate, *found
        now = monotonic()
        granted, origin.level = pour(self._share, origin.level, now - origin.at)
        origin.at = now
        return self._share, granted, origin.level

    async def _asked(self, script: Script, name: str) -> tuple[bool, float] | None:
        """What Redis says of an address; None while it is away."""
        try:
            said = await script(keys=[f"ng:strangers:{{{name}}}"], args=[repr(self._rate.per_second), self._rate.burst])
        except RedisAway:
            return None
        return read_level(said)


def _wait(rate: Rate, level: float) -> float:
    """Seconds until there is room for one more; 0 or less where there is."""
    return (level + 1 - rate.burst) / rate.per_second


def origin_of(address: Address | None) -> str:
    """Who is counted together."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_LENGTH), strict=False))
    return "unknown" if address is None else str(address)
