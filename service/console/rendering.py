"""From a template and what the API answered to a page of HTML. Everything is escaped by Jinja but what a macro makes.

A page loads scripts and styles of ours alone, and none that stand in it, whatever a nickname says.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.types import Scope

from service.http.context import header
from service.kit.money import money
from service.reconciliation.words import DECIDED_ON, ORPHANED, of_evidence, why

HERE = Path(__file__).parent
# Charts are drawn on a canvas, whose library sets sizes by script.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    # `Origin` is sent with what a page changes, and must say where that began.
    "Referrer-Policy": "same-origin",
}


# Where in a listing a page stands.
PLACES = ("cursor", "line")
TIME = Markup('<time datetime="%s" title="%s UTC">%s UTC</time>')
NOTHING, TAG = Markup('<span class="soft">–</span>'), Markup('<span class="state">%s</span>')
NO_NAMES: Mapping[str, str] = MappingProxyType({})
# Members of the log, of limits, prices, budgets and matches.
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
AMOUNTS = frozenset(("micros", "amount", "monthly", "setup", "spend_per_month", "tolerance"))


def render(template: str, **of: Any) -> str:
    return _environment().get_template(template).render(**of)


def fragment(template: str, macro: str, *of: Any) -> str:
    """A part of a page, to put in place of its like."""
    made = getattr(_environment().get_template(template).module, macro)
    return str(made(*of))


def phone(e164: str | None) -> str:
    """`+1 313 555 0100`: of the NANP in its groups, all else as it is."""
    if e164 is None:
        return "–"
    return f"+1 {e164[2:5]} {e164[5:8]} {e164[8:]}" if len(e164) == 12 and e164.startswith("+1") else e164


def moment(at: str | None) -> Markup:
    """A time of the API: in UTC, which a script puts into the zone of whoever looks, with UTC on hover."""
    if not at:
        return Markup("–")
    read = f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return TIME % (at, read, read[: -len(":00")])


def cell(value: Any, name: str, names: Mapping[str, str] = NO_NAMES) -> str | Markup:
    """What a listing of numbers shows of a row under a column. `names`: of ids, which then stand on hover.

    No macro, which takes several times as long: a page has hundreds of cells.
    """
    if value is None or value == []:
        return NOTHING
    if name == "tags":
        return Markup(" ").join(TAG % tag for tag in value)
    if name == "state":
        return Markup('<span class="state state-%s">%s</span>') % (value, words(value))
    if name.endswith("_at"):
        return moment(value)
    if name.endswith("_id") and value in names:
        return Markup('<span title="%s">%s</span>') % (value, names[value])
    if name == "id" or name.endswith("_id"):
        return Markup('<code class="short" title="%s">%s</code>') % (value, value)
    return str(value)


def is_moment(value: Any, name: str) -> bool:
    """Whether a member of the log, by its name, is a time of the API."""
    is_named_so = name == "at" or name.endswith(("_at", "_until"))
    return is_named_so and isinstance(value, str) and MOMENT.fullmatch(value) is not None


def is_amount(value: Any, name: str) -> bool:
    """Whether a member of the log, by its name, is in micro-units."""
    return isinstance(value, int) and (name in AMOUNTS or name.endswith("_micros"))


def age(at: str) -> str:
    """How long ago that is: `5 min`, `3 h`, `2 days`."""
    passed = max(datetime.now(UTC) - datetime.fromisoformat(at), timedelta())
    if passed < timedelta(hours=1):
        return f"{passed // timedelta(minutes=1)} min"
    if passed < timedelta(days=2):
        return f"{passed // timedelta(hours=1)} h"
    return f"{passed.days} days"


def month(day: str) -> str:
    """`January 2026`, of `2026-01` or a day of it."""
    return f"{date.fromisoformat(f'{day[:7]}-01'):%B %Y}"


def words(name: str) -> str:
    """`release_scheduled` as people say it, and `credited_micros`, which is shown as an amount."""
    return name.removesuffix("_micros").replace("_", " ").replace(".", " ")


def capitalize_first(text: str) -> str:
    """As a sentence begins; what follows stays as it is."""
    return text[:1].upper() + text[1:]


def who(actor: str) -> str:
    """An actor of the audit log as people say it: a person without the name of who vouches for them."""
    kind, _, name = actor.partition(":")
    return name.rpartition("|")[2] if kind == "person" else actor


def of_many(noun: str, count: int) -> str:
    """`1 number` and `1,234 numbers`, of `numbers`."""
    one = f"{noun[:-3]}y" if noun.endswith("ies") else noun[:-1]
    return f"{count:,} {one if count == 1 else noun}"


def last_day(ends: str) -> str:
    """Of days up to the one before `ends`, as the API has them."""
    return str(date.fromisoformat(ends) - timedelta(days=1))


def total(of: Mapping[str, Any]) -> str:
    """`1,234`, and `about 1,234` where it was estimated."""
    return f"{'' if of['exact'] else 'about '}{of['value']:,}"


@pass_context
def here(context: Context, **changed: Any) -> str:
    """The address of this page with some parameters other than they are; None takes one away.

    Whatever is changed begins at the first page again.
    """
    query = {name: value for name, value in context["query"].items() if name not in PLACES} | changed
    said = urlencode({name: value for name, value in query.items() if value not in (None, "")})
    return f"{context['path']}?{said}" if said else str(context["path"])


@cache
def version() -> str:
    """Of all files under static/, together: a new one is loaded anew, and what did not change never."""
    digest = sha256()
    for path in sorted((HERE / "static").rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def static(name: str) -> str:
    return f"/console/static/{version()}/{name}"


def takes_gzip(scope: Scope) -> bool:
    """Nothing that is secret stands in a page beside what others may choose, so that its size tells nothing."""
    return "gzip" in (header(scope, b"accept-encoding") or "")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    environment.filters |= {
        "money": money, "phone": phone, "cell": cell, "moment": moment, "age": age, "month": month, "words": words,
        "who": who, "total": total, "of_many": of_many, "last_day": last_day, "why": why,
        "capitalize_first": capitalize_first, "decided_on": lambda kind: DECIDED_ON.get(kind, words(kind)),
        "orphaned": ORPHANED.get,
    }  # fmt: skip
    environment.tests |= {"amount": is_amount, "moment": is_moment}
    environment.globals |= {"static": static, "here": here, "of_evidence": of_evidence}
    return environment
