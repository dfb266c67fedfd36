"""`numbergate webhooks`, through the gateway."""

import json as jsonlib
import sys
from typing import Any
from uuid import UUID

from service.cli.faults import failed
from service.cli.listing import FIRST, first, show_one
from service.cli.remote import remote
from service.cli.terminal import console, is_meant, table
from service.cli.words import count_of, known, moment

ENDPOINTS = "/v1/webhook-endpoints"
OPTIONS = {
    "/url": "URL",
    "/types": "--type",
    "/description": "--description",
    "/state": "--state",
    "/since": "--since",
    "/overlap_seconds": "--overlap",
}
Json = dict[str, Any]


def run_list(*, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code, as all of these."""
    with remote(url, key) as gateway:
        found = list(gateway.items(ENDPOINTS))
    if json:
        print(jsonlib.dumps({"items": found, "complete": True}))
        return 0
    out = console()
    if not found:
        out.print("No webhook endpoints.")
        return 0
    out.print(table([_listed(one) for one in found], out.width, ("id",)))
    return 0


def run_create(
    target: str, types: list[str] | None, description: str | None, *, url: str | None, key: str | None, json: bool
) -> int:
    with remote(url, key) as gateway:
        body = {"url": target, "types": types or None, "description": description}
        made = gateway.post(ENDPOINTS, body, options=OPTIONS)
    return _show_secret(made, json=json)


def run_show(endpoint: UUID, *, url: str | None, key: str | None, json: bool) -> int:
    with remote(url, key) as gateway:
        return show_one(gateway.get(f"{ENDPOINTS}/{endpoint}"), _endpoint, json=json)


def run_update(endpoint: UUID, changes: Json, *, url: str | None, key: str | None, json: bool) -> int:
    with remote(url, key) as gateway:
        return show_one(
            gateway.patch(f"{ENDPOINTS}/{endpoint}", changes, options=OPTIONS | {"/url": "--to"}), _endpoint, json=json
        )


def run_rotate(endpoint: UUID, *, overlap: int, yes: bool, url: str | None, key: str | None, json: bool) -> int:
    if not yes and not is_meant(f"Replace its secret? The old one signs too for {count_of(overlap, 'second')} more."):
        return failed("nothing was rotated")
    with remote(url, key) as gateway:
        made = gateway.post(f"{ENDPOINTS}/{endpoint}/rotate", {"overlap_seconds": overlap}, options=OPTIONS)
    return _show_secret(made, json=json)


def run_test(endpoint: UUID, *, url: str | None, key: str | None, json: bool) -> int:
    with remote(url, key) as gateway:
        told = gateway.post(f"{ENDPOINTS}/{endpoint}/test", {})
    if json:
        print(jsonlib.dumps(told))
    else:
        came = "It was taken in" if told["delivered"] else f"It was not taken in: {known(told['error'])}"
        print(f"{came}, after {told['seconds']:.1f} s.")
    return 0 if told["delivered"] else 1


def run_deliveries(
    endpoint: UUID, *, state: str | None, everything: bool, url: str | None, key: str | None, json: bool
) -> int:
    with remote(url, key) as gateway:
        asked: Json = {} if state is None else {"state": state}
        found = gateway.items(f"{ENDPOINTS}/{endpoint}/deliveries", **asked)
        shown, complete = first(found, everything=everything)
    if json:
        print(jsonlib.dumps({"items": shown, "complete": complete}))
        return 0
    out = console()
    if not shown:
        out.print("No deliveries.")
        return 0
    rows = [
        {
            "id": one["id"],
            "event": known(one["type"]),
            "state": known(one["state"]),
            "attempts": str(one["attempts"]),
            "last": moment(one["tried_at"]),
            "error": known(one["error"]),
        }
        for one in shown
    ]
    out.print(table(rows, out.width, ("id",)))
    if not complete:
        print(f"The newest {FIRST}; --all shows every one.", file=sys.stderr)
    return 0


def run_redeliver(
    endpoint: UUID, *, delivery: UUID | None, since: str | None, url: str | None, key: str | None, json: bool
) -> int:
    path = f"{ENDPOINTS}/{endpoint}"
    with remote(url, key) as gateway:
        if delivery is not None:
            told = gateway.post(f"{path}/deliveries/{delivery}/redeliver", {})
        else:
            told = gateway.post(f"{path}/redeliver", {"since": since}, options=OPTIONS)
    if json:
        print(jsonlib.dumps(told))
    else:
        events = {"value": 1, "exact": True} if delivery is not None else told["events"]
        many = count_of(events["value"], "event")
        print(f"{many if events['exact'] else f'More than {many}'} will be sent again.")
    return 0


def run_delete(endpoint: UUID, *, yes: bool, url: str | None, key: str | None) -> int:
    with remote(url, key) as gateway:
        found = gateway.get(f"{ENDPOINTS}/{endpoint}")
        if not yes and not is_meant(f"Send nothing more to {known(found['url'])}?"):
            print("Nothing was changed.", file=sys.stderr)
            return 1
        gateway.delete(f"{ENDPOINTS}/{endpoint}")
    print("It is sent nothing more.")
    return 0


def _show_secret(made: Json, *, json: bool) -> int:
    if json:
        print(jsonlib.dumps(made))
        return 0
    print(f"endpoint  {made['id']}")
    print(f"secret    {made['secret']}")
    print("The secret is shown this once: what is sent is verified with it.", file=sys.stderr)
    return 0


def _state(one: Json) -> str:
    if one["state"] == "disabled":
        return f"disabled: {one['disabled_because']}"
    return "active, failing" if one["failing_since"] else "active"


def _listed(one: Json) -> dict[str, str]:
    return {
        "id": one["id"],
        "url": known(one["url"]),
        "types": known(", ".join(one["types"] or ["all"])),
        "state": known(_state(one)),
        "description": known(one["description"]),
    }


def _endpoint(one: Json) -> dict[str, str]:
    return _listed(one) | {
        "disabled because": known(one["disabled_because"]),
        "failing since": moment(one["failing_since"]),
        "next try": moment(one["next_try_at"]),
        "secret before signs until": moment(one["previous_secret_until"]),
        "made": moment(one["created_at"]),
    }
