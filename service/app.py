"""The composition root of the HTTP process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import Depends, FastAPI

from service import __version__
from service.billing import endpoints as billing
from service.billing.budgets import endpoints as budgets
from service.billing.disputes import endpoints as disputes
from service.billing.invoices import endpoints as invoices
from service.billing.invoices import files as invoice_files
from service.calls import endpoints as calls
from service.campaigns import endpoints as campaigns
from service.console import router as console
from service.console.door import told_as_page
from service.exports.answers import MEDIA_TYPES
from service.http import docs, problems
from service.http.edge import STANDARD, Edge, Limits
from service.http.express import Express
from service.http.openapi import describe
from service.http.openapi import problems as problems_of
from service.http.pages import NDJSON
from service.http.paths import closer_paths
from service.http.told import TAGS
from service.imports import endpoints as imports
from service.imports.sheets import MOST_BYTES
from service.inventory import activity_endpoints as activity
from service.inventory import agent_endpoints as agents
from service.inventory import endpoints as inventory
from service.inventory.saved import endpoints as saved_filters
from service.numbers import endpoints as numbers
from service.numbers import express
from service.numbers import key_endpoints as keys
from service.numbers import own_endpoints as own_numbers
from service.numbers.errors import InvalidAreaCode
from service.observability import health
from service.orders import endpoints as orders
from service.quotas import endpoints as quotas
from service.quotas.errors import RateLimited
from service.quotas.turns import take_turn
from service.reconciliation import drift_endpoints as drift
from service.reconciliation import endpoints as reconciliation
from service.tenants import account_endpoints as accounts
from service.tenants import audit_endpoints as audit
from service.tenants import endpoints as tenants
from service.tenants import login_endpoints as login
from service.tenants import name_endpoints as names
from service.tenants import policy_endpoints as policies
from service.tenants import session_endpoints as sessions
from service.tenants import stop_endpoints as stops
from service.tenants.refusals import note_refusal
from service.webhooks import endpoints as webhooks
from service.webhooks import feed_endpoints as feed
from service.webhooks.announcing import announced
from service.wiring import Services

# What answers in another media type than JSON too, where `Accept` asks for it.
STREAMS = {
    "/v1/admin/audit": (NDJSON,),
    "/v1/numbers": MEDIA_TYPES,
    "/v1/events": (NDJSON,),
    "/v1/billing/statements/{period}/export": (*MEDIA_TYPES, billing.HTML),
    "/v1/billing/invoices/{invoice_id}/lines": MEDIA_TYPES,
    "/v1/billing/invoices/{invoice_id}/findings": MEDIA_TYPES,
    "/v1/billing/disputes/{dispute_id}/lines": MEDIA_TYPES,
    "/v1/billing/disputes/{dispute_id}/letter": ("text/html",),
    "/v1/billing/disputes/{dispute_id}/attachments/{attachment_id}": disputes.ATTACHED,
}
DESCRIPTION = """
Buys phone numbers from Teli once, never loses one, and explains every charge. A client written for Teli's own API works
here by changing the base URL and the key.
"""


def create_app(opened: Callable[[], AbstractAsyncContextManager[Services]], limits: Limits = STANDARD) -> Edge:
    """The application over the services that `opened` gives for its lifetime."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened() as found:
            app.state.services = found
            beside = [
                asyncio.create_task(job)
                for job in (
                    found.version.run(),
                    found.key_uses.run(),
                    found.upstreams.run(),
                    found.refusals.run(),
                    found.circuits.run(),
                )
            ]
            try:
                yield
            finally:
                # The server has answered its last request; purchases under way are tasks of their own.
                await found.numbers.provisioning.drain()
                await found.numbers.follow_ups.drain()
                await found.campaigns.creation.drain()
                await found.billing.closing.stop()
                for task in beside:
                    task.cancel()
                await asyncio.wait(beside)
                await found.refusals.flush()

    app = FastAPI(
        title="Numbergate",
        version=__version__,
        description=DESCRIPTION,
        openapi_tags=[{"name": name, "description": what} for name, what in TAGS.items()],
        servers=[{"url": "/", "description": "The gateway that serves this document"}],
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
    told = problems.install(
        app, who=take_turn, own={"invalid_area_code": InvalidAreaCode}, refused=note_refusal, page=told_as_page
    )
    app.include_router(numbers.create_router)
    for router in (
        numbers.router,
        inventory.router,
        saved_filters.router,
        orders.bulk_router,
        orders.router,
        imports.router,
        own_numbers.router,
        numbers.operations_router,
        billing.router,
        budgets.router,
        invoices.router,
        disputes.router,
        campaigns.router,
        calls.router,
        calls.idle_router,
        login.me_router,
        tenants.router,
        policies.router,
        stops.router,
        accounts.router,
        sessions.router,
        audit.router,
        feed.router,
        webhooks.router,
        keys.router,
        quotas.own_router,
        quotas.router,
        drift.router,
        agents.router,
        activity.router,
        names.router,
        reconciliation.router,
    ):
        app.include_router(router, dependencies=[Depends(take_turn)], responses=problems_of(RateLimited))
    app.include_router(login.router)
    app.include_router(health.router)
    app.include_router(docs.router)
    app.include_router(console.console())
    app.state.closer_paths = closer_paths(app)
    describe(app, webhooks=announced)
    return Edge(
        app,
        limits,
        streams=STREAMS | console.STREAMS,
        uploads={imports.CSV_PATH: MOST_BYTES},
        passed_on=dict.fromkeys((invoices.INVOICES_PATH, invoices.PREVIEW_PATH), invoice_files.MOST_BYTES),
        express=Express(app, told, express.LANES, express.BELOW),
    )
