"""`numbergate billing budgets`: what a month may cost, through the gateway."""

import json as jsonlib
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from service.cli.billed import BILLING
from service.cli.faults import failed
from service.cli.listing import FIRST, first
from service.cli.remote import remote
from service.cli.terminal import console, is_meant, table
from service.cli.words import fit, known, micros, money

BUDGETS = f"{BILLING}/budgets"
OF_A_BUDGET = {
    "/amount": "AMOUNT",
    "/organization_id": "--organization",
    "/tenant_id": "--tenant",
    "/cost_center": "--cost-center",
    "/name": "--name",
    "/currency": "--currency",
    "/notify_tenant_id": "--notify",
}


def run_budgets(*, everything: bool, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        items, complete = first(gateway.items(BUDGETS), everything=everything)
    if json:
        print(jsonlib.dumps({"items": items, "complete": complete}))
        return 0
    out = console()
    rows = [_row(item) for item in items]
    out.print(table(rows, out.width, ("id", "amount")) if rows else "There is no budget yet.")
    if not complete:
        Console(stderr=True, highlight=False).print(f"The first {FIRST}; --all shows every one.")
    return 0


def run_add(body: Mapping[str, Any], *, amount: str, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    try:
        wanted = micros(amount)
    except ValueError as error:
        return failed(f"AMOUNT: {error}")
    with remote(url, key) as gateway:
        told = gateway.post(BUDGETS, {**body, "amount": wanted}, options=OF_A_BUDGET)
    print(jsonlib.dumps(told) if json else f"Filed: {money(wanted, told['currency'])} a month, {told['id']}.")
    return 0


def run_set(budget: str, *, amount: str, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    try:
        wanted = micros(amount)
    except ValueError as error:
        return failed(f"AMOUNT: {error}")
    with remote(url, key) as gateway:
        before = gateway.get(f"{BUDGETS}/{budget}")
        kept = {name: before[name] for name in ("name", "notify_tenant_id")}
        told = gateway.put(f"{BUDGETS}/{budget}", {**kept, "amount": wanted}, options=OF_A_BUDGET)
    print(jsonlib.dumps(told) if json else f"{money(wanted, told['currency'])} a month from now on.")
    return 0


def run_delete(budget: str, *, yes: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        if not yes and not is_meant(f"Delete {known(gateway.get(f'{BUDGETS}/{budget}')['name'])}?"):
            return failed("nothing was deleted")
        gateway.delete(f"{BUDGETS}/{budget}")
    print("Deleted.")
    return 0


def _row(one: dict[str, Any]) -> dict[str, str]:
    standing, currency = one["standing"], one["currency"]
    of = [fit(str(one[name])) for name in ("organization_id", "tenant_id", "cost_center") if one[name]]
    reached = [f"{it['threshold']} %" for it in standing["reached"] if it["measure"] == "charged"] if standing else []
    return {
        "id": one["id"],
        "name": known(one["name"]),
        "of": " ".join(of),
        "amount": money(one["amount"], currency),
        "so far": money(standing and standing["so_far"], currency),
        "expected": money(standing and standing["forecast"], currency),
        "reached": reached[-1] if reached else "–",
    }
