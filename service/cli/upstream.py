"""`numbergate doctor --upstream`: the reads, a handful, whatever the size of the account."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

from service.cli.reads import Read, Reading
from service.inventory.accounts import Standings
from service.kit.clock import utc_now
from service.teli.directory import TeliOrganization, TeliUser, read_organizations, read_users
from service.teli.heard import Heard

# Of an account that nothing was bought through yet, so many organisations are tried for one that holds a number.
MOST_TRIED = 5
DAYS = 30
LISTEN = 60.0


@dataclass(slots=True)
class Seen:
    """All that was heard; None is what was not asked, for want of an organisation or a user.

    `not_named`: the option whose organisation or user Teli does not name; nothing was asked about that one.
    """

    base_url: str
    organizations: Heard
    organization: str | None = None
    user: str | None = None
    users: Heard | None = None
    own: Heard | None = None
    whole: Heard | None = None
    analytics: Heard | None = None
    period: tuple[date, date] = field(
        default_factory=lambda: (utc_now().date() - timedelta(days=DAYS), utc_now().date())
    )
    reads: list[Read] = field(default_factory=list)
    not_named: Literal["--organization", "--user"] | None = None


async def look(
    reading: Reading, standings: Standings | None, *, organization: str | None = None, user: str | None = None
) -> Seen:
    """Ask everything once, about the user named, else one that the ledger knows, else one that Teli names."""
    teli = reading.teli
    seen = Seen(teli.base_url, await teli.organizations(), reads=reading.transport.reads)
    if organization is not None and _lacks(read_organizations(seen.organizations), organization):
        seen.organization, seen.not_named = organization, "--organization"
        return seen
    for candidate, candidates_user in _candidates(seen, standings, organization, user):
        users = await teli.users(candidate)
        if user is not None and _lacks(read_users(users), user):
            seen.organization, seen.users, seen.user, seen.not_named = candidate, users, user, "--user"
            return seen
        named = candidates_user or next((one.unique_id for one in read_users(users) or ()), None)
        whole = await teli.list_numbers(candidate, named, whole=True, listen=LISTEN) if named else None
        if whole is not None or seen.organization is None:
            seen.organization, seen.users, seen.user, seen.whole = candidate, users, named, whole
        if whole is not None and whole.object().get("phone_numbers"):
            break
    if seen.organization is not None and seen.user is not None:
        seen.own = await teli.list_numbers(seen.organization, seen.user, whole=False, listen=LISTEN)
        seen.analytics = await teli.purchases(seen.organization, start=seen.period[0], end=seen.period[1])
    return seen


def _lacks(named: Sequence[TeliOrganization | TeliUser] | None, unique_id: str) -> bool:
    """Whether Teli told whom it names, and this is none of them."""
    return named is not None and unique_id not in {one.unique_id for one in named}


def _candidates(
    seen: Seen, standings: Standings | None, organization: str | None, user: str | None
) -> Iterator[tuple[str, str | None]]:
    if organization is not None:
        yield organization, user
    elif standings is not None and standings.owner is not None:
        yield standings.owner
    else:
        named = read_organizations(seen.organizations) or []
        yield from ((one.unique_id, None) for one in named[:MOST_TRIED])
