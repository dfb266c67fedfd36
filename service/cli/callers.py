"""The groups of the command line that administer callers; what they do is imported when one of them runs."""

import math
from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from service.cli.lists import Everything, Json, Url, Yes, own_id

Key = Annotated[
    str | None,
    typer.Option(help="An administrator's key; better in NUMBERGATE_API_KEY or NUMBERGATE_API_KEY_FILE."),
]
OrganizationId = Annotated[str, typer.Argument(metavar="ORGANIZATION", help="Teli's unique_id.")]
UserId = Annotated[str, typer.Argument(metavar="USER", help="Teli's unique_id.")]
TenantId = Annotated[str, typer.Argument(metavar="TENANT", help="Its id.")]
KeyId = Annotated[UUID, typer.Argument(parser=own_id, metavar="KEY_ID", help="As `list` shows it; not the key itself.")]
Name = Annotated[str | None, typer.Option(help="What people call it.")]
Account = Annotated[
    UUID | None, typer.Option(parser=own_id, metavar="ID", help="Bought for through this upstream account, by its id.")
]
AnyOrNone = Literal["any", "none"]

organizations = typer.Typer(no_args_is_help=True, help="Organisations, for which numbers are bought.")
users = typer.Typer(no_args_is_help=True, help="Users of an organisation, who own its numbers.")
tenants = typer.Typer(no_args_is_help=True, help="Tenants, who call the gateway, and what each may buy for.")
keys = typer.Typer(no_args_is_help=True, help="API keys.")
sessions = typer.Typer(no_args_is_help=True, help="People who are logged in.")
policies = typer.Typer(no_args_is_help=True, help="What each tenant may buy and link.")


def _fit(text: str, what: str) -> str:
    """Raises: BadParameter for what a path cannot name: it would name another one."""
    if not text or text in (".", ".."):
        raise typer.BadParameter("is no id", param_hint=what)
    return text


def _named(**members: Any) -> dict[str, Any]:
    """Those that somebody named; the rest stays as it is."""
    return {
        name: str(value) if isinstance(value, UUID) else value for name, value in members.items() if value is not None
    }


@organizations.command("list")
def list_organizations(everything: Everything = False, json: Json = False, url: Url = None, key: Key = None) -> None:
    """Organisations, by id."""
    from service.cli.administration import path, run_list

    of = path("organizations")
    raise SystemExit(run_list("organizations", of, url=url, key=key, everything=everything, json=json))


@organizations.command("show")
def show_organization(organization: OrganizationId, json: Json = False, url: Url = None, key: Key = None) -> None:
    """One organisation."""
    from service.cli.administration import path, run_show

    of = path("organizations", _fit(organization, "ORGANIZATION"))
    raise SystemExit(run_show("organizations", of, url=url, key=key, json=json))


@organizations.command("put")
def put_organization(
    organization: OrganizationId,
    name: Name = None,
    account: Account = None,
    no_account: Annotated[bool, typer.Option("--no-account", help="Through that of the tenant that buys.")] = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """File an organisation, or change it; what is not named stays as it is."""
    if account and no_account:
        raise typer.BadParameter("goes without --account", param_hint="--no-account")
    from service.cli.administration import path, run_put

    of = path("organizations", _fit(organization, "ORGANIZATION"))
    changes = _named(name=name, account_id=account) | ({"account_id": None} if no_account else {})
    raise SystemExit(run_put("organizations", of, changes, url=url, key=key, json=json))


@organizations.command("sync")
def sync_organizations(json: Json = False, url: Url = None, key: Key = None) -> None:
    """File those that Teli names, and take over their names; deletes none."""
    from service.cli.administration import path, run_sync

    raise SystemExit(run_sync(path("organizations", "sync"), url=url, key=key, json=json))


@users.command("list")
def list_users(
    organization: OrganizationId,
    everything: Everything = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Users of an organisation, by id."""
    from service.cli.administration import path, run_list

    of = path("organizations", _fit(organization, "ORGANIZATION"), "users")
    raise SystemExit(run_list("users", of, url=url, key=key, everything=everything, json=json))


@users.command("show")
def show_user(organization: OrganizationId, user: UserId, json: Json = False, url: Url = None, key: Key = None) -> None:
    """One user of an organisation."""
    from service.cli.administration import path, run_show

    of = path("organizations", _fit(organization, "ORGANIZATION"), "users", _fit(user, "USER"))
    raise SystemExit(run_show("users", of, url=url, key=key, json=json))


@users.command("put")
def put_user(
    organization: OrganizationId,
    user: UserId,
    name: Name = None,
    email: Annotated[str | None, typer.Option(help="Where they are written to.")] = None,
    exclusive: Annotated[
        bool | None,
        typer.Option("--exclusive/--not-exclusive", help="Nobody buys for it but Numbergate, or others do."),
    ] = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """File a user, or change it; what is not named stays as it is."""
    from service.cli.administration import path, run_put

    of = path("organizations", _fit(organization, "ORGANIZATION"), "users", _fit(user, "USER"))
    body = _named(name=name, email=email, exclusive=exclusive)
    raise SystemExit(run_put("users", of, body, url=url, key=key, json=json))


@users.command("sync")
def sync_users(organization: OrganizationId, json: Json = False, url: Url = None, key: Key = None) -> None:
    """File those that Teli names, and take over their names and emails; deletes none."""
    from service.cli.administration import path, run_sync

    of = path("organizations", _fit(organization, "ORGANIZATION"), "users", "sync")
    raise SystemExit(run_sync(of, url=url, key=key, json=json))


@tenants.command("list")
def list_tenants(everything: Everything = False, json: Json = False, url: Url = None, key: Key = None) -> None:
    """Tenants, by id."""
    from service.cli.administration import path, run_list

    raise SystemExit(run_list("tenants", path("tenants"), url=url, key=key, everything=everything, json=json))


@tenants.command("show")
def show_tenant(tenant: TenantId, json: Json = False, url: Url = None, key: Key = None) -> None:
    """One tenant."""
    from service.cli.administration import path, run_show

    of = path("tenants", _fit(tenant, "TENANT"))
    raise SystemExit(run_show("tenants", of, url=url, key=key, json=json))


@tenants.command("put")
def put_tenant(
    tenant: TenantId,
    name: Name = None,
    organization: Annotated[
        list[str] | None, typer.Option(help="It may buy for this one; once for each, and for no other from then on.")
    ] = None,
    no_organization: Annotated[bool, typer.Option("--no-organization", help="It may buy for none any more.")] = False,
    account: Account = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Make a tenant, which needs a name, or change it; what is not named stays as it is."""
    if organization and no_organization:
        raise typer.BadParameter("goes without --organization", param_hint="--no-organization")
    granted = [] if no_organization else organization or None
    changes = _named(name=name, organization_ids=granted, account_id=account)
    _put_tenant(tenant, changes, json=json, url=url, key=key)


@tenants.command("suspend")
def suspend_tenant(tenant: TenantId, json: Json = False, url: Url = None, key: Key = None) -> None:
    """It buys nothing new; all else goes on."""
    _put_tenant(tenant, {"state": "suspended"}, json=json, url=url, key=key)


@tenants.command("activate")
def activate_tenant(tenant: TenantId, json: Json = False, url: Url = None, key: Key = None) -> None:
    """It was suspended, and buys again."""
    _put_tenant(tenant, {"state": "active"}, json=json, url=url, key=key)


@tenants.command("close")
def close_tenant(tenant: TenantId, yes: Yes = False, json: Json = False, url: Url = None, key: Key = None) -> None:
    """For good: its keys end, its numbers stay."""
    from service.cli.administration import run_close

    raise SystemExit(run_close(_fit(tenant, "TENANT"), url=url, key=key, yes=yes, json=json))


def _put_tenant(tenant: str, body: dict[str, Any], *, json: bool, url: str | None, key: str | None) -> None:
    from service.cli.administration import path, run_put

    raise SystemExit(run_put("tenants", path("tenants", _fit(tenant, "TENANT")), body, url=url, key=key, json=json))


@keys.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Only those of this tenant.")] = None,
    kind: Annotated[
        Literal["service", "admin", "finance", "operator"] | None, typer.Option(help="Only those of this kind.")
    ] = None,
    state: Annotated[Literal["good", "expired", "revoked"] | None, typer.Option(help="Only those.")] = None,
    everything: Everything = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Keys, newest first, those too that are good no more; none is shown."""
    from service.cli.administration import path, run_list

    asked = {"tenant_id": tenant, "kind": kind, "state": state}
    raise SystemExit(run_list("keys", path("keys"), asked, url=url, key=key, everything=everything, json=json))


@keys.command("create")
def create_key(
    tenant: TenantId,
    name: Annotated[str, typer.Option(help="Where it will be used.")],
    scope: Annotated[list[str], typer.Option(help="What it may do, as numbers:create; once for each.")],
    expires_at: Annotated[str | None, typer.Option(help="As 2030-01-01T00:00:00Z; never where it is not said.")] = None,
    organization: Annotated[
        list[str] | None, typer.Option(help="Limited to this one, of those granted; once for each.")
    ] = None,
    user: Annotated[list[str] | None, typer.Option(help="Limited to this user; once for each.")] = None,
    network: Annotated[
        list[str] | None, typer.Option(help="Used from here alone, as 203.0.113.0/24; once for each.")
    ] = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Issue a key of a tenant. It is shown this once, alone on stdout."""
    from service.cli.administration import path, run_issue

    of = path("tenants", _fit(tenant, "TENANT"), "keys")
    body = _named(
        name=name, scopes=scope, expires_at=expires_at,
        organization_ids=organization, user_ids=user, networks=network,
    )  # fmt: skip
    raise SystemExit(run_issue(of, body, url=url, key=key, json=json))


@keys.command("rotate")
def rotate_key(
    key_id: KeyId,
    overlap: Annotated[
        float | None, typer.Option(help="Seconds that the old one works on; an hour unless told.")
    ] = None,
    yes: Yes = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Issue a successor with the same rights. It is shown this once, alone on stdout."""
    from service.cli.administration import run_rotate

    raise SystemExit(run_rotate(str(key_id), _named(overlap_seconds=overlap), yes=yes, url=url, key=key, json=json))


@keys.command("revoke")
def revoke_key(key_id: KeyId, yes: Yes = False, json: Json = False, url: Url = None, key: Key = None) -> None:
    """Take a key back, for good: refused everywhere within a second."""
    from service.cli.administration import run_revoke

    raise SystemExit(run_revoke(str(key_id), url=url, key=key, yes=yes, json=json))


@sessions.command("list")
def list_sessions(everything: Everything = False, json: Json = False, url: Url = None, key: Key = None) -> None:
    """Who is logged in, newest first."""
    from service.cli.administration import path, run_list

    raise SystemExit(run_list("sessions", path("sessions"), url=url, key=key, everything=everything, json=json))


@sessions.command("end")
def end_session(
    session: Annotated[UUID, typer.Argument(parser=own_id, metavar="SESSION_ID", help="As `list` shows it.")],
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Log a person out, everywhere within a second; they may log in again."""
    from service.cli.administration import run_end

    raise SystemExit(run_end(str(session), url=url, key=key, json=json))


@policies.command("list")
def list_policies(everything: Everything = False, json: Json = False, url: Url = None, key: Key = None) -> None:
    """Policies, by tenant."""
    from service.cli.administration import path, run_list

    raise SystemExit(run_list("policies", path("policies"), url=url, key=key, everything=everything, json=json))


@policies.command("show")
def show_policy(tenant: TenantId, json: Json = False, url: Url = None, key: Key = None) -> None:
    """What one tenant may buy and link, and how."""
    from service.cli.administration import path, run_show

    of = path("policies", _fit(tenant, "TENANT"))
    raise SystemExit(run_show("policies", of, url=url, key=key, json=json))


@policies.command("put")
def put_policy(
    tenant: TenantId,
    idempotency_required: Annotated[
        bool | None,
        typer.Option(
            "--idempotency-required/--no-idempotency-required", help="Every purchase needs an Idempotency-Key."
        ),
    ] = None,
    area_code: Annotated[list[str] | None, typer.Option(help="Numbers are bought here alone; once for each.")] = None,
    area_codes: Annotated[AnyOrNone | None, typer.Option(help="Numbers are bought anywhere, or nowhere.")] = None,
    agent: Annotated[list[str] | None, typer.Option(help="This agent alone is linked; once for each.")] = None,
    agents: Annotated[AnyOrNone | None, typer.Option(help="Any agent is linked, or none.")] = None,
    orphan_reuse: Annotated[
        bool | None,
        typer.Option(
            "--orphan-reuse/--no-orphan-reuse",
            help="What a refused purchase brought after all is given to the next one, or never.",
        ),
    ] = None,
    write_off: Annotated[
        str | None, typer.Option(metavar="SECONDS|never|default", help="When a purchase without a trace is given up.")
    ] = None,
    drift: Annotated[
        Literal["ours_wins", "theirs_wins", "ask"] | None,
        typer.Option(help="What is changed at Teli is put back, taken over, or asked about."),
    ] = None,
    order_weight: Annotated[
        int | None, typer.Option(min=1, max=100, help="How often it has its turn among tenants whose orders wait.")
    ] = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Change a policy, in force within a second; what is not named stays as it is."""
    changes: dict[str, Any] = {}
    for name, ones, every in (("area-code", area_code, area_codes), ("agent", agent, agents)):
        if ones and every:
            raise typer.BadParameter(f"goes without --{name}", param_hint=f"--{name}s")
        if ones or every:
            changes[f"{name.replace('-', '_')}s_allowed"] = ones or (None if every == "any" else [])
    if write_off is not None:
        changes["write_off"] = _write_off(write_off)
    changes |= _named(
        idempotency_required=idempotency_required, orphan_reuse=orphan_reuse, drift=drift, order_weight=order_weight
    )
    if not changes:
        raise typer.BadParameter("say what is to change; --help names it")
    from service.cli.administration import path, run_put

    of = path("policies", _fit(tenant, "TENANT"))
    raise SystemExit(run_put("policies", of, changes, url=url, key=key, json=json))


def _write_off(text: str) -> float | str | None:
    """Raises: BadParameter."""
    if text in ("never", "default"):
        return None if text == "default" else text
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise typer.BadParameter("must be seconds, never or default", param_hint="--write-off")
    return seconds
