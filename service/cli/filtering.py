"""The filters of the inventory, as options of every command that takes them."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any

import typer

# By the names that the API has for them. Named so that none is what `set` would change.
NAMES = {
    "organization_id": "--organization",
    "tenant_id": "--tenant",
    "user_id": "--user",
    "holder_user_id": "--used-by",
    "state": "--state",
    "phone_number": "--number",
    "area_code": "--area-code",
    "nickname": "--nickname-begins",
    "tag": "--tag",
    "agent_id": "--agent",
    "cost_center": "--paid-by",
    "created_after": "--created-after",
    "created_before": "--created-before",
    "idle_days": "--idle-days",
    "q": "--search",
    "filter": "--filter",
}
KINDS: dict[str, tuple[Any, str]] = {
    "organization_id": (str, "Those of this organisation."),
    "tenant_id": (str, "Those of this tenant."),
    "user_id": (str, "Those of this user."),
    "holder_user_id": (str, "Those that this user uses."),
    "state": (str, "Those in this state, or in one of several, with commas between."),
    "phone_number": (str, "This E.164 alone."),
    "area_code": (str, "Those in this area code, or in one of several, with commas between."),
    "nickname": (str, "Those whose nickname begins so, in capitals or not."),
    "tag": (list[str], "Those with this tag; given several times, with all of them."),
    "agent_id": (str, "Those that this agent is to answer, or to call from."),
    "cost_center": (str, "Those that this cost centre pays."),
    "created_after": (str, "Those acquired then or later, as 2026-01-01T00:00:00Z."),
    "created_before": (str, "Those acquired before then."),
    "idle_days": (int, "Those without a call for so many days; unknown is not idle."),
    "q": (str, "Those with these words in number, nickname, tags, user or holder."),
    "filter": (str, "As this saved filter has it, by its name or id, but for the rest."),
}
Sort = Annotated[
    str | None,
    typer.Option(help="acquired_at, phone_number, nickname, idle_since or released_at; with - before it, backwards."),
]


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """The command with these options; as `filters` it is given those that a person gave, as the API takes them."""
    own = [one for one in signature(command, eval_str=True).parameters.values() if one.name != "filters"]
    options = [
        Parameter(
            f"filter_{name}",
            Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[kind | None, typer.Option(NAMES[name], help=told)],
        )
        for name, (kind, told) in KINDS.items()
    ]

    @wraps(command)
    def with_filters(**given: Any) -> None:
        filters = {name: _sent(given.pop(f"filter_{name}")) for name in KINDS}
        if (named := filters["filter"]) is not None:
            from service.cli.saved import id_of

            filters["filter"] = id_of(named, url=given.get("url"), key=given.get("key"))
        command(**given, filters={name: value for name, value in filters.items() if value is not None})

    parameters = [*(one.replace(kind=Parameter.KEYWORD_ONLY) for one in own), *options]
    with_filters.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    with_filters.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_filters


def _sent(value: Any) -> Any:
    if isinstance(value, list):
        escaped = (one.replace("\\", "\\\\").replace(",", "\\,") for one in value)
        return ",".join(escaped) or None
    return value
