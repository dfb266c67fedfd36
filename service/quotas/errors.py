"""Refusals of a limit."""

from service.kit.errors import ServiceError


class QuotaExceeded(ServiceError):
    """Every number the tenant may hold is held or reserved. Retrying does not help; releasing does."""

    status, code, title = 429, "quota_exceeded", "Quota exceeded"

    def __init__(self, *, limit: int, used: int, reserved: int) -> None:
        super().__init__(
            f"The tenant holds {used} numbers and has reserved {reserved}; it may hold {limit}. "
            "Release a number, or ask an administrator for a higher numbers_held.",
            quota={
                "limit_name": "numbers_held",
                "scope": "tenant",
                "limit": limit,
                "used": used,
                "reserved": reserved,
                "resets_at": None,
            },
        )
