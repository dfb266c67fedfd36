"""Orders and imports, followed through the gateway: listed, shown, cancelled, and watched until they are over."""

import json as jsonlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from service.cli.listing import FIRST, Cells, Item, first, show_items
from service.cli.remote import Away, Refused, Remote, remote
from service.cli.terminal import console, table
from service.cli.words import count_of, fit, known, moment, money

LOOK_EVERY = 0.5
LEFT = ("waiting", "begun")


def run_list(which: str, *, state: str | None, everything: bool, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        asked: Item = {} if state is None else {"state": state}
        found = gateway.items(KINDS[which].path, options={"state": "--state"}, **asked)
        items, complete = first(found, everything=everything)
    return show_items(items, which, KINDS[which].row, ("id",), complete=complete, json=json)


def run_show(which: str, one: str, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        told = gateway.get(f"{KINDS[which].path}/{one}")
        not_done = left_alone(gateway, which, told)
    if json:
        print(jsonlib.dumps(told | {"not_done": not_done}))
    else:
        KINDS[which].show(console(), told)
        show_left_alone(which, not_done)
    return 0


def run_cancel(which: str, one: str, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        told = gateway.post(f"{KINDS[which].path}/{one}/cancel", {})
    if json:
        print(jsonlib.dumps(told))
    else:
        show_state(console(), told, KINDS[which])
    return 0


@dataclass(frozen=True, slots=True)
class Kind:
    """`row`, `not_done`: what a person sees of one, and of what was left alone of it. `most`: of that, by outcome."""

    path: str
    name: str
    id: str
    row: Cells
    not_done: Cells
    show: Callable[[Console, Item], None]
    most: int | None


def left_alone(gateway: Remote, which: str, told: Item) -> list[Item]:
    kind = KINDS[which]
    return [
        one
        for outcome in ("skipped", "failed", "unresolved")
        if told["counts"].get(outcome)
        for one in islice(gateway.items(f"{kind.path}/{told[kind.id]}/items", outcome=outcome), kind.most)
    ]


def show_left_alone(which: str, items: list[Item]) -> None:
    if items:
        out = console()
        out.print(table([KINDS[which].not_done(one) for one in items], out.width, ("line", "number", "outcome")))


def show_state(out: Console, told: Item, kind: Kind) -> None:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(told["counts"].items()))
    out.print(f"{kind.name} {told[kind.id]} is {told['state']}: {counts or 'no numbers'}.")
    for reason, count in sorted(told.get("reasons", {}).items()):
        out.print(f"{count} for {fit(reason)}")


def watch(gateway: Remote, path: str, one: str, doing: str) -> Item:
    """A bar on stderr, where that is a terminal, until the order is over. Returns how it stands then. Whatever breaks
    it off leaves the order as it is: how to go on is told.
    """
    try:
        return _watched(gateway, f"{path}/{one}", doing)
    except (KeyboardInterrupt, Away, Refused):
        which = path.rpartition("/")[2]
        print(
            f"It goes on without you: `numbergate {which} show {one}` tells how far it is, `numbergate {which} cancel"
            f" {one}` stops it.",
            file=sys.stderr,
        )
        raise


def _watched(gateway: Remote, path: str, doing: str) -> Item:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(doing, total=None)
        while True:
            told: Item = gateway.get(path)
            done = told["count"] - sum(told["counts"].get(one, 0) for one in LEFT)
            bar.update(task, total=told["count"], completed=done)
            if told["ended_at"] is not None:
                return told
            time.sleep(LOOK_EVERY)


# -- Orders ------------------------------------------------------------------------------------------------------------


def show_order(out: Console, told: Item) -> None:
    show_state(out, told, KINDS["orders"])


def _order(one: Item) -> dict[str, str]:
    return {
        "id": known(one["order_id"]),
        "kind": known(one["kind"]),
        "state": known(one["state"]),
        "numbers": str(one["count"]),
        "done": str(one["counts"].get("done", 0)),
        "applied": moment(one["applied_at"]),
    }


def _item(one: Item) -> dict[str, str]:
    return {"number": known(one["phone_number"]), "outcome": known(one["outcome"]), "why": known(one["detail"])}


# -- Imports -----------------------------------------------------------------------------------------------------------


def show_import(out: Console, told: Item) -> None:
    if told["applied_at"] is None:
        show_import_preview(out, told)
    show_state(out, told, KINDS["imports"])


def show_import_preview(out: Console, told: Item) -> None:
    shown = told["preview"]
    if shown["sample"]:
        out.print(table([_sampled(one) for one in shown["sample"]], out.width, ("number",)))
    if (more := shown["count"] - len(shown["sample"])) > 0:
        out.print(f"and {more} more")
    out.print(f"{count_of(shown['count'], 'number')} of {shown['selected']} would be adopted.")
    if shown["beyond"]:
        out.print("There are more: apply this, then preview again.")
    if told["same_as"]:
        out.print(f"This file was sent before: import {told['same_as']}.")
    for cost in shown["costs"]:
        out.print(
            f"{count_of(cost['numbers'], 'number')} at {money(cost['monthly'], cost['currency'])} a month;"
            f" {money(cost['to_date'], cost['currency'])} to date."
        )
    for one in shown["limits_passed"]:
        whose = fit(one["user_id"] or one["organization_id"] or one["tenant_id"] or "")
        out.print(f"Passes the limit of the {one['scope']} {whose}: {one['would_hold']} of {one['limit']}.")


def _sampled(one: Item) -> dict[str, str]:
    becomes = one["becomes"]
    return {
        "number": known(one["phone_number"]),
        "nickname": known(becomes["nickname"] or one["listed"]["nickname"]),
        "tenant": known(becomes["tenant_id"]),
        "user": known(becomes["user_id"]),
        "since": moment(becomes["acquired_at"]),
    }


def _import(one: Item) -> dict[str, str]:
    return {
        "id": known(one["import_id"]),
        "source": known(one["source"]),
        "state": known(one["state"]),
        "numbers": str(one["count"]),
        "done": str(one["counts"].get("done", 0)),
        "sent": moment(one["created_at"]),
    }


def _line(one: Item) -> dict[str, str]:
    return {"line": known(one["line"]), "number": known(one["phone_number"]), "why": known(one["detail"])}


KINDS = {
    "orders": Kind("/v1/orders", "Order", "order_id", _order, _item, show_order, FIRST),
    "imports": Kind("/v1/imports", "Import", "import_id", _import, _line, show_import, None),
}
