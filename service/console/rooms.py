"""The rooms of the console, and who may enter each. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Room:
    """`scopes`: any of them opens it."""

    path: str
    name: str
    scopes: tuple[str, ...]


# As the side of every page lists them. A path here is the head of the paths of all its pages.
ROOMS: Sequence[tuple[str, Sequence[Room]]] = (
    (
        "Inventory",
        (
            Room("/console/numbers", "Numbers", ("numbers:read",)),
            Room("/console/buy", "Buy", ("admin:write",)),
            Room("/console/orders", "Orders", ("admin:read",)),
        ),
    ),
    (
        "Operations",
        (
            Room("/console/doubts", "Doubts", ("operator:read",)),
            Room("/console/drift", "Drift", ("operator:read",)),
            Room("/console/upstream", "Upstream", ("admin:read", "operator:read")),
        ),
    ),
    (
        "Finance",
        (
            Room("/console/statements", "Statements", ("billing:read",)),
            Room("/console/invoices", "Invoices", ("billing:read",)),
            Room("/console/disputes", "Disputes", ("billing:read",)),
            Room("/console/prices", "Prices", ("billing:read",)),
            Room("/console/budgets", "Budgets", ("billing:read",)),
        ),
    ),
    (
        "Administration",
        (
            Room("/console/organizations", "Organisations", ("admin:read",)),
            Room("/console/tenants", "Tenants", ("admin:read",)),
            Room("/console/limits", "Limits of all", ("admin:read",)),
            Room("/console/keys", "Keys", ("admin:read",)),
            Room("/console/webhooks", "Webhooks", ("admin:read", "webhooks:write")),
            Room("/console/audit", "Audit log", ("admin:read",)),
            Room("/console/sessions", "Sessions", ("admin:read",)),
        ),
    ),
)


def may(scopes: Collection[str], scope: str) -> bool:
    """As the API reads scopes: `admin:*` holds all of `admin:`."""
    return scope in scopes or f"{scope.split(':')[0]}:*" in scopes


def open_to(scopes: Collection[str]) -> list[tuple[str, list[Room]]]:
    """The rooms that these scopes open, with the heading of each group that has any."""
    groups = [
        (heading, [room for room in rooms if any(may(scopes, one) for one in room.scopes)]) for heading, rooms in ROOMS
    ]
    return [(heading, rooms) for heading, rooms in groups if rooms]
