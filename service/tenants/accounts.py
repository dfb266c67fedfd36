"""Upstream accounts: one for now, made from this deployment's settings."""

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from service.db import Database
from service.kit.types import new_id
from service.tenants.models import Account
from service.tenants.version import bump

DEFAULT = "default"
SEND_SLOTS = 64


async def ensure_account(database: Database, *, base_url: str, teli_tenant_id: str) -> None:
    """File the account with its send slots, or note that its upstream has moved."""
    async with database.acting(duty="admin") as session:
        # Processes start together: whoever comes second waits here for the first to commit, and then reads its row.
        filed = await session.scalar(
            insert(Account)
            .values(id=new_id(), name=DEFAULT, base_url=base_url, teli_tenant_id=teli_tenant_id)
            .on_conflict_do_nothing(index_elements=[Account.name])
            .returning(Account.id)
        )
        if filed is not None:
            await session.execute(
                text("INSERT INTO send_slots (account_id, slot) SELECT :account, generate_series(1, :slots)"),
                {"account": filed, "slots": SEND_SLOTS},
            )
            await bump(session)
            return
        account = (await session.scalars(select(Account).where(Account.name == DEFAULT))).one()
        if (account.base_url, account.teli_tenant_id) != (base_url, teli_tenant_id):
            account.base_url, account.teli_tenant_id = base_url, teli_tenant_id
            await bump(session)
