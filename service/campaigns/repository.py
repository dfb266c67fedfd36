"""Campaigns in Postgres: what is asked before one may be created, and what becomes of it.

`tenant` None is the worker, who works for all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.campaigns.models import Campaign, CampaignNumber
from service.kit.errors import Fault
from service.numbers.models import Number
from service.numbers.steps import seconds
from service.tenants.principals import Principal
from service.tenants.visible import Visible

UNDECIDED = ("sending", "doubtful")
FOLLOWED = (*UNDECIDED, "running", "paused")
# Whose account it is, and whether anything may be begun for the tenant; as the admission of a purchase asks it.
GROUNDS = text("""
    SELECT a.id AS account_id, a.teli_tenant_id, a.listed_at IS NOT NULL AS listed,
           EXISTS (SELECT FROM users u WHERE u.organization_id = :organization AND u.id = :user) AS user_known,
           t.state <> 'active' AS suspended, EXISTS (SELECT FROM stops s WHERE s.scope = 'global'
             OR (s.scope = 'tenant' AND s.id = :tenant) OR (s.scope = 'account' AND s.id = a.id::text)) AS stopped
    FROM tenants t LEFT JOIN organizations o ON o.id = :organization
    JOIN accounts a ON a.id = coalesce(o.account_id, t.account_id) WHERE t.id = :tenant
""")


@dataclass(frozen=True, slots=True)
class Grounds:
    account_id: UUID
    teli_tenant_id: str
    listed: bool
    user_known: bool
    suspended: bool
    stopped: bool


class CampaignRepository:
    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def grounds(self, tenant: str, organization: str, user: str) -> Grounds:
        values = {"tenant": tenant, "organization": organization, "user": user}
        return Grounds(**(await self.session.execute(GROUNDS, values)).one()._mapping)

    async def of_id(self, account: UUID, campaign_id: str, *, lock: bool = False) -> Campaign | None:
        """The campaign of this id in the account, where whoever asks may see it."""
        query = select(Campaign).where(Campaign.account_id == account, Campaign.campaign_id == campaign_id)
        return (await self.session.scalars(query.with_for_update() if lock else query)).one_or_none()

    async def get(self, which: UUID) -> Campaign:
        return await self.session.get_one(Campaign, which, populate_existing=True)

    async def seen(self, caller: Principal, campaign_id: str) -> Campaign | None:
        """The campaign of this id that the caller may see: its own before others'."""
        query = (
            select(Campaign)
            .where(Campaign.campaign_id == campaign_id, *Visible.to(caller).conditions(Campaign.__table__))
            .order_by((Campaign.tenant_id == caller.tenant_id).desc(), Campaign.created_at.desc())
            .limit(1)
        )
        return (await self.session.scalars(query)).one_or_none()

    async def of_organization(self, caller: Principal, organization: str, *, whole: bool) -> Sequence[Campaign]:
        query = select(Campaign).where(Campaign.organization_id == organization)
        seen = Visible.to(caller) if whole else Visible(caller.tenant_id, ())
        query = query.where(*seen.conditions(Campaign.__table__))
        return (await self.session.scalars(query.order_by(Campaign.created_at, Campaign.id))).all()

    async def faults_of_numbers(
        self, tenant: str, account: UUID, organization: str, named: Mapping[str, str], *, lock: bool
    ) -> tuple[list[Fault], list[UUID]]:
        """What is wrong with the numbers to call from (by pointer), and the ids of those that are there.

        With `lock` they stay as they are to the end of the transaction: none begins to be released meanwhile.
        """
        query = (
            select(Number.id, Number.phone_number, Number.state)
            .where(
                Number.tenant_id == tenant,
                Number.account_id == account,
                Number.organization_id == organization,
                Number.phone_number.in_(sorted(set(named.values()))),
                Number.state != "released",
            )
            .order_by(Number.id)
        )
        rows = (await self.session.execute(query.with_for_update(read=True) if lock else query)).all()
        states = {row.phone_number: row.state for row in rows}
        faults = [
            Fault(pointer, _why(states.get(number)))
            for pointer, number in named.items()
            if states.get(number) != "active"
        ]
        return faults, [row.id for row in rows]

    async def add(self, values: Mapping[str, Any], numbers: Sequence[UUID]) -> bool:
        """File a campaign that is about to be sent; False where the account has one of that id already."""
        filed = insert(Campaign).values(**values).on_conflict_do_nothing().returning(Campaign.id)
        if await self.session.scalar(filed) is None:
            return False
        await self._call_from(values["id"], values["tenant_id"], numbers)
        return True

    async def begin_anew(self, was: Campaign, values: Mapping[str, Any], numbers: Sequence[UUID]) -> None:
        """One that was refused for certain, and that is locked, is asked for again, perhaps otherwise."""
        fresh = {"decision": None, "decided_at": None, "send_ended_at": None, "answer": None, "evidence": None}
        anew = {name: values[name] for name in values.keys() - {"id", "tenant_id", "account_id", "campaign_id"}}
        await self.session.execute(
            update(Campaign).where(Campaign.id == was.id).values(**anew, **fresh, attempt=was.attempt + 1, absences=0)
        )
        await self.session.execute(delete(CampaignNumber).where(CampaignNumber.campaign == was.id))
        await self._call_from(was.id, was.tenant_id, numbers)

    async def _call_from(self, campaign: UUID, tenant: str, numbers: Sequence[UUID]) -> None:
        rows = [{"campaign": campaign, "number_id": one, "tenant_id": tenant} for one in numbers]
        await self.session.execute(insert(CampaignNumber), rows)

    async def move(self, campaign: Campaign, values: Mapping[str, Any], *only: ColumnElement[bool]) -> Campaign | None:
        """Where it is still that attempt, and `only` holds, take on these values; None where it does not."""
        query = (
            update(Campaign)
            .where(Campaign.id == campaign.id, Campaign.attempt == campaign.attempt, *only)
            .values(**values)
            .returning(Campaign)
        )
        return (await self.session.scalars(query, execution_options={"populate_existing": True})).one_or_none()

    async def claim_due(self, account: UUID, *, limit: int, lease: float) -> Sequence[Campaign]:
        """Those to be looked at now, each for one worker alone for `lease` seconds, the longest overdue first."""
        due = (
            select(Campaign.id)
            .where(
                Campaign.account_id == account,
                Campaign.state.in_(FOLLOWED),
                Campaign.look_at <= func.clock_timestamp(),
                or_(Campaign.state != "sending", Campaign.lease_until < func.clock_timestamp()),
            )
            .order_by(Campaign.look_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        claimed = (
            update(Campaign)
            .where(Campaign.id.in_(due.scalar_subquery()))
            .values(look_at=func.clock_timestamp() + seconds(lease))
            .returning(Campaign)
        )
        return (await self.session.scalars(claimed)).all()


def _why(state: str | None) -> str:
    match state:
        case None:
            return "is not a number that you hold in this organisation; name one that is"
        case "releasing" | "release_scheduled":
            return "is being released; name another, or restore it first"
        case _:
            return f"is {state}; name one that is active"
