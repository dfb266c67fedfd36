"""Confirming a purchase: seeing the row of a number at Teli, and with it whether marks come back at all.

Until a number is confirmed its row id is not known, and the row id alone tells this acquisition from a later one of
the same E.164.
"""

from datetime import timedelta
from typing import Literal

from service.kit.clock import utc_now
from service.kit.types import TenantId
from service.numbers.marks import begins_with, mark_of
from service.numbers.models import Number, Step
from service.numbers.repository import Numbers, RowTaken
from service.numbers.steps import Done, Later
from service.teli.client import Upstreams
from service.teli.directory import read_users
from service.teli.listing import Listing, Row, made_before
from service.teli.shared import SharedListings

# Given up as missing, it is looked for so seldom: a sweep would see it sooner, were it to come back under its mark.
MISSING_IS_LOOKED_FOR_EVERY = 3600.0


class Confirmation:
    """`mark_keep`: seconds until the mark is to be taken off. `window`: the settling window."""

    def __init__(self, numbers: Numbers, upstreams: Upstreams, *, mark_keep: float, window: timedelta) -> None:
        self._numbers = numbers
        self._upstreams = upstreams
        self._listings = SharedListings(upstreams)
        self._mark_keep = mark_keep
        self._window = window

    async def perform(self, step: Step, tenant: TenantId | None = None) -> Done | Later:
        """The `confirm` step."""
        number = await self._numbers.get(step.number_id, tenant)
        if number.confirmed_at is not None:
            return Done("confirmed before")
        if number.state == "released":
            return Done("released before it was listed")
        if not await self.confirm(number, tenant, request_id=step.request_id):
            return Later("not listed yet", after=MISSING_IS_LOOKED_FOR_EVERY if number.state == "missing" else None)
        return Done("confirmed")

    async def confirm(self, number: Number, tenant: TenantId | None, *, request_id: str | None) -> bool:
        """As `look`. False while it is not listed."""
        return await self.look(number, tenant, request_id=request_id) == "confirmed"

    async def look(
        self, number: Number, tenant: TenantId | None, *, request_id: str | None
    ) -> Literal["confirmed", "not listed", "not to be told"]:
        """Look for the row of a number that is not confirmed, and file what it says."""
        listing = await self.listing(number, whole=False)
        rows = [
            row
            for row in (listing.rows if listing else ())
            # A row with another mark is another purchase's, whatever its E.164.
            if row.phone_number == number.phone_number and mark_of(row.nickname) in (None, number.mark)
        ]
        for row in sorted(rows, key=lambda row: mark_of(row.nickname) != number.mark):
            if not await self._owner_agrees(row, number, tenant):
                continue
            if await self._may_be_of_before(row, number, tenant):
                return "not to be told"
            try:
                await self._numbers.confirm(number, row, tenant, unmark_after=self._mark_keep, request_id=request_id)
            except RowTaken:
                continue
            return "confirmed"
        return "not listed" if listing is not None and listing.complete else "not to be told"

    async def listing(self, number: Number, *, whole: bool) -> Listing | None:
        """A fresh listing of the number's user, or with `whole` of its organisation; None where none can be had."""
        return await self._listings.fresh(number.account_id, number.organization_id, number.user_id, whole=whole)

    async def _may_be_of_before(self, row: Row, number: Number, tenant: TenantId | None) -> bool:
        """Whether a row may be of whoever had the number before, in a listing that lags: it tells an earlier time than
        that of the purchase, or none, and has a nickname that Teli cannot have made of ours. Not after a settling
        window: what is listed still is ours, renamed, or listed by a clock that is wrong.
        """
        if number.intent_id is None or not number.mark or mark_of(row.nickname) == number.mark:
            return False
        if utc_now() - number.acquired_at > self._window:
            return False
        before = made_before(row, await self._numbers.admitted_at(number, tenant))
        return not begins_with(number.mark + (number.nickname or ""), row.nickname) if before is None else before

    async def _owner_agrees(self, row: Row, number: Number, tenant: TenantId | None) -> bool:
        """Rows carry either form of an id; one that is not known yet is asked for."""
        if row.user_id in (None, number.user_id):
            return True
        known = await self._numbers.user_uuid(number, tenant)
        return row.user_id == known or row.user_id == await self._learn(number, tenant)

    async def _learn(self, number: Number, tenant: TenantId | None) -> str | None:
        teli = await self._upstreams.of(number.account_id)
        users = read_users(await teli.users(number.organization_id)) or []
        uuid = next((user.uuid for user in users if user.unique_id == number.user_id), None)
        if uuid is not None:
            await self._numbers.learn_user(number, uuid, tenant)
        return uuid
