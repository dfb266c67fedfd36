"""`numbergate stop`, `resume` and `stops`: the money stop, pulled through the gateway."""

import json as jsonlib
from typing import Any, Literal

from service.cli.remote import OPTIONS, remote
from service.cli.words import fit, moment


def run_order(
    verb: Literal["stop", "resume"],
    *,
    tenant: str | None,
    account: str | None,
    reason: str,
    url: str | None,
    key: str | None,
    json: bool,
) -> int:
    """Returns the exit code. Without tenant and account everything is meant."""
    scope, of = ("tenant", tenant) if tenant else ("account", account) if account else ("global", None)
    body: dict[str, Any] = {"scope": scope, "reason": reason} | ({"id": of} if of else {})
    with remote(url, key) as gateway:
        told = gateway.post(f"/v1/admin/{verb}", body, options=OPTIONS | {"/id": f"--{scope}"})
        others = [] if verb == "stop" else list(gateway.items("/v1/admin/stops", paged=False))
    if json:
        print(jsonlib.dumps(told))
        return 0
    if verb == "stop":
        print(f"Purchases are stopped {_where(told)}, since {moment(told['at'])}: {fit(told['reason'])}.")
        print("Everything else goes on. `numbergate resume` lets them go on.")
    else:
        print(f"Purchases go on {_where(told)}." if not others else f"That stop is taken away {_where(told)}.")
        _list(others)
    return 0


def run_stops(*, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        found = list(gateway.items("/v1/admin/stops", paged=False))
    if json:
        print(jsonlib.dumps({"items": found}))
    elif not found:
        print("Nothing is stopped.")
    else:
        _list(found)
    return 0


def _list(found: list[dict[str, Any]]) -> None:
    for one in found:
        print(f"Stopped {_where(one)} since {moment(one['at'])}, by {fit(one['actor'])}: {fit(one['reason'])}")


def _where(told: dict[str, Any]) -> str:
    return "everywhere" if told["scope"] == "global" else f"for {told['scope']} {fit(str(told['id']))}"
