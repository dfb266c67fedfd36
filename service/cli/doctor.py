"""`numbergate doctor`: what a deployment depends on, looked at one by one. It changes nothing, here or upstream."""

import asyncio
import json as jsonlib
import logging
import os
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from rich.console import Console
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from service.cli.faults import BAD_CONFIGURATION, FAILED
from service.cli.findings import Observed, observed, standing
from service.cli.reads import reading, reading_at
from service.cli.upstream import LISTEN, look
from service.cli.words import count_of
from service.db import Database, Role, WrongRole, open_database
from service.inventory.accounts import Standings, read_standings
from service.kit.errors import StorageUnavailable
from service.kit.sealing import CannotOpen, Keyring
from service.kv import KeyValue, RedisAway
from service.migrations import NotMigrated, check_migrated
from service.settings import BadConfiguration, Settings
from service.teli.client import TeliClient
from service.teli.directory import read_organizations
from service.tenants.identity_provider import IdentityProvider, Unusable
from service.tenants.upstreams import Filed, filed_accounts, place_of

ROLES: tuple[Role, ...] = ("numbergate_api", "numbergate_worker")
ROLES_MEND = "docs/operate.md has the statements for roles and logins"
REDIS_MEND = "check REDIS_URL, and that the server runs; a cluster has database 0 alone, and each node is asked"
CLOCKS_MAY_DIFFER = 1.0
CHECK_WITHIN = 15.0
SIGNS = {"settled": "[green]seen [/]", "open": "[yellow]open [/]", "fault": "[red]fault[/]"}
HEADINGS = {
    "upstream": "What Teli's answers show, and what it means; nothing but GET was sent",
    "account": "How each account stands here",
}


class Unwell(Exception):
    """A check's fault, and the mend."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what)
        self.mend = mend


class CannotBecome(Exception):
    """The login has not been granted the role."""


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    ok: bool
    said: str
    mend: str | None = None


def run_doctor(*, json: bool, upstream: bool = False, organization: str | None = None, user: str | None = None) -> int:
    """Returns the exit code: 0 where all is well, 1 for a fault, 2 for a bad configuration.

    With `upstream` Teli is looked at more closely, by way of `user` of `organization` where they are named.
    """
    # The report says all there is to say; what the code underneath would log comes before it, and of the same.
    logging.getLogger("service").addHandler(logging.NullHandler())
    try:
        settings = Settings.from_environment(os.environ)
    except BadConfiguration as bad:
        mend = "docs/configuration.md lists every variable"
        return _tell([Finding("configuration", False, fault, mend) for fault in bad.faults], json, BAD_CONFIGURATION)
    findings = [Finding("configuration", True, "complete"), *asyncio.run(_findings(settings))]
    closer = asyncio.run(_look_closer(settings, organization, user)) if upstream else {}
    return _tell(findings, json, FAILED, closer)


def _tell(
    findings: list[Finding], json: bool, exit_code: int, closer: Mapping[str, Sequence[Observed]] = MappingProxyType({})
) -> int:
    observed = [one for part in closer.values() for one in part]
    ok = all(finding.ok for finding in findings) and all(one.state != "fault" for one in observed)
    if json:
        parts = {name: [asdict(one) for one in part] for name, part in closer.items()}
        print(jsonlib.dumps({"ok": ok, "checks": [asdict(finding) for finding in findings], **parts}))
        return 0 if ok else exit_code
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        sign = "[green]ok   [/]" if finding.ok else "[red]fault[/]"
        console.print(f"{sign}  {finding.check:<14}", end="")
        console.print(f"{finding.said}{': ' + finding.mend if finding.mend else ''}", markup=False)
    for name, part in closer.items():
        console.print(f"\n[bold]{HEADINGS[name]}[/]")
        for one in part:
            console.print(f"{SIGNS[one.state]}  {one.question:<14}", end="")
            console.print(f"{one.seen}\n{'':21}→ {one.means}", markup=False)
    return 0 if ok else exit_code


async def _look_closer(settings: Settings, organization: str | None, user: str | None) -> dict[str, list[Observed]]:
    """What Teli's answers show, and how its account stands here where the database lets us in."""
    standings = await _standings(settings)
    async with reading(settings, listen=LISTEN) as found:
        seen = await look(found, standings, organization=organization, user=user)
    accounts = [
        replace(one, seen=f"{account.name}: {one.seen}", facts={"account": account.name, **one.facts})
        for account in (standings.accounts if standings is not None else ())
        for one in standing(account)
    ]
    return {"upstream": list(observed(seen, standings)), "account": accounts}


async def _standings(settings: Settings) -> Standings | None:
    """None where there is none to be read, which the checks of the database tell."""
    for role in ROLES:
        with suppress(CannotBecome, Unwell, TimeoutError):
            async with asyncio.timeout(CHECK_WITHIN), _opened(settings, role) as database:
                return await read_standings(database, window=timedelta(seconds=settings.settling_window))
    return None


async def _findings(settings: Settings) -> list[Finding]:
    """Migrations, clock and further accounts are looked at only where the database lets us in."""
    roles: list[Role] = []
    issuers = dict.fromkeys(one for one in (settings.oidc_issuer, *settings.token_issuers) if one is not None)
    database = await _finding("database", _database(settings, roles))
    return [
        database,
        *([await _finding("migrations", _migrations(settings, roles[0]))] if roles else []),
        *([await _finding("clock", _clock(settings, roles[0]))] if roles else []),
        await _finding("redis", _redis(settings)),
        await _finding("upstream", _upstream(settings)),
        *([await _finding("accounts", _accounts(settings, roles[0]))] if roles else []),
        *[await _finding("identity", _identity(issuer)) for issuer in issuers],
    ]


async def _finding(name: str, check: Coroutine[Any, Any, str]) -> Finding:
    try:
        async with asyncio.timeout(CHECK_WITHIN):
            return Finding(name, True, await check)
    except Unwell as fault:
        return Finding(name, False, str(fault), fault.mend)
    except TimeoutError:
        return Finding(
            name, False, f"no answer within {CHECK_WITHIN:.0f} seconds", "check the address and the way there"
        )


async def _database(settings: Settings, roles: list[Role]) -> str:
    """Adds to `roles` those that this login may become; it needs one, and row-level security must hold each."""
    version = ""
    for role in ROLES:
        with suppress(CannotBecome):
            async with _opened(settings, role) as database:
                version, _ = await database.about()
                roles.append(role)
                try:
                    await check_migrated(database)
                    await database.check_role(role)
                except NotMigrated:
                    continue  # The check of the migrations tells it; before them there is nothing to hold anybody to.
                except WrongRole as error:
                    raise Unwell(str(error), ROLES_MEND) from None
    if not roles:
        raise Unwell(f"this login may become none of {', '.join(ROLES)}", ROLES_MEND)
    return f"PostgreSQL {version}, as {' and '.join(roles)}"


async def _migrations(settings: Settings, role: Role) -> str:
    async with _opened(settings, role) as database:
        try:
            await check_migrated(database)
        except NotMigrated as error:
            what, _, mend = str(error).partition(": ")
            raise Unwell(what, mend) from None
    return "the schema is the one this code expects"


async def _clock(settings: Settings, role: Role) -> str:
    """The database's clock decides, ours measures; they are compared for whoever reads the logs of both."""
    async with _opened(settings, role) as database:
        await database.about()  # So that no time is lost to connecting below.
        began = time.time()
        _, theirs = await database.about()
        apart = theirs - (began + time.time()) / 2
    if abs(apart) > CLOCKS_MAY_DIFFER:
        raise Unwell(f"the database's clock is {apart:+.1f} seconds from ours", "synchronise both by NTP")
    return f"{abs(apart) * 1000:.0f} ms from the database's"


@asynccontextmanager
async def _opened(settings: Settings, role: Role) -> AsyncIterator[Database]:
    """Raises: CannotBecome; Unwell, for whatever else keeps us out."""
    url, pooler = settings.database_url.get_secret_value(), settings.database_pooler
    database = open_database(url, role, pool=2, pooler=pooler)
    try:
        yield database
    except (OSError, StorageUnavailable, SQLAlchemyError, asyncpg.PostgresError) as error:
        said = error.orig if isinstance(error, DBAPIError) else error
        if "role" in str(said) and role in str(said):
            raise CannotBecome from None
        raise Unwell(f"does not let us in: {said}", "check DATABASE_URL, and that the server runs") from None
    finally:
        await database.engine.dispose()


async def _redis(settings: Settings) -> str:
    kv = KeyValue.open(settings.redis_url.get_secret_value())
    try:
        version, cluster, is_replica = await kv.about()
        await kv.ping()
    except RedisAway as error:
        raise Unwell(f"does not answer: {error.__cause__}", REDIS_MEND) from None
    finally:
        await kv.close()
    if is_replica:
        raise Unwell("is a replica, which keeps nothing", "name the primary in REDIS_URL")
    if int(version.partition(".")[0]) < 7:
        raise Unwell(f"is version {version}", "use Redis 7 or newer, or Valkey")
    return f"speaks as Redis {version}{', as a cluster' if cluster else ''}"


async def _upstream(settings: Settings) -> str:
    async with reading(settings, listen=CHECK_WITHIN) as found:
        return await _lists_organizations(found.teli, url="TELI_BASE_URL", key="TELI_API_KEY")


async def _lists_organizations(teli: TeliClient, *, url: str, key: str) -> str:
    """One read, of the organisations; a key that may not read them is told apart from one that is refused.

    `url` and `key`: where what is wrong with either is mended.
    """
    heard = await teli.organizations()
    if heard.kind != "answer":
        raise Unwell(f"cannot be reached: {heard.detail}", f"check {url} and the way there")
    if heard.status in (401, 403):
        raise Unwell(f"refuses the key with {heard.status}", f"check {key}")
    organizations = read_organizations(heard)
    if organizations is None:
        raise Unwell(f"answered {heard.status}, and no list of organisations", f"check {url}")
    return f"takes the key and lists {count_of(len(organizations), 'organisation')}"


async def _accounts(settings: Settings, role: Role) -> str:
    """Accounts with keys of their own: whether each key opens here, and Teli takes it."""
    async with _opened(settings, role) as database:
        try:
            await check_migrated(database)
        except NotMigrated:
            return "not looked at before the migrations"
        filed = await filed_accounts(database)
    stored = {account_id: one for account_id, one in filed.items() if one.sealed is not None}
    told = await asyncio.gather(
        *(_account(account_id, one, settings.keyring) for account_id, one in stored.items()), return_exceptions=True
    )
    for error in told:
        if isinstance(error, BaseException):
            raise error
    if not stored:
        return "none beside the deployment's own"
    return f"{count_of(len(stored), 'account')} beside the deployment's own, each with a key that opens and is taken"


async def _account(account_id: UUID, filed: Filed, keyring: Keyring) -> None:
    assert filed.sealed is not None
    try:
        key = keyring.open(filed.sealed, *place_of(account_id, filed.base_url))
    except CannotOpen as error:
        mend = "NUMBERGATE_ACCOUNT_KEYS must have the key it is encrypted with; else replace the account's key"
        raise Unwell(f"{filed.name} is out of service: {error}", mend) from None
    async with reading_at(filed.base_url, key, listen=CHECK_WITHIN / 2) as found:
        try:
            await _lists_organizations(found.teli, url="its base_url", key="the account's key")
        except Unwell as fault:
            raise Unwell(f"{filed.name} {fault}", fault.mend) from None


async def _identity(issuer: str) -> str:
    """Its discovery document and its keys, as the gateway asks for them."""
    try:
        said = await IdentityProvider(issuer).look()
    except (httpx.HTTPError, TimeoutError, Unusable) as error:
        mend = "check the issuer, to the letter as the provider names itself, and the way there"
        raise Unwell(f"{issuer} {error if isinstance(error, Unusable) else 'cannot be reached'}", mend) from None
    return f"{issuer} has {count_of(len(said.keys.keys), 'key')}"
