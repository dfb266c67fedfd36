"""Organisations and users as Teli names them now, filed on demand.

Teli is asked first and once, and what it said is written in one transaction: all of it or nothing. Nobody is deleted
for not being named, since a listing may lack somebody, and whether a user is `exclusive` is ours to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import structlog
from sqlalchemy import Select, TextClause, func, select, text

from service.audit.actions import Action
from service.audit.entries import note
from service.db import Database
from service.kit.errors import NotFound, StateConflict
from service.teli.client import TeliClient
from service.teli.directory import TeliOrganization, TeliUser, read_organizations, read_users
from service.teli.errors import UpstreamUnavailable
from service.teli.heard import Heard
from service.tenants.administration import Author
from service.tenants.models import Organization, User
from service.tenants.upstreams import AccountUpstreams
from service.tenants.version import bump

# About as many as a listing of numbers is reckoned with; that many still are one short transaction.
MOST = 20_000
LONGEST_ID = 128
# What Teli leaves out stays as it is. Those that are put come back, each with what it was before.
PUT_USERS = text(
    """
    WITH was AS (SELECT id, name, email FROM users WHERE organization_id = :organization_id),
    put AS (
      INSERT INTO users AS u (organization_id, id, name, email, upstream_uuid)
      SELECT :organization_id, told.*
      FROM unnest(CAST(:ids AS text[]), CAST(:names AS text[]), CAST(:emails AS text[]), CAST(:uuids AS text[]))
             AS told(id, name, email, uuid)
      ORDER BY told.id
      ON CONFLICT (organization_id, id) DO UPDATE
      SET name = coalesce(excluded.name, u.name), email = coalesce(excluded.email, u.email),
          upstream_uuid = coalesce(excluded.upstream_uuid, u.upstream_uuid)
      WHERE (coalesce(excluded.name, u.name), coalesce(excluded.email, u.email),
             coalesce(excluded.upstream_uuid, u.upstream_uuid))
            IS DISTINCT FROM (u.name, u.email, u.upstream_uuid)
      RETURNING id, name, email
    )
    SELECT put.id, was.id IS NULL AS is_new, jsonb_build_object('name', put.name, 'email', put.email) AS after,
           jsonb_build_object('name', was.name, 'email', was.email) AS before
    FROM put LEFT JOIN was ON was.id = put.id
    """
)
PUT_ORGANIZATIONS = text(
    """
    WITH was AS (SELECT id, name FROM organizations),
    put AS (
      INSERT INTO organizations AS o (id, name, upstream_uuid)
      SELECT told.* FROM unnest(CAST(:ids AS text[]), CAST(:names AS text[]), CAST(:uuids AS text[]))
                           AS told(id, name, uuid)
      ORDER BY told.id
      ON CONFLICT (id) DO UPDATE
      SET name = coalesce(excluded.name, o.name), upstream_uuid = coalesce(excluded.upstream_uuid, o.upstream_uuid)
      WHERE (coalesce(excluded.name, o.name), coalesce(excluded.upstream_uuid, o.upstream_uuid))
            IS DISTINCT FROM (o.name, o.upstream_uuid)
      RETURNING id, name
    )
    SELECT put.id, was.id IS NULL AS is_new, jsonb_build_object('name', put.name) AS after,
           jsonb_build_object('name', was.name) AS before
    FROM put LEFT JOIN was ON was.id = put.id
    """
)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Synced:
    """How many were filed anew, changed, and left as they were; and how many are filed that Teli does not name."""

    added: int
    changed: int
    unchanged: int
    not_at_teli: int


class Synchronisation:
    def __init__(self, database: Database, upstreams: AccountUpstreams) -> None:
        self._database = database
        self._upstreams = upstreams

    async def users(self, author: Author, organization_id: str) -> Synced:
        """File the users of an organisation, as its own account is told of them, where it has one, else the
        deployment's; names and emails become Teli's.

        Raises: NotFound; UpstreamUnavailable; StateConflict for too many; IdempotencyKeyReused.
        """
        async with self._database.acting(duty="admin") as session:
            organization = await session.get(Organization, organization_id)
            if organization is None:
                raise NotFound("There is no such organisation; put it first.")
        own = organization.account_id
        teli = self._upstreams.default if own is None else await self._upstreams.of(own)
        heard = await teli.users(organization_id)
        _check_key(teli, heard)
        told = _each_once(read_users(heard))
        values = {
            "organization_id": organization_id,
            **_columns(told),
            "emails": [one.email for one in told],
        }
        filed = select(func.count()).where(User.organization_id == organization_id)
        return await self._file(author, "users.synced", organization_id, PUT_USERS, values, filed)

    async def organizations(self, author: Author) -> Synced:
        """File the organisations of the deployment's own account; names become Teli's. That grants nobody anything.

        Raises: UpstreamUnavailable; StateConflict for too many; IdempotencyKeyReused.
        """
        heard = await self._upstreams.default.organizations()
        _check_key(self._upstreams.default, heard)
        told = _each_once(read_organizations(heard))
        filed = select(func.count()).select_from(Organization)
        return await self._file(author, "organizations.synced", "*", PUT_ORGANIZATIONS, _columns(told), filed)

    async def _file(
        self,
        author: Author,
        action: Action,
        organization_id: str,
        put: TextClause,
        values: Mapping[str, Any],
        filed: Select[int],
    ) -> Synced:
        async with self._database.acting(duty="admin") as session:
            if (named := await author.once.before(session)) is not None:
                return Synced(**named.answer)
            rows = (await session.execute(put, values)).all()
            named_by_teli, new = len(values["ids"]), sum(row.is_new for row in rows)
            among = (await session.execute(filed)).scalar_one()
            synced = Synced(new, len(rows) - new, named_by_teli - len(rows), among - named_by_teli)
            if rows:
                note(
                    session,
                    actor=author.actor,
                    action=action,
                    of=("organization", organization_id),
                    before={row.id: row.before for row in rows if not row.is_new},
                    after={row.id: row.after for row in rows},
                    request_id=author.request_id,
                )
                await bump(session)
            await author.once.keep(session, answer=asdict(synced))
        log.info(action.replace(".", " "), organization=organization_id, **asdict(synced))
        return synced


def _columns(told: Sequence[TeliUser] | Sequence[TeliOrganization]) -> dict[str, list[str | None]]:
    return {
        "ids": [one.unique_id for one in told],
        "names": [one.name for one in told],
        "uuids": [one.uuid for one in told],
    }


def _check_key(teli: TeliClient, heard: Heard) -> None:
    """Raises: UpstreamUnavailable where Teli refuses the key, which asking again does not mend."""
    if heard.kind == "answer" and heard.status in (401, 403):
        raise UpstreamUnavailable(
            f"Teli refuses the key of the account {teli.name} ({heard.status}); replace it. Nothing was changed.",
            after=60,
        )


def _each_once(told: Sequence[Any] | None) -> Sequence[Any]:
    """Those whose id can be an id here, each once.

    Raises: UpstreamUnavailable where Teli gave no list; StateConflict for too many.
    """
    if told is None:
        raise UpstreamUnavailable("Teli could not be asked, or its list was not whole; nothing was changed.")
    if len(told) > MOST:
        raise StateConflict(f"Teli names {len(told)}, and at most {MOST} are filed at once; nothing was changed.")
    fit = {one.unique_id: one for one in told if _is_id(one.unique_id)}
    if len(fit) < len(told):
        log.warning("some that Teli names are not filed", ids="unfit, or named twice", count=len(told) - len(fit))
    return list(fit.values())


def _is_id(text: str) -> bool:
    return len(text) <= LONGEST_ID and all("!" <= character <= "~" for character in text)
