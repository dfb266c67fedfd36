"""A ledger for the stack: database, login, schema, and the demo's organisation, user, tenant and keys."""

from service.cli.credentials import Credentials
from service.db import open_database
from service.embedded import EmbeddedPostgres
from service.kit.crypto import Secret
from service.migrations import ensure_database, ensure_login, migrate
from service.quotas.administration import QuotaAdministration, of_tenant
from service.tenants.accounts import ensure_account
from service.tenants.administration import TENANT_SCOPES, Administration, Author

# The vendor page's own examples, so that they run as they stand.
ORGANIZATION = "1762896364768x389173798861431550"
USER = "1762896366429x599348279945132448"
TELI_TENANT = "your_tenant"
TENANT = "00000000-0000-7000-8000-000000000001"
DATABASE = LOGIN = "numbergate"
KEY_ENVIRONMENT = "demo"
GENEROUS = 1_000_000


async def make_ledger(postgres: EmbeddedPostgres, password: str) -> str:
    """A database with the present schema, and one login for all processes; its URL."""
    await ensure_database(postgres.superuser_url(), DATABASE)
    await migrate(postgres.superuser_url(DATABASE))
    await ensure_login(postgres.superuser_url(DATABASE), LOGIN, password)
    return postgres.url(DATABASE, LOGIN, password)


async def make_demo(database_url: str, secret: str, credentials: Credentials, teli_url: str) -> None:
    """The demo's organisation, user, tenant and keys; again at a later start: nothing but the upstream's address."""
    database = open_database(database_url, "numbergate_api", pool=2)
    try:
        await ensure_account(database, base_url=teli_url, teli_tenant_id=TELI_TENANT)
        if "tenant_key" in credentials.known:
            return
        author = Author("numbergate up")
        administration = Administration(database, Secret(secret), key_environment=KEY_ENVIRONMENT)
        await administration.put_organization(author, ORGANIZATION, "Demo organisation")
        await administration.put_user(author, ORGANIZATION, USER, {"name": "Demo user"})
        await administration.put_tenant(author, TENANT, "Demo tenant", [ORGANIZATION])
        await QuotaAdministration(database).put(author, of_tenant(TENANT), {"numbers_held": GENEROUS})
        tenant = await administration.issue_key(author, TENANT, name="demo", scopes=TENANT_SCOPES[:4])
        staff = {
            f"{kind}_key": (await administration.issue_staff_key(author, kind, "demo")).key
            for kind in ("admin", "finance", "operator")
        }
        credentials.keep({"tenant_key": tenant.key, **staff})
    finally:
        await database.engine.dispose()
