"""`numbergate numbers bulk` and `numbergate orders`: many numbers at once, through the gateway."""

import json as jsonlib
import sys
import time
from collections.abc import Mapping
from itertools import islice
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from service.cli.listing import FIRST, first, show_items
from service.cli.remote import Remote, remote
from service.cli.terminal import console, is_meant, table
from service.cli.words import count_of, fit, known, moment

Json = dict[str, Any]
BULK = "/v1/numbers/bulk"
LOOK_EVERY = 0.5
LEFT = ("waiting", "begun")
# By what name a person gave a member of the body.
OPTIONS = {
    "/selection/organization_id": "--organization",
    "/selection/tenant_id": "--tenant",
    "/selection/user_id": "--user",
    "/selection/state": "--state",
    "/selection/phone_numbers": "NUMBERS",
    "/change/set/nickname": "--nickname",
    "/change/set/tags_add": "--add-tag",
    "/change/set/tags_remove": "--remove-tag",
    "/change/set/cost_center": "--cost-center",
    "/change/set/holder_user_id": "--holder",
    "/change/set/inbound_agent_id": "--inbound-agent",
    "/change/set/outbound_agent_id": "--outbound-agent",
    "/selection": "NUMBERS, or a filter",
    "/change/set": "what to set",
}


def run_bulk(
    selection: Json, change: Json, *, yes: bool, dry_run: bool, url: str | None, key: str | None, json: bool
) -> int:
    """Show, ask, apply, and watch until it is over. Returns the exit code: 0 where all that was shown was done."""
    with remote(url, key) as gateway:
        shown = gateway.post(BULK, {"action": "preview", "selection": selection, "change": change}, options=OPTIONS)
        if not json:
            _show_preview(console(), shown)
        if dry_run or not shown["count"]:
            if json:
                print(jsonlib.dumps(shown))
            return 0
        if not yes and not is_meant(_question(shown)):
            print("Nothing was changed.", file=sys.stderr)
            return 1
        gateway.post(BULK, {"action": "apply", "token": shown["token"]}, options=OPTIONS)
        doing = "Released" if shown["kind"] == "release" else "Changed"
        told = watch(gateway, f"/v1/orders/{shown['order_id']}", doing)
    if json:
        print(jsonlib.dumps(told))
    else:
        _show_order(console(), told)
    return 0 if told["state"] == "completed" else 1


def run_list(*, state: str | None, everything: bool, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        asked: dict[str, Any] = {} if state is None else {"state": state}
        items, complete = first(gateway.items("/v1/orders", **asked), everything=everything)
    return show_items(items, "orders", _row, ("id",), complete=complete, json=json)


def run_show(order_id: str, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        told = gateway.get(f"/v1/orders/{order_id}")
        left_alone = [
            one
            for outcome in ("skipped", "failed", "unresolved")
            if told["counts"].get(outcome)
            for one in islice(gateway.items(f"/v1/orders/{order_id}/items", outcome=outcome), FIRST)
        ]
    if json:
        print(jsonlib.dumps(told | {"not_done": left_alone}))
        return 0
    out = console()
    _show_order(out, told)
    if left_alone:
        rows = [
            {"number": known(one["phone_number"]), "outcome": known(one["outcome"]), "why": known(one["detail"])}
            for one in left_alone
        ]
        out.print(table(rows, out.width, ("number", "outcome")))
    return 0


def run_cancel(order_id: str, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        told = gateway.post(f"/v1/orders/{order_id}/cancel", {})
    if json:
        print(jsonlib.dumps(told))
    else:
        _show_order(console(), told)
    return 0


def _question(shown: Json) -> str:
    what = "Release" if shown["kind"] == "release" else "Change"
    also = ", for good" if shown["kind"] == "release" else ""
    return f"{what} {count_of(shown['count'], 'number')}{also}?"


def _show_preview(out: Console, shown: Json) -> None:
    if shown["sample"]:
        out.print(table([_sampled(one) for one in shown["sample"]], out.width, ("number",)))
    if (more := shown["count"] - len(shown["sample"])) > 0:
        out.print(f"and {more} more")
    out.print(f"{count_of(shown['count'], 'number')} of {shown['selected']} would be changed.")
    cost = shown["cost"]
    if cost["monthly_less"]:
        out.print(
            f"A month costs {cost['monthly_less'] / 1_000_000:,.2f} {fit(cost['currency'])} less;"
            f" the next charge that would not come is due {moment(cost['first_charge_avoided_at'])}."
        )
    for one in shown["skipped"]["reasons"]:
        out.print(f"{one['count']} left alone: {fit(one['detail'])}")


def _sampled(one: Mapping[str, Any]) -> dict[str, str]:
    becomes = one["becomes"]
    told = "released" if becomes is None else ", ".join(f"{name}: {known(is_)}" for name, is_ in becomes.items())
    return {
        "number": known(one["phone_number"]),
        "nickname": known(one["nickname"]),
        "tenant": known(one["tenant_id"]),
        "becomes": told,
    }


def _row(one: Mapping[str, Any]) -> dict[str, str]:
    return {
        "id": known(one["order_id"]),
        "kind": known(one["kind"]),
        "state": known(one["state"]),
        "numbers": str(one["count"]),
        "done": str(one["counts"].get("done", 0)),
        "applied": moment(one["applied_at"]),
    }


def _show_order(out: Console, told: Json) -> None:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(told["counts"].items()))
    out.print(f"Order {told['order_id']} is {told['state']}: {counts or 'no numbers'}.")
    for reason, count in sorted(told["reasons"].items()):
        out.print(f"{count} for {fit(reason)}")


def watch(gateway: Remote, path: str, doing: str) -> Json:
    """A bar on stderr, where that is a terminal, until the order is over. Returns how it stands then."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(doing, total=None)
        while True:
            told = gateway.get(path)
            done = told["count"] - sum(told["counts"].get(one, 0) for one in LEFT)
            bar.update(task, total=told["count"], completed=done)
            if told["ended_at"] is not None:
                return told
            time.sleep(LOOK_EVERY)
