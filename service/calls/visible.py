"""Which calls a tenant may be told of. Teli knows organisations and users, and no tenants of ours. Pure.

A call belongs to whoever holds its number. Where the row names it, that decides. Where it does not, its user does: it
is shown to the one tenant that has numbers of that user, and to nobody where several have.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from service.teli.calls import CallRow

Share = Literal["none", "own", "shared"]


@dataclass(frozen=True, slots=True)
class Owner:
    """A user of an organisation, with both forms of each id where they are known."""

    organization_id: str
    organization_uuid: str | None
    user_id: str
    user_uuid: str | None

    def has(self, row: CallRow) -> bool:
        """Whether a row is of this user: what is not known of its organisation is not held against it."""
        if row.user_id is None or row.user_id not in (self.user_id, self.user_uuid):
            return False
        return self.organization_uuid is None or row.organization_id in (
            None,
            self.organization_id,
            self.organization_uuid,
        )


def shown(row: CallRow, *, share: Share, others: Collection[str]) -> bool:
    """Whether a call of a user is its tenant's. `share`: whose numbers that user has. `others`: numbers of others."""
    if row.ours is not None:
        return share != "none" and row.ours not in others
    return share == "own"


def owners_by_id(owners: Collection[Owner]) -> Mapping[str, Owner]:
    """By either form of the user's id."""
    return {known: one for one in owners for known in (one.user_id, one.user_uuid) if known}
