"""`numbergate imports`: numbers bought before Numbergate, through the gateway."""

import json as jsonlib
import sys
from pathlib import Path
from typing import Any

from service.cli.faults import failed
from service.cli.followed import left_alone, show_import, show_import_preview, show_left_alone, watch
from service.cli.remote import remote
from service.cli.terminal import console, is_meant
from service.cli.words import count_of

Json = dict[str, Any]
IMPORTS = "/v1/imports"
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
            if not (content := file.read_bytes()):
                return failed(f"FILE: {file} is empty; its first line names the columns")
            told = gateway.upload(f"{IMPORTS}/csv", content, kind, options=OPTIONS, **said)
        not_done = left_alone(gateway, "imports", told)
    if json:
        print(jsonlib.dumps(told | {"not_done": not_done}))
    else:
        out = console()
        show_import_preview(out, told)
        show_left_alone("imports", not_done)
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
                show_import_preview(console(), shown)
            if not is_meant(f"Adopt {count_of(shown['count'], 'number')}?"):
                print("Nothing was adopted.", file=sys.stderr)
                return 1
        gateway.post(f"{path}/apply", {})
        told = watch(gateway, IMPORTS, import_id, "Adopted")
        not_done = left_alone(gateway, "imports", told)
    if json:
        print(jsonlib.dumps(told | {"not_done": not_done}))
    else:
        show_import(console(), told)
    return 0 if told["state"] == "completed" else 1
