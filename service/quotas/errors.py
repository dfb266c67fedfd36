"""Refusals of a limit: each says the limit, its scope, its use, when it resets, and what to do."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Any, Self

from service.http.limits import limit_headers
from service.kit.clock import rfc3339, wall
from service.kit.errors import ServiceError
from service.kit.money import money

WHOSE = {"user": "The user", "tenant": "The tenant", "organization": "The organisation", "deployment": "The deployment"}
# Of each limit: what is so, and what helps beside a higher limit.
WORDS = {
    "numbers_held": ("holds {used} numbers and has reserved {reserved}; it may hold {limit}", "Release a number"),
    "purchases_per_day": (
        "has bought {used} numbers today and reserved {reserved}; it may buy {limit} a day",
        "Buy tomorrow",
    ),
    "purchases_per_month": (
        "has bought {used} numbers this month and reserved {reserved}; it may buy {limit} a month",
        "Buy next month",
    ),
    "spend_per_month": (
        "has spent {used} this month and reserved {reserved}, and this asks {asked}; it may spend {limit}",
        "Buy next month",
    ),
    "releases_per_month": (
        "has released {used} numbers this month; it may release {limit} a month",
        "Release next month",
    ),
    "doubts_open": (
        "has {used} purchases in doubt and {reserved} under way that may end so; it may have {limit}",
        "Wait until they are resolved",
    ),
    "concurrent_creates": ("has {used} purchases under way; it may have {limit} at a time", "Wait for one to end"),
}
# Seconds after which it may be worth to ask again, of the limits that no calendar resets.
AGAIN = {"concurrent_creates": 1, "doubts_open": 60}
# The same where no request is allowed, however few: somebody may have changed that.
AGAIN_ALLOWED = 3600.0


class QuotaExceeded(ServiceError):
    """A limit is reached; nothing was sent. `quota` says which, of whom, its use, and when it resets."""

    status, code, title = 429, "quota_exceeded", "Quota exceeded"

    def __init__(
        self,
        *,
        limit_name: str,
        scope: str,
        scope_id: str | None,
        limit: int,
        used: int,
        reserved: int,
        asked: int = 1,
        resets_at: float | None = None,
        revision: int = 0,
        also: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """`asked`: what one more needs of the limit. `resets_at`: seconds since 1970, null where no waiting helps.

        `revision`: of the tenant's quota. `also`: other limits that refuse, each as this one's arguments.
        """
        is_so, helps = WORDS[limit_name]
        counted = money if limit_name == "spend_per_month" else str
        amounts = {"used": used, "reserved": reserved, "limit": limit, "asked": asked}
        said = is_so.format_map({name: counted(amount) for name, amount in amounts.items()})
        if asked > 1 and "{asked}" not in is_so:
            said += f", and this asks for {asked}"
        # Where nothing counts yet, nothing will be given back.
        for_good = not (used or reserved)
        seconds = _until(resets_at)
        after = AGAIN.get(limit_name) if seconds is None else max(1, ceil(seconds))
        helps = "Ask" if for_good else f"{helps}, or ask"
        super().__init__(
            f"{WHOSE[scope]} {said}. {helps} an administrator for a higher {limit_name}.",
            headers=({} if after is None or for_good else {"Retry-After": str(after)})
            | limit_headers(limit_name, quota=limit, left=limit - used - reserved, seconds=seconds),
            quota=told(limit_name, scope, scope_id, limit, used, reserved, asked, resets_at),
            also=[told(**one) for one in also],
        )
        self.revision = revision
        self.word = {
            "limit_name": limit_name, "scope": scope, "scope_id": scope_id, "limit": limit, "used": used,
            "reserved": reserved, "asked": asked, "resets_at": resets_at, "revision": revision, "also": list(also),
        }  # fmt: skip

    @property
    def passes(self) -> bool:
        """Whether it is only of what is under way at one time."""
        return self.word["limit_name"] in AGAIN

    @property
    def lasts(self) -> bool:
        """Whether it is the tenant's own, and will refuse the next as well, unless something is given back."""
        return self.word["scope"] == "tenant" and self.word["limit_name"] not in AGAIN


def told(
    limit_name: str,
    scope: str,
    scope_id: str | None,
    limit: int,
    used: int,
    reserved: int,
    asked: int,
    resets_at: float | None,
) -> dict[str, Any]:
    """A limit as the database has it, in the words of an answer."""
    return {
        "limit_name": limit_name,
        "scope": scope,
        "scope_id": scope_id,
        "limit": limit,
        "used": used,
        "reserved": reserved,
        "asked": asked,
        "resets_at": None if resets_at is None else rfc3339(datetime.fromtimestamp(resets_at, UTC)),
    }


class RateLimited(ServiceError):
    """More requests than are allowed in so short a time; nothing was done."""

    status, code, title = 429, "rate_limited", "Rate limited"

    def __init__(self, *, scope: str, scope_id: str, limit: int, after: float) -> None:
        """`limit`: how many may come at once; `after`: seconds until the next may."""
        super().__init__(
            f"{WHOSE[scope]} sent more requests than it may, {limit} at once; nothing was done. Wait as Retry-After "
            "says, or ask an administrator for a higher requests_per_second or burst.",
            headers={"Retry-After": str(max(1, ceil(after)))},
            quota={"limit_name": "requests_per_second", "scope": scope, "scope_id": scope_id, "limit": limit},
        )

    @classmethod
    def of(cls, word: Mapping[str, Any]) -> Self:
        """As the database says it of a user, an organisation or the deployment; for ever, where none is allowed."""
        seconds = _until(word["resets_at"])
        after = AGAIN_ALLOWED if seconds is None else seconds
        error = cls(scope=word["scope"], scope_id=word["scope_id"], limit=word["limit"], after=after)
        # By another name than the tenant's own rate, which stands beside it.
        error.headers |= limit_headers(f"{word['scope']}_requests", quota=word["limit"], left=0, seconds=seconds)
        return error


def tightest_headers(word: Mapping[str, Any]) -> dict[str, str]:
    """Of the limit with the fewest purchases left, as the admission tells it of what it admitted."""
    return limit_headers(word["limit_name"], quota=word["limit"], left=word["left"], seconds=_until(word["resets_at"]))


def _until(moment: float | None) -> float | None:
    """Seconds to a time since 1970."""
    return None if moment is None else moment - wall()


def refusal_of(word: Mapping[str, Any]) -> QuotaExceeded | RateLimited:
    """The refusal that the database's own word, NG001's DETAIL, stands for."""
    return RateLimited.of(word) if word["limit_name"] == "requests_per_second" else QuotaExceeded(**word)
