"""`numbergate billing periods analytics`: what Teli counts of a month, beside the ledger, through the gateway."""

from typing import Any

from service.cli.listing import first, show_items
from service.cli.remote import remote
from service.cli.words import fit, known, moment

Item = dict[str, Any]


def run_analytics(month: str, *, everything: bool, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code: 0 where nothing differs."""
    with remote(url, key) as gateway:
        found = gateway.items(f"/v1/billing/periods/{month}/analytics", options={"period": "MONTH"})
        items, complete = first(found, everything=everything)
    show_items(items, "counts of a month that is final", _cells, ("organisation",), complete=complete, json=json)
    return 1 if any(one["state"] == "differs" for one in items) else 0


def _cells(one: Item) -> dict[str, str]:
    return {
        "organisation": fit(one["organization_id"]),
        "state": one["state"],
        "users": known(one["users"]),
        "asked": moment(one["asked_at"])[:16],
        "differs": "; ".join(map(_difference, one["differences"][:3])),
    }


def _difference(one: Item) -> str:
    ours, theirs = one["ours"], one["theirs"]
    return (
        f"{fit(one['user_id'])}: {ours['rentals']} rented and {ours['purchases']} bought here,"
        f" {theirs['rentals']} and {theirs['purchases']} there"
    )
