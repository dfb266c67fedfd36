"""A statement for people: one page of HTML without a script, for a screen of any width and for paper. No I/O but its
own template.

Everything that somebody chose (nicknames, tags, cost centres, ids) is escaped by Jinja, and a policy lets the page load
nothing and run nothing, whatever stands in it. Its chart is bars of SVG that the template itself draws: no library that
draws on a server is maintained, typed and free to use, and would draw less than these three lines do.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from service.kit.money import money

HERE = Path(__file__).parent
# As many bars as can be read at a glance; the rest stand together.
MOST_BARS = 12
MEANS = {
    "forecast": "It has not begun: what it charges if nothing changes.",
    "open": "It runs: to its end, if nothing changes.",
    "draft": "It has ended, and is not closed: what comes to light still changes it.",
    "final": "It is closed, and is never changed.",
}
WHAT = {"setup": "Setup", "month": "Month", "part": "Part of a month", "credit": "Given back"}
NAMED = {
    "organization_id": "organisation", "tenant_id": "tenant", "user_id": "user", "cost_center": "cost centre",
    "tag": "tag",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Printed:
    """What a page shows. `centers` and `owners`: sums by cost centre, and by organisation and tenant. `lines`: the
    first, of which there are `more`.
    """

    month: date
    state: str
    today: date
    filters: Mapping[str, str]
    totals: Sequence[Mapping[str, Any]]
    centers: Sequence[Mapping[str, Any]]
    owners: Sequence[Mapping[str, Any]]
    lines: Sequence[Mapping[str, Any]]
    more: bool
    hash: str | None
    closed: str | None


@dataclass(frozen=True, slots=True)
class Bar:
    """`share`: of the longest, in percent."""

    name: str
    micros: int
    currency: str | None
    share: str


def page(of: Printed) -> str:
    charts = (
        {"title": "By cost centre", "bars": _bars((one, one["key"]["cost_center"] or "none") for one in of.centers)},
        {
            "title": "By organisation and tenant",
            "bars": _bars((one, f"{one['key']['organization_id']} · {one['key']['tenant_id']}") for one in of.owners),
        },
    )
    return _template().render(
        period=f"{of.month:%Y-%m}", month=f"{of.month:%B %Y}", state=of.state, means=MEANS[of.state],
        runs=of.state in ("open", "forecast"), filters=[(NAMED[name], value) for name, value in of.filters.items()],
        totals=[one for one in of.totals if one["currency"]], unpriced=sum(one["unpriced"] for one in of.totals),
        charts=charts, lines=[_line(one) for one in of.lines], more=of.more, hash=of.hash, closed=of.closed,
        today=f"{of.today}", style=_style(),
    )  # fmt: skip


def policy() -> str:
    """The page loads nothing and runs nothing; its one style is known by its hash."""
    digest = b64encode(sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _bars(groups: Iterable[tuple[Mapping[str, Any], str]]) -> list[Bar]:
    """By currency, the largest first; what is beyond MOST_BARS together."""
    sums: dict[str, Counter[str]] = {}
    for one, name in groups:
        if one["currency"] is not None:
            sums.setdefault(one["currency"], Counter())[name] += one["micros"]
    bars = []
    for currency, counted in sorted(sums.items()):
        found = counted.most_common()
        shown = found if len(found) <= MOST_BARS else found[: MOST_BARS - 1]
        if rest := found[len(shown) :]:
            shown = [*shown, (f"{len(rest)} others", sum(micros for _, micros in rest))]
        longest = max(abs(micros) for _, micros in shown) or 1
        bars += [Bar(name, micros, currency, f"{100 * abs(micros) / longest:.2f}") for name, micros in shown]
    return bars


def _line(of: Mapping[str, Any]) -> dict[str, Any]:
    begins, ends = of["begins"], of["ends"]
    last = date.fromordinal(ends.toordinal() - 1)
    return {
        "phone_number": of["phone_number"], "nickname": of["nickname"], "what": WHAT[of["kind"]],
        "corrects": of["corrects"] and f"{of['corrects']:%Y-%m}", "cost_center": of["cost_center"],
        "days": f"{begins}" if begins == last else f"{begins} – {last}", "tags": ", ".join(of["tags"]),
        "micros": of["micros"], "currency": of["currency"],
    }  # fmt: skip


@cache
def _style() -> str:
    return (HERE / "statement.css").read_text()


@cache
def _template() -> Template:
    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    environment.filters["money"] = money
    return environment.get_template("statement.html")
