"""The group `accounts` of the command line; what its commands do is imported when one of them runs."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from service.cli.callers import Key
from service.cli.lists import Everything, Json, Url, Yes, own_id

AccountId = Annotated[UUID, typer.Argument(parser=own_id, metavar="ACCOUNT_ID", help="As `list` shows it.")]
TeliKeyFile = Annotated[
    Path | None,
    typer.Option(help="Teli's key stands in this file; without, it is read from the standard input."),
]

accounts = typer.Typer(no_args_is_help=True, help="Upstream accounts, and their keys at Teli.")


@accounts.command("list")
def list_accounts(everything: Everything = False, json: Json = False, url: Url = None, key: Key = None) -> None:
    """Upstream accounts, oldest first; no key is shown."""
    from service.cli.administration import path, run_list

    raise SystemExit(run_list("accounts", path("accounts"), url=url, key=key, everything=everything, json=json))


@accounts.command("show")
def show_account(account: AccountId, json: Json = False, url: Url = None, key: Key = None) -> None:
    """One upstream account."""
    from service.cli.administration import path, run_show

    raise SystemExit(run_show("accounts", path("accounts", str(account)), url=url, key=key, json=json))


@accounts.command("add")
def add_account(
    name: Annotated[str, typer.Argument(help="What it is called here.")],
    base_url: Annotated[str, typer.Option(help="Where its Teli is, as https://api.teli.ai.")],
    teli_tenant: Annotated[str, typer.Option(help="Its tenant at Teli.")],
    teli_key_file: TeliKeyFile = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """File a further account with its key. Purchases through it begin when the worker has listed what it holds."""
    from service.cli.administration import path, read_secret, run_post

    secret = read_secret(teli_key_file, "--teli-key-file")
    body = {"name": name, "base_url": base_url, "teli_tenant_id": teli_tenant, "key": secret}
    raise SystemExit(run_post("accounts", path("accounts"), body, url=url, key=key, json=json))


@accounts.command("rotate")
def rotate_account_key(
    account: AccountId,
    teli_key_file: TeliKeyFile = None,
    yes: Yes = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Replace an account's key, without a stop; let Teli take both for some minutes."""
    from service.cli.administration import read_secret, run_account_key

    secret = read_secret(teli_key_file, "--teli-key-file")
    raise SystemExit(run_account_key(str(account), secret, yes=yes, url=url, key=key, json=json))


@accounts.command("reencrypt")
def reencrypt(json: Json = False) -> None:
    """Encrypt the keys of all accounts, and the secrets of all webhooks, under the first of NUMBERGATE_ACCOUNT_KEYS.

    In the database of DATABASE_URL. May be stopped, run again, and run beside traffic.
    """
    from service.cli.processes import run_reencrypt

    raise SystemExit(run_reencrypt(json=json))
