"""`numbergate orders create`: many new numbers, through the gateway."""

import json as jsonlib
import sys
from typing import Any
from uuid import uuid4

from rich.console import Console

from service.cli.followed import show_order, watch
from service.cli.remote import Away, remote
from service.cli.terminal import console, is_meant
from service.cli.words import count_of, fit, money

Json = dict[str, Any]
ORDERS = "/v1/orders"
# By what name a person gave a member of the body.
OPTIONS = {
    "/quantity": "QUANTITY",
    "/area_codes": "--area-code",
    "/user_ids": "--user",
    "/user_id": "--user",
    "/organization_id": "--organization",
    "/tenant_id": "--tenant",
    "/fallback": "--fallback",
    "/nickname": "--nickname",
    "/tags": "--tag",
    "/cost_center": "--cost-center",
    "/inbound_agent_id": "--inbound-agent",
    "/outbound_agent_id": "--outbound-agent",
    "/deadline": "--deadline",
}


def run_create(
    body: Json, *, idempotency_key: str | None, yes: bool, dry_run: bool, url: str | None, key: str | None, json: bool
) -> int:
    """Show what it comes to, ask, order, and watch until it is over. Returns the exit code: 0 where all were bought."""
    with remote(url, key) as gateway:
        if dry_run or not yes:
            quote = gateway.post(ORDERS, body | {"dry_run": True}, options=OPTIONS)
            if not json:
                _show_quote(console(), quote)
            if dry_run:
                if json:
                    print(jsonlib.dumps(quote))
                return 0 if quote["allowed"] else 1
            if not quote["allowed"]:
                return 1
            if not is_meant(f"Order {count_of(quote['quantity'], 'number')}?"):
                print("Nothing was ordered.", file=sys.stderr)
                return 1
        # One in any case: what is broken off can be asked for again, and is one order.
        idempotency_key = idempotency_key or str(uuid4())
        try:
            placed = gateway.post(ORDERS, body, options=OPTIONS, idempotency_key=idempotency_key)
        except (KeyboardInterrupt, Away):
            print(
                "Whether it was ordered is not known. The same command with --idempotency-key"
                f" {fit(idempotency_key)} tells, and orders once.",
                file=sys.stderr,
            )
            raise
        told = watch(gateway, ORDERS, placed["order_id"], "Bought")
    if json:
        print(jsonlib.dumps(told))
    else:
        show_order(console(), told)
    return 0 if told["state"] == "completed" else 1


def _show_quote(out: Console, quote: Json) -> None:
    price = quote["price"]
    out.print(
        f"{count_of(quote['quantity'], 'number')} in {', '.join(quote['area_codes'])}, as far as Teli has some:"
        f" {money(price['at_once'], price['currency'])} at once,"
        f" {money(price['monthly'])} a month."
    )
    if names := [fit(name) for name in quote["nicknames"] if name]:
        out.print(f"Called {', '.join(names)}{', …' if quote['quantity'] > len(names) else ''}.")
    for one in quote["limits"]:
        out.print(
            f"{one['limit_name']} of the {one['scope']}: {one['used']} of {one['limit']} used,"
            f" {one['reserved']} reserved, and this asks for {one['asked']}."
        )
    if not quote["allowed"]:
        out.print(fit(quote["why_not"]))
