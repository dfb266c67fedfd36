"""A ledger for the stack: database, login, schema, and the demo's organisation, user, tenant, keys and people."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from service.cli.credentials import Credentials
from service.db import open_database
from service.embedded import EmbeddedPostgres
from service.embedded.openid import CLIENT_ID, DevelopmentPerson, development_provider
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
# Each is in the group that is called as they are.
PEOPLE = {
    "admin": "Ada, administrator",
    "organization-admin": "Oda, administrator of the demo's organisation",
    "finance": "Finn, finance",
    "operator": "Otto, operator",
    "auditor": "Audrey, auditor",
    "nobody": "Norman, of no group",
}
ROLES = {
    "admin": "admin",
    "organization-admin": {"role": "admin", "organization_ids": [ORGANIZATION]},
    "finance": "finance",
    "operator": "operator",
    "auditor": "auditor",
}


@dataclass(frozen=True, slots=True)
class DemoPeople:
    """`settings`: what the gateway must be told to let them in."""

    issuer: str
    settings: dict[str, str]


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
        scopes = [scope for scope in TENANT_SCOPES if scope != "inventory:org"]
        tenant = await administration.issue_key(author, TENANT, name="demo", scopes=scopes)
        staff = {
            f"{kind}_key": (await administration.issue_staff_key(author, kind, "demo")).key
            for kind in ("admin", "finance", "operator")
        }
        credentials.keep({"tenant_key": tenant.key, **staff})
    finally:
        await database.engine.dispose()


@contextmanager
def demo_people(base_url: str) -> Iterator[DemoPeople]:
    """A provider that lets anybody on this machine be one of them, for the length of the block."""
    people = {subject: DevelopmentPerson(name, [subject]) for subject, name in PEOPLE.items()}
    with development_provider(people, f"{base_url}/console/callback") as provider:
        yield DemoPeople(
            provider.issuer,
            {
                "NUMBERGATE_OIDC_ISSUER": provider.issuer,
                "NUMBERGATE_OIDC_CLIENT_ID": CLIENT_ID,
                "NUMBERGATE_OIDC_ROLES": json.dumps(ROLES),
                "NUMBERGATE_PUBLIC_URL": base_url,
            },
        )
