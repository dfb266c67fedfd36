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
STOOD = {
    "state": "active",
    "organization_id": ORGANIZATION,
    "tenant_id": "dialler",
    "user_id": USER,
    "nickname": "Sales line",
    "cost_center": "marketing",
    "tags": ["sales"],
    "holder_user_id": None,
    "inbound_agent_id": AGENT,
    "outbound_agent_id": None,
}
PREVIEW = {
    "order_id": OPERATION_ID,
    "kind": "release",
    "state": "previewed",
    "expires_at": LATER,
    "token": "AaIJWJyOcA2vsK-K8VwqEB…",
    "count": 1,
    "selected": 2,
    "sample": [{"id": NUMBER_ID, "phone_number": "+13135550142", **STOOD, "becomes": None}],
    "cost": {
        "currency": "USD",
        "monthly_less": 1_000_000,
        "next_charges_avoided": 1_000_000,
        "first_charge_avoided_at": LATER,
        "last_charge_avoided_at": LATER,
        "also": [],
    },
    "skipped": {
        "count": 1,
        "reasons": [
            {
                "reason": "released",
                "detail": "It was released before.",
                "count": 1,
                "sample": [{"id": OPERATION_ID, "phone_number": "+13135550143"}],
            }
        ],
    },
}
ORDER = {
    "order_id": OPERATION_ID,
    "kind": "release",
    "state": "partial",
    "tenant_id": "dialler",
    "change": {"release": {}},
    "selection": {"user_id": USER},
    "count": 40,
    "counts": {"done": 39, "skipped": 1},
    "reasons": {"changed_since": 1},
    "undoes": None,
    "created_at": MOMENT,
    "expires_at": None,
    "applied_at": MOMENT,
    "cancelled_at": None,
    "ended_at": LATER,
    "deadline": None,
}
ORDER_ITEM = {
    "id": NUMBER_ID,
    "phone_number": "+13135550142",
    "tenant_id": "dialler",
    "outcome": "skipped",
    "reason": "changed_since",
    "detail": "It was changed since it was shown: nickname.",
    "shown": STOOD,
    "becomes": None,
    "operation_id": None,
    "area_code": None,
    "ended_at": LATER,
}
SAVED_FILTER = {
    "id": NUMBER_ID,
    "name": "Sales in Detroit",
    "organization_id": ORGANIZATION,
    "filters": {"state": "active"},
    "sort": "acquired_at",
    "mine": True,
    "faults": [],
    "created_at": MOMENT,
    "updated_at": MOMENT,
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
    "evidence_total": 1,
    "candidates": [ORPHAN],
    "candidates_total": 1,
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
    "reason": "Teli does not list it any more",
}
DRIFT = {
    "id": OPERATION_ID,
    "member": "inbound_agent_id",
    "ours": AGENT,
    "theirs": None,
    "since": MOMENT,
    "seen_at": LATER,
    "why": "Teli lists no agent where one is linked; the tenant's policy is to ask",
}
INVENTORIED = {
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
    "acquired_at": MOMENT,
    "confirmed_at": MOMENT,
    "released_at": None,
}
STOP = {
    "scope": "tenant",
    "id": "dialler",
    "stopped": True,
    "reason": "its key was seen in a log",
    "actor": f"key:{OPERATION_ID}",
    "at": MOMENT,
}
ACCOUNT_ID = "01a2093a-4c1e-7c02-8d35-2b6f0a9d1e44"
FILED_ORGANIZATION = {"id": ORGANIZATION, "name": "Detroit office", "account_id": None}
FILED_USER = {
    "id": USER,
    "organization_id": ORGANIZATION,
    "name": "Ada",
    "email": "ada@example.com",
    "exclusive": False,
}
TENANT = {
    "id": "dialler",
    "name": "Dialler",
    "organization_ids": [ORGANIZATION],
    "state": "active",
    "account_id": ACCOUNT_ID,
}
ACCOUNT = {
    "id": ACCOUNT_ID,
    "name": "europe",
    "base_url": "https://api.teli.ai",
    "teli_tenant_id": "acme-europe",
    "mode": "mark",
    "listed_at": MOMENT,
    "created_at": MOMENT,
    "in_service": True,
    "key_refused_at": None,
    "rests_until": None,
    "key": {
        "hint": "x7Qd",
        "encrypted_with": "2026-11",
        "changed_at": MOMENT,
        "changed_by": f"key:{OPERATION_ID}",
    },
}
POLICY = {
    "tenant_id": "dialler",
    "idempotency_required": True,
    "agents_allowed": [AGENT],
    "area_codes_allowed": ["313", "734"],
    "orphan_reuse": True,
    "write_off": 604_800,
    "drift": "ask",
    "order_weight": 3,
}
LISTED_KEY = {
    "id": OPERATION_ID,
    "kind": "service",
    "tenant_id": "dialler",
    "name": "production",
    "hint": "x7Qd",
    "scopes": ["numbers:create", "numbers:read"],
    "state": "good",
    "created_at": MOMENT,
    "expires_at": None,
    "revoked_at": None,
    "rotated_to": None,
    "organization_ids": [ORGANIZATION],
    "user_ids": None,
    "networks": ["203.0.113.0/24"],
    "last_used_at": LATER,
    "last_used_from": "203.0.113.9",
}
FILED_KEY = {
    "tenant_id": "dialler",
    "actor": None,
    "scope": "create",
    "key": "order-4711",
    "created_at": MOMENT,
    "expires_at": None,
    "operation_id": OPERATION_ID,
    "state": "succeeded",
    "fingerprint": "9f2c0e5b7a114d38",
    "phone_number": "+13135550142",
}
AUDITED = {
    "id": 4711,
    "at": MOMENT,
    "tenant_id": "dialler",
    "actor": f"key:{OPERATION_ID}",
    "action": "tenant.put",
    "object_kind": "tenant",
    "object_id": "dialler",
    "before": {"state": "active"},
    "after": {"state": "suspended"},
    "request_id": "7c0f3f0e-55a5-4b8e-9d0c-0d4bd4b3f2c1",
    "seq": 4702,
    "hash": "9f2c0e5b7a114d389f2c0e5b7a114d389f2c0e5b7a114d389f2c0e5b7a114d38",
}
ONE = {"value": 1, "exact": True}

CAMPAIGN = {"campaign_id": "spring-offer-2026", "powered_by": "Teli", "id": OPERATION_ID}
CALL = {
    "call_id": "call_0123456789abcdef0123456789",
    "voice_agent_id": AGENT,
    "organization_id": "2f1f5a0e-91f4-4a86-bc7a-7d6e5f4a3b2c",
    "user_id": "8e6a0a52-3f0d-4f0e-8d6b-1f1c2a3b4c5d",
    "start_timestamp": 1777890000000,
    "end_timestamp": 1777890042000,
    "call_status": "ended",
    "direction": "outbound",
}
EVENT = {
    "id": "0198c1de-8c1c-4d0c-9d3e-3f2d8f0f7f11",
    "type": "number.released",
    "timestamp": LATER,
    "tenant_id": "dialler",
    "sequence": 1207,
    "data": {
        "number_id": NUMBER_ID, "phone_number": "+13135550142", "organization_id": ORGANIZATION, "user_id": USER,
    },
}  # fmt: skip
LISTED: dict[str, Any] = {
    "row_id": "0d9c8b7a-6f5e-4d3c-8b2a-190817263544", "organization_id": ORGANIZATION, "user_id": USER,
    "nickname": "Sales line", "listed_as": "existing",
}  # fmt: skip
ADOPTED: dict[str, Any] = {
    "tenant_id": "dialler", "organization_id": ORGANIZATION, "user_id": USER, "nickname": None,
    "cost_center": "marketing", "tags": ["before"], "acquired_at": "2025-03-01T00:00:00Z", "acquired_by": "person",
    "price": {"setup": 1_000_000, "monthly": 2_990_000, "currency": "USD"},
}  # fmt: skip
IMPORT: dict[str, Any] = {
    "import_id": OPERATION_ID, "state": "previewed", "source": "csv", "asked": {"tenant_id": "dialler"},
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "same_as": None, "count": 1,
    "counts": {"waiting": 1, "skipped": 1}, "reasons": {"not_listed": 1},
    "preview": {
        "count": 1, "selected": 2, "beyond": False,
        "sample": [{"line": 2, "phone_number": "+13135550142", "listed": LISTED, "becomes": ADOPTED}],
        "costs": [{"currency": "USD", "numbers": 1, "monthly": 2_990_000, "to_date": 45_850_000}],
        "limits_passed": [],
        "skipped": {
            "count": 1,
            "reasons": [
                {
                    "reason": "not_listed", "detail": "No complete listing shows it.", "count": 1,
                    "sample": [{"line": "3", "phone_number": "+13135550143"}],
                }
            ],
        },
    },
    "actor": f"key:{OPERATION_ID}", "created_at": "2026-05-04T10:31:12Z", "expires_at": "2026-05-11T10:31:12Z",
    "applied_at": None, "cancelled_at": None, "ended_at": None,
}  # fmt: skip
WEBHOOK = {
    "id": OPERATION_ID,
    "url": "https://hooks.example.com/numbergate",
    "description": "The dialler",
    "types": ["number.*"],
    "state": "active",
    "disabled_because": None,
    "sequence": 1207,
    "failing_since": None,
    "next_try_at": None,
    "previous_secret_until": None,
    "created_at": MOMENT,
}
DELIVERY = {
    "id": OPERATION_ID,
    "event_id": EVENT["id"],
    "type": "number.released",
    "sequence": 1207,
    "state": "delivered",
    "attempts": 1,
    "first_tried_at": LATER,
    "tried_at": LATER,
    "next_try_at": None,
    "status": 200,
    "error": None,
    "seconds": 0.12,
}
PRICE = {
    "id": OPERATION_ID,
    "organization_id": ORGANIZATION,
    "number_type": None,
    "area_code": None,
    "since": "2027-01-01",
    "setup": 1_000_000,
    "monthly": 2_990_000,
    "currency": "USD",
    "reason": "the contract of 2027",
    "created_at": MOMENT,
    "created_by": f"key:{OPERATION_ID}",
}
CHARGE = {
    "period": "2026-10", "phone_number": "+13135550142", "corrects": None,
    "number_id": NUMBER_ID, "kind": "month", "begins": "2026-10-12", "ends": "2026-11-12",
    "due": "2026-10-12", "micros": 2_990_000, "currency": "USD", "price_id": OPERATION_ID,
    "tenant_id": "dialler", "organization_id": ORGANIZATION,
    "user_id": USER, "holder_user_id": None, "cost_center": "marketing",
    "tags": ["sales"],
}  # fmt: skip
COUNTED = {"rentals": 12, "purchases": 2, "rental_micros": 35_880_000, "purchase_micros": 2_000_000}
ANALYTICS = {
    "account_id": ACCOUNT_ID, "organization_id": ORGANIZATION, "state": "differs", "asked_at": MOMENT, "users": 41,
    "differences": [{
        "user_id": USER, "ours": COUNTED, "theirs": COUNTED | {"rentals": 13, "rental_micros": 38_870_000},
    }],
}  # fmt: skip
INVOICE_LINE = {
    "place": 1, "line_ref": "il_1", "subscription_id": "sub_1", "phone_number": "+13135550142", "user_id": None,
    "kind": "rent", "begins": "2026-10-12", "ends": "2026-11-12", "quantity": 1, "micros": 2_990_000, "currency": "USD",
    "description": "1 × number +13135550142",
}  # fmt: skip
INVOICE_MAPPING: dict[str, Any] = {
    "columns": {
        "line_ref": "Item", "phone_number": "Number", "begins": "From", "ends": "To", "amount": "Amount",
        "currency": "Currency", "description": "Description",
    },
    "decimal": ".", "unit": "whole", "currency": None, "day_order": "month_first", "ends": "inclusive",
    "time_zone": "UTC", "kinds": {"monthly": "rent", "setup": "setup"}, "otherwise": "rent", "negatives": "credit",
    "phone_in_description": False, "charset": None, "separator": None, "sheet": None, "skip": 0,
}  # fmt: skip
INVOICE_PROFILE = {
    "name": "carrier", "shipped": False, "mapping": INVOICE_MAPPING, "created_at": MOMENT,
    "created_by": f"key:{OPERATION_ID}",
}  # fmt: skip
INVOICE = {
    "id": OPERATION_ID, "account_id": ACCOUNT_ID, "supplier": "Teli", "number": "INV-2026-10",
    "file_name": "october.csv", "sha256": "5f2b1c54a1d5c1c6e0b0c9c2a7d14f38b8f9a3d7c1e2f4a5b6c7d8e9f0a1b2c3",
    "profile": "carrier", "mapping": INVOICE_MAPPING, "currency": "USD", "period": "2026-10", "period_state": "final",
    "state": "held", "size": 41_234, "size_read": 41_234, "read_through": 412, "lines": 411, "rejected": 1,
    "micros": 1_228_890_000, "problem": None, "created_at": MOMENT, "created_by": f"key:{OPERATION_ID}",
    "already_filed": False,
}  # fmt: skip
INVOICE_FAULT = {"column": "amount", "detail": "'2,99' is no amount in groups of three digits: write it as 1,234.56"}
INVOICE_REJECT = {
    "place": 17, "line": 18, "text": "il_17,+13135550158,10/12/2026,11/11/2026,\"2,99\",USD,",
    "cells": {"line_ref": "il_17", "amount": "2,99"}, "faults": [INVOICE_FAULT], "decision": None, "mended": None,
    "decided_by": None, "decided_at": None,
}  # fmt: skip
FINDING = {
    "finding": 17, "place": 17, "verdict": "charged_after_release", "number_id": NUMBER_ID,
    "phone_number": "+13135550142", "subscription_id": "sub_1QvF2x", "kind": "rent", "begins": None, "ends": None,
    "expected_micros": 0, "charged_micros": 2_990_000, "difference_micros": 2_990_000, "other_place": None,
    "other_invoice_id": None,
    "line_begins": "2026-10-12", "line_ends": "2026-11-12", "quantity": 1, "description": "Phone number",
    "price_ids": None, "dispute_id": None, "evidence": {"phone_number": "+13135550142", "state": "released"},
}  # fmt: skip
DISPUTED_LINE = {
    "line": 1, "place": 17, "verdict": "charged_after_release", "number_id": NUMBER_ID,
    "phone_number": "+13135550142", "subscription_id": "sub_1QvF2x", "kind": "rent", "begins": None, "ends": None,
    "line_ref": "il_1QvF2x", "line_begins": "2026-10-12", "line_ends": "2026-11-12",
    "expected_micros": 0, "charged_micros": 2_990_000, "disputed_micros": 2_990_000, "credited_micros": 0,
    "evidence": {"phone_number": "+13135550142", "state": "released"},
}  # fmt: skip
CHARGING_RULE = {
    "cycle": "anniversary",
    "proration": "none",
    "due": "advance",
    "time_zone": "America/Detroit",
    "free_days": 0,
    "minimum_months": 0,
}
PERIOD = {
    "period": "2026-10",
    "state": "final",
    "hash": "5f2b1c54a1d5c1c6e0b0c9c2a7d14f38b8f9a3d7c1e2f4a5b6c7d8e9f0a1b2c3",
    "charges": 412,
    "closed_at": MOMENT,
    "closed_by": f"key:{OPERATION_ID}",
    "charging_rule": CHARGING_RULE,
    "doubts": 0,
}
SUMS = {
    "currency": "USD",
    "micros": 1_233_870_000,
    "so_far": 1_233_870_000,
    "charges": 412,
    "numbers": 405,
    "corrections": 2_990_000,
    "unpriced": 0,
}
BUDGET = {
    "id": OPERATION_ID, "name": "marketing", "organization_id": ORGANIZATION, "tenant_id": None,
    "cost_center": "marketing", "currency": "USD", "amount": 500_000_000, "notify_tenant_id": "dialler",
    "standing": {
        "period": "2026-11", "so_far": 412_620_000, "forecast": 430_560_000, "reckoned_at": MOMENT,
        "reached": [
            {"threshold": 50, "measure": "charged", "micros": 251_160_000, "amount": 500_000_000, "at": MOMENT,
             "ended_at": None},
        ],
    },
    "created_at": MOMENT, "created_by": f"key:{OPERATION_ID}",
}  # fmt: skip
EXAMPLES: dict[str, dict[str, Any]] = {
    "CampaignCreate": {
        "campaign_id": "spring-offer-2026",
        "leads": [{"phone_number": "+14155550101", "first_name": "Ada"}],
        "voice_agent_id": AGENT,
        "agent_outbound_number": "+13135550142",
        "user_id": USER,
        "organization_id": ORGANIZATION,
    },
    "CampaignCreated": CAMPAIGN
    | {
        "success": True,
        "contacts_count": 1,
        "invalid_leads_count": 0,
        "campaign_begin_time": "2026-12-01T09:00:00.000000",
        "campaign_end_time": "2026-12-08T09:00:00.000000",
        "message": "Voice campaign created",
        "state": "running",
        "operation_id": OPERATION_ID,
    },
    "CampaignList": {
        "success": True,
        "count": 1,
        "campaigns": [CAMPAIGN | {"status": "active", "state": "running"}],
        "powered_by": "Teli",
    },
    "CampaignOut": CAMPAIGN
    | {
        "success": True,
        "status": "active",
        "progress": {"total": 1, "completed": 0, "pending": 1},
        "state": "running",
        "operation_id": OPERATION_ID,
    },
    "CampaignMoved": CAMPAIGN | {"success": True, "message": "Campaign ended", "state": "ended"},
    "CallList": {"success": True, "count": 1, "calls": [CALL], "powered_by": "Teli"},
    "CallOut": {
        "success": True,
        "call": CALL | {"from_number": "+13135550142", "to_number": "+14155550101"},
        "powered_by": "Teli",
    },
    "IdlePage": {
        "items": [
            {
                "id": NUMBER_ID,
                "phone_number": "+13135550142",
                "state": "active",
                "organization_id": ORGANIZATION,
                "tenant_id": "dialler",
                "user_id": USER,
                "area_code": "313",
                "nickname": "Sales line",
                "acquired_at": "2026-05-04T10:11:12.345678Z",
                "last_inbound_call_at": "2026-09-15T08:00:00Z",
                "last_outbound_call_at": None,
                "idle_since": "2026-09-15T08:00:00Z",
                "idle_days": 69,
                "spent_on_silence": 2_000_000,
                "monthly": 1_000_000,
                "currency": "USD",
                "next_charge_at": "2026-12-04T10:11:12.345678Z",
            }
        ],
        "next_cursor": None,
        "total": {"value": 1, "exact": True},
        "judged": {
            "active": 10,
            "judged": 8,
            "unknown": 2,
            "share": 0.8,
            "calls_read_until": "2026-11-23T10:00:00Z",
        },
        "spent_on_silence": {"micros": 2_000_000, "currency": "USD", "also": []},
        "selection": {"filters": {"idle_days": 30, "state": "active"}, "ids": [NUMBER_ID]},
    },
    "Alive": {"status": "ok"},
    "Ready": {"status": "ready", "database": "ok", "redis": "ok", "purchases": "open", "accounts": "ok"},
    "MeOut": {
        "kind": "service",
        "subject": f"key:{OPERATION_ID}",
        "roles": [],
        "tenant_id": "dialler",
        "organization_ids": [ORGANIZATION],
        "user_ids": None,
        "networks": ["203.0.113.0/24"],
        "sees": [],
        "scopes": ["numbers:create", "numbers:read"],
        "expires_at": None,
        "csrf_token": None,
    },
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
        "agents": {
            "inbound": {"desired": AGENT, "confirmed": AGENT, "state": "confirmed", "updated_at": MOMENT},
            "outbound": None,
        },
        "costs": {
            "to_date": 3_990_000, "monthly": 2_990_000, "next_charge_at": LATER, "currency": "USD",
            "next_charge": 2_990_000, "source": "price_book",
            "price_id": OPERATION_ID,
        },
        "purchase": {
            "operation_id": OPERATION_ID, "state": "owned", "decision": "answer", "idempotency_key": "order-1042",
            "request_id": "7c0f3f0e-55a5-4b8e-9d0c-0d4bd4b3f2c1", "admitted_at": MOMENT, "ended_at": MOMENT,
            "decided_at": MOMENT, "answered": 200,
        },
        "upstream": {
            "row_id": "5b0c6d0e-6a7a-4c55-9a37-0f2d5f6f1a01", "subscription_id": None, "nickname": "Sales line",
            "first_seen_at": MOMENT, "last_seen_at": LATER, "gone_at": None,
        },
        "calls": {"last_inbound_at": None, "last_outbound_at": None, "idle_since": None},
        "owed": [],
        "release": None,
        "drift": [],
    },
    "ReleaseAsk": {"reason": "The campaign is over"},
    "RestoreAsk": {"reason": "It is on the new brochure"},
    "NumberPatch": {"nickname": "Sales line", "tags": ["sales", "detroit"], "cost_center": "marketing"},
    "HistoryPage": {
        "items": [
            {
                "at": LATER, "action": "number.changed", "actor": f"key:{OPERATION_ID}", "request_id": "change-1",
                "before": {"cost_center": None}, "after": {"cost_center": "marketing"},
            }
        ],
        "next_cursor": None,
        "total": ONE,
    },
    "SavedFilterIn": {
        "name": "Sales in Detroit", "organization_id": ORGANIZATION, "filters": {"state": "active"},
        "sort": "acquired_at",
    },
    "SavedFilterOut": SAVED_FILTER,
    "SavedFilterPage": {"items": [SAVED_FILTER], "next_cursor": None, "total": ONE},
    "NumberPage": {"items": [INVENTORIED], "next_cursor": None, "total": ONE},
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
    "AccountCreate": {
        "name": "europe", "base_url": "https://api.teli.ai", "teli_tenant_id": "acme-europe", "key": "teli-0123456789"
    },
    "AccountPut": {"name": "europe"},
    "AccountKeyPut": {"key": "teli-9876543210"},
    "AccountOut": ACCOUNT,
    "AccountPage": {"items": [ACCOUNT], "next_cursor": None, "total": ONE},
    "OrganizationPut": {"name": "Detroit office"},
    "OrganizationOut": FILED_ORGANIZATION,
    "OrganizationFiled": FILED_ORGANIZATION | {"created": True},
    "OrganizationPage": {"items": [FILED_ORGANIZATION], "next_cursor": None, "total": ONE},
    "UserPut": {"name": "Ada", "email": "ada@example.com", "exclusive": False},
    "UserOut": FILED_USER,
    "UserFiled": FILED_USER | {"created": True},
    "UserPage": {"items": [FILED_USER], "next_cursor": None, "total": ONE},
    "SyncOut": {"added": 2, "changed": 1, "unchanged": 14, "not_at_teli": 0},
    "BulkIn": {"action": "preview", "selection": {"user_id": USER}, "change": {"release": {}}},
    "PreviewOut": PREVIEW,
    "OrderIn": {
        "quantity": 30, "organization_id": ORGANIZATION, "user_id": USER, "area_codes": ["313", "248"],
        "fallback": ["overlays", "neighbours"], "nickname": "Sales {area_code}-{n:03}", "tags": ["sales"],
        "fulfilment": "best_effort",
    },
    "QuoteOut": {
        "dry_run": True, "quantity": 30, "area_codes": ["313", "248", "679", "947"],
        "nicknames": ["Sales 313-001", "Sales 313-002"],
        "price": {"currency": "USD", "setup": 0, "monthly": 30_000_000, "at_once": 30_000_000},
        "allowed": True, "why_not": None,
        "limits": [
            {
                "limit_name": "numbers_held", "scope": "tenant", "scope_id": "dialler", "limit": 100, "used": 40,
                "reserved": 0, "asked": 30, "resets_at": None,
            }
        ],
    },
    "OrderOut": ORDER,
    "OrderShown": ORDER | {"preview": None},
    "OrderPage": {"items": [ORDER], "next_cursor": None, "total": ONE},
    "OrderItemPage": {"items": [ORDER_ITEM], "next_cursor": None, "total": ONE},
    "PolicyPut": {"idempotency_required": True, "area_codes_allowed": ["313", "734"]},
    "PolicyOut": POLICY,
    "PolicyPage": {"items": [POLICY], "next_cursor": None, "total": ONE},
    "TenantPut": {"name": "Dialler", "organization_ids": [ORGANIZATION]},
    "TenantOut": TENANT,
    "TenantShown": TENANT | {"numbers_held": 12},
    "TenantFiled": TENANT | {"numbers_held": 0, "created": True},
    "TenantPage": {"items": [TENANT], "next_cursor": None, "total": ONE},
    "KeyCreate": {
        "name": "production", "scopes": ["numbers:create", "numbers:read"], "expires_at": "2030-01-01T00:00:00Z",
        "organization_ids": [ORGANIZATION], "networks": ["203.0.113.0/24"],
    },
    "KeyRotate": {"overlap_seconds": 3600},
    "KeyOut": {
        "id": OPERATION_ID, "key": "ngk_live_…", "name": "production", "scopes": ["numbers:read"], "expires_at": None,
        "organization_ids": [ORGANIZATION], "user_ids": None, "networks": ["203.0.113.0/24"],
    },
    "SessionPage": {
        "items": [
            {
                "id": OPERATION_ID, "subject": "person:https://login.example.com/|ada", "roles": ["admin"],
                "began_at": MOMENT, "last_used_at": MOMENT, "expires_at": LATER,
            }
        ],
        "next_cursor": None,
        "total": ONE,
    },
    "KeyPage": {"items": [LISTED_KEY], "next_cursor": None, "total": ONE},
    "QuotaPut": {"numbers_held": 120},
    "QuotaOut": {
        "tenant_id": "dialler", "organization_id": None, "user_id": None,
        "numbers_held": 120, "purchases_per_day": 20, "purchases_per_month": None, "releases_per_month": None,
        "spend_per_month": 200_000_000, "requests_per_second": 5, "burst": 10, "concurrent_creates": None,
        "doubts_open": None, "mode": "enforced", "time_zone": "America/Detroit",
        "use": {"numbers_held": {"limit": 120, "used": 17, "reserved": 1, "resets_at": None}},
    },
    "CountedPage": {
        "items": [
            {
                "kind": "number", "id": NUMBER_ID, "at": "2026-05-04T10:31:12Z", "state": "active",
                "phone_number": "+13135550142", "counts_as": "used", "path": f"/v1/numbers/{NUMBER_ID}",
            }
        ],
        "next_cursor": None,
        "total": ONE,
    },
    "LimitsOut": {
        "tenant_id": "dialler",
        "mode": "enforced",
        "time_zone": "America/Detroit",
        "requests_per_second": 5,
        "burst": 10,
        "limits": [
            {
                "name": "numbers_held",
                "scope": "tenant",
                "scope_id": "dialler",
                "limit": 120,
                "used": 17,
                "reserved": 1,
                "left": 102,
                "resets_at": None,
                "counted": "/v1/quotas/numbers_held/rows",
            }
        ],
    },
    "DoubtDetail": {
        **DOUBT,
        "decided_on": [{"at": "2026-05-04T10:31:12Z", "kind": "absent", "rows": [], "looks": []}],
    },
    "DoubtPage": {"items": [DOUBT], "next_cursor": None, "total": ONE},
    "OrphanPage": {"items": [ORPHAN], "next_cursor": None, "total": ONE},
    "GhostPage": {"items": [GHOST], "next_cursor": None, "total": ONE},
    "DoubtDecision": {"decision": "owned", "phone_number": "+13135550142", "reason": "seen in the dashboard"},
    "OrphanDecision": {
        "decision": "adopt", "tenant_id": "dialler", "user_id": USER, "reason": "bought for them by hand"
    },
    "AgentPage": {
        "items": [
            {
                "agent_id": AGENT, "numbers": 12, "inbound": {"desired": 12, "confirmed": 11},
                "outbound": {"desired": 3, "confirmed": 3},
            }
        ],
        "next_cursor": None,
        "total": ONE,
    },
    "ActivityOut": {
        "days": [{"day": "2026-01-31", "bought": 12, "released": 3, "held": 1209}],
        "held": {"value": 1209, "exact": True},
    },
    "NamesOut": {
        "tenants": {"dialler": "The dialler"}, "organizations": {ORGANIZATION: "Motors"}, "users": {USER: "Sales"},
    },
    "DriftPage": {
        "items": [
            {
                **DRIFT, "number_id": NUMBER_ID, "phone_number": "+13135550142", "state": "active",
                "organization_id": ORGANIZATION, "tenant_id": "dialler", "user_id": USER, "area_code": "313",
                "nickname": "Sales line",
            }
        ],
        "next_cursor": None,
        "total": ONE,
    },
    "DriftDecision": {"decision": "ours", "reason": "taken off in the dashboard by mistake"},
    "DriftDecided": {"id": OPERATION_ID, "state": "settled", "number_id": NUMBER_ID, "operation_id": OPERATION_ID},
    "GhostDecision": {"decision": "missing", "reason": "released in the dashboard"},
    "Decided": {"id": OPERATION_ID, "state": "owned", "number_id": NUMBER_ID},
    "ImportIn": {
        "source": "upstream", "organization_id": ORGANIZATION, "tenant_id": "dialler", "cost_center": "marketing",
        "tags": ["before"], "acquired_at": "2025-03-01", "monthly_price": "2.99", "setup_price": "1.00",
        "currency": "USD",
    },
    "ImportOut": IMPORT,
    "ImportPage": {"items": [IMPORT], "next_cursor": None, "total": ONE},
    "ImportItemPage": {
        "items": [
            {
                "line": 2, "phone_number": "+13135550142", "number_id": NUMBER_ID, "outcome": "done", "reason": None,
                "detail": None, "listed": LISTED, "becomes": ADOPTED, "ended_at": "2026-05-04T10:31:12Z",
            }
        ],
        "next_cursor": None, "total": ONE,
    },
    "StopOrder": {"scope": "tenant", "id": "dialler", "reason": "its key was seen in a log"},
    "StopOut": STOP,
    "FiledKeyPage": {"items": [FILED_KEY], "next_cursor": None, "total": ONE},
    "AuditPage": {"items": [AUDITED], "next_cursor": None, "total": ONE},
    "WebhookCreate": {"url": "https://1.1.1.1/numbergate", "types": ["number.*"], "description": "The dialler"},
    "WebhookPatch": {"description": "The new dialler", "state": "active"},
    "WebhookRotate": {"overlap_seconds": 86_400},
    "RedeliverSince": {"since": MOMENT},
    "WebhookOut": WEBHOOK,
    "WebhookMade": WEBHOOK | {"secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="},
    "WebhookPage": {"items": [WEBHOOK], "next_cursor": None, "total": ONE},
    "WebhookTested": {
        "event_id": EVENT["id"], "delivered": False, "status": 503, "error": "answered 503", "seconds": 0.2,
    },
    "DeliveryOut": DELIVERY,
    "DeliveryPage": {"items": [DELIVERY], "next_cursor": None, "total": ONE},
    "RedeliveryOut": {"events": {"value": 12, "exact": True}},
    "EventPage": {"items": [EVENT], "next_cursor": "c2lnbmVkLWFuZC1vcGFxdWU", "total": ONE},
    "StopPage": {"items": [STOP], "next_cursor": None, "total": ONE},
}  # fmt: skip
MATCH = {
    "invoice_id": OPERATION_ID, "state": "done", "period": "2026-10", "currency": "USD", "tolerance": 0,
    "asked_at": MOMENT, "asked_by": f"key:{OPERATION_ID}", "ended_at": LATER, "problem": None, "lines": 412,
    "charged_micros": 1_231_880_000, "expected_micros": 1_228_890_000, "difference_micros": 2_990_000,
    "verdicts": [
        {
            "verdict": "charged_after_release", "findings": 1, "expected_micros": 0, "charged_micros": 2_990_000,
            "difference_micros": 2_990_000,
        },
    ],
    "basis": {"final": True, "charging_rule": CHARGING_RULE, "facts_through": 9312, "prices_through": 3},
}  # fmt: skip
DISPUTE = {
    "id": OPERATION_ID, "invoice_id": OPERATION_ID, "account_id": ACCOUNT_ID, "state": "submitted",
    "title": "Charged after release, October", "currency": "USD", "lines": 1, "micros": 2_990_000,
    "credited_micros": 0, "created_at": MOMENT, "created_by": f"key:{OPERATION_ID}", "changed_at": LATER,
    "changed_by": f"key:{OPERATION_ID}",
}  # fmt: skip
NOTE = {"id": OPERATION_ID, "at": MOMENT, "by": f"key:{OPERATION_ID}", "text": "They will look at it until Friday."}
ATTACHMENT = {
    "id": NUMBER_ID, "at": MOMENT, "by": f"key:{OPERATION_ID}", "name": "answer.pdf",
    "media_type": "application/pdf", "size": 48_213,
}  # fmt: skip
EXAMPLES |= {
    "MatchIn": {"tolerance": 10_000},
    "MatchOut": MATCH,
    "FindingPage": {"items": [FINDING], "next_cursor": None, "total": ONE},
    "DisputeIn": {
        "invoice_id": OPERATION_ID, "title": "Charged after release, October", "verdicts": ["charged_after_release"],
    },
    "DisputePage": {"items": [DISPUTE], "next_cursor": None, "total": ONE},
    "DisputeMove": {"state": "credited", "credited_micros": 2_990_000, "reason": "credit note 17"},
    "DisputeDetail": {
        **DISPUTE, "supplier": "Teli", "invoice_number": "INV-2026-10", "period": "2026-10",
        "verdicts": [
            {"verdict": "charged_after_release", "lines": 1, "disputed_micros": 2_990_000, "credited_micros": 0},
        ],
        "notes": [NOTE], "attachments": [ATTACHMENT], "credits": [],
    },
    "DisputeLinePage": {"items": [DISPUTED_LINE], "next_cursor": None, "total": ONE},
    "NoteIn": {"text": "They will look at it until Friday."},
    "NoteOut": NOTE,
    "AttachmentOut": ATTACHMENT,
}  # fmt: skip
EXAMPLES |= {
    "PriceVersionIn": {
        "since": "2027-01-01", "setup": 1_000_000, "monthly": 2_990_000, "organization_id": ORGANIZATION,
    },
    "PriceFiled": PRICE | {"warnings": []},
    "PriceVersionOut": PRICE,
    "BudgetIn": {
        "organization_id": ORGANIZATION, "cost_center": "marketing", "amount": 500_000_000,
        "notify_tenant_id": "dialler",
    },
    "BudgetPut": {"name": "marketing", "amount": 600_000_000, "notify_tenant_id": "dialler"},
    "BudgetOut": BUDGET,
    "BudgetPage": {"items": [BUDGET], "next_cursor": None, "total": ONE},
    "PriceVersionPage": {"items": [PRICE], "next_cursor": None, "total": ONE},
    "ChargingRuleBody": CHARGING_RULE,
    "MappingBody": INVOICE_MAPPING,
    "ProfileOut": INVOICE_PROFILE,
    "ProfileList": {"items": [INVOICE_PROFILE]},
    "InvoiceOut": INVOICE,
    "InvoicePage": {"items": [INVOICE], "next_cursor": None, "total": ONE},
    "LinePage": {"items": [INVOICE_LINE], "next_cursor": None, "total": ONE},
    "RejectPage": {"items": [INVOICE_REJECT], "next_cursor": None, "total": ONE},
    "ResolveIn": {"decision": "mend", "places": [17], "values": {"amount": "2.99"}},
    "InvoicePreviewOut": {
        "profile": "carrier", "guessed": False, "mapping": INVOICE_MAPPING,
        "headers": ["Item", "Number", "From", "To", "Amount", "Currency", "Description", "Region"],
        "unused": ["Region"],
        "rows": 412, "complete": True, "lines": 411, "rejected": 1, "currency": "USD", "micros": 1_228_890_000,
        "sample": [INVOICE_LINE],
        "rejects": [{name: INVOICE_REJECT[name] for name in ("place", "line", "text", "faults")}],
        "already_filed": None,
    },
    "AnalyticsPage": {"items": [ANALYTICS], "next_cursor": None, "total": ONE},
    "PeriodOut": PERIOD,
    "PeriodList": {"items": [PERIOD]},
    "StatementOut": {
        "period": "2026-10", "state": "final", "charging_rule": CHARGING_RULE, "totals": [SUMS],
        "groups": [{"key": {"cost_center": "marketing"}, **SUMS}],
    },
}  # fmt: skip
# Further bodies of those that are not all alike.
FURTHER: dict[str, list[dict[str, Any]]] = {
    "BulkIn": [{"action": "apply", "token": "AZqRb2Jv5gZ2…"}],
    "OrderIn": [
        {"area_codes": ["313"], "items": [{"user_id": USER, "nickname": "Front desk"}, {"user_id": USER}]},
        {"area_codes": ["313"], "quantity": 4, "user_ids": [USER], "fulfilment": "all", "dry_run": True},
    ],
}
PARAMETERS: dict[str, str] = {
    "period": "2026-10",
    "account_id": ACCOUNT_ID,
    "phone_number": "+13135550142",
    "number_id": NUMBER_ID,
    "operation_id": OPERATION_ID,
    "order_id": OPERATION_ID,
    "filter_id": NUMBER_ID,
    "budget_id": OPERATION_ID,
    "import_id": OPERATION_ID,
    "invoice_id": OPERATION_ID,
    "profile_name": "carrier",
    "organization_id": ORGANIZATION,
    "user_id": USER,
    "tenant_id": "dialler",
    "key_id": OPERATION_ID,
    "endpoint_id": OPERATION_ID,
    "delivery_id": OPERATION_ID,
    "session_id": OPERATION_ID,
    "item_id": OPERATION_ID,
    "drift_id": OPERATION_ID,
    "campaign_id": "spring-offer-2026",
    "call_id": "call_0123456789abcdef0123456789",
    "name": "numbers_held",
    "dispute_id": OPERATION_ID,
    "attachment_id": NUMBER_ID,
}
