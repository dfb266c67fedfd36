"""`numbergate organizations`, `users`, `tenants`, `keys`, `policies`, `sessions` and `accounts`: administration through
the gateway.
"""

import json as jsonlib
import sys
from collections.abc import Mapping
from getpass import getpass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import typer

from service.cli.faults import failed
from service.cli.listing import Cells, Item, first, show_items, show_one
from service.cli.remote import remote
from service.cli.terminal import is_meant
from service.cli.words import count_of, fit, known, moment

Kind = Literal["organizations", "users", "tenants", "keys", "policies", "sessions", "accounts"]
LONGEST_SECRET = 4096
NOTHING: Mapping[str, str | None] = {}
# Of keys, beside their scopes.
LIMITS = ("organization_ids", "user_ids", "networks")
# To be copied.
WHOLE = ("id", "tenant")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _allowed(values: list[str] | None) -> str:
    return "any" if values is None else ", ".join(map(fit, values)) or "none"


def _after(write_off: float | str | None) -> str:
    if write_off is None:
        return "as the deployment"
    return f"after {write_off:g} s" if isinstance(write_off, int | float) else known(write_off)


# Of each kind what a person sees, by the heads of the columns.
CELLS: Mapping[Kind, Cells] = {
    "organizations": lambda one: {
        "id": known(one["id"]),
        "name": known(one["name"]),
        "account": known(one["account_id"] or "the tenant's"),
    },
    "users": lambda one: {
        "id": known(one["id"]),
        "name": known(one["name"]),
        "email": known(one["email"]),
        "exclusive": _yes(one["exclusive"]),
    },
    "tenants": lambda one: {
        "id": known(one["id"]),
        "name": known(one["name"]),
        "state": known(one["state"]),
        "organisations": ", ".join(map(fit, one["organization_ids"])) or "none",
        "account": known(one["account_id"]),
    },
    "keys": lambda one: {
        "id": known(one["id"]),
        "of": known(one["tenant_id"] or one["kind"]),
        "name": known(one["name"]),
        "ends in": known(one["hint"]),
        "state": known(one["state"]),
        "expires": moment(one["expires_at"]),
        "scopes": ", ".join(map(fit, one["scopes"])),
        "limited to": ", ".join(fit(each) for limit in LIMITS for each in one[limit] or ()) or "nothing",
    },
    "policies": lambda one: {
        "tenant": known(one["tenant_id"]),
        "key required": _yes(one["idempotency_required"]),
        "area codes": _allowed(one["area_codes_allowed"]),
        "agents": _allowed(one["agents_allowed"]),
        "orphan reuse": _yes(one["orphan_reuse"]),
        "write-off": _after(one["write_off"]),
        "drift": one["drift"].replace("_", " "),
        "order weight": str(one["order_weight"]),
    },
    "sessions": lambda one: {
        "id": known(one["id"]),
        "person": known(one["subject"]),
        "roles": ", ".join(map(fit, one["roles"])) or "none",
        "began": moment(one["began_at"]),
        "last used": moment(one["last_used_at"]),
        "ends": moment(one["expires_at"]),
    },
    "accounts": lambda one: {
        "id": known(one["id"]),
        "name": known(one["name"]),
        "base URL": known(one["base_url"]),
        "Teli tenant": known(one["teli_tenant_id"]),
        "listed": moment(one["listed_at"]),
        "in service": _yes(one["in_service"]) if one["key_refused_at"] is None else "no: Teli refuses its key",
        "key ends in": known(one["key"] and one["key"]["hint"]),
    },
}
# By what name a person gave a member of a request.
OPTIONS = {
    "/name": "--name",
    "/email": "--email",
    "/organization_ids": "--organization",
    "/user_ids": "--user",
    "/networks": "--network",
    "/account_id": "--account",
    "/base_url": "--base-url",
    "/teli_tenant_id": "--teli-tenant",
    "/key": "--teli-key-file",
    "/scopes": "--scope",
    "/expires_at": "--expires-at",
    "/overlap_seconds": "--overlap",
    "/agents_allowed": "--agent",
    "/area_codes_allowed": "--area-code",
    "/write_off": "--write-off",
    "/order_weight": "--order-weight",
    "organization_id": "ORGANIZATION",
    "user_id": "USER",
    "tenant_id": "TENANT",
}


def path(*parts: str) -> str:
    """A path of the administration: ids are whatever Teli made them."""
    return "/".join(("/v1/admin", *(quote(part, safe="") for part in parts)))


def run_list(
    kind: Kind,
    of: str,
    asked: Mapping[str, str | None] = NOTHING,
    *,
    url: str | None,
    key: str | None,
    everything: bool,
    json: bool,
) -> int:
    """Returns the exit code. `asked`: filters, those that are None left out."""
    filters: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    with remote(url, key) as gateway:
        items, complete = first(gateway.items(of, **filters), everything=everything)
    return show_items(items, kind, CELLS[kind], WHOLE, complete=complete, json=json)


def run_show(kind: Kind, of: str, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        told = gateway.get(of)
    return show_one(told, CELLS[kind], json=json)


def run_put(kind: Kind, of: str, body: Item, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code. What the body leaves out stays as it is."""
    with remote(url, key) as gateway:
        told = gateway.put(of, body, options=OPTIONS)
    # A mistyped id is seen by it.
    made = {"created": "just now; it was not there before"} if told.get("created") else {}
    return show_one(told, lambda one: {**CELLS[kind](one), **made}, json=json)


def run_post(kind: Kind, of: str, body: Item, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        told = gateway.post(of, body, options=OPTIONS)
    return show_one(told, CELLS[kind], json=json)


def read_secret(file: Path | None, option: str) -> str:
    """The one line of a file, or of the standard input; at a terminal it is asked for and not shown.

    An argument would stand in the shell's history and in the list of processes. Raises: BadParameter.
    """
    try:
        if file is not None:
            text = file.read_text()
        elif sys.stdin.isatty():
            text = getpass("Teli's key: ")
        else:
            text = sys.stdin.read(LONGEST_SECRET)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"cannot be read: {type(error).__name__}", param_hint=option) from None
    if not text.strip():
        raise typer.BadParameter("is empty", param_hint=option)
    return text.strip()


def run_sync(of: str, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        told = gateway.post(of, {}, options=OPTIONS)
    if json:
        print(jsonlib.dumps(told))
    else:
        print(f"{told['added']} added, {told['changed']} changed, {told['unchanged']} unchanged.")
        if told["not_at_teli"]:
            print(f"{told['not_at_teli']} filed here that Teli does not name; they stay.")
    return 0


def run_close(tenant: str, *, url: str | None, key: str | None, yes: bool, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        found = gateway.get(path("tenants", tenant))
        if not yes:
            print(_closing(found), file=sys.stderr)
            if not is_meant("Close it?"):
                return failed("nothing was closed")
        closed = {"state": "closed", "confirm_numbers_held": found["numbers_held"]}
        told = gateway.put(path("tenants", tenant), closed, options=OPTIONS)
    return show_one(told, CELLS["tenants"], json=json)


def _closing(tenant: Item) -> str:
    """What closing does to this very tenant."""
    return (
        f"Tenant {fit(tenant['id'])}, {fit(tenant['name'])}, is closed for good: its keys end within a second. It holds"
        f" {count_of(tenant['numbers_held'], 'number')}; what it holds stays, is billed on, and no key of it is left to"
        " release any."
    )


def run_issue(of: str, body: Item, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code. The new key stands alone on stdout, to be piped to where it is kept."""
    with remote(url, key) as gateway:
        told = gateway.post(of, body, options=OPTIONS)
    if json:
        print(jsonlib.dumps(told))
        return 0
    ends = f", until {moment(told['expires_at'])}" if told["expires_at"] else ""
    print(f"Key {told['id']}, {fit(told['name'])}{ends}. It is shown this once:", file=sys.stderr, flush=True)
    print(told["key"])
    return 0


def run_rotate(key_id: str, body: Item, *, yes: bool, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code, as `run_issue` does."""
    until = f"for {body['overlap_seconds']:g} seconds" if "overlap_seconds" in body else "for an hour"
    if not yes and not is_meant(f"Replace key {key_id}? It works on {until}, and opens nothing then."):
        return failed("nothing was rotated")
    return run_issue(path("keys", key_id, "rotate"), body, url=url, key=key, json=json)


def run_account_key(account: str, secret: str, *, yes: bool, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    if not yes and not is_meant(f"Replace the key of account {account}? The one before is forgotten."):
        return failed("nothing was rotated")
    return run_put("accounts", path("accounts", account, "key"), {"key": secret}, url=url, key=key, json=json)


def run_revoke(key_id: str, *, url: str | None, key: str | None, yes: bool, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        if not yes:
            print(f"Key {key_id} opens nothing any more, within a second and for good.", file=sys.stderr)
            if not is_meant("Revoke it?"):
                return failed("nothing was revoked")
        gateway.delete(path("keys", key_id), options=OPTIONS)
    print(jsonlib.dumps({"id": key_id, "state": "revoked"}) if json else f"Key {key_id} is revoked.")
    return 0


def run_end(session_id: str, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        gateway.delete(path("sessions", session_id), options=OPTIONS)
    print(jsonlib.dumps({"id": session_id, "state": "ended"}) if json else f"Session {session_id} is ended.")
    return 0
