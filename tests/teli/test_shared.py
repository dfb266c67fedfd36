"""Listings shared by those who want them at the same time, never by one who asked after it had begun."""

import asyncio
from uuid import UUID

from service.teli.heard import Heard
from service.teli.shared import SharedListings
from tests.support.upstreams import OneUpstream

ACCOUNT, OTHER = UUID(int=1), UUID(int=2)
EMPTY = b'{"success": true, "count": 0, "phone_numbers": []}'


class SlowTeli:
    """A dead network's stand-in: each listing waits until it is let through."""

    def __init__(self) -> None:
        self.gates: list[asyncio.Event] = []

    async def list_numbers(self, organization: str, user: str, *, whole: bool) -> Heard:
        self.gates.append(asyncio.Event())
        await self.gates[-1].wait()
        return Heard("answer", 200, {}, EMPTY)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_those_who_come_while_one_is_under_way_share_the_next():
    teli = SlowTeli()
    listings = SharedListings(OneUpstream(teli))
    first = asyncio.create_task(listings.fresh(ACCOUNT, "o", "u", whole=False))
    await settled()
    later = [asyncio.create_task(listings.fresh(ACCOUNT, "o", "u", whole=False)) for _ in range(100)]
    await settled()
    assert len(teli.gates) == 1

    teli.gates[0].set()
    await first
    await settled()
    assert len(teli.gates) == 2
    assert not any(task.done() for task in later)

    teli.gates[1].set()
    assert all(listing is not None for listing in await asyncio.gather(*later))
    assert len(teli.gates) == 2


async def test_other_accounts_users_and_whole_organisations_are_listed_by_themselves():
    teli = SlowTeli()
    listings = SharedListings(OneUpstream(teli))
    wants = [
        (ACCOUNT, "o", "u", False),
        (ACCOUNT, "o", "u", True),
        (ACCOUNT, "o", "v", False),
        (OTHER, "o", "u", False),
    ]
    tasks = [asyncio.create_task(listings.fresh(by, o, u, whole=whole)) for by, o, u, whole in wants]
    await settled()
    assert len(teli.gates) == 4

    for gate in teli.gates:
        gate.set()
    await asyncio.gather(*tasks)


async def test_who_gives_up_takes_nothing_from_the_others():
    teli = SlowTeli()
    listings = SharedListings(OneUpstream(teli))
    gives_up, stays = (asyncio.create_task(listings.fresh(ACCOUNT, "o", "u", whole=False)) for _ in range(2))
    await settled()

    gives_up.cancel()
    await settled()
    teli.gates[0].set()

    assert await stays is not None
