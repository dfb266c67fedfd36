"""An invoice against the ledger: every planted error is called by its name, and none is invented."""

import random
from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.billing.matching import Acquisition, Charge, Earlier, Finding, InvoiceLine, Terms, match
from tests.billing.histories import clean, some_history, with_errors, wrong

MONTH = date(2026, 3, 1)
TERMS = Terms(MONTH, in_arrears=False, by_day=False)
RENT = 2_990_000
FIRST = Acquisition(UUID(int=1), "+13135550100", "sub_1", date(2025, 6, 10), date(2026, 1, 20))
SECOND = Acquisition(UUID(int=2), "+13135550100", None, date(2026, 2, 10), None)
CHARGE = Charge(SECOND.number_id, "month", date(2026, 3, 10), date(2026, 4, 10), date(2026, 3, 10), RENT)
LINE = InvoiceLine(1, None, "+13135550100", "rent", date(2026, 3, 10), date(2026, 4, 10), 1, RENT)


def told(*lines: InvoiceLine, charges: tuple[Charge, ...] = (CHARGE,), terms: Terms = TERMS) -> list[tuple[str, int]]:
    findings = match(lines, charges, (FIRST, SECOND), terms)
    return [(one.verdict, one.difference) for one in findings]


def check_sums(lines: list[InvoiceLine], charges: list[Charge], findings: list[Finding]) -> None:
    settled = sum(line.settles for line in lines)
    assert sum(one.expected for one in findings) == sum(one.micros for one in charges) + settled
    assert sum(one.charged for one in findings) == sum(line.micros for line in lines)


@given(st.integers(min_value=0))
def test_of_an_invoice_without_an_error_every_line_is_matched(seed: int):
    chance = random.Random(seed)
    history = some_history(chance)
    lines = clean(history, chance)
    findings = match(lines, history.charges, history.numbers, history.terms)
    assert wrong(findings) == {}
    check_sums(lines, history.charges, findings)


@given(st.integers(min_value=0))
def test_every_planted_error_is_called_by_its_name_and_none_is_invented(seed: int):
    chance = random.Random(seed)
    history = some_history(chance)
    planted = with_errors(history, chance)
    findings = match(planted.lines, history.charges, history.numbers, history.terms)
    assert wrong(findings) == planted.errors
    check_sums(planted.lines, history.charges, findings)


@given(st.integers(min_value=0))
def test_the_order_of_lines_charges_and_numbers_changes_nothing_and_the_sums_always_hold(seed: int):
    chance = random.Random(seed)
    history = some_history(chance, 12)
    lines = [_spoilt(line, chance) for line in with_errors(history, chance).lines]
    terms = replace(history.terms, tolerance=chance.choice((0, 1, 600_000)))
    findings = match(lines, history.charges, history.numbers, terms)
    check_sums(lines, history.charges, findings)
    for some in (lines, history.charges, history.numbers):
        chance.shuffle(some)
    assert match(lines, history.charges, history.numbers, terms) == findings


def _spoilt(line: InvoiceLine, chance: random.Random) -> InvoiceLine:
    """With whatever an invoice may have: no days, no number, other days, a part given back."""
    match chance.randrange(8):
        case 0:
            return replace(line, begins=None, ends=None)
        case 1:
            return replace(line, phone_number=None, subscription_id=None)
        case 2:
            return replace(line, ends=None)
        case 3:
            return replace(line, kind="credit", micros=-abs(line.micros), settles=-(abs(line.micros) // 2))
        case 4:
            return replace(line, kind=chance.choice(("setup", "rent", "other")))
    return line


def test_a_recycled_number_is_the_acquisition_whose_days_are_charged():
    [finding] = match([LINE], [CHARGE], [FIRST, SECOND], TERMS)
    assert (finding.number_id, finding.verdict) == (SECOND.number_id, "matched")
    before = replace(LINE, begins=date(2025, 12, 10), ends=date(2026, 1, 10))
    assert match([before], [], [FIRST, SECOND], TERMS)[0].number_id == FIRST.number_id


def test_what_an_earlier_invoice_charged_is_a_duplicate_unless_it_was_given_back_or_is_a_part():
    invoice = UUID(int=7)
    for stands, before, verdict in (
        (RENT, LINE, "duplicate"),
        (0, LINE, "matched"),
        (RENT, replace(LINE, begins=date(2026, 2, 10)), "matched"),
        (RENT, replace(LINE, phone_number="+13135550199"), "matched"),
        (RENT, replace(LINE, begins=None, ends=None), "matched"),
    ):
        found = match([LINE], [CHARGE], [FIRST, SECOND], TERMS, [Earlier(invoice, 1, MONTH, before, stands)])
        assert [one.verdict for one in found] == [verdict], before
        assert (found[0].other_invoice, found[0].expected) == ((invoice, 0) if verdict == "duplicate" else (None, RENT))
    parts = [replace(LINE, micros=1_000_000), replace(LINE, micros=RENT - 1_000_000)]
    [second] = match(parts[1:], [CHARGE], [SECOND], TERMS, [Earlier(invoice, 1, MONTH, parts[0], 1_000_000)])
    assert (second.verdict, second.difference) == ("price_differs", -1_000_000)


def test_a_subscription_goes_before_the_number():
    [finding] = match([replace(LINE, subscription_id="sub_1")], [], [FIRST, SECOND], TERMS)
    assert (finding.number_id, finding.verdict) == (FIRST.number_id, "charged_after_release")


@pytest.mark.parametrize(
    ("lines", "verdicts"),
    [
        ([LINE], [("matched", 0)]),
        ([], [("not_charged", -RENT)]),
        ([replace(LINE, begins=None, ends=None)], [("matched", 0)]),
        ([replace(LINE, ends=date(2026, 4, 9))], [("matched", 0)]),
        ([replace(LINE, micros=RENT + 1)], [("price_differs", 1)]),
        ([replace(LINE, micros=2 * RENT, quantity=2)], [("quantity_differs", RENT)]),
        ([replace(LINE, micros=2 * RENT, ends=date(2026, 5, 10))], [("quantity_differs", RENT)]),
        ([LINE, replace(LINE, place=2)], [("matched", 0), ("duplicate", RENT)]),
        ([replace(LINE, micros=RENT + 1), replace(LINE, place=2)], [("duplicate", RENT + 1), ("matched", 0)]),
        ([LINE, replace(LINE, place=2, kind="other", micros=9)], [("matched", 0), ("quantity_differs", 9)]),
        ([LINE, replace(LINE, place=2, kind="setup", micros=9)], [("matched", 0), ("quantity_differs", 9)]),
        ([LINE, replace(LINE, place=2, phone_number="+14155550100")], [("matched", 0), ("never_ours", RENT)]),
        ([LINE, replace(LINE, place=2, phone_number=None, micros=7)], [("matched", 0), ("never_ours", 7)]),
        (
            [LINE, replace(LINE, place=2, begins=date(2025, 3, 10), ends=date(2025, 4, 10))],
            [("matched", 0), ("never_ours", RENT)],
        ),
        # Split, or taken back and charged anew: what is charged for it together is what counts.
        ([replace(LINE, micros=RENT - 5), replace(LINE, place=2, micros=5)], [("matched", 0)] * 2),
        (
            [LINE, replace(LINE, place=2, micros=-900, kind="credit"), replace(LINE, place=3, micros=1000)],
            [("price_differs", 100), ("matched", 0), ("matched", 0)],
        ),
        # A credit for what was disputed is owed as far as that goes.
        (
            [LINE, replace(LINE, place=2, kind="credit", begins=None, ends=None, micros=-RENT, settles=-RENT)],
            [("matched", 0)] * 2,
        ),
        (
            [LINE, replace(LINE, place=2, kind="credit", begins=None, ends=None, micros=-RENT, settles=-RENT + 5)],
            [("matched", 0), ("quantity_differs", -5)],
        ),
        (
            [LINE, replace(LINE, place=2, kind="credit", begins=None, ends=None, micros=-5)],
            [("matched", 0), ("quantity_differs", -5)],
        ),
    ],
)
def test_worked_by_hand(lines: list[InvoiceLine], verdicts: list[tuple[str, int]]):
    assert told(*lines) == verdicts


def test_what_is_off_by_no_more_than_the_tolerance_is_let_pass_and_a_duplicate_never():
    lenient = replace(TERMS, tolerance=RENT)
    assert told(replace(LINE, micros=RENT + 1), terms=lenient) == [("within_tolerance", 1)]
    assert told(LINE, replace(LINE, place=2), terms=lenient) == [("matched", 0), ("duplicate", RENT)]


def test_by_the_day_more_days_than_the_number_was_held_are_too_many():
    gone = replace(SECOND, released=date(2026, 3, 14))
    part = replace(CHARGE, kind="part", ends=date(2026, 3, 15), due=date(2026, 3, 15), micros=480_000)
    terms = Terms(MONTH, in_arrears=True, by_day=True)
    [finding] = match([LINE], [part], [gone], terms)
    assert (finding.verdict, finding.difference) == ("quantity_differs", RENT - 480_000)
