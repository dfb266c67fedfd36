"""Time: UTC throughout, told as RFC 3339 with `Z`."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Microseconds are kept, the zone is written `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
