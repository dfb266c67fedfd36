"""What can be noted, by name: the type checker holds whoever notes to it, and whoever asks for another is told so."""

from difflib import get_close_matches
from typing import Literal, get_args

Action = Literal[
    "account.created", "account.key_replaced", "account.listed", "account.mode_learned", "account.put",
    "account.reencrypted",
    "budget.deleted", "budget.filed", "budget.put",
    "campaign.completed", "campaign.created", "campaign.doubtful", "campaign.end_asked", "campaign.ended",
    "campaign.gone", "campaign.pause_asked", "campaign.paused", "campaign.refused", "campaign.running",
    "campaign.sending",
    "charging_rule.put",
    "dispute.attached", "dispute.credited", "dispute.moved", "dispute.noted", "dispute.opened",
    "doubt.owned", "doubt.refused",
    "filter.changed", "filter.created", "filter.deleted",
    "ghost.missing", "ghost.still_ours",
    "import.applied",
    "intent.doubtful", "intent.owned", "intent.refused", "intent.unresolved",
    "invoice.discarded", "invoice.filed", "invoice.match_asked", "invoice.read", "invoice.rejects_resolved",
    "invoice_profile.put",
    "key.issued", "key.revoked", "key.rotated",
    "number.change_refused", "number.changed", "number.confirmed", "number.drift_settled", "number.drifted",
    "number.imported", "number.release_scheduled", "number.release_unresolved", "number.released", "number.releasing",
    "number.restored", "number.seen_again", "number.unmarked",
    "order.applied", "order.cancel", "order.cancelled", "order.completed", "order.failed", "order.partial",
    "order.placed",
    "organization.filed", "organization.put", "organizations.synced",
    "orphan.adopted", "orphan.ignored", "orphan.released",
    "period.closed", "period.compared",
    "policy.put",
    "price.filed",
    "purchases.resumed", "purchases.stopped",
    "quota.put", "quota.repaired",
    "recovery.begun", "recovery.ended",
    "request.refused",
    "session.begun", "session.ended",
    "tenant.put",
    "user.put", "users.synced",
    "webhook.changed", "webhook.created", "webhook.deleted", "webhook.disabled", "webhook.redelivered",
    "webhook.reencrypted", "webhook.secret_rotated",
]  # fmt: skip
ACTIONS: dict[str, Action] = {one: one for one in get_args(Action)}

ObjectKind = Literal[
    "account", "budget", "campaign", "charging_rule", "deployment", "dispute", "filter", "global", "intent", "invoice",
    "invoice_match", "invoice_profile", "key", "number", "order", "organization", "orphan", "period", "policy",
    "price", "route", "session", "tenant", "user", "webhook",
]  # fmt: skip


def known_action(name: str) -> str:
    """The name itself. Raises: ValueError, naming what may have been meant: a page of nothing would tell nobody."""
    if name in ACTIONS:
        return name
    about = [one for one in ACTIONS if one.startswith(f"{name.partition('.')[0]}.")]
    if near := get_close_matches(name, ACTIONS, n=1, cutoff=0.8) or about:
        raise ValueError(f"is no action; there are {', '.join(near)}" if len(near) > 1 else f"is none; {near[0]} is")
    firsts = dict.fromkeys(one.partition(".")[0] for one in ACTIONS)
    raise ValueError(f"is no action, as key.issued is; they begin with {', '.join(firsts)}")
