"""Upstream accounts: one for now, made from this deployment's settings."""

from sqlalchemy import select, text

from service.db import Database
from service.kit.types import new_id
from service.tenants.models import Account
from service.tenants.version import bump

DEFAULT = "default"
SEND_SLOTS = 64


async def ensure_account(database: Database, *, base_url: str, teli_tenant_id: str) -> None:
    """File the account with its send slots, or note that its upstream has moved."""
    async with database.acting(duty="admin") as session:
        account = await session.scalar(select(Account).where(Account.name == DEFAULT))
        if account is None:
            account = Account(id=new_id(), name=DEFAULT, base_url=base_url, teli_tenant_id=teli_tenant_id)
            session.add(account)
            await session.flush()
            await session.execute(
                text("INSERT INTO send_slots (account_id, slot) SELECT :account, generate_series(1, :slots)"),
                {"account": account.id, "slots": SEND_SLOTS},
            )
            await bump(session)
        elif (account.base_url, account.teli_tenant_id) != (base_url, teli_tenant_id):
            account.base_url, account.teli_tenant_id = base_url, teli_tenant_id
            await bump(session)
