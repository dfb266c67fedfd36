"""Refusals of a purchase, a change or a release."""

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from service.kit.errors import ServiceError, StateConflict
from service.teli.errors import UpstreamUnavailable as UpstreamUnavailable


class InvalidAreaCode(ServiceError):
    """No number is bought in this area code; nothing was sent."""

    status, code, title = 400, "invalid_area_code", "Invalid area code"


class NoNumbersAvailable(ServiceError):
    """Teli has none in this area code; nothing was bought, and repeating the request does not help."""

    status, code, title = 409, "no_numbers_available", "No numbers available"

    def __init__(self, area_code: str, *, error: str | None, message: str | None, suggestions: list[str]) -> None:
        nearby = f"Nearby: {', '.join(suggestions)}." if suggestions else "Try another area code."
        super().__init__(
            f"There are no numbers in area code {area_code}; nothing was bought. {nearby}", suggestions=suggestions
        )
        # Teli's own words stand where a client written for Teli reads them.
        self.members |= {name: said for name, said in (("error", error), ("message", message)) if said}


class UpstreamRefused(ServiceError):
    """Teli refused the request itself; nothing was bought, or changed."""

    status, code, title = 502, "upstream_refused", "Upstream refused"

    def __init__(self, said: str | None, *, nothing: str = "nothing was bought") -> None:
        super().__init__(f"Teli refused the request; {nothing}. It said: {said or 'nothing'}")


class NothingBought(UpstreamRefused):
    """A purchase in doubt came to nothing, as a person or the write-off decided. Its key keeps this answer."""

    def __init__(self, how: str) -> None:
        ServiceError.__init__(
            self, f"Nothing was bought: {how}. This key keeps that answer; send a new Idempotency-Key to buy anew."
        )


class LaneBusy(ServiceError):
    """Others of the same user, or of the same account, are being bought for, and the wait grew too long."""

    status, code, title = 503, "lane_busy", "Lane busy"

    def __init__(self) -> None:
        super().__init__(
            "Another purchase for this user is under way and this one waited as long as it may; nothing was bought.",
            headers={"Retry-After": "1"},
        )


class PurchasesStopped(ServiceError):
    """Somebody pulled the money stop, or suspended the tenant; or what was bought before a restore of the database is
    still looked for. Everything but purchases goes on.
    """

    status, code, title = 503, "purchases_stopped", "Purchases stopped"
    NOT_BY_AN_OPERATOR: ClassVar[Mapping[str, str]] = {
        "recovering": "The database was restored, and what was bought since that backup is looked for",
        "after_restore": "A number turned up for this user after a restore of the database, and is to be decided first",
    }

    def __init__(self, *, suspended: bool = False, why: str | None = None) -> None:
        """`why`: what holds purchases up, as admission tells it; None is an operator."""
        why = self.NOT_BY_AN_OPERATOR.get(why or "", "Purchases are stopped by an operator")
        if suspended:
            why = "This tenant is suspended by an administrator"
        super().__init__(f"{why}; nothing was bought.", headers={"Retry-After": "60"}, suspended=suspended)


class Draining(ServiceError):
    """This process is stopping; another will answer."""

    status, code, title = 503, "draining", "Draining"

    def __init__(self) -> None:
        super().__init__("This process is stopping; nothing was bought.", headers={"Retry-After": "1"})


class UnknownUser(ServiceError):
    """Neither we nor Teli know this user in this organisation."""

    status, code, title = 400, "unknown_user", "Unknown user"

    def __init__(self) -> None:
        super().__init__(
            "user_id is not a user of that organisation, here or at Teli.",
            errors=[{"pointer": "/user_id", "detail": "is not a user of that organisation"}],
        )


def released_before(earlier: UUID, present: UUID) -> StateConflict:
    """Which of two acquisitions of one E.164 is meant? A late retry must not release the newer one."""
    return StateConflict(
        f"You released an earlier acquisition of this number ({earlier}) less than 7 days ago and hold it again as "
        f"{present}. Say which is meant with ?id=.",
        released_id=str(earlier),
        held_id=str(present),
    )
