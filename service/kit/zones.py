"""Time zones by their names."""

from zoneinfo import available_timezones

# Files that lie beside the zones: one is whatever the machine is set to, the other says that it was not set.
NO_ZONES = {"localtime", "Factory", "posixrules"}


def known_zone(name: str) -> str:
    """The name itself. Raises: ValueError."""
    if name in NO_ZONES or name not in available_timezones():
        raise ValueError("is not a name of the IANA time zone database, as America/Detroit")
    return name
