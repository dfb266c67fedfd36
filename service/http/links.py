"""Links of the OpenAPI document: where what an answer names can be asked for, changed or undone."""

from typing import Any

ANSWER = "$response.body#"
NUMBER = {"number_id": f"{ANSWER}/id"}
E164 = {"phone_number": f"{ANSWER}/phone_number"}
OPERATION = {"operation_id": f"{ANSWER}/operation_id"}
CAMPAIGN = {"campaign_id": f"{ANSWER}/campaign_id"}
ORGANIZATION = {"organization_id": f"{ANSWER}/id"}
USER = {"organization_id": f"{ANSWER}/organization_id", "user_id": f"{ANSWER}/id"}
TENANT = {"tenant_id": f"{ANSWER}/id"}
KEY = {"key_id": f"{ANSWER}/id"}
ORDER = {"order_id": f"{ANSWER}/order_id"}
FILTER = {"filter_id": f"{ANSWER}/id"}
BUDGET = {"budget_id": f"{ANSWER}/id"}
IMPORTED = {
    name: {"import_id": f"{ANSWER}/import_id"}
    for name in ("get_import", "list_import_items", "apply_import", "cancel_import")
}
FIRST = {"item_id": f"{ANSWER}/items/0/id"}
# By operation and status: the operations that go on from there, and which of their parameters the answer gives.
LINKS: dict[tuple[str, str], dict[str, dict[str, str]]] = {
    ("create_number", "200"): {
        "get_operation": OPERATION, "get_number": NUMBER, "update_agent": E164, "release_number": E164,
    },
    ("create_number", "202"): {"get_operation": OPERATION},
    ("update_agent", "202"): {"get_operation": OPERATION},
    ("release_number", "202"): {"get_operation": OPERATION},
    ("create_campaign", "200"): {
        "get_operation": OPERATION, "get_campaign": CAMPAIGN, "pause_campaign": CAMPAIGN, "end_campaign": CAMPAIGN,
    },
    ("create_campaign", "202"): {"get_operation": OPERATION},
    ("list_campaigns", "200"): {"get_campaign": {"campaign_id": f"{ANSWER}/campaigns/0/campaign_id"}},
    ("list_idle_numbers", "200"): {"get_number": {"number_id": f"{ANSWER}/items/0/id"}},
    ("get_operation", "200"): {"get_number": {"number_id": f"{ANSWER}/number_id"}},
    ("order_numbers", "202"): {
        "get_order": ORDER, "list_order_items": ORDER, "cancel_order": ORDER,
    },
    ("bulk_numbers", "202"): {
        "get_order": ORDER, "list_order_items": ORDER, "cancel_order": ORDER, "undo_order": ORDER,
    },
    ("preview_import", "201"): IMPORTED,
    ("preview_csv_import", "201"): IMPORTED,
    ("list_imports", "200"): {name: {"import_id": f"{ANSWER}/items/0/import_id"} for name in IMPORTED},
    ("list_inventory", "200"): {
        name: {"number_id": f"{ANSWER}/items/0/id"} for name in ("get_number", "list_history", "patch_number")
    },
    ("get_number", "200"): {"list_history": NUMBER, "patch_number": NUMBER},
    ("patch_number", "200"): {"get_number": NUMBER, "list_history": NUMBER},
    ("match_invoice", "202"): {
        name: {"invoice_id": f"{ANSWER}/invoice_id"} for name in ("get_invoice_match", "list_findings")
    },
    ("open_dispute", "201"): {
        name: {"dispute_id": f"{ANSWER}/id"}
        for name in ("get_dispute", "list_dispute_lines", "get_dispute_letter", "move_dispute", "note_dispute")
    },
    ("list_disputes", "200"): {"get_dispute": {"dispute_id": f"{ANSWER}/items/0/id"}},
    ("create_filter", "201"): {"get_filter": FILTER, "put_filter": FILTER, "delete_filter": FILTER},
    ("list_filters", "200"): {"get_filter": {"filter_id": f"{ANSWER}/items/0/id"}},
    ("create_budget", "201"): {"get_budget": BUDGET, "put_budget": BUDGET, "delete_budget": BUDGET},
    ("list_budgets", "200"): {"get_budget": {"budget_id": f"{ANSWER}/items/0/id"}},
    ("put_organization", "200"): {
        "get_organization": ORGANIZATION, "list_users": ORGANIZATION, "put_user": ORGANIZATION,
        "put_organization_quotas": ORGANIZATION,
    },
    ("put_user", "200"): {"get_user": USER, "put_user_quotas": USER, "get_user_quotas": USER},
    ("put_tenant", "200"): {"get_tenant": TENANT, "create_key": TENANT, "put_quotas": TENANT, "get_quotas": TENANT},
    ("create_key", "201"): {"rotate_key": KEY, "revoke_key": KEY},
    ("rotate_key", "201"): {"revoke_key": KEY},
    ("create_webhook", "201"): {
        name: {"endpoint_id": f"{ANSWER}/id"}
        for name in ("get_webhook", "patch_webhook", "rotate_webhook", "test_webhook", "list_deliveries")
    },
    ("list_sessions", "200"): {"end_session": {"session_id": f"{ANSWER}/items/0/id"}},
    ("list_doubts", "200"): {"get_doubt": FIRST, "resolve_doubt": FIRST},
    ("list_orphans", "200"): {"resolve_orphan": FIRST},
    ("list_ghosts", "200"): {"resolve_ghost": FIRST},
    ("list_drift", "200"): {"resolve_drift": {"drift_id": f"{ANSWER}/items/0/id"}},
    ("resolve_drift", "200"): {"get_operation": OPERATION, "get_number": {"number_id": f"{ANSWER}/number_id"}},
}  # fmt: skip


def link(operation: dict[str, Any]) -> None:
    """Write the links of one operation into it."""
    for (name, status), onward in LINKS.items():
        if name == operation["operationId"]:
            operation["responses"][status]["links"] = {
                to: {"operationId": to, "parameters": parameters} for to, parameters in onward.items()
            }
