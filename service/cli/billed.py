"""`numbergate billing`: prices, months and statements through the gateway, and final months reckoned anew."""

import asyncio
import json as jsonlib
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any

from rich.console import Console

from service.billing.verifying import Verified, verify
from service.cli.exporting import ACCEPT, run_export
from service.cli.faults import failed, settings_or_exit
from service.cli.ledger import CannotVerify, ledger
from service.cli.listing import FIRST, first, show_one
from service.cli.remote import remote
from service.cli.terminal import console, is_meant, table
from service.cli.words import count_of, fit, known, micros, moment, money
from service.settings import DatabaseSettings

BILLING = "/v1/billing"
RULE = f"{BILLING}/charging-rule"
LOOKED_AT_EVERY = 1.0
DIFFERS, NOT_VERIFIED = 1, 2
OPTIONS = {
    "group_by": "--by",
    "organization_id": "--organization",
    "tenant_id": "--tenant",
    "user_id": "--user",
    "cost_center": "--cost-center",
    "tag": "--tag",
}
# States in which more may come, and what is said of the amount then.
FORESEEN = {"open": ": to its end, if nothing changes", "forecast": ": if nothing changes"}
AMOUNTS = {"setup": "--setup", "monthly": "MONTHLY"}
OF_A_PRICE = {f"/{name}": option for name, option in AMOUNTS.items()} | {
    "/since": "SINCE",
    "/currency": "--currency",
    "/organization_id": "--organization",
    "/number_type": "--type",
    "/area_code": "--area-code",
    "/reason": "--reason",
}
OF_THE_RULE = {
    "/cycle": "--cycle",
    "/proration": "--proration",
    "/due": "--due",
    "/time_zone": "--time-zone",
    "/free_days": "--free-days",
    "/minimum_months": "--minimum-months",
}
# How a statement is exported: what is accepted, and in which columns.
FOCUS = {"columns": "focus"}
FORMS: dict[str, tuple[str, dict[str, str]]] = {name: (accept, {}) for name, accept in ACCEPT.items()} | {
    "focus": (ACCEPT["csv"], FOCUS),
    "focus-parquet": (ACCEPT["parquet"], FOCUS),
    "html": ("text/html", {}),
}
# What a price is for, in words: three ids beside each other would not say which is which.
SCOPES = {"organization_id": "organisation", "area_code": "area code", "number_type": "type"}
Item = dict[str, Any]


def run_prices(*, everything: bool, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        found = gateway.items(f"{BILLING}/prices")
        items, complete = first(found, everything=everything)
    if json:
        print(jsonlib.dumps({"items": items, "complete": complete}))
        return 0
    _shown([_price(item) for item in items], ("since",), none="No price is filed yet; the deployment's default holds.")
    if not complete:
        Console(stderr=True, highlight=False).print(f"The first {FIRST}; --all shows every one.")
    return 0


def run_add(
    body: Mapping[str, Any], *, setup: str, monthly: str, yes: bool, json: bool, url: str | None, key: str | None
) -> int:
    """Returns the exit code."""
    amounts: dict[str, int] = {}
    for name, text in (("setup", setup), ("monthly", monthly)):
        try:
            amounts[name] = micros(text)
        except ValueError as error:
            return failed(f"{AMOUNTS[name]}: {error}")
    price = f"{known(monthly)} {known(body['currency'])} a month from {known(body['since'])} on"
    if not yes and not is_meant(f"File {price}? It is never changed."):
        return failed("nothing was filed")
    with remote(url, key) as gateway:
        told = gateway.post(f"{BILLING}/prices", {**body, **amounts}, options=OF_A_PRICE)
    if json:
        print(jsonlib.dumps(told))
    else:
        print(f"Filed: from {told['since']} on {money(told['monthly'], told['currency'])} a month.")
        for warning in told["warnings"]:
            print(f"numbergate: {fit(warning)}", file=sys.stderr)
    return 0


def run_rule(*, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        return show_one(gateway.get(RULE), _rule, json=json)


def run_put_rule(changes: Mapping[str, Any], *, json: bool, url: str | None, key: str | None) -> int:
    """What is not named stays as it is. Returns the exit code."""
    with remote(url, key) as gateway:
        return show_one(gateway.put(RULE, {**gateway.get(RULE), **changes}, options=OF_THE_RULE), _rule, json=json)


def _rule(one: Item) -> dict[str, str]:
    return {name.replace("_", " "): known(value) for name, value in one.items()}


def run_periods(*, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        told = gateway.get(f"{BILLING}/periods")
    if json:
        print(jsonlib.dumps(told))
        return 0
    rows = [
        {
            "period": one["period"],
            "state": one["state"],
            "charges": known(one["charges"]),
            "closed": moment(one["closed_at"])[:16],
            "hash": known(one["hash"] and one["hash"][:16]),
        }
        for one in told["items"]
    ]
    _shown(rows, ("period", "state"), none="No number was held yet.")
    return 0


def run_close(month: str, *, yes: bool, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        if not yes:
            statement = gateway.get(f"{BILLING}/statements/{month}")
            sums = ", ".join(money(one["micros"], one["currency"]) for one in statement["totals"]) or "nothing"
            print(f"{fit(month)} is made final, for good, with {sums}.", file=sys.stderr)
            if not is_meant("Close it?"):
                return failed("nothing was closed")
        told = gateway.post(f"{BILLING}/periods/{month}/close", {})
        with Console(stderr=True).status(f"{fit(month)} is being closed"):
            while told["state"] == "closing":
                sleep(LOOKED_AT_EVERY)
                [told] = [one for one in gateway.get(f"{BILLING}/periods")["items"] if one["period"] == month]
    if told["state"] != "final":
        return failed(f"{month} was not closed, and is a {told['state']} as before; close it again, and it is said why")
    if json:
        print(jsonlib.dumps(told))
    else:
        print(f"{told['period']} is final: {count_of(told['charges'], 'charge')}, hash {told['hash']}.")
    return 0


def running_month(url: str | None, key: str | None) -> str:
    """By the supplier's time zone, as the gateway says: the last that has begun."""
    with remote(url, key) as gateway:
        return str(gateway.get(f"{BILLING}/periods")["items"][0]["period"])


def run_statement(
    month: str, asked: Mapping[str, str], by: Sequence[str], *, json: bool, url: str | None, key: str | None
) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        grouped = {"group_by": ",".join(by)} if by else {}
        told = gateway.get(f"{BILLING}/statements/{month}", options=OPTIONS, **asked, **grouped)
    if json:
        print(jsonlib.dumps(told))
        return 0
    out = console()
    state = told["state"]
    out.print(f"{told['period']}, {state}{FORESEEN.get(state, '')}")
    shown = partial(_sums, is_over=state not in FORESEEN)
    rows = [
        {**{name: known(_joined(value)) for name, value in one["key"].items()}, **shown(one)} for one in told["groups"]
    ]
    whole = dict.fromkeys(by, "") | ({by[0]: "in all"} if by else {})
    total = [{**whole, **shown(one)} for one in told["totals"]]
    _shown(rows + total, ("amount",), none="Nothing is charged.")
    if unpriced := sum(one["unpriced"] for one in told["totals"]):
        Console(stderr=True, highlight=False).print(f"{count_of(unpriced, 'charge')} without a price: file one.")
    return 0


def run_export_of(
    month: str, asked: Mapping[str, str], output: Path, form: str, *, url: str | None, key: str | None
) -> int:
    """Returns the exit code."""
    path = f"{BILLING}/statements/{month}/export"
    accept, columns = FORMS[form]
    return run_export(path, accept, {**asked, **columns}, output, one="charge", options=OPTIONS, url=url, key=key)


def run_verify(month: str | None, *, json: bool) -> int:
    """Returns the exit code: 0 where every month is as it was closed, 1 where one is not, 2 where that is not known."""
    try:
        only = date.fromisoformat(f"{month}-01") if month is not None else None
    except ValueError:
        return failed("the month must look like 2026-11")
    try:
        found = asyncio.run(_verified(only))
        if not found:
            raise CannotVerify(f"{month} is not final" if month else "no month is final yet")
    except CannotVerify as error:
        print(f"numbergate: {error}", file=sys.stderr)
        return NOT_VERIFIED
    if json:
        print(jsonlib.dumps({"items": [_verdict(one) for one in found]}))
    else:
        for one in found:
            verdict = "; ".join(one.faults) or f"{count_of(one.charges, 'charge')}, {one.closed.digest.hex()}"
            print(f"{one.closed.month:%Y-%m} {'DIFFERS' if one.faults else 'verified'}: {verdict}")
    return DIFFERS if any(one.faults for one in found) else 0


async def _verified(only: date | None) -> list[Verified]:
    settings = settings_or_exit(DatabaseSettings)
    async with ledger(settings.database_url.get_secret_value()) as database:
        return await verify(database, only=only)


def _verdict(one: Verified) -> Item:
    return {
        "period": f"{one.closed.month:%Y-%m}", "verified": not one.faults, "faults": one.faults,
        "charges": one.charges, "hash": one.closed.digest.hex(),
    }  # fmt: skip


def _price(one: Item) -> dict[str, str]:
    scopes = [f"{word} {fit(str(one[name]))}" for name, word in SCOPES.items() if one[name]]
    return {
        "since": one["since"],
        "for": ", ".join(scopes) or "all",
        "setup": money(one["setup"], one["currency"]),
        "monthly": money(one["monthly"], one["currency"]),
        "reason": known(one["reason"]),
    }


def _sums(one: Item, *, is_over: bool) -> dict[str, str]:
    return {
        "amount": money(one["micros"], one["currency"]),
        **({} if is_over else {"so far": money(one["so_far"], one["currency"])}),
        "charges": str(one["charges"]),
        "numbers": str(one["numbers"]),
        "corrections": money(one["corrections"], one["currency"]),
    }


def _joined(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value


def _shown(rows: Sequence[Mapping[str, str]], whole: Sequence[str], *, none: str) -> None:
    out = console()
    out.print(table(rows, out.width, whole) if rows else none)
