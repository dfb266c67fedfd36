"""Reading a listing that has no cursor: newest first, a hundred rows at most, by narrowing its dates. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from service.teli.calls import CallPage

# Calls are listed after they have ended, by when they began: a window goes back so far behind the last one.
LAG = timedelta(hours=6)
# Of an organisation whose calls were not read for so long it is not known what is idle.
STALE = timedelta(hours=24)
FINEST = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Window:
    """Calls that began from `begins` to `ends`; of these what lies before `left_to` is still to be read."""

    begins: datetime
    ends: datetime
    left_to: datetime

    @classmethod
    def next(cls, read_until: datetime | None, now: datetime, *, look_back: timedelta) -> "Window":
        """The window after what was read; the first goes back by `look_back`."""
        return cls(now - look_back if read_until is None else read_until - LAG, now, now)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a page has left of its window, if anything. `unseen_until`: there may be calls before that nobody saw."""

    left: Window | None
    unseen_until: datetime | None = None


def after_page(window: Window, page: CallPage) -> Progress:
    """What is left to be read once this page, of the window up to `left_to`, was.

    The page's oldest row is asked for again, for others may have begun in the same millisecond. Where a page is full of
    calls of one millisecond, or holds what was not asked for, the rest cannot be had: that is told.
    """
    unseen = window.left_to if page.unreadable else None
    if any(row.started_at >= window.left_to + FINEST for row in page.rows):
        oldest = page.rows[-1].started_at
        return Progress(None, unseen or max(oldest, window.begins))  # The dates were not obeyed.
    if page.whole or not page.rows:
        return Progress(None, unseen)
    left_to = page.rows[-1].started_at + FINEST
    if left_to >= window.left_to:
        left_to, unseen = window.left_to - FINEST, unseen or window.left_to
    if left_to <= window.begins:
        return Progress(None, unseen)
    return Progress(Window(window.begins, window.ends, left_to), unseen)
