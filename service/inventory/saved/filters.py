"""Keeping filters of the inventory, sharing them in an organisation, and listing by them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.actions import Action
from service.audit.entries import note
from service.db import Database
from service.http.conditions import Tags, digest
from service.http.problems import faults_of
from service.inventory.saved.auth import acting_for, check_may_keep, may_change, owner_of, visible_to
from service.inventory.saved.errors import FilterOutdated
from service.inventory.saved.models import SavedFilter
from service.inventory.saved.repository import SavedFilterRepository
from service.inventory.schemas import Asked, InventoryQuery
from service.kit.clock import utc_now
from service.kit.errors import Fault, InvalidRequest, NotFound, StateConflict
from service.kit.pagination import Cursors, total
from service.kit.types import new_id
from service.tenants.principals import NotYourOrganization, Principal

# Of one owner that are not shared, and that are shared with one organisation.
MOST = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a saved filter its author says. `organization_id`: with whom it is shared; None is with nobody."""

    name: str
    organization_id: str | None
    filters: Mapping[str, Any]
    sort: str | None

    @classmethod
    def of(cls, found: SavedFilter) -> "Wanted":
        return cls(found.name, found.organization_id, found.filters, found.sort)


class SavedFilters:
    def __init__(self, database: Database, cursors: Cursors) -> None:
        self._database = database
        self._cursors = cursors

    async def create(self, caller: Principal, wanted: Wanted, request_id: str) -> dict[str, Any]:
        """Raises: ScopeMissing; NotYourOrganization, NotYourUser; StateConflict for a name taken, and for too many."""
        check_may_keep(caller)
        _check_wanted(caller, wanted)
        now = utc_now()
        found = SavedFilter(id=new_id(), tenant_id=owner_of(caller), created_at=now, updated_at=now, **asdict(wanted))
        async with acting_for(self._database, caller) as session:
            await _check_room(SavedFilterRepository(session), found.tenant_id, wanted)
            session.add(found)
            await _flush(session)
            _note(session, caller, "filter.created", found, request_id, after=asdict(wanted))
        return told(found, caller)

    async def page(self, caller: Principal, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """The caller's own and those that are shared with it, by name. Raises: InvalidRequest for a foreign cursor."""
        query = {"list": "saved filters"}
        after = None
        if cursor is not None:
            name, filter_id = self._cursors.open(query, cursor)
            after = name, UUID(filter_id)
        async with acting_for(self._database, caller) as session:
            found, counted = await SavedFilterRepository(session).page(visible_to(caller), after=after, limit=limit + 1)
        shown = found[:limit]
        return {
            "items": [told(one, caller) for one in shown],
            "next_cursor": self._cursors.seal(query, [shown[-1].name, str(shown[-1].id)])
            if len(found) > limit
            else None,
            "total": total(counted),
        }

    async def get(self, caller: Principal, filter_id: UUID) -> dict[str, Any]:
        """Raises: NotFound, also for what the caller may not see."""
        return told(await self._visible(caller, filter_id), caller)

    async def replace(
        self, caller: Principal, filter_id: UUID, wanted: Wanted, *, if_match: Tags | None, request_id: str
    ) -> dict[str, Any]:
        """Raises: NotFound, also for what the caller may not see or, seeing it, not change; EtagMismatch; as `create`;
        InvalidRequest for an administrator who would share it with others than its author does.
        """
        async with acting_for(self._database, caller) as session:
            filters = SavedFilterRepository(session)
            found = await _changeable(filters, caller, filter_id, if_match)
            before = Wanted.of(found)
            if wanted.organization_id != before.organization_id and found.tenant_id != owner_of(caller):
                raise InvalidRequest(Fault("/organization_id", "is for its author to change; send it as it is"))
            _check_wanted(caller, wanted)
            if wanted != before:
                await _check_room(filters, found.tenant_id, wanted, but=filter_id)
                for name, value in asdict(wanted).items():
                    setattr(found, name, value)
                found.updated_at = utc_now()
                await _flush(session)
                _note(session, caller, "filter.changed", found, request_id, before=asdict(before), after=asdict(wanted))
        return told(found, caller)

    async def delete(self, caller: Principal, filter_id: UUID, *, if_match: Tags | None, request_id: str) -> None:
        """Raises: NotFound, EtagMismatch, as `replace`."""
        async with acting_for(self._database, caller) as session:
            found = await _changeable(SavedFilterRepository(session), caller, filter_id, if_match)
            await session.delete(found)
            _note(session, caller, "filter.deleted", found, request_id, before=asdict(Wanted.of(found)))

    async def applied(self, caller: Principal, filter_id: UUID, query: InventoryQuery) -> InventoryQuery:
        """The query, and what is saved of all that it does not name itself.

        Raises: NotFound, also for what the caller may not see; FilterOutdated where the listing knows no more what is
            saved; InvalidRequest where the two cannot both be meant.
        """
        found = await self._visible(caller, filter_id)
        saved = _asked(found)
        given = query.model_dump(include=set(Asked.model_fields), exclude_unset=True)
        if faults := _faults(saved | given):
            raise FilterOutdated(filter_id, faults) if _faults(saved) else InvalidRequest(*faults)
        asked = Asked.model_validate(saved | given)
        return query.model_copy(update={name: getattr(asked, name) for name in Asked.model_fields})

    async def _visible(self, caller: Principal, filter_id: UUID) -> SavedFilter:
        async with acting_for(self._database, caller) as session:
            found = await SavedFilterRepository(session).get(filter_id, visible_to(caller))
        if found is None:
            raise NotFound
        return found


def told(found: SavedFilter, caller: Principal) -> dict[str, Any]:
    """As it is shown to this caller: whose else it is, is not told."""
    return {
        "id": found.id,
        "name": found.name,
        "organization_id": found.organization_id,
        # As Postgres gives them back they stand in another order than they were saved in.
        "filters": dict(sorted(found.filters.items())),
        "sort": found.sort,
        "mine": found.tenant_id == owner_of(caller),
        "faults": [fault.as_json() for fault in _faults(_asked(found))],
        "created_at": found.created_at,
        "updated_at": found.updated_at,
    }


def revision_of(shown: Mapping[str, Any]) -> str:
    return digest(f"{shown['id']} {shown['updated_at'].isoformat()}".encode())


def _asked(found: SavedFilter) -> dict[str, Any]:
    return dict(found.filters) | ({} if found.sort is None else {"sort": found.sort})


def _faults(asked: Mapping[str, Any]) -> list[Fault]:
    """What of it the listing does not know, by the names of its parameters."""
    try:
        Asked.model_validate(asked)
    except ValidationError as error:
        return faults_of([one | {"loc": ("query", *one["loc"])} for one in error.errors()])
    return []


def _check_wanted(caller: Principal, wanted: Wanted) -> None:
    """Raises: NotYourOrganization, NotYourUser."""
    named = wanted.filters.get("organization_id")
    if named is not None and not caller.bounds.may_be_of(named):
        raise NotYourOrganization
    for member in ("user_id", "holder_user_id"):
        if (user := wanted.filters.get(member)) is not None:
            caller.check_user(user)
    if wanted.organization_id is not None:
        caller.check_organization(wanted.organization_id, whole=False)


async def _flush(session: AsyncSession) -> None:
    """Raises: StateConflict for a name that a filter has which the caller may not see."""
    try:
        await session.flush()
    except IntegrityError:
        raise StateConflict("Another filter has this name. Choose another name.") from None


async def _check_room(filters: SavedFilterRepository, owner: str, wanted: Wanted, *, but: UUID | None = None) -> None:
    names = await filters.names(owner, wanted.organization_id)
    others = {name: filter_id for name, filter_id in names.items() if filter_id != but}
    if (same := others.get(wanted.name)) is not None:
        raise StateConflict(
            f"The filter {same} has this name. Change that one, or choose another name.", filter_id=str(same)
        )
    if len(others) >= MOST:
        raise StateConflict(f"{MOST} filters are saved here, and no more are kept. Delete one first.", most=MOST)


async def _changeable(
    filters: SavedFilterRepository, caller: Principal, filter_id: UUID, if_match: Tags | None
) -> SavedFilter:
    check_may_keep(caller)
    found = await filters.get(filter_id, visible_to(caller), lock=True)
    if found is None or not may_change(caller, found):
        raise NotFound
    if if_match is not None:
        if_match.check(revision_of(told(found, caller)))
    return found


def _note(
    session: AsyncSession, caller: Principal, action: Action, found: SavedFilter, request_id: str, **how: dict[str, Any]
) -> None:
    note(
        session, actor=caller.actor, action=action, of=("filter", str(found.id)), tenant=caller.tenant_id,
        request_id=request_id, **how,
    )  # fmt: skip
