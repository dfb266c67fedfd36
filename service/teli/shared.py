"""Listings shared by all who want the same one at the same time."""

import asyncio
from uuid import UUID

from service.teli.client import Upstreams
from service.teli.listing import Listing, read_listing

Wanted = tuple[UUID, str, str, bool]


class SharedListings:
    """Each answer was asked for after whoever gets it asked: it cannot lack what they know to be there by then.

    So at most two are under way for the same rows, one that has begun and the one that all later ones wait for.
    """

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams
        self._begun: dict[Wanted, asyncio.Task[Listing | None]] = {}
        self._next: dict[Wanted, asyncio.Task[Listing | None]] = {}

    async def fresh(self, account: UUID, organization: str, user: str, *, whole: bool) -> Listing | None:
        """The rows of a user, or with `whole` of its organisation, by an account; None where none can be had.

        Raises: UpstreamUnavailable where the account is out of service; StorageUnavailable.
        """
        wanted = (account, organization, user, whole)
        task = self._next.get(wanted)
        if task is None:
            task = self._next[wanted] = asyncio.create_task(self._list(wanted, after=self._begun.get(wanted)))
        return await asyncio.shield(task)

    async def _list(self, wanted: Wanted, *, after: "asyncio.Task[Listing | None] | None") -> Listing | None:
        if after is not None:
            await asyncio.wait({after})
        task = self._begun[wanted] = self._next.pop(wanted)
        account, organization, user, whole = wanted
        try:
            teli = await self._upstreams.of(account)
            return read_listing(await teli.list_numbers(organization, user, whole=whole))
        finally:
            if self._begun[wanted] is task:
                del self._begun[wanted]
