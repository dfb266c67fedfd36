"""Teli's voice agents: one has several ids, and which of them a row shows cannot be known."""

from collections.abc import Iterable

from service.teli.heard import Heard
from service.teli.listing import read_count

FORMS = ("id", "agent_id", "unique_id", "voice_agent_id")


class AgentForms:
    """Which ids are one agent's. None: nothing is known of any."""

    def __init__(self, agents: Iterable[frozenset[str]] | None) -> None:
        self._of = None if agents is None else {form: forms for forms in agents for form in forms}

    def same(self, one: str, other: str) -> bool | None:
        """None where that cannot be told. One that Teli does not list is no other than itself."""
        if one == other:
            return True
        return None if self._of is None else other in self._of.get(one, ())


def read_agents(heard: Heard) -> list[frozenset[str]] | None:
    """The ids of each agent, or None where the answer is no complete list of them."""
    if heard.kind != "answer" or heard.status is None or not 200 <= heard.status < 300:
        return None
    body = heard.object()
    listed = body.get("agents")
    if body.get("success") is False or not isinstance(listed, list):
        return None
    if "count" in body and read_count(body["count"]) != len(listed):
        return None
    rows = [row for row in listed if isinstance(row, dict)]
    return [frozenset(form for name in FORMS if isinstance(form := row.get(name), str) and form) for row in rows]
