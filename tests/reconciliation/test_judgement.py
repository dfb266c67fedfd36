"""What a listing changes, judged without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from service.reconciliation.judgement import (
    Acquisition,
    Doubt,
    Judgement,
    Known,
    Lane,
    LastSeen,
    Named,
    Observation,
    Place,
    judge,
    only_new_row,
)
from service.teli.listing import Row

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = timedelta(seconds=900)
PLACE = Place(uuid4(), "organization")
MARK = "[T0000A0000000] "
NOTHING = Known(rows={}, ours={}, existing=(), filed=(), doubts=(), named={}, holders={}, unconfirmed=(), sending={})


def row(row_id: str, nickname: str | None = None, *, user: str | None = "user", number: str | None = None) -> Row:
    phone_number = number or f"+1313555{int(row_id):04}"
    return Row(row_id, phone_number, PLACE.organization_id, user, nickname, None, None, None, None)


def seen_before(listed: Row, *, gone_at: datetime | None = None) -> LastSeen:
    return LastSeen(PLACE.organization_id, listed.user_id, listed.nickname, NOW - timedelta(days=1), gone_at)


def ours(
    state: str = "active",
    *,
    gone: timedelta | None = None,
    looks: int = 0,
    vouched: bool = False,
    place: Place = PLACE,
) -> Acquisition:
    return Acquisition(uuid4(), place.organization_id, state, NOW - gone if gone is not None else None, looks, vouched)


def doubt(**fields: Any) -> Doubt:
    asked: dict[str, Any] = {
        "id": uuid4(),
        "account_id": PLACE.account_id,
        "organization_id": PLACE.organization_id,
        "tenant_id": "tenant",
        "user_id": "user",
        "mark": MARK,
        "request_id": "request",
        "state": "doubtful",
        "named_number": None,
        "admitted_at": NOW - timedelta(minutes=5),
        "ended_at": NOW - timedelta(minutes=4),
        "holds_lane": False,
    }
    return Doubt(**asked | fields)


def judged(*rows: Row, complete: bool = True, **known: Any) -> Judgement:
    return judge(Observation(PLACE, NOW, rows, complete), replace(NOTHING, **known), window=WINDOW)


def reasons(judgement: Judgement) -> list[tuple[str, str, UUID | None]]:
    return [(one.row.row_id, one.reason, one.named.intent_id if one.named else None) for one in judgement.orphans]


def test_what_is_new_changed_back_or_gone_is_told_and_nothing_else():
    same, renamed, back, lost, long_gone = row("1"), row("2", "old"), row("3"), row("4"), row("5")
    known = {one.row_id: seen_before(one) for one in (same, renamed, lost)}
    known |= {one.row_id: seen_before(one, gone_at=NOW - WINDOW) for one in (back, long_gone)}

    told = judged(same, row("2", "new"), back, row("6"), rows=known)

    assert [one.row_id for one in told.fresh] == ["6"]
    assert [(one.row_id, one.nickname) for one in told.changed] == [("2", "new"), ("3", None)]
    assert told.gone == ["4"]


def test_a_row_listed_before_elsewhere_is_changed_save_where_a_number_of_ours_from_there_has_it():
    here, theirs = row("1"), ours(place=Place(PLACE.account_id, "another"))
    elsewhere = seen_before(here)._replace(organization_id="another")

    assert judged(here, rows={"1": elsewhere}).changed == [here]
    assert judged(here, rows={"1": elsewhere}, ours={"1": ours()}).changed == [here]
    for known in ({}, {"1": elsewhere}):
        told = judged(here, rows=known, ours={"1": theirs})
        assert (told.fresh, told.changed, told.orphans) == ([], [], [])


def test_a_listing_that_is_not_complete_makes_nothing_gone():
    assert judged(rows={"1": seen_before(row("1"))}, complete=False).gone == []


def test_a_listing_is_trustworthy_only_where_it_shows_all_that_is_surely_held_there():
    elsewhere = Place(PLACE.account_id, "another")
    assert judged(row("1"), ours={"1": ours()}).trustworthy
    for state in ("active", "release_scheduled"):
        assert not judged(row("1"), ours={"1": ours(), "2": ours(state)}).trustworthy
    assert judged(ours={"1": ours("releasing"), "2": ours("missing"), "3": ours(place=elsewhere)}).trustworthy


def test_a_few_ghosts_are_forgiven_once_several_listings_over_a_window_lacked_them():
    def trusted(*ghosts: Acquisition) -> bool:
        return judged(ours={str(number): ghost for number, ghost in enumerate(ghosts)}).trustworthy

    assert trusted(ours(gone=WINDOW, looks=3))
    assert not trusted(ours(gone=WINDOW, looks=2))
    assert not trusted(ours(gone=WINDOW - timedelta(seconds=1), looks=3))
    assert not trusted(ours(gone=WINDOW, looks=3), ours())
    assert trusted(*(ours(gone=WINDOW, looks=3) for _ in range(10)))
    assert not trusted(*(ours(gone=WINDOW, looks=3) for _ in range(11)))


def test_what_a_person_vouched_for_since_it_was_gone_need_not_be_listed_and_is_no_ghost():
    held = {str(number): ours(gone=WINDOW, vouched=True) for number in range(11)}

    assert judged(ours=held).trustworthy
    assert judged(ours=held | {"11": ours(gone=WINDOW, looks=3)}).trustworthy
    assert not judged(ours=held | {"11": ours()}).trustworthy


def test_a_missing_number_that_is_listed_is_healed():
    missing = ours("missing")

    assert judged(row("1"), ours={"1": missing, "2": ours("missing")}).healed == [missing.number_id]


def test_a_mark_is_proof_for_its_user_and_the_second_row_of_it_is_an_orphan():
    mine = doubt()

    told = judged(row("1", f"{MARK}Sales", user="other"), row("2", MARK.lower()), row("3", MARK), doubts=(mine,))

    assert [(one.intent, one.row.row_id) for one in told.presences] == [(mine, "2")]
    assert [row_id for row_id, *_ in reasons(told)] == ["1", "3"]


def test_a_row_listed_twice_with_two_marks_or_two_numbers_proves_nothing_and_is_an_orphan():
    other = "[T0000B0000000] "
    doubts = (doubt(), doubt(mark=other), doubt(mark="[T0000C0000000] ", named_number="+13135550007"))

    for second in (
        row("1", other),
        row("1", MARK, number="+13135550009"),
        row("1", None),
        row("1", number="+13135550007"),
    ):
        told = judged(row("1", MARK), second, doubts=doubts)
        assert told.presences == []
        assert [row_id for row_id, *_ in reasons(told)] == ["1"]
    told = judged(row("1", MARK), row("1", f"{MARK}Sales"), doubts=doubts)
    assert [(one.intent, one.row.row_id) for one in told.presences] == [(doubts[0], "1")]


def test_a_number_that_the_answer_named_is_proof_under_a_row_id_that_nobody_has():
    mine = doubt(named_number="+13135550007")
    again = [row(row_id, number="+13135550007") for row_id in ("1", "2", "3")]

    told = judged(*again, doubts=(mine,), ours={"1": ours()}, existing={"2"})

    assert [(one.intent, one.row.row_id) for one in told.presences] == [(mine, "3")]
    assert told.orphans == []
    assert judged(again[0], doubts=(mine,), rows={"1": seen_before(again[0])}).presences == []
    marked = row("4", "[T0000B0000000] ", number="+13135550007")
    assert judged(marked, doubts=(mine,)).presences == []


def test_what_is_no_number_of_the_plan_proves_nothing_and_is_listed_as_an_orphan():
    told = judged(row("1", MARK, number="+4930123456"), doubts=(doubt(),))

    assert told.presences == []
    assert reasons(told) == [("1", "unexplained", None)]


def test_an_orphan_says_which_intent_its_mark_names():
    for state, reason in (("owned", "second_row_of_a_mark"), ("refused", "refused_intent")):
        named = Named(uuid4(), "tenant", state)

        told = judged(row("1", MARK), row("2", MARK, user="other"), named={("user", MARK): named})

        assert reasons(told) == [("1", reason, named.intent_id), ("2", "unexplained", None)]


def test_what_may_still_be_explained_is_no_orphan_yet():
    assert judged(row("1"), sending={"user": NOW}).orphans == []
    assert judged(row("1", user=None), sending={"other": NOW}).orphans == []
    coming = row("1", number="+13135550001")
    assert judged(coming, unconfirmed={("+13135550001", "user", MARK)}).orphans == []
    assert len(judged(coming, unconfirmed={("+13135550001", "another", MARK)}).orphans) == 1
    assert reasons(judged(row("1"), sending={"other": NOW})) == [("1", "unexplained", None)]
    assert judged(row("1"), row("2"), row("3"), ours={"1": ours("released")}, existing={"2"}, filed={"3"}).orphans == []


def test_a_row_that_was_listed_before_all_sends_under_way_were_admitted_is_an_orphan_while_they_last():
    mine, nobodys = row("1"), row("2", user=None)
    known = {one.row_id: seen_before(one)._replace(first_seen_at=NOW - timedelta(minutes=5)) for one in (mine, nobodys)}

    def filed(**sending: timedelta) -> list[str]:
        under_way = {user: NOW - ago for user, ago in sending.items()}
        return [row_id for row_id, *_ in reasons(judged(mine, nobodys, rows=known, sending=under_way))]

    assert filed(user=timedelta(minutes=2)) == ["1", "2"]
    assert filed(user=timedelta(minutes=2), other=timedelta(minutes=6)) == ["1"]
    assert filed(user=timedelta(minutes=6), other=timedelta(minutes=2)) == []
    # When it was first seen its listing was asked for, and had a while to be answered.
    assert filed(user=timedelta(minutes=4, seconds=30)) == []


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from([None, "a", MARK])), max_size=12))
def test_a_row_listed_twice_is_told_once(drawn: list[tuple[int, str | None]]):
    rows = [row(str(number), nickname) for number, nickname in drawn]
    known = {str(number): seen_before(row(str(number), "before")) for number in (1, 2, 3)}

    told = judged(*rows, rows=known, doubts=(doubt(),))

    for ids in (
        [one.row_id for one in told.fresh],
        [one.row_id for one in told.changed],
        [one.row.row_id for one in told.orphans] + [one.row.row_id for one in told.presences],
    ):
        assert len(ids) == len(set(ids))
    latest = {one.row_id: one.nickname for one in rows}
    assert {one.row_id: one.nickname for one in told.changed} == {
        row_id: nickname for row_id, nickname in latest.items() if row_id in known
    }
    assert {one.row_id for one in told.fresh} == latest.keys() - known.keys()


SURE = Lane(
    mode="lane",
    exclusive=True,
    held=True,
    others_open=0,
    baseline=NOW,
    appeared=[(row("1"), NOW + timedelta(seconds=1))],
)


def only_new(lane: Lane, *listed: Row) -> Row | None:
    return only_new_row(lane, doubt(), Observation(PLACE, NOW, listed, complete=True))


def test_the_only_new_row_of_an_exclusive_user_is_the_doubts():
    assert only_new(SURE, row("2"), row("1")) == row("1")


def test_a_row_that_tells_a_time_before_its_purchase_or_is_not_listed_just_now_is_not_the_doubts():
    admitted = doubt().admitted_at
    for told, is_its in (
        (None, True),
        ("soon", True),
        (admitted.isoformat(), True),
        # Clocks are apart.
        ((admitted - timedelta(seconds=4)).isoformat(), True),
        ((admitted - timedelta(seconds=6)).isoformat(), False),
    ):
        listed = replace(row("1"), created_at=told)
        assert only_new(SURE, listed) == (listed if is_its else None), told
    assert only_new(SURE, row("2")) is None


def test_set_difference_decides_nothing_where_anything_else_may_own_the_row():
    later = NOW + timedelta(seconds=1)
    listed = (row("1"), row("2"), row("2", MARK), row("3"))
    for lane in (
        replace(SURE, mode="mark"),
        replace(SURE, exclusive=False),
        replace(SURE, held=False),
        replace(SURE, others_open=1),
        replace(SURE, baseline=None),
        replace(SURE, baseline=later),
        replace(SURE, appeared=[]),
        replace(SURE, appeared=[(row("1"), later), (row("2"), later)]),
        replace(SURE, appeared=[(row("1", MARK), later)]),
    ):
        assert only_new(lane, *listed) is None
    with_a_marked_one = replace(SURE, appeared=[(row("1"), later), (row("2", MARK), later), (row("3"), NOW)])
    assert only_new(with_a_marked_one, *listed) == row("1")


def test_a_doubt_is_overdue_by_its_tenants_policy_where_that_says_when_and_else_by_the_deployments():
    day = timedelta(days=1)
    for policy, after in ((None, 3 * day), (86_400.0, day), (10 * 86_400.0, 10 * day)):
        one = doubt(write_off=policy, ended_at=NOW)
        assert not one.is_overdue(NOW + after - timedelta(seconds=1), write_off=3 * day)
        assert one.is_overdue(NOW + after, write_off=3 * day)
    assert not doubt(write_off=float("inf"), ended_at=NOW).is_overdue(NOW + 100_000 * day, write_off=3 * day)
