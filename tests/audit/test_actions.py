"""What can be noted has a name, and what nobody notes is not looked for."""

import re
from pathlib import Path
from typing import get_args

import pytest

from service.audit.actions import ACTIONS, ObjectKind, known_action

SQL = Path(__file__).parents[2] / "alembic" / "sql"


@pytest.mark.parametrize("name", ACTIONS)
def test_what_is_noted_can_be_asked_for(name: str):
    assert known_action(name) == name


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("key.isued", "is none; key.issued is"),
        ("period.close", "is none; period.closed is"),
        ("tenant.removed", "is none; tenant.put is"),
        ("key.nothing", "is no action; there are key.issued, key.revoked, key.rotated"),
        ("nothing", "is no action, as key.issued is; they begin with account, budget, campaign, "),
    ],
)
def test_a_slip_is_told_what_may_have_been_meant(name: str, told: str):
    with pytest.raises(ValueError, match=f"^{re.escape(told)}"):
        known_action(name)


def test_what_the_database_notes_by_itself_is_known_too():
    for file in SQL.glob("*.sql"):
        for values in re.findall(r"INSERT INTO audit.*?;", file.read_text(), re.DOTALL):
            whole = re.findall(r"'([a-z_]+\.[a-z_]+)'", values)
            begun = re.findall(r"'([a-z_]+\.)' \|\| next_state", values)
            assert whole or begun, f"{file.name}: {values}"
            assert {*whole, *(f"{one}{state}" for one in begun for state in ("owned", "refused", "doubtful"))} <= {
                *ACTIONS
            }


def test_each_action_is_about_something_that_can_be_asked_for():
    others = {"doubt", "ghost", "import", "organizations", "purchases", "quota", "recovery", "request", "users"}
    assert {one.partition(".")[0] for one in ACTIONS} <= {*get_args(ObjectKind)} | others
