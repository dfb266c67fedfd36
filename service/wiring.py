"""From settings to services: everything a process works with is made here, and closed by one exit stack."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr
from sqlalchemy import text

from service.audit.chaining import Chaining
from service.audit.log import AuditLog
from service.audit.refusals import Refusals
from service.billing.analytics.comparing import AnalyticsWitness
from service.billing.analytics.listing import Analytics
from service.billing.book import PriceBook
from service.billing.budgets.budgets import Budgets
from service.billing.budgets.watching import BudgetWatch
from service.billing.charging import ChargingRule
from service.billing.closing import Closing
from service.billing.disputes.disputes import Disputes
from service.billing.disputes.matches import Matches
from service.billing.disputes.work import MatchWork
from service.billing.invoices.invoices import Invoices
from service.billing.invoices.profiles import Profiles
from service.billing.invoices.reading import InvoiceReading
from service.billing.periods import Periods
from service.billing.services import BillingServices
from service.billing.statements import Statements
from service.calls.endpoints import CallServices
from service.calls.idleness import Idleness
from service.calls.passing import Calls
from service.calls.reading import CallReading
from service.campaigns.campaigns import Campaigns, campaign_operation
from service.campaigns.creating import Creation
from service.campaigns.endpoints import CampaignServices
from service.campaigns.following import Following
from service.campaigns.settling import Settling
from service.db import Database, Role, open_database
from service.exports.exports import MADE_AT_ONCE, ExportLimits, Exports
from service.exports.replica import Replica
from service.imports.imports import Imports
from service.inventory.activity import Activity
from service.inventory.agents import AgentList
from service.inventory.inventory import Inventory
from service.inventory.saved.filters import SavedFilters
from service.kit.crypto import Secret
from service.kit.networks import Network
from service.kit.pagination import Cursors
from service.kv import KeyValue
from service.migrations import check_migrated
from service.numbers.changes import Changes
from service.numbers.circuits import Circuits
from service.numbers.confirm import Confirmation
from service.numbers.drain import Drain
from service.numbers.editing import Editing
from service.numbers.follow_ups import FollowUps
from service.numbers.grace import Grace
from service.numbers.key_listing import KeyListing
from service.numbers.ledger import Ledger
from service.numbers.listing import TeliListings
from service.numbers.lookup import Lookup
from service.numbers.operations import Operations
from service.numbers.provisioning import Provisioning
from service.numbers.release import Release
from service.numbers.repository import Numbers
from service.numbers.sending import Sending
from service.numbers.services import NumberServices
from service.numbers.steps import Steps
from service.observability.health import Health
from service.observability.metrics import REDIS_AWAY
from service.orders.backlog import Backlog
from service.orders.bulk import Bulk
from service.orders.buying import Buying
from service.orders.orders import Orders
from service.orders.placing import Placing
from service.orders.queue import OrderQueue
from service.orders.tokens import SelectionTokens
from service.orders.work import OrderWork
from service.outbox.feed import Feed
from service.outbox.numbering import Numbering
from service.prices.pricing import Pricing
from service.quotas.administration import QuotaAdministration
from service.quotas.drift import Drift
from service.quotas.gate import Gate
from service.quotas.nearing import QuotaWatch
from service.quotas.strangers import Strangers
from service.quotas.view import QuotaView
from service.reconciliation.decisions import Decisions
from service.reconciliation.doubts import Doubts
from service.reconciliation.drift_list import DriftList
from service.reconciliation.drifts import Drifts
from service.reconciliation.existing import ExistingNumbers
from service.reconciliation.lists import Lists
from service.reconciliation.pruning import Pruning
from service.reconciliation.recovery import Recovery
from service.reconciliation.resolver import Resolver
from service.reconciliation.sightings import Sightings
from service.settings import Settings
from service.teli.client import TeliClient
from service.tenants.accounts import Accounts
from service.tenants.administration import Administration
from service.tenants.directory import Directory
from service.tenants.listings import Listings
from service.tenants.names import Names
from service.tenants.people import People, SignIn
from service.tenants.policies import Policies
from service.tenants.principals import Principals
from service.tenants.sessions import Sessions
from service.tenants.stops import Stops
from service.tenants.synchronising import Synchronisation
from service.tenants.tokens import AccessTokens, TokenRules
from service.tenants.upstreams import AccountUpstreams
from service.tenants.uses import KeyUses
from service.tenants.version import VersionWatch
from service.webhooks.delivering import Delivering
from service.webhooks.repository import wake
from service.webhooks.sending import Sender
from service.webhooks.targets import Targets
from service.webhooks.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Services:
    database: Database
    kv: KeyValue
    upstreams: AccountUpstreams
    drain: Drain
    version: VersionWatch
    pricing: Pricing
    principals: Principals
    trusted_proxies: tuple[Network, ...]
    key_uses: KeyUses
    strangers: Strangers
    sessions: Sessions
    people: People | None
    tokens: AccessTokens | None
    administration: Administration
    listings: Listings
    names: Names
    policies: Policies
    synchronisation: Synchronisation
    stops: Stops
    accounts: Accounts
    gate: Gate
    quotas: QuotaAdministration
    quota_view: QuotaView
    drift: Drift
    quota_watch: QuotaWatch
    exports: Exports
    inventory: Inventory
    activity: Activity
    saved_filters: SavedFilters
    agents: AgentList
    bulk: Bulk
    orders: Orders
    imports: Imports
    placing: Placing
    buying: Buying
    order_work: OrderWork
    backlog: Backlog
    numbers: NumberServices
    billing: BillingServices
    campaigns: CampaignServices
    calls: CallServices
    key_listing: KeyListing
    ledger: Ledger
    circuits: Circuits
    existing: ExistingNumbers
    lists: Lists
    drift_list: DriftList
    decisions: Decisions
    resolver: Resolver
    recovery: Recovery
    pruning: Pruning
    feed: Feed
    numbering: Numbering
    webhooks: Webhooks
    delivering: Delivering
    audit_log: AuditLog
    refusals: Refusals
    chaining: Chaining
    health: Health


@asynccontextmanager
async def services(settings: Settings, role: Role) -> AsyncIterator[Services]:
    """All services in `role`, on a database that is migrated and holds this role to row-level security.

    Raises: service.migrations.NotMigrated, service.db.WrongRole, service.kit.errors.StorageUnavailable.
    """
    async with AsyncExitStack() as stack:
        database = open_database(
            settings.database_url.get_secret_value(),
            role,
            pool=settings.database_pool,
            pooler=settings.database_pooler,
        )
        stack.push_async_callback(database.engine.dispose)
        await check_migrated(database)
        await database.check_role(role)
        exports = await stack.enter_async_context(exporting(settings, role))
        kv = KeyValue.open(settings.redis_url.get_secret_value(), lost=REDIS_AWAY.inc)
        stack.push_async_callback(kv.close)
        teli = TeliClient(
            settings.teli_base_url, settings.teli_api_key.get_secret_value(), listen=settings.upstream_timeout
        )
        found = assemble(settings, database, kv, teli, exports)
        stack.push_async_callback(found.upstreams.close)
        stack.push_async_callback(found.circuits.written)
        yield found


@asynccontextmanager
async def exporting(settings: Settings, role: Role) -> AsyncIterator[Exports]:
    """Exports on connections of their own, from a replica where there is one.

    Raises: service.db.WrongRole.
    """

    async with AsyncExitStack() as stack:

        def opened(url: SecretStr) -> Database:
            found = open_database(
                url.get_secret_value(),
                role,
                pool=MADE_AT_ONCE + 1,
                statement_timeout=settings.export_within,
                pooler=settings.database_pooler,
            )
            stack.push_async_callback(found.engine.dispose)
            return found

        primary = opened(settings.database_url)
        replica = Replica(opened(settings.replica_url), primary, role) if settings.replica_url else None
        if replica is not None:
            await replica.check()
        yield Exports(primary, ExportLimits(settings.export_within, settings.export_mebibytes << 20), replica)


def assemble(settings: Settings, database: Database, kv: KeyValue, teli: TeliClient, exports: Exports) -> Services:
    """The services over connections that somebody else opened and will close. `teli`: the deployment's own account."""
    secret = Secret(settings.secret.get_secret_value())
    cursors = Cursors(secret)
    version = VersionWatch(database)
    keyring = settings.keyring
    pricing = Pricing(database, default=settings.default_price, rule=ChargingRule().as_json())
    periods = Periods(database, pricing)
    profiles = Profiles(database)
    upstreams = AccountUpstreams(database, version, keyring, teli, listen=settings.upstream_timeout)
    principals = Principals(database, secret, version)
    sessions = Sessions(database, secret, lifetime=settings.session_lifetime, idle=settings.session_idle)
    window = timedelta(seconds=settings.settling_window)
    sender = Sender(Targets(settings.webhook_networks or ()))
    events_kept = timedelta(seconds=settings.events_kept)
    gate = Gate(kv, secret, replicas=settings.replicas)
    drain = Drain(settings.answer_within)
    inventory = Inventory(database, cursors, exports)
    owned, steps = Numbers(database), Steps(database)
    confirmation = Confirmation(owned, upstreams, mark_keep=settings.mark_keep, window=window)
    changes = Changes(owned, steps, upstreams, confirmation)
    release = Release(owned, steps, upstreams, confirmation, settling_window=settings.settling_window)
    ledger = Ledger(database)
    circuits = Circuits(database, upstreams)
    directory = Directory(database, upstreams)
    existing, sightings = ExistingNumbers(database, upstreams), Sightings(database, window=window)
    resolver = Resolver(
        ledger,
        sightings,
        Doubts(database),
        Drifts(database, upstreams, window=window),
        upstreams,
        window=window,
        write_off=timedelta(seconds=settings.write_off),
        doubts_every=settings.resolve_interval,
        all_every=settings.sweep_interval,
    )
    recovery = Recovery(
        database, kv, upstreams, existing, sightings, resolver, upstream_timeout=settings.upstream_timeout
    )
    settling = Settling(database, looked_at_every=settings.campaign_interval)
    provisioning = Provisioning(
        ledger=ledger,
        gate=gate,
        sending=Sending(ledger, gate, upstreams, drain, circuits),
        directory=directory,
        secret=secret,
        drain=drain,
        answer_within=settings.answer_within,
        upstream_timeout=settings.upstream_timeout,
        price=settings.default_price.first,
    )
    return Services(
        database=database,
        kv=kv,
        upstreams=upstreams,
        drain=drain,
        version=version,
        pricing=pricing,
        trusted_proxies=settings.trusted_proxies or (),
        key_uses=KeyUses(database),
        strangers=Strangers(kv, most=settings.failed_authentications, replicas=settings.replicas),
        principals=principals,
        sessions=sessions,
        people=people(settings, sessions, secret, principals),
        tokens=access_tokens(settings, principals),
        administration=Administration(database, secret, key_environment=settings.key_environment),
        names=Names(database),
        listings=Listings(database, cursors, roles=settings.oidc_roles, idle=settings.session_idle),
        policies=Policies(database, settling_window=settings.settling_window),
        synchronisation=Synchronisation(database, upstreams),
        stops=Stops(database),
        accounts=Accounts(database, secret, keyring, cursors, key_environment=settings.key_environment),
        gate=gate,
        quotas=QuotaAdministration(database, gate, price=settings.default_price.first),
        quota_view=QuotaView(database, cursors, price=settings.default_price.first),
        drift=Drift(database),
        quota_watch=QuotaWatch(database, price=settings.default_price.first),
        exports=exports,
        agents=AgentList(database, cursors),
        inventory=inventory,
        activity=Activity(database, inventory),
        saved_filters=SavedFilters(database, cursors),
        bulk=Bulk(database, SelectionTokens(secret), pricing),
        orders=Orders(database, cursors, SelectionTokens(secret)),
        imports=Imports(database, directory, pricing),
        placing=Placing(database, directory, pricing, limits_at=settings.default_price.first),
        buying=Buying(OrderQueue(database), provisioning, principals),
        order_work=OrderWork(database, mark_keep=settings.mark_keep),
        backlog=Backlog(database),
        numbers=NumberServices(
            provisioning=provisioning,
            listings=TeliListings(database, cursors),
            lookup=Lookup(database, cursors, pricing),
            editing=Editing(database),
            grace=Grace(database, grace=timedelta(seconds=settings.release_grace)),
            owned=owned,
            follow_ups=FollowUps(steps, confirmation, changes, release, drain),
            operations=Operations(database, drain, campaign_operation),
            gate=gate,
            answer_within=settings.answer_within,
        ),
        billing=BillingServices(
            book=PriceBook(database, cursors, pricing),
            periods=periods,
            closing=Closing(
                exports.primary, pricing, drain, within=settings.export_within, answer_within=settings.answer_within
            ),
            statements=Statements(database, periods, exports),
            budgets=Budgets(database, cursors, pricing),
            budget_watch=BudgetWatch(
                exports.primary,
                within=settings.export_within,
                every=timedelta(seconds=settings.budgets_interval),
            ),
            profiles=profiles,
            invoices=Invoices(database, cursors, exports, profiles),
            invoice_reading=InvoiceReading(database),
            analytics=Analytics(database, cursors),
            analytics_witness=AnalyticsWitness(database, upstreams),
            matches=Matches(database, cursors, exports, pricing),
            match_work=MatchWork(database, exports.primary, within=settings.export_within),
            disputes=Disputes(database, cursors, exports),
        ),
        campaigns=CampaignServices(
            creation=Creation(database, upstreams, directory, settling, drain, listen=settings.upstream_timeout),
            campaigns=Campaigns(database, upstreams),
            following=Following(
                database, upstreams, settling, window=window, looked_at_every=settings.campaign_interval
            ),
            answer_within=settings.answer_within,
        ),
        calls=CallServices(
            calls=Calls(database, upstreams),
            idleness=Idleness(database, cursors, pricing),
            reading=CallReading(
                database,
                upstreams,
                listings=settings.call_reads_per_hour,
                look_ups=settings.call_look_ups_per_hour,
                every=settings.calls_interval,
                look_back=timedelta(seconds=settings.calls_look_back),
            ),
        ),
        key_listing=KeyListing(database, cursors),
        ledger=ledger,
        circuits=circuits,
        existing=existing,
        lists=Lists(database, cursors, window=window),
        drift_list=DriftList(database, cursors),
        decisions=Decisions(database, window=window, mark_keep=settings.mark_keep),
        resolver=resolver,
        recovery=recovery,
        pruning=Pruning(database),
        feed=Feed(database, cursors, drain.left, kept=events_kept),
        numbering=Numbering(database, kept=events_kept, heard=wake),
        webhooks=Webhooks(database, cursors, sender, keyring),
        delivering=Delivering(database, sender, keyring),
        audit_log=AuditLog(database, cursors),
        refusals=Refusals(database),
        chaining=Chaining(database),
        health=Health(
            database=database.ping,
            redis=kv.ping,
            purchases=lambda: purchases_open(database),
            accounts=upstreams.stand,
            draining=lambda: drain.announced,
        ),
    )


def people(settings: Settings, sessions: Sessions, secret: Secret, principals: Principals) -> People | None:
    """None where no provider is named: then people cannot log in."""
    if settings.oidc_issuer is None:
        return None
    assert settings.oidc_client_id is not None
    assert settings.public_url is not None
    client_secret = settings.oidc_client_secret
    sign_in = SignIn(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=None if client_secret is None else client_secret.get_secret_value(),
        scopes=settings.oidc_scopes,
        groups_claim=settings.oidc_groups_claim,
        roles=settings.oidc_roles,
        public_url=settings.public_url,
    )
    return People(sign_in, sessions, principals, secret)


def access_tokens(settings: Settings, principals: Principals) -> AccessTokens | None:
    """None where no issuer is trusted: then keys alone are taken."""
    if not settings.token_issuers:
        return None
    assert settings.token_audience is not None
    rules = TokenRules(
        issuers=settings.token_issuers,
        audience=settings.token_audience,
        tenant_claim=settings.token_tenant_claim,
        scopes=frozenset(settings.token_scopes),
    )
    return AccessTokens(rules, principals)


async def purchases_open(database: Database) -> str:
    """open; partly_stopped, for some tenants or accounts; stopped, everywhere; recovering, after a restore; or listing,
    while an account's numbers are listed for the first time.
    """
    async with database.acting(duty="admin") as session:
        found = (
            await session.execute(
                text(
                    "SELECT EXISTS (SELECT FROM stops WHERE scope = 'global' AND id = 'recovering') AS recovering,"
                    " EXISTS (SELECT FROM stops WHERE scope = 'global') AS stopped,"
                    " EXISTS (SELECT FROM stops) AS partly,"
                    " EXISTS (SELECT FROM accounts WHERE listed_at IS NOT NULL) AS listed"
                )
            )
        ).one()
    if found.recovering:
        return "recovering"
    if found.stopped:
        return "stopped"
    if not found.listed:
        return "listing"
    return "partly_stopped" if found.partly else "open"
