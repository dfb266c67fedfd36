"""Every table, for Alembic."""

from service.agents import models as agents
from service.audit import models as audit
from service.billing import models as billing
from service.billing.analytics import models as analytics
from service.billing.budgets import models as budgets
from service.billing.disputes import models as disputes
from service.billing.invoices import models as invoices
from service.calls import models as calls
from service.campaigns import models as campaigns
from service.db import Base
from service.idempotency import models as idempotency
from service.inventory.saved import models as saved_filters
from service.numbers import models as numbers
from service.orders import models as orders
from service.outbox import models as outbox
from service.prices import models as prices
from service.quotas import models as quotas
from service.reconciliation import models as reconciliation
from service.tenants import models as tenants
from service.webhooks import models as webhooks

__all__ = [
    "agents",
    "analytics",
    "audit",
    "billing",
    "budgets",
    "calls",
    "campaigns",
    "disputes",
    "idempotency",
    "invoices",
    "metadata",
    "numbers",
    "orders",
    "outbox",
    "prices",
    "quotas",
    "reconciliation",
    "saved_filters",
    "tenants",
    "webhooks",
]

metadata = Base.metadata
