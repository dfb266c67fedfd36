"""The named moments of a request at which a fault can strike."""

from enum import StrEnum


class Step(StrEnum):
    """What has just been done when the moment comes.

    A create passes received, bought, linked, recorded, answering; money is spent between the first two. A release
    passes received, unlinked, returned, removed, answering. A campaign passes received, recorded, dialled, answering.
    Everything else passes received and answering, and recorded where it writes.
    """

    received = "received"
    bought = "bought"
    linked = "linked"
    recorded = "recorded"
    unlinked = "unlinked"
    returned = "returned"
    removed = "removed"
    dialled = "dialled"
    answering = "answering"
