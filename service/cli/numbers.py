"""`numbergate numbers`: the list of them, and one by itself, through the gateway."""

import json as jsonlib
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from service.cli.faults import failed
from service.cli.filtering import NAMES
from service.cli.listing import Item, first, show_items, show_one
from service.cli.remote import remote
from service.cli.terminal import is_meant
from service.cli.words import fit, known, moment, money

NUMBERS, TELIS = "/v1/numbers", "/v1/voice/phone-numbers"
# By what name a person gave a parameter, or a member of a body.
OPTIONS = NAMES | {
    "sort": "--sort",
    "/nickname": "--nickname",
    "/tags": "--tag",
    "/cost_center": "--cost-center",
    "/holder_user_id": "--holder",
    "/inbound_agent_id": "--inbound-agent",
    "/outbound_agent_id": "--outbound-agent",
    "/reason": "--reason",
    "If-Match": "--if-match",
}


def run_list(asked: Item, *, url: str | None, key: str | None, everything: bool, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        found = gateway.items(NUMBERS, options=OPTIONS, **asked)
        items, complete = first(found, everything=everything)
    return show_items(items, "numbers", _listed, ("id", "number"), complete=complete, json=json)


def run_show(number: str, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code. Its ETag stands beside what is told of it."""
    with remote(url, key) as gateway:
        told, etag = gateway.get_tagged(_path(number))
    return show_one(told | {"etag": etag}, _story, json=json)


def run_history(number: str, *, url: str | None, key: str | None, everything: bool, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        items, complete = first(gateway.items(f"{_path(number)}/history"), everything=everything)
    return show_items(items, "events", _event, ("at", "by"), complete=complete, json=json)


def run_set(number: str, change: Item, *, if_match: str | None, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code: 0 too where Teli has not confirmed yet, for that is seen to."""
    with remote(url, key) as gateway:
        told = gateway.patch(_path(number), change, options=OPTIONS, if_match=if_match)
    if told.get("pending") and not json:
        print(f"It is changed here; Teli has not confirmed yet: operation {told['operation_id']}.")
        return 0
    return show_one(told, _story, json=json)


def run_release(number: str, asked: Item, *, now: bool, yes: bool, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code: 0 too where Teli has not confirmed yet, for that is seen to."""
    with remote(url, key) as gateway:
        shown = gateway.get(_path(number))
        if not yes:
            when = "now" if now else "at the end of its grace"
            print(f"{_what(shown)} is given back to Teli {when}, who may give it to anybody.", file=sys.stderr)
            if not is_meant("Release it, for good?" if now else "Release it?"):
                return failed("nothing was released")
        if now:
            path = f"{TELIS}/{quote(shown['phone_number'], safe='')}"
            told = gateway.delete(path, id=shown["id"], force=asked["force"])
        else:
            told = gateway.post(f"{_path(shown['id'])}/release", asked, options=OPTIONS)
    if json:
        print(jsonlib.dumps(told))
    elif not now:
        print(f"{_what(shown)} is released at {moment(told['release']['at'])}; until then it can be restored.")
    elif told.get("pending"):
        print(f"{_what(shown)} is being released: operation {told['operation_id']}.")
    else:
        print(f"{_what(shown)} is released.")
    return 0


def run_restore(number: str, asked: Item, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        told = gateway.post(f"{_path(number)}/restore", asked, options=OPTIONS)
    return show_one(told, _story, json=json)


def _path(number: str) -> str:
    return f"{NUMBERS}/{quote(number, safe='')}"


def _what(shown: Item) -> str:
    return fit(shown["phone_number"]) + (f", {fit(shown['nickname'])}," if shown["nickname"] else "")


def _listed(one: Item) -> dict[str, str]:
    return {
        "number": known(one["phone_number"]),
        "nickname": known(one["nickname"]),
        "state": known(one["state"]),
        "user": known(one["user_id"]),
        "tags": known(", ".join(one["tags"])),
        "cost centre": known(one["cost_center"]),
        "acquired": moment(one["acquired_at"])[:16],
        "id": known(one["id"]),
    }


def _story(one: Item) -> dict[str, str]:
    costs, calls, upstream = one["costs"], one["calls"], one["upstream"]
    return {
        "number": known(one["phone_number"]),
        "id": known(one["id"]),
        "state": known(one["state"]),
        "nickname": known(one["nickname"]),
        "tags": known(", ".join(one["tags"])),
        "cost centre": known(one["cost_center"]),
        "organisation": known(one["organization_id"]),
        "tenant": known(one["tenant_id"]),
        "user": known(one["user_id"]),
        "used by": known(one["holder_user_id"]),
        "answered by": known(one["inbound_agent_id"]),
        "calling": known(one["outbound_agent_id"]),
        "acquired": moment(one["acquired_at"]),
        "released": moment(one["released_at"]),
        "cost to date": f"{money(costs['to_date'], costs['currency'])}, {money(costs['monthly'])} a month",
        "next charge": moment(costs["next_charge_at"]),
        "last called": moment(calls["last_inbound_at"]),
        "last calling": moment(calls["last_outbound_at"]),
        "seen at Teli": moment(upstream["last_seen_at"]),
        "gone at Teli": moment(upstream["gone_at"]),
        "still owed": ", ".join(f"{fit(step['kind'])} ({fit(step['state'])})" for step in one["owed"]) or "nothing",
    } | ({"ETag": fit(one["etag"])} if "etag" in one else {})


def _event(one: Item) -> dict[str, str]:
    return {
        "at": moment(one["at"]),
        "what": known(one["action"]),
        "by": known(one["actor"]),
        "how": _difference(one["before"] or {}, one["after"] or {}),
    }


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    names = dict.fromkeys([*before, *after])
    return ", ".join(f"{fit(name)}: {known(before.get(name))} → {known(after.get(name))}" for name in names) or "–"
