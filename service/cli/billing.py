"""The group `billing` of the command line; what it does is imported when it runs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from service.cli.disputes import disputes, findings, match
from service.cli.invoices import invoices, profiles
from service.cli.lists import Everything, Json, Url, Yes

billing = typer.Typer(no_args_is_help=True, help="Prices, months and statements, for finance.")
prices = typer.Typer(no_args_is_help=True, help="The price book.")
periods = typer.Typer(no_args_is_help=True, help="Months: open, draft, final.")
rule = typer.Typer(no_args_is_help=True, help="How the supplier charges, for every month that is not closed.")
billing.add_typer(prices, name="prices")
billing.add_typer(rule, name="rule")
billing.add_typer(periods, name="periods")
budgets = typer.Typer(no_args_is_help=True, help="What a month may cost, and what of it is reached.")
billing.add_typer(budgets, name="budgets")
billing.add_typer(disputes, name="disputes")
billing.command("match")(match)
billing.command("findings")(findings)
billing.add_typer(invoices, name="invoices")
billing.add_typer(profiles, name="profiles")

Key = Annotated[
    str | None,
    typer.Option(help="A key of finance; better in NUMBERGATE_API_KEY or NUMBERGATE_API_KEY_FILE."),
]
Month = Annotated[str, typer.Argument(help="A month, as 2026-11.")]
Organization = Annotated[str | None, typer.Option("--organization", help="Only what this organisation is charged.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="Only what this tenant is charged.")]
User = Annotated[str | None, typer.Option("--user", help="Only numbers of this user.")]
CostCenter = Annotated[str | None, typer.Option("--cost-center", help="Only this cost centre.")]
Tag = Annotated[str | None, typer.Option(help="Only numbers with this tag.")]


Form = Literal["csv", "ndjson", "parquet", "focus", "focus-parquet", "html"]
Amount = Annotated[str, typer.Argument(help="What a month may cost, as 500.00.")]
Budget = Annotated[str, typer.Argument(help="Its id.")]


def _asked(**given: str | None) -> dict[str, str]:
    return {name: value for name, value in given.items() if value is not None}


@prices.command("list")
def list_prices(everything: Everything = False, json: Json = False, url: Url = None, key: Key = None) -> None:
    """Every version, the one that begins last first."""
    from service.cli.billed import run_prices

    raise SystemExit(run_prices(everything=everything, json=json, url=url, key=key))


@prices.command("add")
def add_price(
    since: Annotated[str, typer.Argument(help="The day from which it holds, as 2026-11-01.")],
    monthly: Annotated[str, typer.Argument(help="By the month, as 2.99.")],
    setup: Annotated[str, typer.Option(help="Once, as 1.00.")] = "0",
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "USD",
    organization: Annotated[str | None, typer.Option(help="Only for this organisation.")] = None,
    number_type: Annotated[str | None, typer.Option("--type", help="Only for numbers of this type.")] = None,
    area_code: Annotated[str | None, typer.Option(help="Only for this area code.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for those who read it later.")] = None,
    yes: Yes = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """File a price from a day on; what is filed is never changed."""
    from service.cli.billed import run_add

    body = _asked(
        since=since, currency=currency, organization_id=organization, number_type=number_type, area_code=area_code,
        reason=reason,
    )  # fmt: skip
    raise SystemExit(run_add(body, setup=setup, monthly=monthly, yes=yes, json=json, url=url, key=key))


@rule.command("show")
def show_rule(json: Json = False, url: Url = None, key: Key = None) -> None:
    """The rule as it stands."""
    from service.cli.billed import run_rule

    raise SystemExit(run_rule(json=json, url=url, key=key))


@rule.command("put")
def put_rule(
    cycle: Annotated[Literal["anniversary", "calendar"] | None, typer.Option(help="From when months count.")] = None,
    proration: Annotated[Literal["none", "daily"] | None, typer.Option(help="Whether a part is a whole month.")] = None,
    due: Annotated[Literal["advance", "arrears"] | None, typer.Option(help="Before a month, or after it.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="Where days begin, as America/Detroit.")] = None,
    free_days: Annotated[int | None, typer.Option(help="So many first days cost no rent.")] = None,
    minimum_months: Annotated[int | None, typer.Option(help="So many months are charged at least.")] = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Change the rule; what is not named stays as it is."""
    given = {
        "cycle": cycle, "proration": proration, "due": due, "time_zone": time_zone, "free_days": free_days,
        "minimum_months": minimum_months,
    }  # fmt: skip
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise typer.BadParameter("say what is to change; --help names it")
    from service.cli.billed import run_put_rule

    raise SystemExit(run_put_rule(changes, json=json, url=url, key=key))


@periods.command("list")
def list_periods(json: Json = False, url: Url = None, key: Key = None) -> None:
    """Every month since the first number, the last first."""
    from service.cli.billed import run_periods

    raise SystemExit(run_periods(json=json, url=url, key=key))


@periods.command("close")
def close_period(
    month: Month,
    yes: Yes = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Make a month final, for good."""
    from service.cli.billed import run_close

    raise SystemExit(run_close(month, yes=yes, json=json, url=url, key=key))


@budgets.command("list")
def list_budgets(everything: Everything = False, json: Json = False, url: Url = None, key: Key = None) -> None:
    """Every budget, and how it stands this month."""
    from service.cli.budgets import run_budgets

    raise SystemExit(run_budgets(everything=everything, json=json, url=url, key=key))


@budgets.command("add")
def add_budget(
    amount: Amount,
    organization: Annotated[str | None, typer.Option(help="Of this organisation.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Of this tenant.")] = None,
    cost_center: Annotated[str | None, typer.Option(help="Of this cost centre.")] = None,
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "USD",
    notify: Annotated[str | None, typer.Option(help="The tenant that is told; without it the budget's own.")] = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Say what a month may cost; 50, 80 and 100 % of it are told of, and more than all that is to be expected."""
    from service.cli.budgets import run_add

    body = _asked(
        organization_id=organization, tenant_id=tenant, cost_center=cost_center, name=name, currency=currency,
        notify_tenant_id=notify,
    )  # fmt: skip
    raise SystemExit(run_add(body, amount=amount, json=json, url=url, key=key))


@budgets.command("set")
def set_budget(budget: Budget, amount: Amount, json: Json = False, url: Url = None, key: Key = None) -> None:
    """Change the amount, at any time of the month."""
    from service.cli.budgets import run_set

    raise SystemExit(run_set(budget, amount=amount, json=json, url=url, key=key))


@budgets.command("delete")
def delete_budget(budget: Budget, yes: Yes = False, url: Url = None, key: Key = None) -> None:
    """Delete a budget, with what was reached of it."""
    from service.cli.budgets import run_delete

    raise SystemExit(run_delete(budget, yes=yes, url=url, key=key))


@periods.command("analytics")
def show_analytics(
    month: Month, everything: Everything = False, json: Json = False, url: Url = None, key: Key = None
) -> None:
    """What Teli's own analytics count of a final month, beside what the ledger has."""
    from service.cli.counted import run_analytics

    raise SystemExit(run_analytics(month, everything=everything, json=json, url=url, key=key))


@billing.command("statement")
def show_statement(
    month: Annotated[str | None, typer.Argument(help="As 2026-11; this month where it is not said.")] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="Every charge in this form, to stdout, as `export` writes it.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Group by organization_id, tenant_id, user_id, holder_user_id, cost_center, tags or kind."),
    ] = None,
    organization: Organization = None,
    tenant: Tenant = None,
    user: User = None,
    cost_center: CostCenter = None,
    tag: Tag = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """What a month charges: as it stands, or for good once it is final."""
    from service.cli.billed import run_export_of, run_statement, running_month

    asked = _asked(organization_id=organization, tenant_id=tenant, user_id=user, cost_center=cost_center, tag=tag)
    month = month or running_month(url, key)
    if form is not None:
        raise SystemExit(run_export_of(month, asked, Path("-"), form, url=url, key=key))
    raise SystemExit(run_statement(month, asked, by or [], json=json, url=url, key=key))


@billing.command("export")
def export_statement(
    month: Month,
    output: Annotated[Path, typer.Option(help="The file to be written; - is stdout.")],
    form: Annotated[Form, typer.Option("--format", help="Of the file.")] = "csv",
    organization: Organization = None,
    tenant: Tenant = None,
    user: User = None,
    cost_center: CostCenter = None,
    tag: Tag = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Every charge of a month, into a file."""
    from service.cli.billed import run_export_of

    asked = _asked(organization_id=organization, tenant_id=tenant, user_id=user, cost_center=cost_center, tag=tag)
    raise SystemExit(run_export_of(month, asked, output, form, url=url, key=key))


@billing.command("verify")
def verify(
    month: Annotated[str | None, typer.Argument(help="Only this month, as 2026-11.")] = None, json: Json = False
) -> None:
    """Reckon final months anew from the facts, straight from the database in DATABASE_URL."""
    from service.cli.billed import run_verify

    raise SystemExit(run_verify(month, json=json))
