"""`numbergate billing invoices` and `profiles`: the supplier's invoices, through the gateway."""

import json as jsonlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from rich.console import Console

from service.cli.exporting import ACCEPT, progress_bar, run_export
from service.cli.faults import failed
from service.cli.listing import first, show_items, show_one
from service.cli.remote import Remote, remote
from service.cli.terminal import console, is_meant, table
from service.cli.words import count_of, fit, known, money

Item = dict[str, Any]
INVOICES, PROFILES = "/v1/billing/invoices", "/v1/billing/invoice-profiles"
CSV, XLSX = "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
OPTIONS = {
    "period": "MONTH", "profile": "--profile", "number": "--number", "supplier": "--supplier",
    "account_id": "--account", "body": "FILE", "/places": "--row", "/values": "--set",
}  # fmt: skip
LOOK_EVERY = 0.5


def run_preview(
    file: Path, profile: str | None, *, charset: str | None, json: bool, url: str | None, key: str | None
) -> int:
    """Returns the exit code: 0 where every row can be read."""
    asked = {"profile": profile} if profile else {}
    with remote(url, key) as gateway:
        told = _sent(gateway, f"{INVOICES}/preview", file, charset, asked)
    if json:
        print(jsonlib.dumps(told))
    else:
        _show_preview(console(), told)
    return 0 if not told["rejected"] else 1


def run_import(
    file: Path,
    asked: Mapping[str, str],
    *,
    charset: str | None,
    wait: bool,
    json: bool,
    url: str | None,
    key: str | None,
) -> int:
    """Returns the exit code: 0 where it is filed and, if that is waited for, every row is read."""
    with remote(url, key) as gateway:
        told = _sent(gateway, INVOICES, file, charset, {"file_name": file.name, **asked})
        if told["already_filed"]:
            print("This file was filed before: nothing was done.", file=sys.stderr)
        if wait:
            told = _watched(gateway, told)
    code = show_one(told, _invoice, json=json)
    if told["state"] == "held" and not json:
        print(f"See what waits: numbergate billing invoices rejects {told['id']}", file=sys.stderr)
    return 1 if told["state"] in ("held", "failed") else code


def run_list(month: str | None, *, everything: bool, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    asked: dict[str, Any] = {"period": month} if month else {}
    with remote(url, key) as gateway:
        items, complete = first(gateway.items(INVOICES, options={"period": "--month"}, **asked), everything=everything)
    return show_items(items, "invoices", _listed, ("id", "sum"), complete=complete, json=json)


def run_show(invoice_id: str, *, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        return show_one(gateway.get(f"{INVOICES}/{invoice_id}"), _invoice, json=json)


def run_lines(invoice_id: str, output: Path, *, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    return run_export(f"{INVOICES}/{invoice_id}/lines", ACCEPT["csv"], {}, output, one="line", url=url, key=key)


def run_rejects(invoice_id: str, *, everything: bool, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        found = gateway.items(f"{INVOICES}/{invoice_id}/rejects", decided="false")
        items, complete = first(found, everything=everything)
    if json or not items or not complete:
        return show_items(items, "rows that wait", _reject, ("row", "line"), complete=complete, json=json)
    _show_rejects(console(), items)
    return 0


def run_resolve(
    invoice_id: str,
    rows: Sequence[int] | None,
    *,
    drop: bool,
    mend: Sequence[str],
    json: bool,
    url: str | None,
    key: str | None,
) -> int:
    """Returns the exit code: 0 where nothing waits any more."""
    if drop == bool(mend):
        return failed("say either --drop, or what to --set")
    values = dict(one.split("=", 1) for one in mend if "=" in one)
    if len(values) < len(mend):
        return failed("--set: must look like amount=2.99")
    body: Item = {"decision": "drop"} if drop else {"decision": "mend", "values": values}
    if rows:
        body["places"] = list(rows)
    with remote(url, key) as gateway:
        told = gateway.post(f"{INVOICES}/{invoice_id}/rejects/resolve", body, options=OPTIONS)
    show_one(told, _invoice, json=json)
    return 0 if told["state"] == "ready" else 1


def run_discard(invoice_id: str, *, yes: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        told = gateway.get(f"{INVOICES}/{invoice_id}")
        print(f"{_called(told)}: {count_of(told['lines'], 'line')} are taken back.", file=sys.stderr)
        if not yes and not is_meant("Discard it?"):
            return failed("nothing was discarded")
        gateway.delete(f"{INVOICES}/{invoice_id}")
    print("Discarded.")
    return 0


def run_profiles(*, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        items = gateway.get(PROFILES)["items"]
    return show_items(items, "profiles", _profile, ("name",), complete=True, json=json)


def run_profile(name: str, *, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        print(jsonlib.dumps(gateway.get(f"{PROFILES}/{name}")["mapping"], indent=2, ensure_ascii=False))
    return 0


def run_put_profile(name: str, text: str, *, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    try:
        mapping = jsonlib.loads(text)
    except ValueError as error:
        return failed(f"FILE: is not valid JSON: {error}")
    if not isinstance(mapping, dict):
        return failed("FILE: must be a JSON object, as `profiles show stripe` prints")
    with remote(url, key) as gateway:
        told = gateway.put(f"{PROFILES}/{name}", mapping)
    print(f"Remembered as {told['name']}.")
    return 0


def _sent(gateway: Remote, path: str, file: Path, charset: str | None, asked: Mapping[str, str]) -> Item:
    with _with_progress(file) as content:
        kind = XLSX if content.read(2) == b"PK" else CSV
        content.seek(0)
        declared = f"{kind}; charset={charset}" if charset and kind == CSV else kind
        return gateway.upload(path, content, declared, options=OPTIONS, **asked)


@contextmanager
def _with_progress(file: Path) -> Iterator[IO[bytes]]:
    """A bar on stderr, where that is a terminal."""
    with progress_bar() as bar, bar.open(file, "rb", description="sending") as content:
        yield content


def _watched(gateway: Remote, told: Item) -> Item:
    """How it stands once it is read."""
    with progress_bar() as bar:
        task = bar.add_task("reading", total=told["size"])
        while told["state"] == "reading":
            time.sleep(LOOK_EVERY)
            told = gateway.get(f"{INVOICES}/{told['id']}")
            bar.update(task, completed=told["size_read"])
    return told


def _show_preview(out: Console, told: Item) -> None:
    named = told["profile"] or "its headers"
    out.print(f"Read by {fit(named)}:", highlight=False)
    for member, header in told["mapping"]["columns"].items():
        out.print(f"  {member:<16} {fit(header)}", markup=False, highlight=False)
    if told["unused"]:
        out.print(f"  not read         {fit(', '.join(told['unused']))}", markup=False, highlight=False)
    if told["sample"]:
        out.print(table([_line(one) for one in told["sample"]], out.width, ("amount",)))
    if told["rejects"]:
        _show_rejects(out, told["rejects"])
    of = "" if told["complete"] else f" of the first {told['rows']} rows"
    kept = f", {count_of(told['rejected'], 'row')} kept aside" if told["rejected"] else ""
    out.print(
        f"{count_of(told['lines'], 'line')}{of}, {money(told['micros'], told['currency'])}{kept}.", highlight=False
    )
    if told["already_filed"]:
        out.print(f"This file was filed before, as {told['already_filed']}.", highlight=False)


def _show_rejects(out: Console, rejects: Sequence[Item]) -> None:
    for one in rejects:
        out.print(f"row {one['place']} (line {one['line']}): {fit(one['text'], 120)}", markup=False, highlight=False)
        for fault in one["faults"]:
            out.print(f"  {fault['column'] or 'row'}: {fit(fault['detail'])}", markup=False, highlight=False)


def _called(one: Item) -> str:
    return f"{fit(one['supplier'])} {known(one['number'])}, {one['period']}"


def _invoice(one: Item) -> dict[str, str]:
    return {
        "id": one["id"],
        "invoice": _called(one),
        "file": known(one["file_name"]),
        "state": one["state"],
        "lines": str(one["lines"]),
        "kept aside": str(one["rejected"]),
        "sum": money(one["micros"], one["currency"]),
        "read by": known(one["profile"] or "its headers"),
    } | ({"problem": known(one["problem"])} if one["problem"] else {})


def _listed(one: Item) -> dict[str, str]:
    return {
        "id": one["id"], "supplier": known(one["supplier"]), "number": known(one["number"]), "month": one["period"],
        "state": one["state"], "lines": str(one["lines"]), "aside": str(one["rejected"]),
        "sum": money(one["micros"], one["currency"]),
    }  # fmt: skip


def _line(one: Item) -> dict[str, str]:
    return {
        "number": known(one["phone_number"] or one["subscription_id"]), "kind": one["kind"],
        "begins": known(one["begins"]), "ends": known(one["ends"]),
        "amount": money(one["micros"], one["currency"]), "description": known(one["description"]),
    }  # fmt: skip


def _reject(one: Item) -> dict[str, str]:
    faults = "; ".join(f"{fault['column'] or 'row'}: {fault['detail']}" for fault in one["faults"])
    return {"row": str(one["place"]), "line": str(one["line"]), "why": fit(faults)}


def _profile(one: Item) -> dict[str, str]:
    columns = ", ".join(f"{member}={header}" for member, header in one["mapping"]["columns"].items())
    return {"name": one["name"], "shipped": "yes" if one["shipped"] else "no", "columns": fit(columns)}
