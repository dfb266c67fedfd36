"""`numbergate doubts`, `orphans` and `ghosts`: the operator's short lists, seen and decided through the gateway."""

import json as jsonlib
import sys
from collections.abc import Mapping
from uuid import UUID

from rich.console import Console

from service.cli.evidence import SINCE, Item, List, consequence, headline, story
from service.cli.faults import failed
from service.cli.listing import FIRST, first
from service.cli.remote import OPTIONS, Remote, remote
from service.cli.terminal import console, is_meant, table
from service.cli.words import fit, known, moment

# Columns that it takes to show an id, a number, a time and some words side by side; and whose it is, too.
TABLE_FROM, WIDE_FROM = 90, 130
# To be copied.
WHOLE = ("id", "number", "since")


def run_list(
    kind: List, *, url: str | None, key: str | None, organization: str | None, everything: bool, json: bool
) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        wanted = (
            item
            for item in gateway.items(_path(kind))
            if organization is None or item["organization_id"] == organization
        )
        items, complete = first(wanted, everything=everything)
    if not items and organization is not None:
        print(f"numbergate: no {kind} of organisation {fit(organization)}; check the id", file=sys.stderr)
    if json:
        print(jsonlib.dumps({"items": items, "complete": complete}))
        return 0
    if not items and organization is not None:
        return 0
    out = console()
    if not items:
        out.print(f"No {kind}.")
    elif out.width >= TABLE_FROM:
        out.print(table([_cells(kind, item, wide=out.width >= WIDE_FROM) for item in items], out.width, WHOLE))
    else:
        for item in items:
            line = f"  {known(item['phone_number'])}  {moment(item[SINCE[kind]])}  {headline(kind, item)}"
            out.print(f"{item['id']}\n{line}", markup=False, no_wrap=True, overflow="ellipsis", crop=True)
    if not complete:
        Console(stderr=True, highlight=False).print(f"The first {FIRST} {kind}; --all shows every one.")
    return 0


def run_show(kind: List, item_id: UUID, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        item = _find(gateway, kind, item_id)
        if item is not None and kind == "doubts":
            item = gateway.get(f"{_path(kind)}/{item_id}")
    if item is None:
        return _not_listed(kind, item_id)
    if json:
        print(jsonlib.dumps(item))
        return 0
    out = Console(highlight=False, soft_wrap=True)
    for line in story(kind, item):
        out.print(line, markup=False)
    return 0


def run_resolve(
    kind: List,
    item_id: UUID,
    decision: str,
    *,
    url: str | None,
    key: str | None,
    reason: str,
    yes: bool,
    json: bool,
    **given: str | None,
) -> int:
    """Returns the exit code. `given`: the further members of the decision, those that are None left out."""
    body = {"decision": decision, "reason": reason, **{name: one for name, one in given.items() if one is not None}}
    with remote(url, key) as gateway:
        if not yes:
            item = _find(gateway, kind, item_id)
            if item is None:
                return _not_listed(kind, item_id)
            if missing := _missing(decision, item, given):
                return failed("; ".join(f"{option}: is required: this orphan names none" for option in missing))
            print(consequence(kind, decision, item, given), file=sys.stderr)
            if not is_meant("Decide so?"):
                return failed("nothing was decided")
        decided = gateway.post(f"{_path(kind)}/{item_id}/resolve", body)
    if json:
        print(jsonlib.dumps(decided))
    else:
        number = f", number_id {decided['number_id']}" if decided.get("number_id") else ""
        print(f"{kind.removesuffix('s').capitalize()} {item_id} is decided: {known(decided['state'])}{number}.")
    return 0


def _path(kind: List) -> str:
    return f"/v1/admin/{kind}"


def _find(gateway: Remote, kind: List, item_id: UUID) -> Item | None:
    return next((item for item in gateway.items(_path(kind)) if item["id"] == str(item_id)), None)


def _not_listed(kind: List, item_id: UUID) -> int:
    return failed(f"no {item_id} is on the list of {kind}: it was resolved, or never was there")


def _missing(decision: str, item: Item, given: Mapping[str, str | None]) -> list[str]:
    """The options that a decision on an orphan cannot do without; asked about only what can be done."""
    if decision not in ("adopt", "release"):
        return []
    return [OPTIONS[f"/{name}"] for name in ("tenant_id", "user_id") if not (given.get(name) or item.get(name))]


def _cells(kind: List, item: Item, *, wide: bool) -> dict[str, str]:
    cells = {
        "id": str(item["id"]),
        "number": known(item["phone_number"]),
        "since": moment(item[SINCE[kind]])[:16],
        "what": headline(kind, item),
    }
    owner = {"tenant": known(item["tenant_id"]), "organisation": known(item["organization_id"])}
    return cells | owner if wide else cells
