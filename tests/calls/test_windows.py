"""Every call of a window is read, whatever the pages look like; where one cannot be, that is told."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.calls.windows import FINEST, LAG, Progress, Window, after_page
from service.teli.calls import MOST_ROWS, CallPage, CallRow

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
ENDED = BEGAN + timedelta(hours=1)


def row(at: datetime) -> CallRow:
    return CallRow(f"call_{at.timestamp()}", at, "inbound", None, None, "+1", "+2")


def page_of(calls: list[datetime], window: Window, *, most: int) -> CallPage:
    """As Teli answers: both ends included, newest first."""
    found = sorted((one for one in calls if window.begins <= one <= window.left_to), reverse=True)
    return CallPage(tuple(map(row, found[:most])), unreadable=0, whole=len(found[:most]) < most)


def read_all(calls: list[datetime], *, most: int = MOST_ROWS) -> tuple[set[datetime], datetime | None, int]:
    window: Window | None = Window(BEGAN, ENDED, ENDED)
    seen: set[datetime] = set()
    unseen, pages = None, 0
    while window is not None:
        page = page_of(calls, window, most=most)
        seen.update(one.started_at for one in page.rows)
        progress = after_page(window, page)
        unseen = max(filter(None, (unseen, progress.unseen_until)), default=None)
        window, pages = progress.left, pages + 1
        assert pages <= 4 * len(calls) + 2
    return seen, unseen, pages


@given(st.lists(st.integers(0, 3_600_000), max_size=60), st.integers(2, 7))
def test_each_call_is_seen_or_lies_before_what_is_said_to_be_unseen(offsets: list[int], most: int):
    calls = [BEGAN + timedelta(milliseconds=one) for one in offsets]
    seen, unseen, _ = read_all(calls, most=most)
    assert all(one in seen or (unseen is not None and one <= unseen) for one in calls)


def test_a_page_is_asked_for_no_oftener_than_the_calls_need():
    calls = [BEGAN + timedelta(seconds=one) for one in range(2_500)]
    seen, unseen, pages = read_all(calls)
    assert (len(seen), unseen) == (2_500, None)
    assert pages <= 27


def test_more_calls_in_a_millisecond_than_a_page_holds_are_told_and_the_rest_is_read():
    moment = BEGAN + timedelta(minutes=30)
    calls = [moment] * 150 + [BEGAN + timedelta(minutes=one) for one in range(20)]
    seen, unseen, _ = read_all(calls)
    assert seen == set(calls)
    assert unseen == moment + FINEST


def test_rows_that_were_not_asked_for_end_the_window_and_what_is_before_them_is_unseen():
    window = Window(BEGAN, ENDED, BEGAN + timedelta(minutes=10))
    page = CallPage((row(ENDED), row(BEGAN + timedelta(minutes=20))), unreadable=0, whole=False)
    assert after_page(window, page) == Progress(None, BEGAN + timedelta(minutes=20))


def test_a_row_that_cannot_be_read_may_be_anybodys_call():
    window = Window(BEGAN, ENDED, ENDED)
    assert after_page(window, CallPage((), unreadable=1, whole=True)) == Progress(None, ENDED)


def test_the_next_window_goes_back_behind_the_last_for_calls_that_were_filed_late():
    assert Window.next(ENDED, ENDED + timedelta(hours=2), look_back=timedelta(days=1)).begins == ENDED - LAG
    assert Window.next(None, ENDED, look_back=timedelta(days=1)).begins == ENDED - timedelta(days=1)
