"""Calls as Teli lists them, held to what the principal may see: Teli itself holds whoever asks to nothing."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.calls.visible import Owner, Share, owners_by_id, shown
from service.db import Database
from service.kit.clock import monotonic
from service.kit.errors import NotFound
from service.numbers.models import Number
from service.teli.calls import CallRow, listed_calls, read_call, single_call
from service.teli.client import TeliClient, Upstreams
from service.teli.directory import read_users
from service.teli.errors import UpstreamUnavailable
from service.tenants.models import Organization, User
from service.tenants.principals import Principal

ASK_AGAIN = "Teli could not be asked; try again."
# Of a single call: accounts that are asked for it, and users among whom its own is looked for.
MOST_ACCOUNTS, MOST_USERS = 5, 1_000
# Of the ids that Teli told: organisations whose users are remembered, and for how many seconds.
MOST_KEPT, KEPT_FOR = 1_000, 300.0
ACCOUNTS = text("""
    SELECT DISTINCT coalesce(o.account_id, t.account_id) FROM organizations o CROSS JOIN tenants t
    WHERE t.id = :tenant AND o.id = ANY (CAST(:organizations AS text[]))
""")

# What row-level security says of rows of our own, said here of Teli's: no row of ours stands behind these.
SEEN_WHOLE = text("""
    SELECT CAST(:organization AS text) = ANY (seen) OR '*' = ANY (seen)
    FROM coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}') s, CAST(s AS text[]) seen
""")


class Calls:
    def __init__(self, database: Database, upstreams: Upstreams) -> None:
        self._database = database
        self._upstreams = upstreams
        self._told: OrderedDict[tuple[str, str], tuple[float, Mapping[str, str]]] = OrderedDict()

    async def page(
        self, caller: Principal, organization: str, user: str | None, *, whole: bool, query: dict[str, str]
    ) -> tuple[list[dict[str, Any]], int]:
        """Teli's rows as it gave them, of a user or with `whole` of the organisation, and how many were left out.

        Raises: UpstreamUnavailable.
        """
        async with self._acting(caller) as session:
            accounts = await _accounts(session, caller, [organization])
            share: Share = "none" if user is None else await _share(session, caller, organization, user)
            may_see = await session.scalar(SEEN_WHOLE, {"organization": organization}) if whole else share != "none"
        if not accounts or not may_see:
            return [], 0
        teli = await self._upstreams.of(accounts[0])
        asked = {"is_admin": "true"} if whole or user is None else {"is_admin": "false", "user_id": user}
        listed = listed_calls(await teli.list_calls(organization, asked | query))
        if listed is None:
            raise UpstreamUnavailable(ASK_AGAIN)
        readable = [(row, read) for row in listed if (read := read_call(row)) is not None]
        if whole:
            bound = caller.bounds.users
            keep = None if bound is None else await self._owners(caller, teli, organization, users=bound)
        else:
            keep = await self._owners(caller, teli, organization, users=[user] if user else [])
        rows = [
            (row, read) for row, read in readable
            if keep is None or ((owner := owners_by_id(keep).get(read.user_id or "")) is not None and owner.has(read))
        ]  # fmt: skip
        if not whole:
            others = await self._others(caller, organization, [read for _, read in rows])
            rows = [(row, read) for row, read in rows if shown(read, share=share, others=others)]
        return [row for row, _ in rows], len(listed) - len(rows)

    async def one(self, caller: Principal, call_id: str) -> dict[str, Any]:
        """One call, as Teli gave it.

        Raises: NotFound, also for one of another organisation, user or tenant; UpstreamUnavailable.
        """
        seen = [one for one in caller.lists_whole if one != "*"]
        organizations = [*dict.fromkeys([*caller.organization_ids, *seen])]
        async with self._acting(caller) as session:
            accounts = await _accounts(session, caller, organizations)
        for account in accounts[:MOST_ACCOUNTS]:
            teli = await self._upstreams.of(account)
            heard = await teli.call(call_id)
            if heard.kind == "answer" and heard.status == 404:
                continue
            call = single_call(heard)
            if call is None or (read := read_call(call)) is None:
                raise UpstreamUnavailable(ASK_AGAIN)
            if await self._may_see(caller, teli, organizations, seen, read):
                return call
            raise NotFound
        raise NotFound

    async def _may_see(
        self, caller: Principal, teli: TeliClient, organizations: Sequence[str], seen: Sequence[str], read: CallRow
    ) -> bool:
        """Whether a call is of a user of these organisations, and of the tenant, or of an organisation seen whole."""
        for organization in organizations:
            owners = await self._owners(caller, teli, organization, users=caller.bounds.users)
            owner = owners_by_id(owners).get(read.user_id or "")
            if owner is None or not owner.has(read):
                continue
            if organization in seen:
                return True
            async with self._acting(caller) as session:
                share = await _share(session, caller, organization, owner.user_id)
            return shown(read, share=share, others=await self._others(caller, organization, [read]))
        return False

    async def _owners(
        self, caller: Principal, teli: TeliClient, organization: str, *, users: Sequence[str] | None
    ) -> list[Owner]:
        """Users of an organisation, with the other id that rows may carry; where it is not filed Teli is asked for it.

        `users`: these alone; None is all that own numbers the caller may see.
        """
        owners = await self._filed(caller, organization, users)
        if all(one.user_uuid is not None for one in owners):
            return owners
        uuids = await self._uuids(teli, organization)
        return [one if one.user_uuid else replace(one, user_uuid=uuids.get(one.user_id)) for one in owners]

    async def _uuids(self, teli: TeliClient, organization: str) -> Mapping[str, str]:
        """The other ids of an organisation's users, as Teli told them some minutes ago at most."""
        kept = self._told.get((teli.name, organization))
        if kept is not None and kept[0] > monotonic():
            return kept[1]
        told = read_users(await teli.users(organization))
        if told is None:
            raise UpstreamUnavailable(ASK_AGAIN)
        uuids = {one.unique_id: one.uuid for one in told if one.uuid}
        self._told[teli.name, organization] = monotonic() + KEPT_FOR, uuids
        if len(self._told) > MOST_KEPT:
            self._told.popitem(last=False)
        return uuids

    async def _filed(self, caller: Principal, organization: str, users: Sequence[str] | None) -> list[Owner]:
        query = select(User.id, User.upstream_uuid, Organization.upstream_uuid).join(
            Organization, Organization.id == User.organization_id
        )
        query = query.where(User.organization_id == organization).order_by(User.id).limit(MOST_USERS)
        if users is not None:
            query = query.where(User.id.in_(users))
        else:
            owning = select(Number.user_id).where(Number.organization_id == organization, Number.user_id == User.id)
            query = query.where(owning.exists())
        async with self._acting(caller) as session:
            return [Owner(organization, of, user, uuid) for user, uuid, of in await session.execute(query)]

    async def _others(self, caller: Principal, organization: str, rows: Sequence[CallRow]) -> set[str]:
        """Of the account's numbers in these rows those that others hold."""
        numbers = sorted({row.ours for row in rows if row.ours})
        if not numbers:
            return set()
        async with self._acting(caller) as session:
            asked = select(func.others_among(caller.tenant_id or "", organization, numbers))
            return set(await session.scalars(asked))

    def _acting(self, caller: Principal) -> Any:
        return self._database.acting(tenant=caller.tenant_id, sees=caller.sees, bounds=caller.bounds)


async def _accounts(session: AsyncSession, caller: Principal, organizations: Sequence[str]) -> list[UUID]:
    values = {"tenant": caller.tenant_id, "organizations": list(organizations)}
    return list(await session.scalars(ACCOUNTS, values))


async def _share(session: AsyncSession, caller: Principal, organization: str, user: str) -> Share:
    asked = select(func.user_shared(caller.tenant_id or "", organization, user))
    found: Share = (await session.execute(asked)).scalar_one()
    return found
