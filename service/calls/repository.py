"""How far calls are read, and what is known of numbers by it: of the worker, who sees every tenant."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.calls.models import BareCall, CallPace, CallRead
from service.calls.windows import LAG, STALE
from service.numbers.steps import seconds
from service.teli.calls import CALLS_STATUSES, CallRow

# Locked in the order of their ids, as whoever locks several numbers does.
LAST_CALLS = """
    WITH told AS (
      SELECT phone, max(at) AS at FROM unnest(CAST(:phones AS text[]), CAST(:ats AS timestamptz[])) AS t (phone, at)
      GROUP BY phone
    ), held AS (
      SELECT n.id, told.at FROM numbers n JOIN told ON told.phone = n.phone_number
      WHERE n.account_id = :account AND n.state <> 'released' AND n.acquired_at <= told.at
        AND n.last_{direction}_call_at IS DISTINCT FROM greatest(n.last_{direction}_call_at, told.at)
      ORDER BY n.id FOR UPDATE OF n
    )
    UPDATE numbers SET last_{direction}_call_at = held.at FROM held WHERE numbers.id = held.id
"""
LAST_OUTBOUND, LAST_INBOUND = (text(LAST_CALLS.format(direction=one)) for one in ("outbound", "inbound"))
# A number is idle since the latest of: its acquisition, the begin of what was read, its last call, and a call of its
# user of which the number is not known. Where not every status was read, or too long ago, it is not known.
JUDGE = text("""
    WITH reads AS (
      SELECT max(judged_from) AS judged_from,
             count(read_until) = :statuses AND min(read_until) > clock_timestamp() - CAST(:stale AS interval) AS judged
      FROM call_reads WHERE account_id = :account AND organization_id = :organization
    ), bare AS (
      SELECT user_id, max(started_at) AS at FROM bare_calls
      WHERE account_id = :account AND organization_id = :organization AND looked_up_at IS NULL GROUP BY user_id
    ), since AS (
      SELECT n.id, n.idle_since, CASE WHEN reads.judged THEN greatest(
               n.acquired_at, reads.judged_from, n.last_inbound_call_at, n.last_outbound_call_at,
               (SELECT max(b.at) FROM bare b WHERE b.user_id IS NULL OR u.upstream_uuid IS NULL
                OR b.user_id IN (n.user_id, u.upstream_uuid))) END AS found
      FROM numbers n CROSS JOIN reads
      LEFT JOIN users u ON u.organization_id = n.organization_id AND u.id = n.user_id
      WHERE n.organization_id = :organization AND n.account_id = :account AND n.state <> 'released'
    ), changed AS (
      SELECT n.id, since.found FROM since JOIN numbers n ON n.id = since.id
      WHERE since.idle_since IS DISTINCT FROM since.found ORDER BY n.id LIMIT :most FOR UPDATE OF n
    )
    UPDATE numbers SET idle_since = changed.found FROM changed WHERE numbers.id = changed.id
""")
BATCH = 5_000


class CallRepository:
    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def take_turn(self, account: UUID, kind: str, *, pause: float) -> bool:
        """Whether a request of this kind may be made now; then none other for so many seconds, by any worker."""
        now = func.clock_timestamp()
        turn = insert(CallPace).values(account_id=account, kind=kind, next_at=now + seconds(pause))
        taken = turn.on_conflict_do_update(
            index_elements=["account_id", "kind"],
            set_={"next_at": turn.excluded.next_at},
            where=CallPace.next_at <= now,
        )
        return await self.session.scalar(taken.returning(CallPace.account_id)) is not None

    async def begin_with(self, account: UUID) -> None:
        """Every organisation whose numbers the account lists, where it is new."""
        await self.session.execute(
            text(
                "INSERT INTO call_reads (account_id, organization_id, status)"
                " SELECT l.account_id, l.organization_id, s FROM looks l, unnest(CAST(:statuses AS text[])) s"
                " WHERE l.account_id = :account ON CONFLICT DO NOTHING"
            ),
            {"account": account, "statuses": list(CALLS_STATUSES)},
        )

    async def claim_due(self, account: UUID, *, lease: float) -> CallRead | None:
        """The longest overdue, for one worker alone for `lease` seconds."""
        due = (
            select(CallRead.account_id, CallRead.organization_id, CallRead.status)
            .where(CallRead.account_id == account, CallRead.due_at <= func.clock_timestamp())
            .order_by(CallRead.due_at, CallRead.organization_id, CallRead.status)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).cte("due")
        claimed = (
            update(CallRead)
            .where(
                CallRead.account_id == due.c.account_id,
                CallRead.organization_id == due.c.organization_id,
                CallRead.status == due.c.status,
            )
            .values(due_at=func.clock_timestamp() + seconds(lease))
            .returning(CallRead)
        )
        return (await self.session.scalars(claimed)).one_or_none()

    async def file(self, read: CallRead, values: Mapping[str, Any], *, pause: float) -> None:
        due_at = func.clock_timestamp() + seconds(pause)
        query = update(CallRead).where(
            CallRead.account_id == read.account_id,
            CallRead.organization_id == read.organization_id,
            CallRead.status == read.status,
        )
        await self.session.execute(query.values(due_at=due_at, **values))

    async def called(self, account: UUID, rows: Sequence[CallRow]) -> None:
        """Numbers that called or were called, whoever's they are."""
        for query, named in (
            (LAST_OUTBOUND, [(row.from_number, row.started_at) for row in rows if row.from_number]),
            (LAST_INBOUND, [(row.to_number, row.started_at) for row in rows if row.to_number]),
        ):
            if named:
                values = {"phones": [phone for phone, _ in named], "ats": [at for _, at in named]}
                await self.session.execute(query, {"account": account, **values})

    async def keep_bare(self, read: CallRead, rows: Sequence[CallRow], *, most: int) -> datetime | None:
        """Keep those that name no number, to be looked up; answers the latest that there was no room for."""
        if not rows:
            return None
        values = [
            {
                "account_id": read.account_id,
                "organization_id": read.organization_id,
                "call_id": row.call_id,
                "user_id": row.user_id,
                "started_at": row.started_at,
            }
            for row in {row.call_id: row for row in rows}.values()
        ]
        await self.session.execute(insert(BareCall).values(values).on_conflict_do_nothing())
        of = (BareCall.account_id == read.account_id, BareCall.organization_id == read.organization_id)
        kept = select(BareCall.call_id).where(*of, BareCall.looked_up_at.is_(None))
        over = kept.order_by(BareCall.started_at.desc(), BareCall.call_id).offset(most)
        dropped = delete(BareCall).where(*of, BareCall.call_id.in_(over.scalar_subquery()))
        return max(await self.session.scalars(dropped.returning(BareCall.started_at)), default=None)

    async def forget_old(self, read: CallRead, before: datetime) -> None:
        """Those that were looked up and that no window will show again."""
        await self.session.execute(
            delete(BareCall).where(
                BareCall.account_id == read.account_id,
                BareCall.organization_id == read.organization_id,
                BareCall.looked_up_at.is_not(None),
                BareCall.started_at < before - LAG,
            )
        )

    async def has_bare(self, account: UUID) -> bool:
        """Whether there is one to be looked up now."""
        query = select(BareCall.call_id).where(_to_look_up(account)).limit(1)
        return await self.session.scalar(query) is not None

    async def claim_bare(self, account: UUID, *, lease: float) -> BareCall | None:
        """The newest that was not looked up, for one worker alone for `lease` seconds."""
        due = (
            select(BareCall.call_id)
            .where(_to_look_up(account))
            .order_by(BareCall.started_at.desc())
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        claimed = (
            update(BareCall)
            .where(BareCall.account_id == account, BareCall.call_id.in_(due.scalar_subquery()))
            .values(due_at=func.clock_timestamp() + seconds(lease), tries=BareCall.tries + 1)
            .returning(BareCall)
        )
        return (await self.session.scalars(claimed)).one_or_none()

    async def looked_up(self, call: BareCall) -> None:
        await self.session.execute(
            update(BareCall)
            .where(BareCall.account_id == call.account_id, BareCall.call_id == call.call_id)
            .values(looked_up_at=func.clock_timestamp())
        )

    async def unseen_until(self, account: UUID, organization: str, moment: datetime) -> None:
        """There may be calls of anybody up to that moment that nobody saw: nothing is judged by an earlier one."""
        await self.session.execute(
            update(CallRead)
            .where(CallRead.account_id == account, CallRead.organization_id == organization)
            .values(judged_from=func.greatest(CallRead.judged_from, moment))
        )

    async def judge(self, account: UUID, organization: str) -> int:
        """Say anew of a batch of numbers since when they are idle. Returns how many changed."""
        values = {"account": account, "organization": organization, "statuses": len(CALLS_STATUSES), "stale": STALE}
        changed = await self.session.execute(JUDGE, values | {"most": BATCH})
        return int(changed.rowcount)  # type: ignore[attr-defined]


def _to_look_up(account: UUID) -> ColumnElement[bool]:
    pending = and_(BareCall.account_id == account, BareCall.looked_up_at.is_(None))
    return and_(pending, BareCall.due_at <= func.clock_timestamp())
