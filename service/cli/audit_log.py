"""`numbergate audit list`: the audit log, read through the gateway."""

import json as jsonlib
import sys
from typing import Any

from service.cli.listing import FIRST, first
from service.cli.remote import remote
from service.cli.words import fit, known, moment


def run_list(filters: dict[str, Any], *, everything: bool, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        wanted = gateway.items("/v1/admin/audit", **filters)
        items, complete = first(wanted, everything=everything)
    if json:
        print(jsonlib.dumps({"items": items, "complete": complete}))
        return 0
    for item in items:
        print(_line(item))
    if not items:
        print("No entries.")
    if not complete:
        print(f"The last {FIRST}; --all shows every one.", file=sys.stderr)
    return 0


def _line(item: dict[str, Any]) -> str:
    of = f"{item['object_kind']} {fit(str(item['object_id']))}"
    changed = " → ".join(_shown(item[side]) for side in ("before", "after") if item[side] is not None)
    return (
        f"{item['id']:>8}  {moment(item['at'])}  {fit(str(item['actor']))}  {fit(str(item['action']))}  {of}"
        f"  {changed or '–'}  (request {known(item['request_id'])})"
    )


def _shown(value: Any) -> str:
    return fit(jsonlib.dumps(value, ensure_ascii=False))
