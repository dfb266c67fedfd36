"""Whether a number may be changed as an order wants it, and what it would become. Pure: it is asked at the preview, and
again of each number right before it is changed.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import orjson

from service.numbers.members import AGENTS, CHANGEABLE, KEPT_HERE, MOST_TAGS
from service.tenants.policy import ANYTHING, Policy

# What a change may set, and what stands of a number when it is shown.
SETTABLE = ("nickname", *AGENTS, *KEPT_HERE)
SHOWN = ("state", "tenant_id", "organization_id", "user_id", *SETTABLE)
Reason = Literal[
    "not_found",
    "not_yours",
    "released",
    "releasing",
    "missing",
    "in_campaign",
    "agent_not_allowed",
    "not_a_user",
    "too_many_tags",
    "nothing_changes",
    "changed_since",
    "quota_exceeded",
    "refused",
    "unresolved",
    "failed_unforeseen",
]
WORDS: Mapping[Reason, str] = {
    "not_found": "There is no such number, or it is not yours.",
    "not_yours": "It is another tenant's: you see it, and only its tenant or an administrator may change it.",
    "released": "It was released before.",
    "releasing": "It is being released already.",
    "missing": "Teli lists it no more, so that there is nothing to change.",
    "in_campaign": "It is in a running campaign; end that first, or release with force.",
    "agent_not_allowed": "Its tenant's policy does not allow this agent; an administrator can add it.",
    "not_a_user": "Its organisation has no such user; file the user first.",
    "too_many_tags": f"It would have more than {MOST_TAGS} tags.",
    "nothing_changes": "It is so already.",
    "changed_since": "It was changed since it was shown",
    "quota_exceeded": "A limit of releases was reached.",
    "refused": "Teli refused the change.",
    "unresolved": "What became of it at Teli is not known; an operator decides.",
    "failed_unforeseen": "It failed, and nothing was done; an operator can see why.",
}


# Of an order of new numbers: why an item waits still, or why it was not bought.
NOT_BOUGHT: Mapping[str, str] = {
    "never_sent": "Teli could not be reached; it is asked again.",
    "credentials": "Teli refused our key; it is asked again.",
    "rate_limited": "Teli was asked too often; it is asked again.",
    "out_of_stock": "Teli has none in this area code; the next one is asked for.",
    "no_numbers_available": "Teli has none in any of the area codes.",
    "refused": "Teli refused the purchase; nothing was bought.",
    "nothing_bought": "What had become of it was not known for long; nothing was bought.",
    "unresolved": "What became of it at Teli is not known; an operator decides.",
    "quota_exceeded": "A limit was lowered, or reached otherwise.",
    "deadline_passed": "The order's deadline had passed.",
    "not_all": "Another of the order could not be had, and all were wanted.",
    "tenant_closed": "Its tenant was closed.",
    "agent_not_allowed": "The tenant's policy does not allow this agent any more.",
    "not_a_user": "Its organisation has no such user any more.",
    "not_your_organization": "The tenant may buy for this organisation no more.",
    "failed_unforeseen": "It failed, and nothing was bought; an operator can see why.",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """A number as it stands. Its agents are those that are wanted; `idle_since`: None is not known."""

    id: UUID
    account_id: UUID
    phone_number: str
    acquired_at: datetime
    state: str
    tenant_id: str
    organization_id: str
    user_id: str
    nickname: str | None
    cost_center: str | None
    tags: tuple[str, ...]
    holder_user_id: str | None
    inbound_agent_id: str | None = None
    outbound_agent_id: str | None = None
    idle_since: datetime | None = None

    def idle_for(self, days: int, now: datetime) -> bool:
        """Of what is not known it is not."""
        return self.idle_since is not None and self.idle_since <= now - timedelta(days=days)

    def shown(self) -> dict[str, Any]:
        return {name: _plain(getattr(self, name)) for name in SHOWN}


@dataclass(frozen=True, slots=True)
class BulkChange:
    """A release, or members to be set; `sets` holds those alone that are to change. `force`: out of a campaign too.

    `each`: what every number is to become, where they differ.
    """

    kind: Literal["release", "change"]
    force: bool = False
    sets: Mapping[str, Any] | None = None
    tags_add: tuple[str, ...] = ()
    tags_remove: tuple[str, ...] = ()
    each: Mapping[UUID, Mapping[str, Any]] | None = None

    def wanted_of(self, number: Facts) -> dict[str, Any] | None:
        """The members that are to change, as they will stand; None for a release."""
        if self.kind == "release":
            return None
        wanted = dict(self.sets or {}) if self.each is None else dict(self.each.get(number.id, {}))
        if self.tags_add or self.tags_remove:
            kept = [tag for tag in number.tags if tag not in self.tags_remove]
            wanted["tags"] = list(dict.fromkeys((*kept, *self.tags_add)))
        now = number.shown()
        return {name: value for name, value in wanted.items() if now[name] != value}


@dataclass(frozen=True, slots=True)
class Context:
    """`tenant`: who may change its own alone; None may change whoever's. `policies`: of the numbers' tenants.
    `users`: organisations and their users, of those that are to hold numbers. `busy`: numbers in running campaigns.
    """

    tenant: str | None
    policies: Mapping[str, Policy]
    users: frozenset[tuple[str, str]] = frozenset()
    busy: frozenset[UUID] = frozenset()


def objection(number: Facts, wanted: Mapping[str, Any] | None, context: Context, *, force: bool) -> Reason | None:
    """Why it is left alone; None where it may be given back (`wanted` None), or become what is wanted."""
    if context.tenant is not None and number.tenant_id != context.tenant:
        return "not_yours"
    if number.state in ("released", "releasing"):
        return "released" if number.state == "released" else "releasing"
    if wanted is None:
        return "in_campaign" if number.id in context.busy and not force else None
    if number.state not in CHANGEABLE:
        return "missing"
    policy = context.policies.get(number.tenant_id, ANYTHING)
    if any(agent is not None and not policy.allows_agent(agent) for agent in map(wanted.get, AGENTS)):
        return "agent_not_allowed"
    holder = wanted.get("holder_user_id")
    if holder is not None and (number.organization_id, holder) not in context.users:
        return "not_a_user"
    if len(wanted.get("tags", ())) > MOST_TAGS:
        return "too_many_tags"
    return None if wanted else "nothing_changes"


def differences(shown: Mapping[str, Any], number: Facts, *, idle_days: int | None, now: datetime) -> list[str]:
    """What of a number is not as it was shown. `idle_days`: for so long it was idle, and still has to be."""
    stands = number.shown()
    called = idle_days is not None and not number.idle_for(idle_days, now)
    return [name for name in SHOWN if stands[name] != shown.get(name)] + ["calls"] * called


def digest(change: Mapping[str, Any], items: Iterable[tuple[UUID | None, Mapping[str, Any] | None, Any]]) -> bytes:
    """SHA-256 of what was shown: the change, and of every number in turn its id, how it stood and what it is to be."""
    hashed = hashlib.sha256(orjson.dumps(change, option=orjson.OPT_SORT_KEYS))
    for number_id, shown, wanted in items:
        hashed.update(b"\n" + orjson.dumps([str(number_id), shown, wanted], option=orjson.OPT_SORT_KEYS))
    return hashed.digest()


Final = Literal["completed", "partial", "failed", "cancelled"]


def final_state(counts: Mapping[str, int], *, to_do: int, cancelled: bool) -> Final:
    """What an order came to, of which nothing is left to do."""
    if cancelled:
        return "cancelled"
    done = counts.get("done", 0)
    if done == to_do:
        return "completed"
    return "partial" if done else "failed"


def changed_words(names: Sequence[str]) -> str:
    return f"{WORDS['changed_since']}: {', '.join(names)}."


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
