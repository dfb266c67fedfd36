"""What of a number drifted: pure, from what is wanted of it, what Teli last confirmed, and what a listing shows.

A person changed it in Teli's dashboard, or Teli lost it. No drift is what Teli itself makes of what it was told, what
it may not have been told yet, or what a listing shows that may be older than what it was told.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from service.numbers.marks import begins_with, without_mark
from service.teli.listing import Row

Member = Literal["nickname", "inbound_agent_id", "outbound_agent_id", "user_id"]
MEMBERS: tuple[Member, ...] = ("nickname", "inbound_agent_id", "outbound_agent_id", "user_id")
# How often in a day what a person changes is put back without asking anybody.
PUT_BACK_AT_MOST = 3
PUT_BACK_WITHIN = timedelta(days=1)


class Agents(Protocol):
    def same(self, one: str, other: str) -> bool | None:
        """Whether two ids are one agent's; None where that cannot be told."""


class Link(NamedTuple):
    """As a link is kept; where there is none, nothing is wanted and nothing confirmed."""

    desired: str | None = None
    confirmed: str | None = None
    refused: bool = False

    @property
    def in_force(self) -> str | None:
        return self.confirmed if self.refused else self.desired


class Noted(NamedTuple):
    """A drift that is known: what Teli showed, since when, and whether a second listing has shown it."""

    theirs: str | None
    since: datetime
    is_open: bool


class Held(NamedTuple):
    """A number as the ledger has it.

    `told`: the nickname that Teli last confirmed, with its mark; `listed`: as the listing before this one had it.
    `counts_from`: by member, from when on a listing shows what Teli was last told of it; None while it is still to be
    told. `noted`: by member.
    """

    user_id: str
    nickname: str | None
    told: str | None
    listed: str | None
    inbound: Link
    outbound: Link
    counts_from: Mapping[Member, datetime | None]
    noted: Mapping[Member, Noted]


class Difference(NamedTuple):
    """`theirs`: as Teli shows it, a nickname with whatever mark it has."""

    ours: str | None
    theirs: str | None


Finding = Difference | Literal["same", "not to be told"]


def findings(held: Held, shown: Row, agents: Agents) -> Mapping[Member, Finding]:
    """What a listing says of each member. `shown`: with the user as `unique_id`."""
    of_user: Finding = "same" if shown.user_id == held.user_id else Difference(held.user_id, shown.user_id)
    return {
        "nickname": _of_nickname(held, shown.nickname),
        "inbound_agent_id": _of_agent(held.inbound, shown.inbound_agent_id, agents),
        "outbound_agent_id": _of_agent(held.outbound, shown.outbound_agent_id, agents),
        "user_id": of_user if shown.user_id is not None else "not to be told",
    }


def strange_agents(held: Held, shown: Row) -> frozenset[str]:
    """Agents of a row that are none of those we know by these very ids: perhaps the same by another."""
    return frozenset(
        agent
        for agent, link in ((shown.inbound_agent_id, held.inbound), (shown.outbound_agent_id, held.outbound))
        if agent is not None and (known := _acceptable(link) - {None}) and agent not in known
    )


Step = Literal["suspect", "open", "change", "see again", "end", "leave"]


def next_step(
    noted: Noted | None, finding: Finding, *, counts_from: datetime | None, at: datetime, apart: timedelta
) -> Step:
    """What becomes of a drift by a complete listing, asked for `at`. `change`: what was open is another now.

    A listing may be older than one that came before it, so it takes two to open a drift, `apart` at least, both of when
    they count.
    """
    if finding == "not to be told" or counts_from is None:
        return "leave"
    if finding == "same":
        return "leave" if noted is None else "end"
    if noted is None or noted.since < counts_from <= at:
        return "suspect"
    if noted.theirs != finding.theirs:
        return "change" if noted.is_open else "suspect"
    counted = noted.since >= counts_from and at - noted.since >= apart
    return "open" if counted and not noted.is_open else "see again"


def _of_nickname(held: Held, shown: str | None) -> Finding:
    text = without_mark(shown)
    if text in (without_mark(held.nickname), without_mark(held.told)):
        return "same"
    noted = held.noted.get("nickname")
    was_whole = without_mark(held.listed) == without_mark(held.told)
    # Cut or not kept by Teli itself; but not where it once listed the whole of it.
    if begins_with(held.told, shown) and not was_whole and (noted is None or without_mark(noted.theirs) != text):
        return "same"
    return Difference(held.nickname, shown)


def _of_agent(link: Link, shown: str | None, agents: Agents) -> Finding:
    acceptable = _acceptable(link)
    if shown in acceptable:
        return "same"
    alike = {agents.same(one, shown) for one in acceptable if one is not None} if shown is not None else set()
    if True in alike:
        return "same"
    return "not to be told" if None in alike else Difference(link.in_force, shown)


def _acceptable(link: Link) -> frozenset[str | None]:
    """What is wanted may have reached Teli though it never said so, and what it confirmed may be there still."""
    return frozenset((link.confirmed,) if link.refused else (link.confirmed, link.desired))
