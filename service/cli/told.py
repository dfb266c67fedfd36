"""`numbergate events` and `agents`, through the gateway."""

import json as jsonlib
import sys
from collections.abc import Iterator
from typing import Any

from service.cli.listing import FIRST, Item, first, show_items
from service.cli.remote import Remote, remote
from service.cli.words import fit, known, moment

EVENTS, AGENTS = "/v1/events", "/v1/agents"
OPTIONS = {"type": "--type", "cursor": "--cursor", "organization_id": "--organization"}
# Seconds that the gateway waits for news before it answers.
WAIT = 30
# Told beside the event, by its type.
LEFT_OUT = ("phone_number",)


def run_list(
    types: list[str] | None, after: str | None, *, everything: bool, url: str | None, key: str | None, json: bool
) -> int:
    """Returns the exit code."""
    found: list[Item] = []
    asked = _asked(types, after)
    with remote(url, key) as gateway:
        while True:
            page = gateway.get(EVENTS, options=OPTIONS, limit=FIRST, **asked)
            found += page["items"]
            asked["cursor"] = page["next_cursor"]
            if not everything or len(page["items"]) < FIRST:
                break
    more = page["total"]["value"] > len(page["items"])
    if json:
        print(jsonlib.dumps({"items": found, "next_cursor": page["next_cursor"], "complete": not more}))
        return 0
    for one in found:
        print(_line(one))
    if not found:
        print("No events.")
    if more:
        print(f"The first {FIRST} events; --all shows every one.", file=sys.stderr)
    print(f"Go on with --cursor {fit(page['next_cursor'])}", file=sys.stderr)
    return 0


def run_follow(types: list[str] | None, after: str | None, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code, once it is stopped."""
    try:
        with remote(url, key) as gateway:
            for one in _following(gateway, _asked(types, after)):
                print(jsonlib.dumps(one) if json else _line(one), flush=True)
    except KeyboardInterrupt:
        pass
    return 0


def run_agents(organization: str | None, *, everything: bool, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    asked: Item = {} if organization is None else {"organization_id": organization}
    with remote(url, key) as gateway:
        items, complete = first(gateway.items(AGENTS, options=OPTIONS, **asked), everything=everything)
    return show_items(items, "agents", _agent, ("agent",), complete=complete, json=json)


def _asked(types: list[str] | None, after: str | None) -> dict[str, Any]:
    return ({"type": ",".join(types)} if types else {}) | ({} if after is None else {"cursor": after})


def _following(gateway: Remote, asked: dict[str, Any]) -> Iterator[Item]:
    while True:
        page = gateway.get(EVENTS, options=OPTIONS, wait=WAIT, **asked)
        yield from page["items"]
        asked["cursor"] = page["next_cursor"]


def _line(one: Item) -> str:
    data = {name: value for name, value in one["data"].items() if name not in LEFT_OUT}
    number = known(one["data"].get("phone_number"))
    told = fit(jsonlib.dumps(data, ensure_ascii=False))
    return f"{one['sequence']:>8}  {moment(one['timestamp'])}  {fit(one['type'])}  {number}  {told}"


def _agent(one: Item) -> dict[str, str]:
    return {
        "agent": known(one["agent_id"]),
        "numbers": str(one["numbers"]),
        **{
            f"{direction}, {how}": str(one[direction][how])
            for direction in ("inbound", "outbound")
            for how in ("desired", "confirmed")
        },
    }
