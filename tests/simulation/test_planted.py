"""Faults planted on purpose are found: else what the schedules do not find would say nothing."""

import pytest

from tests.simulation.planted import FAULTS
from tests.simulation.runner import first_catch, first_catches, table

QUICK = ("key_not_stored", "quota_given_back_on_doubt", "strangers_not_filed")


@pytest.mark.parametrize("name", QUICK)
def test_a_fault_that_shows_at_once_is_caught(name):
    assert first_catch(name).violation is not None


@pytest.mark.ci
def test_every_planted_fault_is_caught(said):
    catches = list(first_catches([*FAULTS]))

    said(f"Planted faults, the seeds it took to catch each, and the last of them:\n{table(catches)}")
    assert len(catches) == len(FAULTS)
    assert [one.name for one in catches if one.violation is None] == []


def test_a_fault_is_gone_once_it_is_no_longer_planted():
    from service.numbers.sending import Sending

    real = Sending._send
    with FAULTS["blind_retry"].planted():
        assert Sending._send is not real
    assert Sending._send is real


def test_every_fault_says_which_rule_it_breaks():
    assert all(one.breaks.endswith(".") and len(one.breaks) > 20 for one in FAULTS.values())
