"""Prometheus metrics: names and units by convention, no label that grows with tenants."""

from prometheus_client import Counter, Gauge, Histogram, start_http_server

REQUEST_SECONDS = Histogram(
    "numbergate_http_request_seconds",
    "Time to answer a request",
    ["method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
REQUESTS_IN_FLIGHT = Gauge("numbergate_http_requests_in_flight", "Requests being answered")
PURCHASES = Counter(
    "numbergate_purchases_total",
    "Purchases by the state they are in after an attempt, and by what the attempt showed",
    ["state", "verdict"],
)
PURCHASES_IN_FLIGHT = Gauge("numbergate_purchases_in_flight", "Sends under way in this process")
UPSTREAM_SECONDS = Histogram(
    "numbergate_upstream_create_seconds",
    "Time until Teli answered a create",
    ["account"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60, 180),
)
ADMISSIONS = Counter("numbergate_admissions_total", "Answers of the admission", ["outcome"])
QUOTA_SHADOW = Counter(
    "numbergate_quota_shadow_refusals_total", "What limits in shadow mode would have refused", ["scope", "limit"]
)
LIMITS_PASSED = Counter(
    "numbergate_limits_passed_total", "Imported numbers that a limit of numbers held had no room for", ["scope"]
)
RATE_LIMITED = Counter(
    "numbergate_rate_limited_total", "Requests beyond the rate of their tenant, by who counted", ["source"]
)
AUTHENTICATION_FAILURES = Counter(
    "numbergate_authentication_failures_total",
    "Keys refused, by why, and whether their address had too many",
    ["code", "throttled"],
)
REPLAYS = Counter("numbergate_replays_total", "Answers given again", ["source"])
JOINED = Counter("numbergate_joined_total", "Undelivered purchases that an equal request without a key took over")
STEPS = Counter("numbergate_steps_total", "Follow-up steps by kind and outcome", ["kind", "outcome"])
ORDERS = Counter("numbergate_orders_total", "Orders of many numbers, by what became of them", ["kind", "state"])
ORDER_ITEMS = Counter("numbergate_order_items_total", "Numbers of orders by what became of each", ["kind", "outcome"])
INVOICES = Counter("numbergate_invoices_total", "The supplier's invoices, by what they came to once read", ["state"])
INVOICE_ROWS = Counter("numbergate_invoice_rows_total", "Rows of the supplier's invoices", ["outcome"])
CAMPAIGNS = Counter("numbergate_campaigns_total", "Campaigns by what became of their creation", ["outcome"])
CALLS_READ = Counter("numbergate_call_reads_total", "Requests that read calls, by what they brought", ["outcome"])
EXPORTS = Counter("numbergate_exports_total", "Exports by what became of them", ["export", "format", "outcome"])
EXPORT_SECONDS = Histogram(
    "numbergate_export_seconds",
    "Time until an export was written down",
    ["format"],
    buckets=(0.01, 0.05, 0.25, 1, 2.5, 5, 10, 30, 60, 180, 600),
)
EXPORT_ROWS = Counter("numbergate_export_rows_total", "Rows that were exported", ["export"])
EXPORTS_HELD = Gauge("numbergate_exports_held", "Exports that are being made or read in this process")
REPLICA_UNUSED = Counter("numbergate_replica_unused_total", "Exports that the replica was not fit for")
ACCOUNTS_OUT_OF_SERVICE = Gauge(
    "numbergate_account_out_of_service", "1 while the key of the account cannot be opened here", ["account"]
)
LANE_MODE = Gauge("numbergate_account_lane_mode", "1 while the account is in lane mode", ["account"])
STOPS = Gauge("numbergate_purchases_stopped", "Stops of purchases that are in force", ["scope"])
DOUBTS_OPEN = Gauge("numbergate_doubts_open", "Intents whose outcome is not proved", ["state", "account"])
DOUBTS_RESOLVED = Counter("numbergate_doubts_resolved_total", "Doubts by what became of them", ["state"])
DRIFT_OPEN = Gauge("numbergate_drift_open", "What Teli lists otherwise than is wanted, and nobody decided", ["member"])
DRIFT_SETTLED = Counter(
    "numbergate_drift_settled_total", "Drift by what was decided; gone: it went by itself", ["member", "decision"]
)
LISTINGS = Counter("numbergate_listings_total", "Listings of whole organisations", ["outcome", "account"])
SETTLE_RETRIES = Counter("numbergate_settle_retries_total", "Outcomes that could not be written at once")
LOGINS = Counter("numbergate_logins_total", "Logins of people, by how far they came", ["outcome"])
IDENTITY_PROVIDER_LOOKS = Counter(
    "numbergate_identity_provider_looks_total", "Fetches of an identity provider's endpoints and keys", ["outcome"]
)
CIRCUITS_OPENED = Counter("numbergate_circuits_opened_total", "Upstream accounts that failed so often that they rest")
ORDERS_AT_A_TIME = Gauge(
    "numbergate_orders_at_a_time",
    "How much orders send at once by an account that took it badly",
    ["account"],
)
QUEUE_AGE = Gauge(
    "numbergate_queue_age_seconds", "For how long the oldest of what is due has waited for a worker", ["queue"]
)
REDIS_AWAY = Counter("numbergate_redis_away_total", "Times that Redis did not answer in time, or as it should")
AUDIT_WAITING = Gauge("numbergate_audit_waiting_rows", "Audit rows that are not chained yet")
AUDIT_LAG = Gauge("numbergate_audit_lag_seconds", "Age of the oldest audit row that is not chained yet")
AUDIT_HEAD = Gauge("numbergate_audit_head_seq", "Place of the last link of the audit chain")
EVENTS_NUMBERED = Counter("numbergate_events_total", "Events that can be read from the feed from then on")
EVENTS_LAG = Gauge("numbergate_events_lag_seconds", "Age of the oldest event that is not numbered yet")
WEBHOOKS = Counter(
    "numbergate_webhook_attempts_total", "Attempts to deliver an event, by what came of them", ["outcome"]
)
WEBHOOK_LAG = Histogram(
    "numbergate_webhook_lag_seconds",
    "From the commit of an event to its delivery, of those delivered at the first attempt",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
WEBHOOKS_FAILING = Gauge("numbergate_webhook_endpoints_failing", "Endpoints that are sent one event at a time, to see")
WEBHOOKS_DISABLED = Counter("numbergate_webhook_endpoints_disabled_total", "Endpoints that were given up", ["reason"])
BUDGETS_REACHED = Counter(
    "numbergate_budgets_reached_total", "Thresholds of budgets that were reached", ["threshold", "measure"]
)
QUOTAS_NEAR = Counter("numbergate_quotas_near_total", "Limits of tenants that came near", ["limit", "percent"])
REFUSALS = Counter("numbergate_admin_refusals_total", "Administrative requests refused, by what was noted", ["noted"])
MATCHES = Counter("numbergate_invoice_matches_total", "Invoices matched with the ledger, by outcome", ["outcome"])
MATCH_SECONDS = Histogram(
    "numbergate_invoice_match_seconds", "How long it took to match an invoice", buckets=(0.1, 1, 10, 60, 300, 1200)
)
ALARMS = Counter("numbergate_alarms_total", "What an operator must look at", ["kind"])


def serve_metrics(host: str, port: int) -> int:
    """Start the metrics listener on its own port (0 picks one); the port it got."""
    server, _ = start_http_server(port, addr=host)
    return int(server.server_port)
