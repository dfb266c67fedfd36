"""`numbergate billing match`, `findings` and `disputes`, through the gateway."""

import json as jsonlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from service.cli.exporting import ACCEPT, run_export
from service.cli.faults import failed
from service.cli.listing import first, show_items, show_one
from service.cli.remote import Remote, remote
from service.cli.terminal import console, table
from service.cli.words import count_of, fit, known, micros, moment, money

Item = dict[str, Any]
INVOICES, DISPUTES = "/v1/billing/invoices", "/v1/billing/disputes"
OPTIONS = {
    "/tolerance": "--tolerance", "/invoice_id": "INVOICE", "/verdicts": "--verdict", "/findings": "--finding",
    "/title": "--title", "/credited_micros": "--amount", "/reason": "--reason", "/text": "TEXT", "verdict": "--verdict",
    "state": "--state", "invoice_id": "--invoice", "name": "FILE",
}  # fmt: skip
TYPES = {
    ".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".txt": "text/plain",
    ".csv": "text/csv",
}  # fmt: skip
LOOK_EVERY = 0.5


def run_match(invoice: str, *, tolerance: str, wait: bool, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code: 0 where it is done, or was only to be asked for."""
    try:
        asked = {"tolerance": micros(tolerance)}
    except ValueError as error:
        return failed(f"--tolerance: {error}")
    path = f"{INVOICES}/{invoice}/match"
    with remote(url, key) as gateway:
        told = gateway.post(path, asked, options=OPTIONS)
        if wait:
            told = _done(gateway, path, told)
    return _show_match(told, json=json)


def run_result(invoice: str, *, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        return _show_match(gateway.get(f"{INVOICES}/{invoice}/match"), json=json)


def run_findings(
    invoice: str, verdicts: list[str], *, everything: bool, json: bool, url: str | None, key: str | None
) -> int:
    """Returns the exit code."""
    asked: dict[str, Any] = {"verdict": ",".join(verdicts)} if verdicts else {}
    with remote(url, key) as gateway:
        found = gateway.items(f"{INVOICES}/{invoice}/findings", options=OPTIONS, **asked)
        items, complete = first(found, everything=everything)
    return show_items(items, "findings", _finding, ("finding", "verdict"), complete=complete, json=json)


def run_export_findings(
    invoice: str, verdicts: list[str], output: Path, form: str, *, url: str | None, key: str | None
) -> int:
    """Returns the exit code."""
    asked = {"verdict": ",".join(verdicts)} if verdicts else {}
    path = f"{INVOICES}/{invoice}/findings"
    return run_export(path, ACCEPT[form], asked, output, one="finding", options=OPTIONS, url=url, key=key)


def run_disputes(asked: Mapping[str, Any], *, everything: bool, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        items, complete = first(gateway.items(DISPUTES, options=OPTIONS, **asked), everything=everything)
    return show_items(items, "disputes", _listed, ("id", "state"), complete=complete, json=json)


def run_open(body: Mapping[str, Any], *, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        return show_one(gateway.post(DISPUTES, body, options=OPTIONS), _dispute, json=json)


def run_show(dispute: str, *, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        told = gateway.get(f"{DISPUTES}/{dispute}")
    code = show_one(told, _dispute, json=json)
    if not json:
        for one in told["notes"]:
            print(f"{moment(one['at'])}  {fit(one['by'])}: {fit(one['text'])}")
        for one in told["attachments"]:
            print(f"{moment(one['at'])}  {fit(one['name'])}, {count_of(one['size'], 'byte')}")
        for one in told["credits"]:
            of = f"line {one['place']} of invoice {fit(one['number'] or one['invoice_id'])}"
            print(f"{moment(one['at'])}  {money(one['micros'], told['currency'])} given back by {of}")
    return code


def run_move(
    dispute: str,
    state: str,
    *,
    amount: str | None,
    reason: str | None,
    json: bool,
    url: str | None,
    key: str | None,
) -> int:
    """Returns the exit code."""
    body: dict[str, Any] = {"state": state} | ({"reason": reason} if reason else {})
    if amount is not None:
        try:
            body["credited_micros"] = micros(amount)
        except ValueError as error:
            return failed(f"--amount: {error}")
    with remote(url, key) as gateway:
        return show_one(gateway.post(f"{DISPUTES}/{dispute}/state", body, options=OPTIONS), _dispute, json=json)


def run_note(dispute: str, text: str, *, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        gateway.post(f"{DISPUTES}/{dispute}/notes", {"text": text}, options=OPTIONS)
    print("Noted.")
    return 0


def run_attach(dispute: str, file: Path, *, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    if (kind := TYPES.get(file.suffix.lower())) is None:
        return failed(f"{file}: must end in {', '.join(TYPES)}")
    try:
        content = file.read_bytes()
    except OSError as error:
        return failed(f"{file}: {error.strerror or error}")
    with remote(url, key) as gateway:
        told = gateway.upload(f"{DISPUTES}/{dispute}/attachments", content, kind, options=OPTIONS, name=file.name)
    print(f"Kept: {fit(told['name'])}, {count_of(told['size'], 'byte')}.")
    return 0


def run_export_lines(dispute: str, output: Path, form: str, *, url: str | None, key: str | None) -> int:
    """Returns the exit code. The letter is a page; the other forms are every line."""
    accept = "text/html" if form == "html" else ACCEPT[form]
    path = f"{DISPUTES}/{dispute}/{'letter' if form == 'html' else 'lines'}"
    return run_export(path, accept, {}, output, one="line", options=OPTIONS, url=url, key=key)


def _done(gateway: Remote, path: str, told: Item) -> Item:
    with Console(stderr=True).status("matching") as status:
        while told["state"] in ("queued", "running"):
            status.update("matching" if told["state"] == "running" else "waiting for a worker")
            time.sleep(LOOK_EVERY)
            told = gateway.get(path)
    return told


def _show_match(told: Item, *, json: bool) -> int:
    code = 1 if told["state"] == "failed" else 0
    if json:
        print(jsonlib.dumps(told))
        return code
    if told["state"] != "done":
        print(f"{told['state']}{': ' + told['problem'] if told['problem'] else ''}", file=sys.stderr)
        return code
    rows = [
        {
            "verdict": one["verdict"],
            "findings": str(one["findings"]),
            **{name: money(one[f"{name}_micros"]) for name in ("expected", "charged", "difference")},
        }
        for one in [*told["verdicts"], {"verdict": "all", "findings": _count(told), **told}]
    ]
    out = console()
    out.print(f"{told['period']}, {told['currency']}, {count_of(told['lines'], 'line')}")
    out.print(table(rows, out.width, ("verdict", "difference")))
    return code


def _count(told: Item) -> int:
    return sum(one["findings"] for one in told["verdicts"])


def _finding(one: Item) -> dict[str, str]:
    return {
        "finding": str(one["finding"]),
        "line": known(one["place"]),
        "verdict": one["verdict"],
        "as line": _same_as(one),
        "number": known(one["phone_number"]),
        "expected": money(one["expected_micros"]),
        "charged": money(one["charged_micros"]),
        "difference": money(one["difference_micros"]),
        "disputed": "yes" if one["dispute_id"] else "",
    }


def _same_as(one: Item) -> str:
    """Of a duplicate, the line that was there before, and of which invoice where that is an earlier one."""
    if one["other_invoice_id"] is None:
        return "" if one["other_place"] is None else str(one["other_place"])
    return f"{one['other_place']} of {one['evidence']['charged_before'].get('number') or one['other_invoice_id']}"


def _listed(one: Item) -> dict[str, str]:
    return {
        "id": one["id"],
        "state": one["state"],
        "title": fit(one["title"]),
        "lines": str(one["lines"]),
        "disputed": money(one["micros"], one["currency"]),
        "given back": money(one["credited_micros"], one["currency"]),
    }


def _dispute(one: Item) -> dict[str, str]:
    return _listed(one) | {
        "invoice": known(one["invoice_number"] or one["invoice_id"]),
        "period": one["period"],
        "why": ", ".join(f"{each['verdict']} {each['lines']}" for each in one["verdicts"]),
        "changed": f"{moment(one['changed_at'])} by {fit(one['changed_by'])}",
    }
