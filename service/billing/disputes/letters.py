"""A dispute as a page that is printed, or sent to the supplier: pure."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from service.kit.money import money

# Nothing is loaded and nothing runs, whatever somebody wrote into a note.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8886; vertical-align: top }
.amount { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
@media print { body { margin: 0; max-width: none } thead { display: table-header-group } tr { break-inside: avoid } }
"""
SAID = {
    "within_tolerance": "differs, within the tolerance",
    "price_differs": "another price than agreed",
    "quantity_differs": "more than was due",
    "charged_after_release": "charged after it was given back",
    "never_ours": "never held by us",
    "not_charged": "a credit that did not come",
    "duplicate": "charged twice",
}
NOTED = "The whole list is in the file beside this letter."


def letter(dispute: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> str:
    """Of the day on which the dispute was opened, by UTC, whenever it is asked for. `lines`: the first of them."""
    currency = dispute["currency"]
    shown = [*lines]
    kinds = _table(
        ("Why", "Lines", "Disputed"),
        [
            (SAID[one["verdict"]], str(one["lines"]), money(int(one["disputed_micros"]), currency))
            for one in dispute["verdicts"]
        ],
    )
    each = _table(
        (
            "Line of the invoice",
            "Number",
            "Subscription",
            "Days charged",
            "Held by us",
            "Why",
            "Charged",
            "Due",
            "Disputed",
        ),
        [
            (
                one["line_ref"] or str(one["place"] or "none"),
                one["phone_number"] or "none",
                one["subscription_id"] or "none",
                _days(one),
                _held(one),
                _why(one),
                *(money(one[name], currency) for name in ("charged_micros", "expected_micros", "disputed_micros")),
            )
            for one in shown
        ],
    )
    # What the supplier knows it by; an id of ours says nothing to him.
    invoice = f"invoice {dispute['invoice_number']}" if dispute["invoice_number"] else "the invoice"
    title = f"{dispute['title']}: {invoice}, {dispute['period']}"
    more = f"<p>{NOTED}</p>" if len(shown) < dispute["lines"] else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>'
        f"<h1>{escape(title)}</h1><p>{dispute['created_at']:%Y-%m-%d}</p>"
        f"<p>To {escape(dispute['supplier'])}. Of {escape(invoice)} for {dispute['period']} we dispute"
        f" {dispute['lines']} charges, {escape(money(dispute['micros'], currency))} together, and ask for a credit."
        f" Our reference: {dispute['id']}; of the invoice {dispute['invoice_id']}.</p>"
        f"{kinds}<h2>Charges</h2>{each}{more}</body></html>"
    )


def _days(line: Mapping[str, Any]) -> str:
    """As the invoice has them; of what it has no days for, those of the charge."""
    begins, ends = (line["line_begins"], line["line_ends"]) if line["line_begins"] else (line["begins"], line["ends"])
    return f"{begins} to {ends}" if begins and ends else str(begins or "none")


def _held(line: Mapping[str, Any]) -> str:
    """Which days the number was ours, by UTC."""
    known = line["evidence"] or {}
    acquired, released = (known.get(name, "")[:10] for name in ("acquired_at", "released_at"))
    held = f"{acquired} to {released}" if released else f"since {acquired}"
    if line["verdict"] == "never_ours":
        return f"not held on any day of the period{f'; held {held}' if acquired else ''}"
    return held if acquired else "none"


def _why(line: Mapping[str, Any]) -> str:
    said = SAID[line["verdict"]]
    before = (line["evidence"] or {}).get("charged_before")
    if line["verdict"] != "duplicate" or before is None:
        return said
    where = before.get("line_ref") or before["place"]
    return f"{said}: by line {where} of invoice {before.get('number') or before['invoice_id']}, {before['period']}, too"


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    amounts = {"Lines", "Disputed", "Charged", "Due"}

    def cells(tag: str, row: tuple[str, ...]) -> str:
        return "".join(
            f"<{tag}{' class=amount' if head in amounts else ''}>{escape(cell)}</{tag}>"
            for head, cell in zip(heads, row, strict=True)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<div class=wide><table><thead><tr>{cells('th', heads)}</tr></thead><tbody>{body}</tbody></table></div>"
