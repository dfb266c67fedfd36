"""What is drift: pure, from what is wanted, what Teli confirmed, and what listings show."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.reconciliation.drifting import Difference, Held, Link, Noted, findings, next_step
from service.teli.agents import AgentForms
from service.teli.listing import Row

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
APART = timedelta(minutes=1)
MARK = "[7K3QX2M9A1BCD] "
FORMS = AgentForms([frozenset(("a1", "a2", "a3")), frozenset(("b1", "b2"))])
TEXTS = st.text(st.sampled_from("ab [] "), max_size=8)
NAMES = TEXTS.map(lambda text: text.strip() or None)
AGENTS = st.sampled_from((None, "a1", "a2", "b1", "unlisted"))


def held(**changed: object) -> Held:
    known = Held(
        user_id="ann", nickname=None, told=None, listed=None, inbound=Link(), outbound=Link(), noted={},
        counts_from=dict.fromkeys(("nickname", "inbound_agent_id", "outbound_agent_id", "user_id"), AT),
    )  # fmt: skip
    return known._replace(**changed)


def row(**changed: str | None) -> Row:
    return replace(Row("r", "+13135550142", None, "ann", None, None, None, None, None), **changed)


@given(wanted=NAMES, cut=st.integers(0, 30), marked=st.booleans(), listed=st.one_of(st.none(), TEXTS))
def test_what_teli_makes_of_a_nickname_is_none_unless_it_was_listed_whole(
    wanted: str | None, cut: int, marked: bool, listed: str | None
):
    told = ((MARK if marked else "") + (wanted or "")).rstrip()
    for kept in (told, f" {told} ", told[:cut], "", None, told.lower() if marked and wanted is None else told):
        number = held(nickname=wanted, told=told, listed=listed)
        found = findings(number, row(nickname=kept), FORMS)["nickname"]
        if found != "same":
            whole = findings(number, row(nickname=listed), FORMS)["nickname"]
            assert whole == "same", "it was listed as it was told before"
            assert found == Difference(wanted, kept)


@given(wanted=NAMES, theirs=NAMES)
def test_another_nickname_is_drift_whichever_mark_it_has(wanted: str | None, theirs: str | None):
    told = (MARK + (wanted or "")).rstrip()
    for shown in (theirs, MARK + (theirs or "")):
        found = findings(held(nickname=wanted, told=told, listed=told), row(nickname=shown), FORMS)["nickname"]
        assert (found == "same") == (theirs == wanted)


@given(desired=AGENTS, confirmed=AGENTS, refused=st.booleans(), shown=AGENTS)
def test_an_agent_is_the_same_by_any_of_its_ids_and_unsettled_wishes_are_no_drift(
    desired: str | None, confirmed: str | None, refused: bool, shown: str | None
):
    link = Link(desired, confirmed, refused)
    found = findings(held(inbound=link), row(inbound_agent_id=shown), FORMS)["inbound_agent_id"]

    mine = {confirmed} if refused else {confirmed, desired}
    alike = {"a1": "a", "a2": "a", "b1": "b"}
    same = shown in mine or (
        shown is not None and {alike.get(shown, shown)} & {alike.get(one, one) for one in mine if one}
    )
    assert found == ("same" if same else Difference(link.in_force, shown))
    blind = findings(held(inbound=link), row(inbound_agent_id=shown), AgentForms(None))["inbound_agent_id"]
    assert blind == found or (shown is not None and blind == "not to be told")


MOMENTS = st.integers(0, 40).map(lambda minutes: AT + timedelta(minutes=minutes))
SHOWN = st.one_of(st.just("same"), st.just("not to be told"), st.sampled_from(("x", "y")))


@given(looks=st.lists(st.tuples(MOMENTS, SHOWN), max_size=12), counts_from=MOMENTS)
def test_it_takes_two_listings_that_count_and_agree_to_open_a_drift_and_one_to_end_it(
    looks: list[tuple[datetime, str]], counts_from: datetime
):
    noted: Noted | None = None
    seen: list[tuple[datetime, str]] = []
    for at, shown in sorted(looks, key=lambda look: look[0]):
        finding = Difference("ours", shown) if shown in ("x", "y") else shown
        step = next_step(noted, finding, counts_from=counts_from, at=at, apart=APART)
        if shown == "same":
            assert step == ("leave" if noted is None else "end")
            noted, seen = None, []
        elif shown == "not to be told":
            assert step == "leave"
        else:
            seen.append((at, shown))
            if step == "suspect":
                noted = Noted(shown, at, is_open=False)
            elif step == "change":
                noted = Noted(shown, at, is_open=True)
            elif step == "open":
                counted = [when for when, what in seen if what == shown and when >= counts_from]
                assert at - counted[0] >= APART
                assert noted is not None
                noted = noted._replace(is_open=True)
            assert noted is not None
            assert noted.theirs == shown
    agreeing = [(when, what) for when, what in seen if when >= counts_from]
    if agreeing and len({what for _, what in agreeing}) == 1 and agreeing[-1][0] - agreeing[0][0] >= APART:
        assert noted is not None
        assert noted.is_open


@given(at=MOMENTS, shown=SHOWN)
def test_while_a_change_is_owed_nothing_is_told(at: datetime, shown: str):
    finding = Difference("ours", shown) if shown in ("x", "y") else shown
    for noted in (None, Noted("x", AT, is_open=True), Noted("y", AT, is_open=False)):
        assert next_step(noted, finding, counts_from=None, at=at, apart=APART) == "leave"
