"""The composition root of the background process: what must happen though nobody asks."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from service.calls.reading import pause_between
from service.db import CommitUnknown
from service.kit.errors import ServiceError
from service.kit.spans import span
from service.numbers.members import CHANGEABLE
from service.numbers.models import Drift, Intent, Number
from service.observability.metrics import DOUBTS_OPEN, DRIFT_OPEN, LANE_MODE, STOPS
from service.reconciliation.drifting import MEMBERS
from service.reconciliation.existing import NotListed
from service.settings import Settings
from service.tenants.accounts import ensure_account
from service.tenants.models import Account, Stop
from service.wiring import Services, services

ACCOUNTS_EVERY = 0.5
# So long is the pause at most after which a job that found nothing to do looks again.
IDLE_PAUSE = 1.0
FOLLOW_UPS_EVERY = 0.25
ORDERS_EVERY = 0.25
LAPSES_EVERY = 1.0
RECOVERY_EVERY = 0.5
CIRCUITS_EVERY = 0.5
GAUGES_EVERY = 5.0
CHAINED_EVERY = 1.0
# A look at whether it is time to reckon any; see NUMBERGATE_BUDGETS_INTERVAL.
BUDGETS_EVERY = 5.0
NUMBERED_EVERY = 0.2
DELIVERED_EVERY = 0.2
PRUNED_EVERY = 3600.0
PREVIEWS_EVERY = 60.0
INVOICES_EVERY = 0.5
ANALYTICS_EVERY = 60.0
MATCHES_EVERY = 0.5
OPEN_DOUBTS = ("doubtful", "unresolved")
log = structlog.get_logger()


async def work(settings: Settings, stop: asyncio.Event) -> None:
    """Run until `stop`; a step under way is finished first."""
    async with services(settings, "numbergate_worker") as found:
        await ensure_account(found.database, base_url=settings.teli_base_url, teli_tenant_id=settings.teli_tenant_id)
        await work_with(settings, found, stop)
        await found.numbers.provisioning.drain()
        await found.numbers.follow_ups.finish()
        await found.delivering.finish()
    log.info("worker stopped")


async def work_with(settings: Settings, found: Services, stop: asyncio.Event) -> None:
    """As `work`, with services that somebody else opened and will close."""
    async with asyncio.TaskGroup() as group:
        for name, job, pause in (
            ("accounts", partial(_work_for_new_accounts, settings, found, group, set(), stop), ACCOUNTS_EVERY),
            ("recovery", found.recovery.run, RECOVERY_EVERY),
            ("lapsed sends", lambda: _lapse(found), min(LAPSES_EVERY, settings.resolve_interval)),
            ("gauges", lambda: _measure(found), GAUGES_EVERY),
            ("quota counters", found.drift.run, settings.sweep_interval),
            ("budgets", found.billing.budget_watch.look, min(BUDGETS_EVERY, settings.budgets_interval)),
            ("quotas near their limits", found.quota_watch.look, settings.quotas_interval),
            ("audit chain", partial(_as_long_as, found.chaining.chain, stop), CHAINED_EVERY),
            ("event numbers", partial(_as_long_as, found.numbering.number, stop), NUMBERED_EVERY),
            ("webhooks", found.delivering.run, DELIVERED_EVERY),
            ("pruning", found.pruning.run, PRUNED_EVERY),
            ("pruning of events", lambda: _forget_events(found), PRUNED_EVERY),
            ("orders", found.order_work.close, ORDERS_EVERY),
            ("circuits", found.circuits.look, CIRCUITS_EVERY),
            ("what orders give up", found.buying.give_up, ORDERS_EVERY),
            ("invoices", partial(_as_long_as, found.billing.invoice_reading.step, stop), INVOICES_EVERY),
            ("matches", found.billing.match_work.run, MATCHES_EVERY),
            ("analytics of months", found.billing.analytics_witness.look, ANALYTICS_EVERY),
            ("previews", found.order_work.forget_previews, PREVIEWS_EVERY),
        ):
            group.create_task(_repeat(name, job, pause, stop))
        log.info("worker started")
        await stop.wait()


async def _work_for_new_accounts(
    settings: Settings, found: Services, group: asyncio.TaskGroup, begun: set[UUID], stop: asyncio.Event
) -> None:
    """What is done for one account at a time has a task of its own for each, so that none waits for another's Teli."""
    await found.version.look()
    await found.upstreams.follow()
    for account_id, account in found.upstreams.accounts.items():
        if account_id in begun:
            continue
        begun.add(account_id)
        for name, job, pause in (
            ("existing numbers", found.existing.list_new_accounts, FOLLOW_UPS_EVERY),
            ("organisations", found.existing.file_what_teli_names, settings.sweep_interval),
            ("follow-ups", partial(_as_long_as, found.numbers.follow_ups.begin_due, stop), FOLLOW_UPS_EVERY),
            ("orders", found.order_work.run, ORDERS_EVERY),
            ("circuit", found.circuits.probe, CIRCUITS_EVERY),
            ("ordered numbers", partial(_as_long_as, found.buying.send, stop), ORDERS_EVERY),
            ("doubts", found.resolver.run, min(LAPSES_EVERY, settings.resolve_interval)),
            ("campaigns", found.campaigns.following.run, min(LAPSES_EVERY, settings.campaign_interval)),
            ("calls", partial(_read_calls, found), pause_between(settings.call_reads_per_hour)),
            ("calls to look up", partial(_look_up_calls, found), pause_between(settings.call_look_ups_per_hour)),
        ):
            group.create_task(_repeat(f"{name} of {account}", partial(job, account_id), pause, stop))
        log.info("worked for", account=account)


async def _repeat(name: str, job: Callable[[], Awaitable[bool | None]], pause: float, stop: asyncio.Event) -> None:
    """A job that answers False found nothing to do, and looks again after longer and longer: looking costs too."""
    wait = pause
    while not stop.is_set():
        try:
            with span("job", facts={"numbergate.job": name.partition(" of ")[0]}):
                wait = min(1.5 * wait, max(pause, IDLE_PAUSE)) if await job() is False else pause
        except (ServiceError, SQLAlchemyError, CommitUnknown, NotListed) as error:
            log.warning("could not be done now", job=name, error=str(error)[:300])
            wait = max(pause, 1.0)
        except Exception as error:
            log.error("failed unforeseen", job=name, exc_info=error)
            wait = 5.0
        try:
            async with asyncio.timeout(wait):
                await stop.wait()
        except TimeoutError:
            continue


async def _as_long_as(step: Callable[..., Awaitable[object]], stop: asyncio.Event, *of: UUID) -> bool:
    """Take a step again and again while it finds something to do. Returns whether it ever did."""
    busy = False
    while await step(*of) and not stop.is_set():
        busy = True
    return busy


async def _read_calls(found: Services, account_id: UUID) -> None:
    await found.calls.reading.read(account_id)


async def _look_up_calls(found: Services, account_id: UUID) -> None:
    await found.calls.reading.look_up(account_id)


async def _lapse(found: Services) -> None:
    """Sends whose sender was lost become doubts."""
    for intent in await found.ledger.lapse(limit=100):
        log.warning("doubt", intent=str(intent), reason="sender_lost")


async def _forget_events(found: Services) -> None:
    await found.numbering.prune()
    await found.delivering.prune()


async def _measure(found: Services) -> None:
    async with found.database.acting() as session:
        for scope in ("global", "tenant", "account"):
            STOPS.labels(scope).set(await session.scalar(select(func.count()).where(Stop.scope == scope)) or 0)
        doubts: dict[tuple[str, UUID], int] = {
            (state, account_id): count
            for state, account_id, count in await session.execute(
                select(Intent.state, Intent.account_id, func.count())
                .where(Intent.state.in_(OPEN_DOUBTS))
                .group_by(Intent.state, Intent.account_id)
            )
        }
        drifting = await session.execute(
            select(Drift.member, func.count().label("open"))
            .join(Number, Number.id == Drift.number_id)
            .where(Drift.state == "open", Number.state.in_(CHANGEABLE))
            .group_by(Drift.member)
        )
        counts = {row.member: row.open for row in drifting}
        for member in MEMBERS:
            DRIFT_OPEN.labels(member).set(counts.get(member, 0))
        for account in await session.scalars(select(Account)):
            LANE_MODE.labels(account.name).set(account.mode == "lane")
            for state in OPEN_DOUBTS:
                DOUBTS_OPEN.labels(state, account.name).set(doubts.get((state, account.id), 0))
    await found.backlog.measure()
    await found.chaining.measure()
    await found.numbering.measure()
    await found.delivering.measure()


def stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
