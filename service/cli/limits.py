"""`numbergate quotas`, through the gateway."""

import json as jsonlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from service.cli.listing import Item, first, show_items
from service.cli.remote import remote
from service.cli.terminal import console, table
from service.cli.words import known, moment, money

OWN = "/v1/quotas"
RATES = ("requests_per_second", "burst")
MONEY = "spend_per_month"
NAMES = (
    "numbers_held", "purchases_per_day", "purchases_per_month", MONEY, "releases_per_month", "doubts_open",
    "concurrent_creates",
)  # fmt: skip
OPTIONS = {f"/{name}": f"--{name.replace('_', '-')}" for name in (*NAMES, *RATES, "mode", "time_zone")}


def run_show(of: Sequence[str] | None, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        return _show(gateway.get(OWN if of is None else _path(of)), json=json)


def run_put(of: Sequence[str], changes: Mapping[str, Any], *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        return _show(gateway.put(_path(of), changes, options=OPTIONS), json=json)


def run_rows(name: str, *, everything: bool, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        items, complete = first(gateway.items(f"{OWN}/{name}/rows"), everything=everything)
    return show_items(items, "rows", _row, ("number", "id"), complete=complete, json=json)


def _path(of: Sequence[str]) -> str:
    return f"/v1/admin/{'/'.join(quote(one, safe='') for one in of)}/quotas"


def _show(told: Item, *, json: bool) -> int:
    if json:
        print(jsonlib.dumps(told))
        return 0
    use = {one["name"]: one for one in told["limits"]} if "limits" in told else told["use"]
    out = console()
    out.print(table([_cells(name, use[name]) for name in NAMES if name in use], out.width, ("limit",)))
    rate, burst = (told[name] for name in RATES)
    rated = "no rate" if rate is None else f"{rate:g} requests a second, {known(burst)} at once"
    out.print(f"{known(told['mode'])}; {rated}; days and months of {known(told['time_zone'])}", markup=False)
    return 0


def _cells(name: str, one: Item) -> dict[str, str]:
    tell = money if name == MONEY else str
    return {
        "limit": name,
        "most": "unlimited" if one["limit"] is None else tell(one["limit"]),
        "used": tell(one["used"]),
        "reserved": tell(one["reserved"]),
        "begins anew": moment(one["resets_at"]),
    }


def _row(one: Item) -> dict[str, str]:
    return {
        "at": moment(one["at"]),
        "what": known(one["kind"]),
        "number": known(one["phone_number"]),
        "state": known(one["state"]),
        "counts as": known(one["counts_as"]),
        "id": known(one["id"]),
    }
