"""The command `numbergate`. Each command imports what it needs when it runs, so that all of them start quickly."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from service.cli.accounts import accounts
from service.cli.asking import give_dry_run
from service.cli.audit import audit
from service.cli.billing import billing
from service.cli.bulk import orders
from service.cli.callers import keys, organizations, policies, sessions, tenants, users
from service.cli.calling import campaigns
from service.cli.drift import drift
from service.cli.hooking import webhooks
from service.cli.imports import imports
from service.cli.limiting import quotas
from service.cli.lists import Key, Reason, Url, doubts, ghosts, orphans
from service.cli.numbering import numbers
from service.cli.profiling import profiles
from service.cli.saving import filters
from service.cli.telling import agents, events

BEGAN = time.perf_counter()

cli = typer.Typer(
    name="numbergate",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="A gateway that buys phone numbers once, never loses one, and explains every charge.",
)
cli.add_typer(organizations, name="organizations")
cli.add_typer(users, name="users")
cli.add_typer(tenants, name="tenants")
cli.add_typer(keys, name="keys")
cli.add_typer(policies, name="policies")
cli.add_typer(quotas, name="quotas")
cli.add_typer(sessions, name="sessions")
cli.add_typer(accounts, name="accounts")
cli.add_typer(doubts, name="doubts")
cli.add_typer(orphans, name="orphans")
cli.add_typer(ghosts, name="ghosts")
cli.add_typer(audit, name="audit")
cli.add_typer(numbers, name="numbers")
cli.add_typer(filters, name="filters")
cli.add_typer(agents, name="agents")
cli.add_typer(drift, name="drift")
cli.add_typer(orders, name="orders")
cli.add_typer(imports, name="imports")
cli.add_typer(campaigns, name="campaigns")
cli.add_typer(events, name="events")
cli.add_typer(webhooks, name="webhooks")
cli.add_typer(billing, name="billing")
cli.add_typer(profiles, name="profiles")
give_dry_run(cli)


@cli.callback()
def choose(
    profile: Annotated[
        str | None, typer.Option(help="The gateway of this name, see `profiles`; else NUMBERGATE_PROFILE.")
    ] = None,
) -> None:
    if profile is not None:
        os.environ["NUMBERGATE_PROFILE"] = profile


BROKEN_PIPE = 141
Json = Annotated[bool, typer.Option("--json", help="One JSON line on stdout, for programs.")]
Data = Annotated[
    Path | None, typer.Option("--data", help="Keep everything here; the platform's data folder by default.")
]
Port = Annotated[int, typer.Option(help="Port of the API; 0 takes a free one.", min=0, max=65535)]


@contextmanager
def _left_out_of_production() -> Iterator[None]:
    """Engines and simulator are no part of the production image; there this is told in one line."""
    try:
        yield
    except ModuleNotFoundError as missing:
        print(f"numbergate: {missing.name} is missing: pip install 'numbergate[embedded]'", file=sys.stderr)
        raise SystemExit(1) from None


@cli.command()
def up(
    json: Json = False,
    port: Port = 8080,
    data: Data = None,
    teli_url: Annotated[str | None, typer.Option(help="Another upstream than the simulator.")] = None,
    teli_key: Annotated[str | None, typer.Option(help="Its key; better in TELI_API_KEY or TELI_API_KEY_FILE.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every request, not only what is wrong.")] = False,
) -> None:
    """The whole stack on this machine, without buying anything; serves until stopped."""
    with _left_out_of_production():
        from service.cli.up import run_up

    raise SystemExit(run_up(json=json, port=port, data=data, teli_url=teli_url, teli_key=teli_key, verbose=verbose))


@cli.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit after the purchase and leave nothing behind.")] = False,
    json: Json = False,
    port: Port = 0,
    data: Data = None,
) -> None:
    """The whole stack, and a number bought over REST to show it."""
    with _left_out_of_production():
        from service.cli.demo import run_demo

    raise SystemExit(run_demo(once=once, json=json, port=port, data=data, began=BEGAN))


@cli.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Port = 8080,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that serve it; one a core.")] = 1,
    fd: Annotated[int | None, typer.Option(help="Listen on this open socket instead.", hidden=True)] = None,
) -> None:
    """The HTTP API."""
    from service.cli.processes import run_api

    raise SystemExit(run_api(host=host, port=port, fd=fd, workers=workers))


@cli.command()
def worker(host: Annotated[str, typer.Option(help="Address of its metrics.")] = "127.0.0.1") -> None:
    """What must happen though nobody asks: confirmations, follow-ups, doubts."""
    from service.cli.processes import run_worker

    raise SystemExit(run_worker(host=host))


@cli.command()
def migrate(
    revision: Annotated[str, typer.Argument(help="head, base, or a revision.")] = "head",
    sql: Annotated[bool, typer.Option("--sql", help="Only print what an empty database would be told.")] = False,
) -> None:
    """Bring the database of DATABASE_URL to this code's schema."""
    from service.cli.processes import run_migrate

    raise SystemExit(run_migrate(revision, sql=sql))


@cli.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def simulator(context: typer.Context) -> None:
    """A Teli of its own on this machine; see `numbergate simulator --help`."""
    with _left_out_of_production():
        from service.simulator.__main__ import main
    sys.argv = ["numbergate simulator", *context.args]
    raise SystemExit(main())


@cli.command()
def doctor(
    json: Json = False,
    upstream: Annotated[
        bool, typer.Option("--upstream", help="What Teli's answers show, by reading alone, and what that means here.")
    ] = False,
    organization: Annotated[str | None, typer.Option(help="With --upstream: look at this organisation.")] = None,
    user: Annotated[str | None, typer.Option(help="With --organization: by way of this user of it.")] = None,
) -> None:
    """Check configuration, database, Redis, migrations, upstream and clock; changes nothing."""
    if organization is not None and not upstream:
        raise typer.BadParameter("goes with --upstream", param_hint="--organization")
    if user is not None and organization is None:
        raise typer.BadParameter("needs --organization: ids of users are an organisation's", param_hint="--user")
    from service.cli.doctor import run_doctor

    raise SystemExit(run_doctor(json=json, upstream=upstream, organization=organization, user=user))


OneTenant = Annotated[str | None, typer.Option("--tenant", help="Only for this tenant.")]
OneAccount = Annotated[str | None, typer.Option("--account", help="Only for this upstream account, by name or id.")]


@cli.command()
def stop(
    reason: Reason,
    tenant: OneTenant = None,
    account: OneAccount = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Stop purchases, everywhere unless told: none leaves more than a second later. All else goes on."""
    _one_scope(tenant, account)
    from service.cli.stops import run_order

    raise SystemExit(run_order("stop", tenant=tenant, account=account, reason=reason, url=url, key=key, json=json))


@cli.command()
def resume(
    reason: Reason,
    tenant: OneTenant = None,
    account: OneAccount = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Take a stop away; purchases go on, save where another one holds them up."""
    _one_scope(tenant, account)
    from service.cli.stops import run_order

    raise SystemExit(run_order("resume", tenant=tenant, account=account, reason=reason, url=url, key=key, json=json))


@cli.command()
def stops(json: Json = False, url: Url = None, key: Key = None) -> None:
    """What is stopped, since when, by whom and why."""
    from service.cli.stops import run_stops

    raise SystemExit(run_stops(url=url, key=key, json=json))


@cli.command()
def recover(
    reason: Reason,
    over: Annotated[
        bool, typer.Option("--over", help="End it without a sweep: nothing can have been bought that was lost.")
    ] = False,
) -> None:
    """The database of DATABASE_URL was put back to an earlier moment: buy nothing until what was lost is found."""
    from service.cli.processes import run_recover

    raise SystemExit(run_recover(over=over, reason=reason))


def _one_scope(tenant: str | None, account: str | None) -> None:
    if tenant is not None and account is not None:
        raise typer.BadParameter("goes without --tenant: stop one, then the other", param_hint="--account")


Owner = Annotated[str, typer.Argument(help="Whose key it will be.")]
Networks = Annotated[
    list[str] | None,
    typer.Option("--network", help="Where it may be used from, as 203.0.113.0/24; may be given several times."),
]


def _networks(given: list[str] | None) -> tuple[str, ...] | None:
    from service.kit.networks import read_network

    try:
        return tuple(str(read_network(one)) for one in given) if given else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--network") from None


@keys.command("create-admin")
def create_admin(name: Owner, network: Networks = None) -> None:
    """Issue an administrator's key, straight into the database of DATABASE_URL; shown once."""
    from service.cli.processes import run_create_key

    raise SystemExit(run_create_key("admin", name, _networks(network)))


@keys.command("create-operator")
def create_operator(name: Owner, network: Networks = None) -> None:
    """Issue a key that decides doubts, orphans and ghosts, in the same way."""
    from service.cli.processes import run_create_key

    raise SystemExit(run_create_key("operator", name, _networks(network)))


@keys.command("create-finance")
def create_finance(name: Owner, network: Networks = None) -> None:
    """Issue a key for finance, in the same way."""
    from service.cli.processes import run_create_key

    raise SystemExit(run_create_key("finance", name, _networks(network)))


def run() -> None:
    """Whoever reads our output may have enough of it: that is no fault, and told by the exit code alone."""
    stdout = sys.stdout
    try:
        try:
            cli(prog_name="numbergate")
        except SystemExit:
            # Typer has a word of its own for it, and leaves by the code of any failure.
            if sys.stdout is not stdout:
                raise BrokenPipeError from None
            raise
        finally:
            stdout.flush()
    except BrokenPipeError:
        # Else the interpreter complains when it flushes it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        raise SystemExit(BROKEN_PIPE) from None
