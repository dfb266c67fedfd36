"""What a policy allows, judged without a database."""

import pytest

from service.numbers.errors import InvalidAreaCode
from service.numbers.policy import foreign_agents, refusal_of
from service.tenants.policy import ANYTHING, Policy

NORTH = Policy.of(["agent_1"], ["734", "313", "415"], orphan_reuse=True)


def pointers(policy: Policy, code: str, **given: str | None) -> list[str]:
    refusal = refusal_of(policy, code, given)
    return [] if refusal is None else [fault["pointer"] for fault in refusal.members["errors"]]


def test_without_a_policy_every_area_code_and_agent_is_allowed():
    assert pointers(ANYTHING, "212", inbound_agent_id="anybody", outbound_agent_id="x" * 128) == []
    assert Policy.of(None, None, orphan_reuse=None) == ANYTHING, "that of a key that belongs to no tenant"


def test_what_a_policy_allows_is_let_through_and_to_link_no_agent_always_is():
    assert pointers(NORTH, "313", inbound_agent_id="agent_1", outbound_agent_id=None) == []
    assert foreign_agents(Policy.of([], None, orphan_reuse=True), {"inbound_agent_id": None, "nickname": "x"}) == []


def test_every_fault_is_named_at_once():
    assert pointers(NORTH, "212", inbound_agent_id="agent_2", outbound_agent_id="agent_3") == [
        "/area_code", "/inbound_agent_id", "/outbound_agent_id",
    ]  # fmt: skip
    assert pointers(NORTH, "313", outbound_agent_id="AGENT_1") == ["/outbound_agent_id"]


@pytest.mark.parametrize(("code", "instead"), [("947", ["313", "734", "415"]), ("212", ["313", "415", "734"])])
def test_an_area_code_that_is_refused_is_answered_with_those_allowed_the_nearest_first(code: str, instead: list[str]):
    refusal = refusal_of(NORTH, code, {})

    assert isinstance(refusal, InvalidAreaCode)
    assert (refusal.members["reason"], sorted(refusal.members["suggestions"])) == ("policy", sorted(instead))
    assert refusal.members["suggestions"][-1] == instead[-1]
    assert "allows none" in refusal_of(Policy.of(None, [], orphan_reuse=True), code, {}).detail  # type: ignore[union-attr]


def test_a_number_is_reused_only_where_one_might_be_bought():
    assert NORTH.to_reuse(["313", "248", "734"]) == ["313", "734"]
    assert ANYTHING.to_reuse(["313", "248"]) == ["313", "248"]
    assert Policy.of(None, None, orphan_reuse=False).to_reuse(["313"]) == []
