"""Drift, seen by the sweep: what each complete listing shows otherwise than is wanted, filed, and settled by policy.

One statement compares a listing with the ledger and answers the numbers that differ, or did; so a look costs no more
for twenty thousand rows that are as they should be.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, Uuid, any_, delete, insert, literal, select, text, update
from sqlalchemy import Row as Found
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.db import Database
from service.kit.clock import monotonic
from service.kit.types import new_id
from service.numbers.drift import explain, theirs_of
from service.numbers.members import CHANGEABLE
from service.numbers.models import Drift, Number
from service.numbers.repository import WORKER, By
from service.numbers.telling import tell
from service.reconciliation.absence import APART, LOOKS
from service.reconciliation.doubts import named
from service.reconciliation.drifting import (
    MEMBERS,
    Difference,
    Held,
    Link,
    Member,
    Noted,
    findings,
    next_step,
    strange_agents,
)
from service.reconciliation.judgement import Observation, Place
from service.reconciliation.settling import UPSTREAM, file_settled, settle_by_policy
from service.teli.agents import AgentForms, read_agents
from service.teli.client import Upstreams
from service.teli.listing import Row

ASKED_EVERY = 3600.0
log = structlog.get_logger()
# A nickname counts once it differs as it stands; which of these differences are none, `drifting` says.
DIFFERING = text("""
    SELECT one.*, noted.noted, told.*
    FROM (
      SELECT n.id, n.tenant_id, n.user_id, n.nickname, n.upstream_nickname AS told, u.nickname AS listed,
             r.row_id, n.confirmed_at, t.drift AS rule,
             i.desired AS inbound_desired, i.confirmed AS inbound_confirmed, i.state AS inbound_state,
             o.desired AS outbound_desired, o.confirmed AS outbound_confirmed, o.state AS outbound_state
      FROM unnest(CAST(:ids AS text[]), CAST(:users AS text[]), CAST(:names AS text[]), CAST(:inbound AS text[]),
                  CAST(:outbound AS text[])) AS r(row_id, user_id, nickname, inbound, outbound)
      JOIN numbers n ON n.account_id = :account_id AND n.upstream_row_id = r.row_id
      JOIN tenants t ON t.id = n.tenant_id
      LEFT JOIN upstream_rows u ON u.account_id = n.account_id AND u.row_id = n.upstream_row_id
      LEFT JOIN agent_links i ON i.number_id = n.id AND i.direction = 'inbound'
      LEFT JOIN agent_links o ON o.number_id = n.id AND o.direction = 'outbound'
      WHERE n.organization_id = :organization_id AND n.state = ANY (CAST(:states AS text[])) AND (
        coalesce(n.upstream_nickname, '') <> coalesce(r.nickname, '')
        OR i.confirmed IS DISTINCT FROM r.inbound OR o.confirmed IS DISTINCT FROM r.outbound OR r.user_id <> n.user_id
        OR EXISTS (SELECT FROM drifts d WHERE d.number_id = n.id AND d.state <> 'settled')
      )
    ) one
    CROSS JOIN LATERAL (
      SELECT jsonb_object_agg(d.member, jsonb_build_array(d.id, d.theirs, d.since, d.state = 'open')) AS noted
      FROM drifts d WHERE d.number_id = one.id AND d.state <> 'settled'
    ) noted
    CROSS JOIN LATERAL (
      SELECT max(s.ended_at) FILTER (WHERE 'nickname' = ANY (s.given) OR s.kind = 'unmark') AS nickname_told,
             max(s.ended_at) FILTER (WHERE 'inbound_agent_id' = ANY (s.given)) AS inbound_told,
             max(s.ended_at) FILTER (WHERE 'outbound_agent_id' = ANY (s.given)) AS outbound_told,
             coalesce(bool_or('nickname' = ANY (s.given) AND s.ended_at IS NULL), false) AS nickname_owed,
             coalesce(bool_or('inbound_agent_id' = ANY (s.given) AND s.ended_at IS NULL), false) AS inbound_owed,
             coalesce(bool_or('outbound_agent_id' = ANY (s.given) AND s.ended_at IS NULL), false) AS outbound_owed
      FROM steps s WHERE s.number_id = one.id AND s.kind IN ('push', 'unmark')
    ) told
""")


@dataclass(slots=True)
class Asked:
    """Agents of an account as Teli told them, until when that holds, and after which ids it was asked."""

    until: float
    forms: AgentForms
    after: frozenset[str]


class Told(NamedTuple):
    """A drift that somebody is told of, and its number."""

    id: UUID
    number_id: UUID
    member: Member


@dataclass(slots=True)
class Changes:
    """What a listing changes of what is noted, written together. `to_settle`: what is open and its policy decides."""

    begun: list[dict[str, Any]] = field(default_factory=list)
    altered: list[tuple[UUID, dict[str, Any]]] = field(default_factory=list)
    dropped: list[UUID] = field(default_factory=list)
    opened: list[Told] = field(default_factory=list)
    gone: list[Told] = field(default_factory=list)
    to_settle: list[tuple[UUID, str]] = field(default_factory=list)


class Drifts:
    def __init__(self, database: Database, upstreams: Upstreams, *, window: timedelta) -> None:
        """`window`: the settling window; what Teli was told is listed for sure when it is over."""
        self._database = database
        self._upstreams = upstreams
        self._window = window
        self._agents: dict[UUID, Asked] = {}

    async def see(self, seen: Observation) -> None:
        """File what a listing shows, before it is kept: what was listed before it is looked at too.

        One that is not complete, and may be of any age, changes nothing.
        """
        if not seen.complete:
            return
        rows = _told_alike(seen.rows)
        async with self._database.acting() as session:
            differing = (await session.execute(DIFFERING, _values(seen.place, rows))).all()
        if not differing:
            return
        held = {one.row_id: self._held(one) for one in differing}
        agents = await self._agents_of(
            seen.place, frozenset().union(*(strange_agents(number, rows[row_id]) for row_id, number in held.items()))
        )
        changes = Changes()
        for one in differing:
            self._judge(changes, one, held[one.row_id], rows[one.row_id], agents, seen.began_at)
        async with self._database.acting() as session:
            await _write(session, changes)
        for told in changes.opened:
            log.warning("a number drifted", number=str(told.number_id), member=told.member)
        for drift_id, rule in changes.to_settle:
            await settle_by_policy(self._database, drift_id, rule)

    def _held(self, one: Found[Any]) -> Held:
        noted = {
            member: Noted(theirs, datetime.fromisoformat(since), is_open)
            for member, (_, theirs, since, is_open) in (one.noted or {}).items()
        }

        def counts_from(told: datetime | None, *, owed: bool) -> datetime | None:
            return None if owed else max(one.confirmed_at, told or one.confirmed_at) + self._window

        return Held(
            user_id=one.user_id,
            nickname=one.nickname,
            told=one.told,
            listed=one.listed,
            inbound=Link(one.inbound_desired, one.inbound_confirmed, one.inbound_state == "refused"),
            outbound=Link(one.outbound_desired, one.outbound_confirmed, one.outbound_state == "refused"),
            counts_from={
                "nickname": counts_from(one.nickname_told, owed=one.nickname_owed),
                "inbound_agent_id": counts_from(one.inbound_told, owed=one.inbound_owed),
                "outbound_agent_id": counts_from(one.outbound_told, owed=one.outbound_owed),
                "user_id": counts_from(None, owed=False),
            },
            noted=noted,
        )

    def _judge(
        self, changes: Changes, one: Found[Any], held: Held, shown: Row, agents: AgentForms, at: datetime
    ) -> None:
        found = findings(held, shown, agents)
        for member in MEMBERS:
            finding, noted, counts_from = found[member], held.noted.get(member), held.counts_from[member]
            step = next_step(noted, finding, counts_from=counts_from, at=at, apart=min(APART, self._window / LOOKS))
            drift_id = UUID(one.noted[member][0]) if noted is not None else new_id()
            if step == "end" and noted is not None:
                if noted.is_open:
                    changes.gone.append(Told(drift_id, one.id, member))
                else:
                    changes.dropped.append(drift_id)
            if step in ("end", "leave") or not isinstance(finding, Difference):
                continue
            values: dict[str, Any] = {"ours": finding.ours, "theirs": finding.theirs, "seen_at": at}
            if step in ("suspect", "change"):
                values |= {"since": at}
            if step in ("suspect", "open"):
                values |= {"state": "open" if step == "open" else "suspected", "undecided": None}
            if noted is None:
                changes.begun.append(
                    {"id": drift_id, "number_id": one.id, "tenant_id": one.tenant_id, "member": member, **values}
                )
                continue
            changes.altered.append((drift_id, values))
            if step == "open":
                changes.opened.append(Told(drift_id, one.id, member))
            if step == "open" or (noted.is_open and step == "see again"):
                changes.to_settle.append((drift_id, one.rule))

    async def _agents_of(self, place: Place, strange: frozenset[str]) -> AgentForms:
        """Teli is asked again where there is an agent that it was not asked after within the hour."""
        asked = self._agents.get(place.account_id)
        if asked is not None and monotonic() < asked.until and strange <= asked.after:
            return asked.forms
        if not strange:
            return AgentForms(())
        teli = await self._upstreams.of(place.account_id)
        told = read_agents(await teli.agents())
        if told is None:
            log.warning("agents cannot be told from one another: Teli does not list them", account=teli.name)
            return AgentForms(None)
        before = asked.after if asked is not None and monotonic() < asked.until else frozenset()
        self._agents[place.account_id] = Asked(monotonic() + ASKED_EVERY, AgentForms(told), before | strange)
        return self._agents[place.account_id].forms


def _told_alike(rows: Sequence[Row]) -> Mapping[str, Row]:
    """By row id, without those that one listing shows in two ways."""
    told = {row.row_id: row for row in rows}
    often = {row_id for row_id, count in Counter(row.row_id for row in set(rows)).items() if count > 1}
    return {row_id: row for row_id, row in told.items() if row_id not in often}


def _values(place: Place, rows: Mapping[str, Row]) -> dict[str, Any]:
    listed = rows.values()
    return {
        **named(place),
        "states": list(CHANGEABLE),
        "ids": list(rows),
        "users": [row.user_id for row in listed],
        "names": [row.nickname for row in listed],
        "inbound": [row.inbound_agent_id for row in listed],
        "outbound": [row.outbound_agent_id for row in listed],
    }


async def _write(session: AsyncSession, changes: Changes) -> None:
    told = [*changes.opened, *changes.gone]
    numbers = {
        number.id: number
        for number in await session.scalars(
            select(Number)
            .where(Number.id == any_(literal([one.number_id for one in told], ARRAY(Uuid))))
            .order_by(Number.id)
            .with_for_update()
        )
    }
    if changes.begun:
        await session.execute(insert(Drift), changes.begun)
    for drift_id, values in changes.altered:
        await session.execute(update(Drift).where(Drift.id == drift_id, Drift.state != "settled").values(**values))
    if changes.dropped:
        await session.execute(delete(Drift).where(Drift.id.in_(changes.dropped), Drift.state == "suspected"))
    for one in changes.opened:
        drift = await session.get_one(Drift, one.id)
        theirs = theirs_of(drift)
        note(
            session,
            actor=UPSTREAM,
            action="number.drifted",
            of=("number", str(one.number_id)),
            tenant=drift.tenant_id,
            before={drift.member: drift.ours},
            after={drift.member: theirs},
        )
        await tell(
            session, numbers[one.number_id], "number.drifted", member=drift.member, ours=drift.ours, theirs=theirs,
            why=explain(drift.member, drift.ours, theirs),
        )  # fmt: skip
    for one in changes.gone:
        drift = await session.get_one(Drift, one.id, with_for_update=True)
        if drift.state == "open":
            await file_settled(session, drift, numbers[one.number_id], "gone", By(WORKER, None), reason=None)
