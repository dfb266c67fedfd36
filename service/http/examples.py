"""Examples for the OpenAPI document, by the name of the schema they are of: one body that works, or one answer."""

from typing import Any

ORGANIZATION, USER = "1762896364768x389173798861431550", "1762896366429x599348279945132448"
AGENT = "agent_0123456789abcdef0123456789"
NUMBER_ID, OPERATION_ID = "01a20958-9d12-7a4f-9d04-79b9345641d7", "01a20958-9c8e-700d-afae-b4af15c2a101"
MOMENT, LATER = "2026-11-23T16:58:52.066674Z", "2026-12-01T09:00:00.000000Z"

BOUGHT = {
    "success": True,
    "phone_number": "+13135550142",
    "phone_number_pretty": "+1 313-555-0142",
    "area_code": "313",
    "phone_number_type": "teli-voice",
    "powered_by": "Teli",
    "id": NUMBER_ID,
    "state": "active",
    "operation_id": OPERATION_ID,
}
ROW = {
    "phone_number": "+13135550142",
    "pretty_phone_number": "+1 313-555-0142",
    "id": NUMBER_ID,
    "area_code": "313",
    "phone_type": "voice",
    "provider": "teli_voice",
    "user_id": USER,
    "organization_id": ORGANIZATION,
    "tenant_id": "dialler",
    "outbound_agent_id": None,
    "inbound_agent_id": AGENT,
    "nickname": "Sales line",
    "location": None,
    "accessible_by": [],
    "stripe_subscription_id": None,
    "zapier": False,
    "created_at": MOMENT,
    "state": "active",
    "cost_center": "marketing",
    "tags": ["sales"],
    "holder_user_id": None,
}
ORPHAN = {
    "id": NUMBER_ID,
    "phone_number": "+13135550142",
    "state": "open",
    "organization_id": ORGANIZATION,
    "tenant_id": None,
    "user_id": USER,
    "area_code": "313",
    "nickname": None,
    "row_id": "1762896371001x481290012345678901",
    "reason": "unexplained",
    "intent_id": None,
    "seen_at": LATER,
}
DOUBT = {
    "id": OPERATION_ID,
    "phone_number": None,
    "state": "doubtful",
    "organization_id": ORGANIZATION,
    "tenant_id": "dialler",
    "user_id": USER,
    "area_code": "313",
    "nickname": "Sales line",
    "reason": "status 500",
    "mark": "[7K3QX2M9A1BCD]",
    "admitted_at": MOMENT,
    "send_ended_at": MOMENT,
    "evidence": [{"heard_at": MOMENT, "kind": "answer", "status": 500, "body": "{}", "detail": None}],
    "candidates": [ORPHAN],
}
GHOST = {
    "id": NUMBER_ID,
    "phone_number": "+13135550142",
    "state": "active",
    "organization_id": ORGANIZATION,
    "tenant_id": "dialler",
    "user_id": USER,
    "area_code": "313",
    "nickname": "Sales line",
    "row_id": "1762896371001x481290012345678901",
    "gone_at": LATER,
    "looks": 5,
}
ONE = {"value": 1, "exact": True}

EXAMPLES: dict[str, dict[str, Any]] = {
    "Alive": {"status": "ok"},
    "Ready": {"status": "ready", "database": "ok", "redis": "ok", "purchases": "open"},
    "NumberCreate": {
        "area_code": "313",
        "user_id": USER,
        "organization_id": ORGANIZATION,
        "nickname": "Sales line",
        "cost_center": "marketing",
        "tags": ["sales"],
        "inbound_agent_id": AGENT,
    },
    "NumberBought": BOUGHT,
    "PendingOut": {"success": False, "pending": True, "operation_id": OPERATION_ID, "state": "pending"},
    "NumberUpdate": {"inbound_agent_id": AGENT, "nickname": "Sales line"},
    "NumberUpdated": {
        "success": True,
        "phone_number": "+13135550142",
        "message": "Phone number updated",
        "inbound_agent_id": AGENT,
        "nickname": "Sales line",
        "powered_by": "Teli",
        "id": NUMBER_ID,
        "state": "active",
        "operation_id": OPERATION_ID,
    },
    "NumberReleased": {
        "success": True,
        "phone_number": "+13135550142",
        "released_at": LATER,
        "billing_stopped": True,
        "message": "Phone number released. You will not be billed in the next cycle.",
        "powered_by": "Teli",
        "id": NUMBER_ID,
        "state": "released",
        "operation_id": OPERATION_ID,
    },
    "TeliListing": {"success": True, "phone_numbers": [ROW], "count": 1, "powered_by": "Teli"},
    "NumberOut": {
        "id": NUMBER_ID,
        "phone_number": "+13135550142",
        "state": "active",
        "organization_id": ORGANIZATION,
        "tenant_id": "dialler",
        "user_id": USER,
        "area_code": "313",
        "nickname": "Sales line",
        "cost_center": "marketing",
        "tags": ["sales"],
        "holder_user_id": None,
        "inbound_agent_id": AGENT,
        "outbound_agent_id": None,
        "acquired_at": MOMENT,
        "confirmed_at": MOMENT,
        "released_at": None,
        "operation_id": OPERATION_ID,
    },
    "OperationOut": {
        "id": OPERATION_ID,
        "kind": "purchase",
        "state": "succeeded",
        "intent_state": "owned",
        "created_at": MOMENT,
        "ended_at": MOMENT,
        "number_id": NUMBER_ID,
        "result": BOUGHT,
        "problem": None,
    },
    "OrganizationPut": {"name": "Detroit office"},
    "OrganizationOut": {"id": ORGANIZATION, "name": "Detroit office"},
    "UserPut": {"name": "Ada", "email": "ada@example.com", "exclusive": False},
    "UserOut": {
        "id": USER, "organization_id": ORGANIZATION, "name": "Ada", "email": "ada@example.com", "exclusive": False
    },
    "TenantPut": {"name": "Dialler", "organization_ids": [ORGANIZATION]},
    "TenantOut": {"id": "dialler", "name": "Dialler", "organization_ids": [ORGANIZATION]},
    "KeyCreate": {
        "name": "production", "scopes": ["numbers:create", "numbers:read"], "expires_at": "2030-01-01T00:00:00Z"
    },
    "KeyRotate": {"overlap_seconds": 3600},
    "KeyOut": {
        "id": OPERATION_ID, "key": "ngk_live_…", "name": "production", "scopes": ["numbers:read"], "expires_at": None
    },
    "QuotaPut": {"numbers_held": 120},
    "QuotaOut": {
        "tenant_id": "dialler",
        "numbers_held": 120,
        "use": {"numbers_held": {"limit": 120, "used": 17, "reserved": 1}},
    },
    "DoubtPage": {"items": [DOUBT], "next_cursor": None, "total": ONE},
    "OrphanPage": {"items": [ORPHAN], "next_cursor": None, "total": ONE},
    "GhostPage": {"items": [GHOST], "next_cursor": None, "total": ONE},
    "DoubtDecision": {"decision": "owned", "phone_number": "+13135550142", "reason": "seen in the dashboard"},
    "OrphanDecision": {
        "decision": "adopt", "tenant_id": "dialler", "user_id": USER, "reason": "bought for them by hand"
    },
    "GhostDecision": {"decision": "missing", "reason": "released in the dashboard"},
    "Decided": {"id": OPERATION_ID, "state": "owned", "number_id": NUMBER_ID},
}  # fmt: skip
PARAMETERS: dict[str, str] = {
    "phone_number": "+13135550142",
    "number_id": NUMBER_ID,
    "operation_id": OPERATION_ID,
    "organization_id": ORGANIZATION,
    "user_id": USER,
    "tenant_id": "dialler",
    "key_id": OPERATION_ID,
    "item_id": OPERATION_ID,
}
