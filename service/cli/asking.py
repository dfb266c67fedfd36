"""`--dry-run`, for every command that asks before it does: whatever has `--yes` has it too."""

from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

import typer

from service.cli.terminal import only_shown

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]


def give_dry_run(group: typer.Typer) -> None:
    """To the commands of a group, and of the groups in it, that ask and have none of their own."""
    for one in group.registered_groups:
        if one.typer_instance is not None:
            give_dry_run(one.typer_instance)
    for command in group.registered_commands:
        asks = signature(command.callback).parameters if command.callback is not None else {}
        if "yes" in asks and "dry_run" not in asks:
            command.callback = _with_dry_run(command.callback)


def _with_dry_run(command: Any) -> Any:
    @wraps(command)
    def run(*, dry_run: bool, **given: Any) -> None:
        if dry_run:
            only_shown()
            given["yes"] = False
        command(**given)

    told = signature(command)
    parameters = list(told.parameters.values())
    place = [one.name for one in parameters].index("yes") + 1
    parameters.insert(place, Parameter("dry_run", Parameter.POSITIONAL_OR_KEYWORD, default=False, annotation=DryRun))
    run.__signature__ = told.replace(parameters=parameters)  # type: ignore[attr-defined]
    return run
