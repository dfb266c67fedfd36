"""`numbergate filters`, through the gateway."""

from uuid import UUID

from service.cli.faults import failed
from service.cli.filtering import NAMES
from service.cli.listing import Item, first, show_items, show_one
from service.cli.remote import remote
from service.cli.terminal import is_meant
from service.cli.words import fit, known

FILTERS = "/v1/filters"
OPTIONS = {f"/filters/{name}": option for name, option in NAMES.items()} | {
    "/name": "NAME",
    "/sort": "--sort",
    "/organization_id": "--share",
}


def run_list(*, everything: bool, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        items, complete = first(gateway.items(FILTERS), everything=everything)
    return show_items(items, "filters", _cells, ("id",), complete=complete, json=json)


def run_save(body: Item, *, url: str | None, key: str | None, json: bool) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        told = gateway.post(FILTERS, body, options=OPTIONS)
    return show_one(told, _cells, json=json)


def id_of(named: str, *, url: str | None, key: str | None) -> str:
    """Of a saved filter, by its name or its id. Ends the command where the name is nobody's, or of several."""
    try:
        return str(UUID(named))
    except ValueError:
        pass
    with remote(url, key) as gateway:
        found = [one for one in gateway.items(FILTERS) if one["name"] == named]
    if len(found) == 1:
        return str(found[0]["id"])
    several = f"is the name of {len(found)} filters: give one's id, {' or '.join(known(one['id']) for one in found)}"
    told = several if found else "is no filter of yours, nor shared with you; `filters list` shows them"
    raise SystemExit(failed(f"--filter: {fit(named)} {told}"))


def run_delete(filter_id: str, *, yes: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    path = f"{FILTERS}/{filter_id}"
    with remote(url, key) as gateway:
        if not yes and not is_meant(f"Delete {known(gateway.get(path)['name'])}?"):
            return failed("nothing was deleted")
        gateway.delete(path)
    return 0


def _cells(one: Item) -> dict[str, str]:
    said = [f"{NAMES[name]} {value}" if name in NAMES else name for name, value in one["filters"].items()]
    return {
        "name": known(one["name"]),
        "filters": known(" ".join(said)),
        "sort": known(one["sort"]),
        "shared in": known(one["organization_id"]),
        "id": known(one["id"]),
    }
