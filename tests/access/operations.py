"""What each operation asks of a caller, and whose rows it names: two lines for each.

A new route fails the matrix until it stands here. Its line names the scopes of which any will do, what it names (a
kind of `World.things`), and whose of these the caller may name:

    "get_widget": [Entry(("widgets:read",), of="number", reach=seen)],

`reach` is `own`, `seen` (the tenant's own, and all of the organisations that the key sees), `granted` (an organisation
that the tenant buys for), `filed` (whatever there is: an administrator's), or `anything` (it is made by asking, or
listed whether it is there or not). What a caller may do is answered by one of the documented 2xx; `unless` names, by
the state of the thing, what is answered instead. Without scopes, everybody with a good key may. Path, query and body
are those of the examples in the OpenAPI document, with what the thing is named by; `path`, `query` and `body` add to
them, in braces what the thing is named by. What names nothing has `of="itself"`, as it is without.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.access.roles import Role
from tests.access.world import ORGANIZATIONS, Thing

Refusal = tuple[int, str]
NOT_FOUND: Refusal = (404, "not_found")
NOT_YOURS: Refusal = (403, "not_your_organization")
INVALID: Refusal = (400, "invalid_request")


def own(role: Role, thing: Thing) -> bool:
    return thing.state != "missing" and thing.tenant == role.tenant is not None


def nothing(role: Role, thing: Thing) -> bool:
    return False


def ordered(role: Role, thing: Thing) -> bool:
    administers = role.may("admin:read") and role.sees_organization(thing.organization)
    return thing.state != "missing" and (own(role, thing) or administers)


def seen_import(role: Role, thing: Thing) -> bool:
    return thing.state != "missing" and role.sees_organization(thing.organization)


def finances(role: Role, thing: Thing) -> bool:
    return thing.state != "missing" and role.tenant is None and "*" in role.sees


def seen(role: Role, thing: Thing) -> bool:
    return thing.state != "missing" and (own(role, thing) or role.sees_organization(thing.organization))


def own_or_staffs(role: Role, thing: Thing) -> bool:
    return own(role, thing) or (thing.state != "missing" and role.may("admin:write"))


def granted(role: Role, thing: Thing) -> bool:
    return role.tenant is not None and thing.organization == ORGANIZATIONS[role.tenant]


def granted_or_seen(role: Role, thing: Thing) -> bool:
    # Whoever sees all is told of what there is not, too: that there is nothing in it.
    return granted(role, thing) or role.sees_organization(thing.organization or "")


def seen_whole(role: Role, thing: Thing) -> bool:
    return role.sees_organization(thing.organization or "")


def filed(role: Role, thing: Thing) -> bool:
    return thing.state != "missing"


def anything(role: Role, thing: Thing) -> bool:
    return True


def shared(role: Role, thing: Thing) -> bool:
    return thing.state != "missing" and granted_or_seen(role, thing)


def own_or_administered(role: Role, thing: Thing) -> bool:
    administers = role.may("admin:write") or (role.tenant is None and "*" not in role.sees)
    return own(role, thing) or (administers and thing.state != "missing" and role.sees_organization(thing.organization))


def own_filter(role: Role, thing: Thing) -> bool:
    return (bool(role.sees) and role.may("inventory:org")) or thing.tenant == role.tenant is not None


@dataclass(frozen=True)
class Entry:
    """`acts`: it is a tenant's alone, whatever the scopes. `refuses`: what is answered beyond reach. `also`: one of
    these scopes too; `then`: so too, and that is looked at once it is known what is meant. `without`: members of the
    example body that are left out. `free`: any text is well-formed. `keeps`: who
    audits alone may not.
    """

    needs: tuple[str, ...]
    of: str = "itself"
    reach: Callable[[Role, Thing], bool] = anything
    acts: bool = False
    refuses: Refusal = NOT_FOUND
    unless: dict[str, Refusal] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    suspended: Refusal | None = None
    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    free: bool = False
    keeps: bool = False

    def refusal(self, role: Role, thing: Thing) -> Refusal | None:
        """What this role is told of this thing; None where it may."""
        if role.refused:
            return 401, role.refused
        if (self.needs and not role.may(*self.needs)) or (self.also and not role.may(*self.also)):
            return 403, "scope_missing"
        if thing.state == "malformed" and not self.free:
            return INVALID
        if self.keeps and role.may("admin:read") and not role.may("admin:write"):
            return 403, "scope_missing"
        if self.acts and role.tenant is None:
            return 403, "not_your_tenant"
        if not self.reach(role, thing):
            return self.refuses
        if self.then and not role.may(*self.then):
            return 403, "scope_missing"
        if role.tenant == "suspended" and self.suspended:
            return self.suspended
        return self.unless.get(thing.state)


READS, ADMIN, ADMIN_READS = ("numbers:read",), ("admin:write",), ("admin:read",)
OPERATOR, DECIDES, STOPS = ("operator:read",), ("operator:write",), ("operator:write", "admin:write")
MAY_RELEASE = ("numbers:release", "admin:write")
MAY_ORDER = (*MAY_RELEASE, "numbers:update", "numbers:create", "agents:link")
BILLING_READ, BILLING_WRITE = ("billing:read",), ("billing:write",)
WEBHOOKS = ("webhooks:write",)
REASON = {"reason": "the matrix"}
CLOSED: dict[str, Refusal] = {"closed": (409, "state_conflict")}
NOT_CHANGEABLE: dict[str, Refusal] = {"released number": (409, "state_conflict")}
IN_DOUBT: dict[str, Refusal] = {"in doubt": (409, "state_conflict")}
PUBLIC = {"healthz", "readyz"}

OPERATIONS: dict[str, list[Entry]] = {
    "create_number": [
        Entry(
            ("numbers:create",), of="organization", reach=granted, acts=True, refuses=NOT_YOURS,
            suspended=(503, "purchases_stopped"),
            body={"organization_id": "{organization_id}", "user_id": "{user_id}", "inbound_agent_id": None},
        ),
    ],
    "list_numbers": [
        Entry(READS, of="organization", reach=granted_or_seen, refuses=NOT_YOURS),
        Entry(
            READS, of="organization", reach=seen_whole, refuses=NOT_YOURS, also=("inventory:org",),
            query={"is_admin": "true", "limit": "100"},
        ),
    ],
    "update_agent": [
        Entry(("agents:link",), of="number", reach=own, acts=True, unless={"released number": NOT_FOUND}),
    ],
    "release_number": [Entry(("numbers:release",), of="number", reach=own, acts=True)],
    "list_inventory": [
        Entry(READS),
        Entry(
            READS, of="organization", reach=granted_or_seen, refuses=NOT_YOURS,
            query={"organization_id": "{organization_id}"},
        ),
        Entry(
            READS, of="tenant", reach=own_filter, refuses=(403, "not_your_tenant"), free=True,
            query={"tenant_id": "{tenant_id}"},
        ),
    ],
    "bulk_numbers": [
        Entry(MAY_RELEASE),
        Entry(
            ("numbers:update", "numbers:create", "admin:write"),
            body={"change": {"set": {"nickname": "matrix"}}},
        ),
        Entry(("agents:link", "admin:write"), body={"change": {"set": {"inbound_agent_id": None}}}),
        Entry(
            MAY_ORDER, refuses=(400, "invalid_selection_token"), reach=nothing,
            body={"action": "apply", "token": "forged"}, without=("selection", "change"),
        ),
    ],
    "order_numbers": [
        Entry(
            ("numbers:create", "admin:write"), of="organization", reach=granted, acts=True, refuses=NOT_YOURS,
            suspended=(503, "purchases_stopped"),
            body={"organization_id": "{organization_id}", "user_id": "{user_id}", "inbound_agent_id": None},
        ),
        Entry(
            ("numbers:create", "admin:write"), of="tenant", reach=own_or_staffs, refuses=(403, "not_your_tenant"),
            free=True, without=("organization_id",),
            unless={
                "closed": (403, "not_your_tenant"), "malformed": (403, "not_your_tenant"),
                "suspended": (503, "purchases_stopped"),
                # The user of the example is none of its organisation.
                "far": INVALID,
            },
            body={"tenant_id": "{tenant_id}", "dry_run": True, "inbound_agent_id": None},
        ),
    ],
    "list_orders": [Entry(READS)],
    "get_order": [Entry(READS, of="order", reach=ordered)],
    "list_order_items": [Entry(READS, of="order", reach=ordered)],
    "cancel_order": [Entry(MAY_ORDER, of="order", reach=ordered, then=MAY_RELEASE)],
    "undo_order": [
        Entry(
            MAY_ORDER, of="order", reach=ordered, then=MAY_RELEASE, unless={"there": (409, "state_conflict")}
        ),
    ],
    "create_filter": [
        Entry(READS, keeps=True, without=("organization_id",)),
        Entry(
            READS, of="organization", reach=granted_or_seen, refuses=NOT_YOURS, keeps=True,
            body={"organization_id": "{organization_id}"},
        ),
    ],
    "list_filters": [Entry(READS)],
    "get_filter": [Entry(READS, of="filter", reach=own), Entry(READS, of="shared filter", reach=shared)],
    "put_filter": [
        Entry(READS, of="filter", reach=own, keeps=True, body={"organization_id": None}),
        Entry(
            READS, of="shared filter", reach=own_or_administered, keeps=True,
            body={"organization_id": "{organization_id}"},
        ),
    ],
    "delete_filter": [
        Entry(READS, of="filter", reach=own, keeps=True),
        Entry(READS, of="shared filter", reach=own_or_administered, keeps=True),
    ],
    "preview_import": [Entry(ADMIN)],
    "preview_csv_import": [Entry(ADMIN)],
    "list_imports": [Entry(ADMIN_READS)],
    "get_import": [Entry(ADMIN_READS, of="import", reach=seen_import)],
    "list_import_items": [Entry(ADMIN_READS, of="import", reach=seen_import)],
    "apply_import": [Entry(ADMIN, of="import", reach=seen_import)],
    "cancel_import": [Entry(ADMIN, of="import", reach=seen_import)],
    "get_number": [
        Entry(READS, of="number", reach=seen),
        Entry(READS, of="number", reach=seen, path={"number_id": "{phone_number}"}),
    ],
    "list_history": [
        Entry(READS, of="number", reach=seen),
        Entry(READS, of="number", reach=seen, path={"number_id": "{phone_number}"}),
    ],
    "patch_number": [
        Entry(
            ("numbers:update", "numbers:create", "admin:write"), of="number", reach=own_or_staffs,
            unless=NOT_CHANGEABLE, body={"tags": ["matrix"]}, without=("nickname", "cost_center"),
        ),
    ],
    "release_with_grace": [Entry(MAY_RELEASE, of="number", reach=own_or_staffs)],
    "restore_number": [Entry(MAY_RELEASE, of="number", reach=own_or_staffs, unless=NOT_CHANGEABLE)],
    "list_agents": [
        Entry(READS),
        Entry(
            READS, of="organization", reach=granted_or_seen, refuses=NOT_YOURS,
            query={"organization_id": "{organization_id}"},
        ),
    ],
    "get_activity": [
        Entry(READS),
        Entry(
            READS, of="organization", reach=granted_or_seen, refuses=NOT_YOURS,
            query={"organization_id": "{organization_id}"},
        ),
    ],
    "get_names": [Entry((*READS, *ADMIN_READS, *OPERATOR, *BILLING_READ))],
    "list_drift": [Entry(READS)],
    "resolve_drift": [
        Entry(
            ("numbers:update", "numbers:create", "admin:write"), of="drift", reach=own_or_staffs,
            body={"decision": "theirs", **REASON},
        ),
    ],
    # From a number that nobody holds, so that nobody is called: whose numbers may call, tests/campaigns asks.
    "create_campaign": [
        Entry(
            ("campaigns:write",), of="organization", reach=granted, acts=True, refuses=NOT_YOURS,
            suspended=(503, "purchases_stopped"), unless={"there": INVALID},
            body={"organization_id": "{organization_id}", "user_id": "{user_id}"},
        ),
    ],
    "list_campaigns": [
        Entry(("campaigns:read",), of="organization", reach=granted_or_seen, refuses=NOT_YOURS),
        Entry(
            ("campaigns:read",), of="organization", reach=seen_whole, refuses=NOT_YOURS, also=("inventory:org",),
            query={"is_admin": "true"},
        ),
    ],
    "get_campaign": [Entry(("campaigns:read",), of="campaign", reach=seen, free=True)],
    "pause_campaign": [
        Entry(("campaigns:write",), of="campaign", reach=own, acts=True, free=True, unless=IN_DOUBT),
    ],
    "end_campaign": [
        Entry(("campaigns:write",), of="campaign", reach=own, acts=True, free=True, unless=IN_DOUBT),
    ],
    "list_calls": [
        Entry(
            ("calls:read",), of="organization", reach=granted_or_seen, refuses=NOT_YOURS,
            query={"user_id": "{user_id}"},
        ),
        Entry(
            ("calls:read",), of="organization", reach=seen_whole, refuses=NOT_YOURS, also=("inventory:org",),
            query={"is_admin": "true"},
        ),
    ],
    "get_call": [Entry(("calls:read",), of="call", reach=seen, free=True)],
    "list_idle_numbers": [
        Entry(READS),
        Entry(
            READS, of="organization", reach=granted_or_seen, refuses=NOT_YOURS,
            query={"organization_id": "{organization_id}"},
        ),
    ],
    "list_events": [Entry(("events:read",), acts=True)],
    "create_webhook": [Entry(WEBHOOKS, acts=True)],
    "list_webhooks": [Entry(("events:read",), acts=True)],
    "get_webhook": [Entry(("events:read",), of="webhook", reach=own, acts=True)],
    "patch_webhook": [Entry(WEBHOOKS, of="webhook", reach=own, acts=True)],
    "rotate_webhook": [Entry(WEBHOOKS, of="webhook", reach=own, acts=True)],
    "test_webhook": [Entry(WEBHOOKS, of="webhook", reach=own, acts=True)],
    "list_deliveries": [Entry(("events:read",), of="webhook", reach=own, acts=True)],
    "redeliver_one": [Entry(WEBHOOKS, of="delivery", reach=own, acts=True)],
    "redeliver_since": [Entry(WEBHOOKS, of="webhook", reach=own, acts=True)],
    "delete_webhook": [Entry(WEBHOOKS, of="webhook", reach=own, acts=True)],
    "get_operation": [Entry(READS, of="operation", reach=seen)],
    "me": [Entry(())],
    "list_organizations": [Entry(ADMIN_READS)],
    "sync_organizations": [Entry(ADMIN)],
    "get_organization": [Entry(ADMIN_READS, of="organization", reach=filed)],
    "put_organization": [Entry(ADMIN, of="organization")],
    "list_users": [Entry(ADMIN_READS, of="organization", reach=filed)],
    "sync_users": [Entry(ADMIN, of="organization", reach=filed)],
    "get_user": [Entry(ADMIN_READS, of="organization", reach=filed)],
    "put_user": [Entry(ADMIN, of="organization", reach=filed)],
    "list_tenants": [Entry(ADMIN_READS)],
    "get_tenant": [Entry(ADMIN_READS, of="tenant", reach=filed)],
    "put_tenant": [Entry(ADMIN, of="tenant", unless=CLOSED, body={"organization_ids": []})],
    "create_key": [
        Entry(ADMIN, of="tenant", reach=filed, unless=CLOSED, without=("organization_ids", "user_ids", "networks")),
    ],
    "list_keys": [
        Entry(ADMIN_READS),
        Entry(ADMIN_READS, of="tenant", reach=filed, refuses=INVALID, query={"tenant_id": "{tenant_id}"}),
    ],
    "revoke_key": [Entry(ADMIN, of="key", reach=filed)],
    "rotate_key": [Entry(ADMIN, of="key", reach=filed, unless=CLOSED)],
    "list_prices": [Entry(BILLING_READ)],
    "create_price": [Entry(BILLING_WRITE, body={"since": "2031-01-01"})],
    "get_charging_rule": [Entry(BILLING_READ)],
    "put_charging_rule": [Entry(BILLING_WRITE)],
    "list_periods": [Entry(BILLING_READ)],
    # The first in which a number was held.
    "close_period": [Entry(BILLING_WRITE, path={"period": "2026-01"})],
    "list_period_analytics": [Entry(BILLING_READ)],
    "get_statement": [Entry(BILLING_READ)],
    "export_statement": [Entry(BILLING_READ)],
    "list_budgets": [Entry(BILLING_READ)],
    "create_budget": [Entry(BILLING_WRITE, body={"organization_id": None, "notify_tenant_id": None})],
    "get_budget": [Entry(BILLING_READ, of="budget", reach=seen)],
    "put_budget": [Entry(BILLING_WRITE, of="budget", reach=seen, body={"notify_tenant_id": None})],
    "delete_budget": [Entry(BILLING_WRITE, of="budget", reach=seen)],
    "preview_invoice": [Entry(BILLING_READ)],
    "create_invoice": [Entry(BILLING_WRITE, of="account of an invoice", query={"account_id": "{account_id}"})],
    "list_invoices": [Entry(BILLING_READ)],
    "get_invoice": [Entry(BILLING_READ, of="invoice", reach=finances)],
    "discard_invoice": [Entry(BILLING_WRITE, of="invoice", reach=finances)],
    "list_invoice_lines": [Entry(BILLING_READ, of="invoice", reach=finances)],
    "list_invoice_rejects": [Entry(BILLING_READ, of="invoice", reach=finances)],
    "resolve_invoice_rejects": [Entry(BILLING_WRITE, of="invoice", reach=finances)],
    "list_invoice_profiles": [Entry(BILLING_READ)],
    "get_invoice_profile": [Entry(BILLING_READ, of="invoice profile", reach=finances)],
    "put_invoice_profile": [Entry(BILLING_WRITE)],
    "match_invoice": [Entry(BILLING_WRITE, of="matched invoice", reach=finances)],
    "get_invoice_match": [Entry(BILLING_READ, of="matched invoice", reach=finances)],
    "list_findings": [Entry(BILLING_READ, of="matched invoice", reach=finances)],
    "open_dispute": [
        Entry(
            BILLING_WRITE, of="matched invoice", reach=finances,
            body={"invoice_id": "{invoice_id}", "verdicts": [], "findings": [2]},
        ),
    ],
    "list_disputes": [Entry(BILLING_READ)],
    "get_dispute": [Entry(BILLING_READ, of="dispute", reach=finances)],
    "move_dispute": [
        Entry(BILLING_WRITE, of="dispute", reach=finances, body={"state": "submitted"}, without=("credited_micros",)),
    ],
    "list_dispute_lines": [Entry(BILLING_READ, of="dispute", reach=finances)],
    "get_dispute_letter": [Entry(BILLING_READ, of="dispute", reach=finances)],
    "note_dispute": [Entry(BILLING_WRITE, of="dispute", reach=finances)],
    "attach_to_dispute": [Entry(BILLING_WRITE, of="dispute", reach=finances)],
    "get_dispute_attachment": [Entry(BILLING_READ, of="attachment", reach=finances)],
    "list_policies": [Entry(ADMIN_READS)],
    "get_policy": [Entry(ADMIN_READS, of="tenant", reach=filed)],
    "put_policy": [Entry(ADMIN, of="tenant", reach=filed)],
    "list_accounts": [Entry(ADMIN_READS)],
    "create_account": [Entry(ADMIN)],
    "get_account": [Entry(ADMIN_READS, of="account", reach=filed)],
    "put_account": [Entry(ADMIN, of="account", reach=filed)],
    "put_account_key": [Entry(ADMIN, of="account", reach=filed)],
    "list_sessions": [Entry(ADMIN_READS)],
    "end_session": [Entry(ADMIN, of="session", reach=filed)],
    "list_audit": [Entry(ADMIN_READS)],
    "list_stops": [Entry((*ADMIN_READS, *OPERATOR, *STOPS))],
    "stop_purchases": [
        Entry(STOPS, of="tenant", reach=filed, refuses=INVALID, body={"id": "{tenant_id}", **REASON}),
        Entry(STOPS, body={"scope": "global", **REASON}, without=("id",)),
    ],
    "resume_purchases": [
        Entry(STOPS, of="tenant", reach=filed, refuses=INVALID, body={"id": "{tenant_id}", **REASON}),
        Entry(STOPS, body={"scope": "global", **REASON}, without=("id",)),
    ],
    "list_idempotency_keys": [
        Entry(("operator:read", "admin:read")),
        Entry(("operator:read", "admin:read"), of="tenant", free=True, query={"tenant_id": "{tenant_id}"}),
    ],
    "get_own_quotas": [Entry(READS, acts=True)],
    "list_counted_rows": [Entry(READS, of="limit", acts=True)],
    "get_quotas": [Entry(ADMIN_READS, of="tenant", reach=filed)],
    "put_quotas": [Entry(ADMIN, of="tenant", reach=filed)],
    "get_organization_quotas": [Entry(ADMIN_READS, of="organization", reach=filed)],
    "put_organization_quotas": [Entry(ADMIN, of="organization", reach=filed)],
    "get_user_quotas": [Entry(ADMIN_READS, of="organization", reach=filed)],
    "put_user_quotas": [Entry(ADMIN, of="organization", reach=filed)],
    "get_deployment_quotas": [Entry(ADMIN_READS)],
    "put_deployment_quotas": [Entry(ADMIN)],
    "list_doubts": [Entry(OPERATOR)],
    "get_doubt": [Entry(OPERATOR, of="doubt", reach=filed)],
    "list_orphans": [Entry(OPERATOR)],
    "list_ghosts": [Entry(OPERATOR)],
    "resolve_doubt": [
        Entry(DECIDES, of="doubt", reach=filed, body={"decision": "refused", **REASON}, without=("phone_number",))
    ],
    "resolve_orphan": [
        Entry(DECIDES, of="orphan", reach=filed, body={"decision": "ignore", **REASON},
              without=("tenant_id", "user_id")),
    ],
    "resolve_ghost": [Entry(DECIDES, of="ghost", reach=filed, body={"decision": "missing", **REASON})],
}  # fmt: skip
