"""What finance is refused."""

from datetime import date

from service.kit.errors import ServiceError


class PeriodFinal(ServiceError):
    """The month is closed, and what it says is never changed."""

    status, code, title = 409, "period_final", "Period final"

    def __init__(self, month: date, *, mend: str) -> None:
        super().__init__(f"{month:%Y-%m} is final. {mend}", period=f"{month:%Y-%m}")


class PeriodNotReady(ServiceError):
    """The month cannot be closed yet."""

    status, code, title = 409, "period_not_ready", "Period not ready"


class PriceMissing(ServiceError):
    """A number was held on a day for which the price book has no price."""

    status, code, title = 409, "price_missing", "Price missing"

    def __init__(self, phone_number: str, day: date) -> None:
        super().__init__(
            f"No price is in force for {phone_number} on {day}: file one with `since` on that day or before.",
            phone_number=phone_number,
            day=f"{day}",
        )


class PriceOverlaps(ServiceError):
    """A price of the same organisation, type and area begins on the same day."""

    status, code, title = 409, "price_overlaps", "Price overlaps"

    def __init__(self, since: date) -> None:
        super().__init__(f"A price for just this begins on {since} already: choose another day, or a narrower scope.")
