"""`numbergate drift`: what Teli lists otherwise than is wanted, seen and decided through the gateway."""

import json as jsonlib
from typing import Any
from uuid import UUID

from rich.console import Console

from service.cli.listing import FIRST, first
from service.cli.remote import remote
from service.cli.terminal import console, table
from service.cli.words import fit, known, moment

PATH = "/v1/drift"
# To be copied.
WHOLE = ("id", "number", "member")


def run_list(*, url: str | None, key: str | None, everything: bool, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        found = gateway.items(PATH)
        items, complete = first(found, everything=everything)
    if json:
        print(jsonlib.dumps({"items": items, "complete": complete}))
        return 0
    out = console()
    if not items:
        out.print("No drift.")
    else:
        out.print(table([_cells(item) for item in items], out.width, WHOLE))
    if not complete:
        Console(stderr=True, highlight=False).print(f"The first {FIRST}; --all shows every one.")
    return 0


def run_resolve(drift_id: UUID, decision: str, *, reason: str, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        decided = gateway.post(f"{PATH}/{drift_id}/resolve", {"decision": decision, "reason": reason})
    if json:
        print(jsonlib.dumps(decided))
    elif decided["operation_id"] is None:
        print(f"Theirs is taken, number_id {decided['number_id']}.")
    else:
        print(f"Ours is put back, number_id {decided['number_id']}, operation {decided['operation_id']}.")
    return 0


def _cells(item: dict[str, Any]) -> dict[str, str]:
    return {
        "id": str(item["id"]),
        "number": known(item["phone_number"]),
        "member": known(item["member"]),
        "ours": fit(item["ours"] or "none"),
        "theirs": fit(item["theirs"] or "none"),
        "since": moment(item["since"])[:16],
        "why": fit(item["why"]),
    }
