"""`numbergate campaigns` and `numbergate numbers idle`, through the gateway."""

import json as jsonlib
import sys
from typing import Any, Literal
from urllib.parse import quote

from rich.console import Console

from service.cli.faults import failed
from service.cli.listing import FIRST, first, show_items
from service.cli.remote import remote
from service.cli.terminal import console, is_meant, table
from service.cli.words import count_of, known, moment, money

CAMPAIGNS, IDLE = "/v1/voice/campaigns", "/v1/idle-numbers"
# To be copied.
WHOLE = ("campaign", "number", "id")


def run_list(organization: str, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        found = gateway.get(CAMPAIGNS, organization_id=organization)["campaigns"]
    return show_items(found, "campaigns", _campaign, WHOLE, complete=True, json=json)


def run_show(campaign: str, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        found = gateway.get(_path(campaign))
    if json:
        print(jsonlib.dumps(found))
        return 0
    out = Console(highlight=False, soft_wrap=True)
    progress = found.get("progress", {})
    out.print(f"{known(found['campaign_id'])}: {known(found['state'])}, at Teli {known(found['status'])}", markup=False)
    told = ", ".join(f"{progress[name]} {name}" for name in ("total", "completed", "pending") if name in progress)
    out.print(f"leads: {told or 'not told'}", markup=False)
    return 0


def run_move(
    campaign: str, verb: Literal["pause", "end"], *, yes: bool, url: str | None, key: str | None, json: bool
) -> int:
    """Returns the exit code."""
    if not yes:
        print(f"{campaign} will call nobody any more, and cannot be resumed.", file=sys.stderr)
        if not is_meant(f"{verb.capitalize()} it?"):
            return failed("nothing was changed")
    with remote(url, key) as gateway:
        found = gateway.post(f"{_path(campaign)}/{verb}", {}, options={})
    if json:
        print(jsonlib.dumps(found))
    else:
        print(f"{campaign} is {known(found['state'])}.")
    return 0


def run_idle(
    days: int, organization: str | None, *, url: str | None, key: str | None, everything: bool, json: bool
) -> int:
    """Returns the exit code."""
    asked: dict[str, Any] = {"days": days} | ({} if organization is None else {"organization_id": organization})
    with remote(url, key) as gateway:
        whole = gateway.get(IDLE, limit=1, **asked)
        items, complete = first(gateway.items(IDLE, **asked), everything=everything)
    if json:
        told = {name: whole[name] for name in ("total", "judged", "spent_on_silence")}
        print(jsonlib.dumps({"items": items, "complete": complete, **told}))
        return 0
    out = console()
    if items:
        out.print(table([_cells(one) for one in items], out.width, WHOLE))
    else:
        out.print(f"No number is known to be idle for {count_of(days, 'day')}.")
    judged, spent = whole["judged"], whole["spent_on_silence"]
    sums = ", ".join(money(one["micros"], one["currency"]) for one in (spent, *spent["also"]))
    out.print(
        f"Judged: {judged['judged']} of {judged['active']} active numbers; of {judged['unknown']} it is not known. "
        f"Spent on silence: {sums}.",
        markup=False,
    )
    if not complete:
        Console(stderr=True, highlight=False).print(f"The first {FIRST} numbers; --all shows every one.")
    return 0


def _campaign(one: dict[str, Any]) -> dict[str, str]:
    return {
        "campaign": known(one["campaign_id"]),
        "state": known(one["state"]),
        "at Teli": known(one.get("status")),
        "begins": known(one.get("campaign_begin_time")),
        "contacts": known(str(one.get("contacts_count", ""))),
    }


def _cells(one: dict[str, Any]) -> dict[str, str]:
    return {
        "number": known(one["phone_number"]),
        "idle since": moment(one["idle_since"])[:16],
        "days": str(one["idle_days"]),
        "last called": moment(one["last_inbound_call_at"])[:16],
        "last calling": moment(one["last_outbound_call_at"])[:16],
        "spent": money(one["spent_on_silence"], one["currency"]),
        "nickname": known(one["nickname"]),
    }


def _path(campaign: str) -> str:
    return f"{CAMPAIGNS}/{quote(campaign, safe='')}"
