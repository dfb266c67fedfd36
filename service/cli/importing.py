"""`numbergate imports`: numbers bought before Numbergate, through the gateway."""

import json as jsonlib
import sys
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console

from service.cli.orders import watch
from service.cli.remote import remote
from service.cli.terminal import console, is_meant, table
from service.cli.words import count_of, fit, known, moment

Json = dict[str, Any]
IMPORTS = "/v1/imports"
FIRST = 100
MILLION = 1_000_000
# By what name a person gave a member of the body, or a parameter.
OPTIONS = {
    f"{slash}{name}": option
    for name, option in {
        "tenant_id": "--tenant",
        "organization_id": "--organization",
        "account_id": "--account",
        "user_id": "--user",
        "cost_center": "--cost-center",
        "tags": "--tag",
        "acquired_at": "--since",
        "monthly_price": "--monthly-price",
        "setup_price": "--setup-price",
        "currency": "--currency",
    }.items()
    for slash in ("", "/")
} | {"body": "FILE"}


def run_preview(
    file: Path | None, said: Json, *, charset: str | None, url: str | None, key: str | None, json: bool
) -> int:
    """Returns the exit code: 0 where something would be adopted."""
    with remote(url, key) as gateway:
        if file is None:
            told = gateway.post(IMPORTS, {"source": "upstream", **said}, options=OPTIONS)
        else:
            if "tags" in said:
                said = said | {"tags": ";".join(said["tags"])}
            kind = "text/csv" if charset is None else f"text/csv; charset={charset}"
            told = gateway.upload(f"{IMPORTS}/csv", file.read_bytes(), kind, options=OPTIONS, **said)
        left_alone = _left_alone(gateway, told)
    if json:
        print(jsonlib.dumps(told | {"not_done": left_alone}))
    else:
        out = console()
        _show_preview(out, told)
        _show_rows(out, left_alone)
        if told["count"]:
            out.print(f"Nothing was adopted yet: numbergate imports apply {told['import_id']}")
    return 0 if told["count"] else 1


def run_apply(import_id: str, *, yes: bool, url: str | None, key: str | None, json: bool) -> int:
    """Ask, apply, and watch until it is over. Returns the exit code: 0 where all that was shown was done."""
    path = f"{IMPORTS}/{import_id}"
    with remote(url, key) as gateway:
        shown = gateway.get(path)
        if shown["applied_at"] is None and not yes:
            if not json:
                _show_preview(console(), shown)
            if not is_meant(f"Adopt {count_of(shown['count'], 'number')}?"):
                print("Nothing was adopted.", file=sys.stderr)
                return 1
        gateway.post(f"{path}/apply", {})
        told = watch(gateway, path, "Adopted")
        left_alone = _left_alone(gateway, told)
    if json:
        print(jsonlib.dumps(told | {"not_done": left_alone}))
    else:
        _show_import(console(), told)
    return 0 if told["state"] == "completed" else 1


def run_list(*, state: str | None, everything: bool, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        asked: dict[str, Any] = {} if state is None else {"state": state}
        found = gateway.items(IMPORTS, **asked)
        shown = list(found if everything else islice(found, FIRST))
        complete = everything or next(found, None) is None
    if json:
        print(jsonlib.dumps({"items": shown, "complete": complete}))
        return 0
    if not shown:
        print("No imports.")
        return 0
    out = console()
    out.print(table([_row(one) for one in shown], out.width, ("id",)))
    if not complete:
        print(f"The newest {FIRST}; --all shows every one.", file=sys.stderr)
    return 0


def run_show(import_id: str, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        told = gateway.get(f"{IMPORTS}/{import_id}")
        left_alone = _left_alone(gateway, told)
    if json:
        print(jsonlib.dumps(told | {"not_done": left_alone}))
        return 0
    out = console()
    if told["applied_at"] is None:
        _show_preview(out, told)
    _show_import(out, told)
    _show_rows(out, left_alone)
    return 0


def run_cancel(import_id: str, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        told = gateway.post(f"{IMPORTS}/{import_id}/cancel", {})
    if json:
        print(jsonlib.dumps(told))
    else:
        _show_import(console(), told)
    return 0


def _left_alone(gateway: Any, told: Json) -> list[Json]:
    return [
        one
        for outcome in ("skipped", "failed")
        if told["counts"].get(outcome)
        for one in gateway.items(f"{IMPORTS}/{told['import_id']}/items", outcome=outcome)
    ]


def _show_preview(out: Console, told: Json) -> None:
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
        currency = fit(cost["currency"])
        out.print(
            f"{count_of(cost['numbers'], 'number')} at {cost['monthly'] / MILLION:,.2f} {currency} a month;"
            f" {cost['to_date'] / MILLION:,.2f} {currency} to date."
        )
    for one in shown["limits_passed"]:
        whose = fit(one["user_id"] or one["organization_id"] or one["tenant_id"] or "")
        out.print(f"Passes the limit of the {one['scope']} {whose}: {one['would_hold']} of {one['limit']}.")


def _sampled(one: Mapping[str, Any]) -> dict[str, str]:
    becomes = one["becomes"]
    return {
        "number": known(one["phone_number"]),
        "nickname": known(becomes["nickname"] or one["listed"]["nickname"]),
        "tenant": known(becomes["tenant_id"]),
        "user": known(becomes["user_id"]),
        "since": moment(becomes["acquired_at"]),
    }


def _show_rows(out: Console, rows: list[Json]) -> None:
    if rows:
        told = [
            {"line": known(one["line"]), "number": known(one["phone_number"]), "why": known(one["detail"])}
            for one in rows
        ]
        out.print(table(told, out.width, ("line", "number")))


def _row(one: Mapping[str, Any]) -> dict[str, str]:
    return {
        "id": known(one["import_id"]),
        "source": known(one["source"]),
        "state": known(one["state"]),
        "numbers": str(one["count"]),
        "done": str(one["counts"].get("done", 0)),
        "sent": moment(one["created_at"]),
    }


def _show_import(out: Console, told: Json) -> None:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(told["counts"].items()))
    out.print(f"Import {told['import_id']} is {told['state']}: {counts or 'no numbers'}.")
