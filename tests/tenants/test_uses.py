"""When and from where a key was last used: told late, in one piece, and never on the way of a request."""

from datetime import datetime, timedelta
from ipaddress import ip_address
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.db import open_database
from service.kit.clock import utc_now
from service.kit.errors import StorageUnavailable
from service.tenants.uses import KeyUses
from tests.support.gateway import Gateway, Tenant

HERE = ip_address("203.0.113.9")


async def last_use(gateway: Gateway, tenant: Tenant) -> tuple[UUID, datetime | None, str | None]:
    answer = await gateway.admin.get("/v1/admin/keys", params={"tenant_id": tenant.id})
    [key] = answer.json()["items"]
    moment = key["last_used_at"]
    return UUID(key["id"]), moment and datetime.fromisoformat(moment), key["last_used_from"]


async def test_a_key_shows_when_and_from_where_it_was_last_used(gateway: Gateway, tenant: Tenant):
    assert (await last_use(gateway, tenant))[1:] == (None, None)
    began = utc_now()
    for path in ("/v1/numbers", "/v1/numbers/x"):  # A request that is refused is a use of a good key as well.
        await tenant.get(path)
    assert (await last_use(gateway, tenant))[1:] == (None, None), "nobody's request waits for that"

    await gateway.services.key_uses.tell()

    _, moment, address = await last_use(gateway, tenant)
    assert moment is not None
    assert began <= moment <= utc_now()
    assert address == "127.0.0.1"

    nowhere = open_database("postgresql://nobody@127.0.0.1:1/none", "numbergate_api", pool=2)
    await KeyUses(nowhere).tell()  # Where there is nothing to tell nobody is asked.
    await nowhere.engine.dispose()


async def test_it_moves_forward_alone_and_never_past_now(gateway: Gateway, tenant: Tenant):
    key_id, *_ = await last_use(gateway, tenant)
    database, now = gateway.services.database, utc_now()

    async def used(moment: datetime, address: str | None) -> tuple[datetime | None, str | None]:
        async with database.acting() as session:
            await session.execute(
                text("SELECT keys_used(:ids, :moments, :addresses)"),
                {"ids": [uuid4(), key_id], "moments": [moment, moment], "addresses": [None, address]},
            )
        return (await last_use(gateway, tenant))[1:]

    assert await used(now - timedelta(hours=1), "10.0.0.1") == (now - timedelta(hours=1), "10.0.0.1")
    assert await used(now - timedelta(hours=2), "10.0.0.2") == (now - timedelta(hours=1), "10.0.0.1")
    assert await used(now - timedelta(minutes=1), None) == (now - timedelta(minutes=1), None)
    moment, _ = await used(now + timedelta(days=1), "10.0.0.3")
    assert moment is not None
    assert moment <= utc_now()


async def test_the_api_changes_nothing_else_of_a_key(gateway: Gateway, tenant: Tenant):
    database = gateway.services.database
    async with database.acting(tenant=tenant.id) as session:
        changed = await session.execute(text("UPDATE api_keys SET last_used_at = now() RETURNING id"))
        assert changed.all() == [], "a tenant's transaction reaches no key but by the function"
    with pytest.raises(DBAPIError, match="permission denied"):
        async with gateway.worker.database.acting() as session:
            await session.execute(text("SELECT keys_used('{}', '{}', '{}')"))


async def test_what_could_not_be_told_is_told_later(gateway: Gateway, tenant: Tenant):
    key_id, *_ = await last_use(gateway, tenant)
    nowhere = open_database("postgresql://nobody@127.0.0.1:1/none", "numbergate_api", pool=2)
    uses = KeyUses(nowhere)
    try:
        uses.note(key_id, HERE)
        with pytest.raises(StorageUnavailable):
            await uses.tell()
        uses._database = gateway.services.database
        await uses.tell()
        assert (await last_use(gateway, tenant))[2] == str(HERE)
    finally:
        await nowhere.engine.dispose()
