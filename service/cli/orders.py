"""`numbergate numbers bulk`: many numbers at once, through the gateway."""

import json as jsonlib
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from service.cli.faults import failed
from service.cli.filtering import NAMES
from service.cli.followed import show_order, watch
from service.cli.remote import remote
from service.cli.terminal import console, is_meant, table
from service.cli.words import count_of, fit, known, moment, money

Json = dict[str, Any]
BULK = "/v1/numbers/bulk"
# By what name a person gave a member of the body.
OPTIONS = {f"/selection/{name}": option for name, option in NAMES.items()} | {
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
        if saved := selection.pop("filter", None):
            kept = gateway.get(f"/v1/filters/{saved}")
            if kept["faults"]:
                return failed(f"--filter: {fit(kept['name'])} has what the listing knows no more; mend it first")
            selection = kept["filters"] | selection
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
        told = watch(gateway, "/v1/orders", shown["order_id"], doing)
    if json:
        print(jsonlib.dumps(told))
    else:
        show_order(console(), told)
    return 0 if told["state"] == "completed" else 1


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
    if shown["kind"] == "release":
        out.print("They are released at once and for good; only `numbers release`, of a single one, has a grace.")
    for cost in (one for one in (shown["cost"], *shown["cost"]["also"]) if one["monthly_less"]):
        ahead = cost["first_charge_avoided_at"]
        out.print(
            f"A month costs {money(cost['monthly_less'], cost['currency'])} less;"
            f" the next charge that would not come is due {moment(ahead)}."
        )
    for one in shown["skipped"]["reasons"]:
        out.print(f"{one['count']} left alone: {fit(one['detail'])}")


def _joined(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value


def _sampled(one: Mapping[str, Any]) -> dict[str, str]:
    becomes = one["becomes"]
    told = (
        "released" if becomes is None else ", ".join(f"{name}: {known(_joined(is_))}" for name, is_ in becomes.items())
    )
    return {
        "number": known(one["phone_number"]),
        "nickname": known(one["nickname"]),
        "tenant": known(one["tenant_id"]),
        "becomes": told,
    }
