"""Teli's own counts of purchases: a witness beside the listing, good for "one more", never for which one."""

from collections import Counter

from service.teli.heard import Heard


def read_purchases(heard: Heard) -> dict[str, int] | None:
    """Purchases in the period asked for, by user in whichever form Teli named it; None where it cannot be read.

    A user named more than once has bought all of it. A count that makes no sense makes no sense of the others.
    """
    users = heard.object().get("users") if heard.kind == "answer" and heard.status == 200 else None
    if not isinstance(users, list):
        return None
    counts: Counter[str] = Counter()
    for user in users:
        costs = user.get("cost_breakdown") if isinstance(user, dict) else None
        count = costs.get("phone_purchase_count") if isinstance(costs, dict) else None
        if type(count) is not int or count < 0 or not isinstance(user.get("user_id"), str):
            return None
        counts[user["user_id"]] += count
    return dict(counts)
