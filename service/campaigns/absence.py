"""When a campaign that is not found at Teli is taken not to be there. Pure."""

from datetime import datetime, timedelta

LOOKS = 3
LONGEST_APART = 60.0


def apart(window: timedelta) -> float:
    """Seconds between two looks for what is not clear: a third of the settling window, a minute at most."""
    return min(LONGEST_APART, window.total_seconds() / LOOKS)


def is_absent(*, absences: int, since: datetime, now: datetime, window: timedelta) -> bool:
    """Whether it is: not found by so many looks in a row, the last of them a settling window after `since`.

    `since`: the end of the send for one that may never have been created, else the first look that did not find it.
    """
    return absences >= LOOKS and now >= since + window
