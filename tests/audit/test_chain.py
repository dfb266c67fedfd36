"""The chain and its verification, without a database: whatever is done to it, it is found, and where."""

import hashlib
import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.audit.chain import canonical, read
from tests.audit.chains import (
    IN_A_FILE,
    IN_STORE,
    Tampering,
    chained,
    edits_a_row,
    entry_of,
    made,
    stored,
    verified,
)

SEEDS = given(st.integers(0, 2**63).map(Random))


def test_a_row_is_hashed_as_the_page_says():
    row = '{"id": 7, "at": "2026-11-23T16:58:52.066674Z", "tenant_id": null, "after": {"b": 1.50, "a": "\\u00e9\\n"}}'
    by_hand = '{"after":{"a":"é\\n","b":1.5},"at":"2026-11-23T16:58:52.066674Z","id":7,"tenant_id":null}'
    [link] = chained([(7, canonical(read(row)))])
    assert link.hash == hashlib.sha256(bytes(32) + by_hand.encode()).digest()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1, "b": [true, null]}', '{ "b" : [true,null],\n"a":1}'),
        ("[1.0, -0, 2.50, 100]", "[1, 0, 2.5, 100.00]"),
        (r'"\u00e9\/\u001f\t"', '"é/\\u001F\\t"'),
        (r'"\ud83d\ude00"', '"😀"'),
        ('{"\\ud83d\\ude00": 1, "\\ufb33": 2}', '{"\ufb33": 2, "\U0001f600": 1}'),
    ],
)
def test_one_value_has_one_form(one: str, other: str):
    assert canonical(read(one)) == canonical(read(other))


def test_members_are_sorted_by_utf_16_units_as_rfc_8785_has_it():
    assert canonical(read('{"\ufb33": 2, "\U0001f600": 1}')).decode() == '{"\U0001f600":1,"\ufb33":2}'


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.00000000000000000001", "1"),
        ("12345678901234567890123", "12345678901234567890124"),
        ('"1"', "1"),
        ("null", "false"),
        ('"a\\u0301"', '"á"'),
        ("[[]]", "[]"),
        ('{"a":null}', "{}"),
    ],
)
def test_two_values_have_two_forms(one: str, other: str):
    assert canonical(read(one)) != canonical(read(other))


@pytest.mark.parametrize("text", ["1e5", "NaN", "Infinity", '"\\ud800"', '{"a":1,"a":1}', "[" * 100_000, "{", "1.", ""])
def test_what_has_no_form_is_refused(text: str):
    with pytest.raises(ValueError):
        canonical(read(text))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('ab\x00"\\é😀', max_size=3), inner, max_size=4),
)


@given(JSON)
def test_the_form_is_json_of_the_same_value_however_that_was_written(value: object):
    forms = {
        canonical(read(json.dumps(value, ensure_ascii=escaped, indent=indent, sort_keys=sort)))
        for escaped in (True, False) for indent in (None, 2) for sort in (True, False)
    }  # fmt: skip
    assert len(forms) == 1
    [form] = forms
    assert json.loads(form) == value
    assert canonical(read(form)) == form


@SEEDS
def test_a_chain_that_nobody_touched_is_good(chance: Random):
    chain = made(chance, chance.randrange(1, 12))
    heads = [(link.seq, link.hash) for link in chance.sample(chain, min(3, len(chain)))]
    for one in (chain, stored(chain)):
        found = verified(one, *heads)
        assert (found.faults, found.checked, found.heads_met) == ([], len(chain), len(heads))
        assert found.head == (len(chain), chain[-1].hash)


@pytest.mark.parametrize("tamper", IN_STORE, ids=lambda it: it.__name__)
@SEEDS
def test_what_is_done_to_a_stored_chain_is_found_at_the_first_bad_row(tamper: Tampering, chance: Random):
    chain = made(chance, chance.randrange(2, 12))
    tampered, first, kinds = tamper(chain, chance)
    found = verified(stored(tampered))
    assert found.faults, tampered
    assert (found.faults[0].seq, {found.faults[0].kind}) == (first, kinds), found.faults
    named = next((link for link in stored(tampered) if link.seq == first), None)
    assert found.faults[0].audit_id == (named and named.audit_id)


@pytest.mark.parametrize("tamper", IN_A_FILE, ids=lambda it: it.__name__)
@SEEDS
def test_what_is_done_to_an_export_is_found_at_the_first_bad_line(tamper: Tampering, chance: Random):
    tampered, first, kinds = tamper(made(chance, chance.randrange(2, 12)), chance)
    found = verified(tampered)
    assert (found.faults[0].seq, {found.faults[0].kind}) == (first, kinds), found.faults


@SEEDS
def test_a_truncation_is_found_by_a_head_of_what_was_cut_off(chance: Random):
    chain = made(chance, chance.randrange(2, 12))
    left = chance.randrange(len(chain))
    kept = chain[chance.randrange(left, len(chain))]
    assert verified(stored(chain[:left])).faults == [], "without a head it is a shorter chain, and a good one"
    [fault] = verified(stored(chain[:left]), (kept.seq, kept.hash)).faults
    assert (fault.kind, fault.seq) == ("truncated", left + 1)


@SEEDS
def test_a_chain_written_anew_is_found_at_the_first_head_after_the_change(chance: Random):
    chain = made(chance, chance.randrange(2, 12))
    tampered, first, _ = edits_a_row(chain, chance)
    anew = chained([(link.audit_id, link.entry or b"") for link in tampered])
    kept = sorted(chance.sample(chain, chance.randrange(1, len(chain))), key=lambda link: link.seq)
    found = verified(stored(anew), *((link.seq, link.hash) for link in kept))
    later = [link.seq for link in kept if link.seq >= first]
    assert [(fault.kind, fault.seq) for fault in found.faults] == [("rewritten", seq) for seq in later][:20]
    assert verified(stored(anew)).faults == []


@SEEDS
def test_a_whole_other_chain_is_found_by_any_one_head(chance: Random):
    length = chance.randrange(1, 12)
    kept = chance.choice(made(chance, length))
    assert verified(stored(made(chance, length)), (kept.seq, kept.hash)).faults[0].kind == "rewritten"


@SEEDS
def test_a_row_put_in_between_is_found_by_a_head(chance: Random):
    chain = made(chance, chance.randrange(1, 12))
    rows = [(link.audit_id, link.entry or b"") for link in chain]
    rows.insert(chance.randrange(len(rows)), (9999, entry_of(9999)))
    assert verified(stored(chained(rows)), (len(chain), chain[-1].hash)).faults[0].kind == "rewritten"


def test_what_came_after_a_trusted_head_is_verified_alone():
    chain = made(Random(8), 20)
    trusted = chain[9]
    found = verified(stored(chain)[10:], head=(10, trusted.hash))
    assert (found.faults, found.checked) == ([], 10)
    assert verified(stored(chain)[10:], head=(10, chain[8].hash)).faults[0].seq == 11
    assert verified(stored(chain)[11:], head=(10, trusted.hash)).faults[0].kind == "unlinked"


@SEEDS
def test_of_a_filtered_export_every_line_is_verified_and_gaps_say_nothing(chance: Random):
    chain = made(chance, 12)
    chosen = sorted(chance.sample(chain, 8), key=lambda link: link.seq)
    assert verified(chosen, partial=True).faults == []
    tampered, _, _ = edits_a_row(chosen, chance)
    [fault] = verified(tampered, partial=True).faults
    assert fault.kind == "edited"


def test_no_chain_is_a_good_chain():
    assert verified([]).faults == []


def test_of_many_faults_the_first_are_told_and_all_are_counted():
    chain = [edit for link in made(Random(10), 50) for edit in edits_a_row([link], Random(link.seq))[0]]
    found = verified(stored(chain))
    assert (len(found.faults), found.fault_count) == (20, 50)
