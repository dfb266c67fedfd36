"""What was heard of an upstream, judged: each finding in plain words, and what it means for Numbergate."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from service.cli.forms import id_form, time_form, told
from service.cli.upstream import Seen
from service.cli.words import count_of, fit, moment
from service.inventory.accounts import Standing, Standings
from service.kit.clock import rfc3339
from service.numbers.marks import mark_of
from service.teli.analytics import read_purchases
from service.teli.directory import TeliUser, read_organizations, read_users
from service.teli.heard import Heard
from service.teli.listing import Listing, read_listing

State = Literal["settled", "open", "fault"]
DOCUMENTED = frozenset({
    "phone_number", "pretty_phone_number", "id", "area_code", "phone_type", "provider", "user_id", "organization_id",
    "tenant_id", "outbound_agent_id", "inbound_agent_id", "nickname", "location", "accessible_by",
    "stripe_subscription_id", "zapier", "created_at",
})  # fmt: skip
TRACES = ("server", "via", "x-powered-by", "cf-ray", "x-request-id", "request-id", "retry-after", "ratelimit")
ONLY_WRITES = (
    "how long a create takes, how soon its number is listed, and whether its nickname comes back whole;"
    " what an impossible area code or a missing organisation gets; which agent id can be linked;"
    " what a release answers the second time, and one of a number that never was"
)


@dataclass(frozen=True, slots=True)
class Observed:
    """One question to the upstream. `open`: reads could not settle it; `fault`: Numbergate cannot work so."""

    question: str
    state: State
    seen: str
    means: str
    facts: dict[str, Any] = field(default_factory=dict)


def observed(seen: Seen, standings: Standings | None) -> Iterator[Observed]:
    yield _organizations(seen, standings)
    if seen.not_named is not None:
        yield from _not_named(seen)
    elif seen.organization is None or seen.users is None:
        yield Observed(
            "listing", "open", "no organisation to ask about", "name one: --organization, and --user where known"
        )
    else:
        yield _users(seen.users, seen.organization)
        if seen.own is None or seen.whole is None:
            yield Observed("listing", "open", f"no user of {seen.organization} to ask about", "name one: --user")
        else:
            yield from _listings(seen, seen.own, seen.whole, standings)
            yield _analytics(seen)
    yield _host(seen)
    yield _latency(seen)
    yield Observed("only writes", "open", ONLY_WRITES, "the first purchase, change and release will show these")


def _organizations(seen: Seen, standings: Standings | None) -> Observed:
    named = read_organizations(seen.organizations)
    filed = standings.organizations if standings is not None else ()
    if named is None and seen.organizations.status == 404:
        means = "only the organisations filed here are swept: file every one that numbers are bought for"
        return Observed("organisations", "settled", "not to be listed: 404", means, {"listed": None})
    if named is None:
        means = "an account is opened for purchases only after its organisations were listed: nothing can be bought"
        return Observed("organisations", "fault", _broken(seen.organizations), means, {"listed": None})
    uuids = sum(one.uuid is not None for one in named)
    absent = [one for one in filed if one not in {other.unique_id for other in named}]
    means = "every one of them is swept, beside those filed here"
    if absent:
        means += f"; filed here and not among them: {', '.join(absent[:5])}: check their ids"
    facts = {"listed": len(named), "with_uuid": uuids, "filed_and_not_listed": absent}
    return Observed("organisations", "settled", f"{len(named)} listed, {uuids} of them with a UUID too", means, facts)


def _not_named(seen: Seen) -> Iterator[Observed]:
    organization, user = fit(seen.organization or ""), fit(seen.user or "")
    what = f"--organization {organization}: Teli names no such organisation"
    if seen.not_named == "--user":
        assert seen.users is not None
        yield _users(seen.users, organization)
        what = f"--user {user}: Teli names no such user of {organization}"
    means = "check the id, a unique_id: of its numbers nothing was asked, for nothing would follow from the answers"
    yield Observed("option", "fault", what, means)


def _users(heard: Heard, organization: str) -> Observed:
    users = read_users(heard)
    if users is None:
        means = (
            "a user that is not filed here cannot be looked up, nor a UUID in a row be read: file users, with theirs"
        )
        return Observed("users", "fault", _broken(heard), means, {"listed": None})
    uuids = sum(one.uuid is not None for one in users)
    means = "users need not be filed here first: a purchase for one that is unknown asks, and files it"
    if not users:
        means = f"organisation {organization} is unknown to Teli, or has nobody: check its id"
    facts = {"listed": len(users), "with_uuid": uuids}
    return Observed("users", "settled", f"{len(users)} listed, {uuids} of them with a UUID too", means, facts)


def _listings(seen: Seen, own_heard: Heard, whole_heard: Heard, standings: Standings | None) -> Iterator[Observed]:
    own, whole = read_listing(own_heard), read_listing(whole_heard)
    if own is None or whole is None:
        means = (
            "nothing can be confirmed and no doubt resolved while this lasts: purchases stay doubts, and are not lost"
        )
        yield Observed("listing", "fault", _broken(whole_heard if whole is None else own_heard), means)
        return
    yield _completeness(whole_heard, whole)
    rows = [row for row in whole_heard.object()["phone_numbers"] if isinstance(row, dict)]
    yield _wideness(own, whole, seen)
    if not rows:
        means = "forms of ids, times and nicknames show themselves with the first number"
        yield Observed("rows", "open", f"{seen.organization} holds no number", means)
        return
    yield _fields(rows)
    yield _row_ids(rows)
    yield _owners(rows, seen)
    yield _times(rows)
    yield _nicknames(rows, standings)


def _completeness(heard: Heard, whole: Listing) -> Observed:
    body = heard.object()
    count, rows = body.get("count"), len(body["phone_numbers"])
    shape = f", as text: {fit(count)!r}" if isinstance(count, str) else ""
    facts = {"count": count, "rows": rows, "complete": whole.complete}
    if whole.complete:
        means = "listings can be relied on for what is absent, too, once several agree"
        return Observed("listing", "settled", f"{count_of(rows, 'row')}, and count says so{shape}", means, facts)
    unread = rows - len(whole.rows)
    means = "no listing like this one proves that anything is absent: doubts wait longer, ghosts are not seen"
    told_count = "no count" if count is None else f"count {fit(str(count))}"
    detail = f"{count_of(rows, 'row')}, {told_count}" + (f"; {unread} without an id or a number" if unread else "")
    return Observed("listing", "fault", detail, means, facts | {"unreadable": unread})


def _wideness(own: Listing, whole: Listing, seen: Seen) -> Observed:
    mine, all_rows = {row.row_id for row in own.rows}, {row.row_id for row in whole.rows}
    facts = {"own": len(mine), "whole": len(all_rows)}
    if mine - all_rows:
        means = (
            "sweeps list with is_admin, and would take these rows for gone: do not go on before Teli has explained it"
        )
        lacking = count_of(len(mine - all_rows), "row")
        return Observed("is_admin", "fault", f"without it {lacking} that it does not show", means, facts)
    if all_rows - mine:
        means = "one listing covers an organisation: doubts and sweeps cost listings, not users"
        return Observed(
            "is_admin", "settled", f"widens: {len(mine)} rows of the user, {len(all_rows)} with it", means, facts
        )
    owners = {row.user_id for row in whole.rows}
    if len(owners) > 1:
        means = "an ordinary listing shows the whole organisation already; each row's owner is read from the row"
        return Observed("is_admin", "settled", f"changes nothing: rows of {len(owners)} users without it", means, facts)
    means = f"all rows are of one user: ask again with --user of another one of {seen.organization}"
    return Observed("is_admin", "open", f"{len(mine)} rows with and without it", means, facts)


def _fields(rows: list[dict[str, Any]]) -> Observed:
    names = set().union(*rows)
    missing, further = sorted(DOCUMENTED - names), sorted(names - DOCUMENTED)
    parts = [f"missing: {', '.join(missing)}"] if missing else []
    parts += [f"not documented: {', '.join(fit(name, 40) for name in further[:10])}"] if further else []
    means = "of a row only id, phone_number, user, organisation, nickname and agents are read; the rest is ignored"
    facts = {"missing": missing, "not_documented": further}
    return Observed("row fields", "settled", "; ".join(parts) or "as documented", means, facts)


def _row_ids(rows: list[dict[str, Any]]) -> Observed:
    forms = [id_form(row.get("id")) for row in rows]
    distinct = len({str(row.get("id")) for row in rows})
    facts = {"forms": sorted(set(forms)), "distinct": distinct}
    if "missing" in forms or "not text" in forms:
        means = "a row without an id cannot be told from a later one of the same number, and is not read"
        return Observed("row ids", "fault", told(forms), means, facts)
    if distinct < len(rows):
        means = "a row id must name one acquisition: recycled numbers could not be told apart"
        return Observed("row ids", "fault", f"{told(forms)}, {len(rows) - distinct} of them twice", means, facts)
    means = "any form will do: it tells this acquisition from a later one of the same number"
    return Observed("row ids", "settled", told(forms), means, facts)


def _owners(rows: list[dict[str, Any]], seen: Seen) -> Observed:
    """Whether the ids in rows can be brought together with those in requests."""
    users: list[TeliUser] = (read_users(seen.users) if seen.users is not None else None) or []
    known = {one.unique_id for one in users} | {one.uuid for one in users} | {seen.user}
    user_forms = [id_form(row.get("user_id")) for row in rows]
    organization_forms = [id_form(row.get("organization_id")) for row in rows]
    strange = [row for row in rows if row.get("user_id") not in (None, "") and row.get("user_id") not in known]
    facts = {
        "user_forms": sorted(set(user_forms)),
        "organization_forms": sorted(set(organization_forms)),
        "owners_not_among_users": len(strange),
    }
    forms = f"users {told(user_forms)}; organisations {told(organization_forms)}"
    if strange:
        means = "such rows are nobody's here: a purchase among them is not confirmed; check what Teli lists as users"
        return Observed("owners", "fault", f"{forms}; {len(strange)} of users that Teli does not list", means, facts)
    if "missing" in user_forms:
        means = "a row that names no user is matched by its mark and number alone, and without a mark by a person"
        return Observed("owners", "settled", forms, means, facts)
    means = "both forms are known for each user, so that rows and requests can be brought together"
    return Observed("owners", "settled", forms, means, facts)


def _times(rows: list[dict[str, Any]]) -> Observed:
    forms = [time_form(row.get("created_at")) for row in rows]
    means = "kept as a hint for people; nothing is ordered or decided by it"
    return Observed("created_at", "settled", told(forms), means, {"forms": sorted(set(forms))})


def _nicknames(rows: list[dict[str, Any]], standings: Standings | None) -> Observed:
    nicknames = [row.get("nickname") for row in rows]
    named = [one for one in nicknames if isinstance(one, str) and one]
    marked = sum(mark_of(one) is not None for one in named)
    facts = {"with_nickname": len(named), "with_mark": marked, "longest": max(map(len, named), default=0)}
    detail = (
        f"{len(named)} of {len(rows)} rows have one, {marked} a mark of ours, the longest {facts['longest']} letters"
    )
    if marked:
        return Observed("nicknames", "settled", detail, "marks come back: doubts can be resolved by them", facts)
    accounts = standings.accounts if standings is not None else ()
    held = sum(one.unconfirmed for one in accounts)
    if held:
        means = f"{count_of(held, 'number')} not confirmed yet, and no row shows a mark: Teli may not keep it"
    elif accounts and all(one.mode == "mark" for one in accounts):
        means = "marks have come back before, for the account is in mark mode; NUMBERGATE_MARK_KEEP later they are off"
        return Observed("nicknames", "settled", detail, means, facts)
    elif any(one.mode_learned for one in accounts):
        means = "a number of ours came back without its mark: the account stays in lane mode until one is seen again"
    else:
        means = "whether marks come back is settled by the first purchase; until then the account is in lane mode"
    return Observed("nicknames", "open", detail, means, facts)


def _analytics(seen: Seen) -> Observed:
    heard = seen.analytics
    assert heard is not None
    counts = read_purchases(heard)
    if counts is None:
        means = "no third witness: a number bought and never recorded by Teli cannot be told from one never bought"
        return Observed("analytics", "settled", _broken(heard), means, {"readable": False})
    sums = {f"phone_{kind}_{what}": 0.0 for kind in ("rental", "purchase") for what in ("cost", "count")}
    for user in heard.object()["users"]:
        for name in sums:
            value = user["cost_breakdown"].get(name)
            sums[name] += value if isinstance(value, int | float) else 0
    rented, bought = int(sums["phone_rental_count"]), int(sums["phone_purchase_count"])
    prices = [
        f"{sums[f'phone_{kind}_cost'] / count:.2f} a {kind}"
        for kind, count in (("purchase", bought), ("rental", rented))
        if count
    ]
    listing = read_listing(seen.whole) if seen.whole is not None else None
    rows = len(listing.rows) if listing is not None else 0
    agree = "as many as are listed" if rented == rows else f"while {rows} are listed"
    detail = f"by user, {seen.period[0]} to {seen.period[1]}: {bought} purchases; {rented} rentals, {agree}"
    detail += f"; {', '.join(prices)}, no currency named" if prices else ""
    means = "a third witness of purchases, by day: good for “one more than we know of”, never for which one"
    forms = sorted({id_form(one) for one in counts})
    facts = {"readable": True, "purchases": bought, "rentals": rented, "rows": rows, "user_forms": forms, **sums}
    return Observed("analytics", "settled", detail, means, facts)


def _host(seen: Seen) -> Observed:
    headers = {name.lower(): value for name, value in seen.organizations.headers.items()}
    traces = {name: fit(value, 100) for name, value in headers.items() if name.startswith(TRACES)}
    modal = "modal" in f"{seen.base_url} {headers}".lower()
    means = "a create longer than 150 seconds is answered by 303 there, which is followed once, by GET"
    if not modal:
        means = "no sign of Modal; a 303 would be followed once, by GET, all the same"
    shown = ", ".join(f"{name}: {value}" for name, value in traces.items()) or "nothing that tells the host"
    facts = {"modal": modal, "headers": traces, "all": sorted(headers)}
    return Observed("host", "settled", shown, means, facts)


def _latency(seen: Seen) -> Observed:
    times = [read.seconds * 1000 for read in seen.reads]
    if not times:
        return Observed("latency", "fault", "no answer at all", "check TELI_BASE_URL and the way there")
    middle, most = statistics.median(times), max(times)
    facts = {"reads": len(times), "median_ms": round(middle, 1), "slowest_ms": round(most, 1)}
    detail = f"{count_of(len(times), 'read')}: {middle:.0f} ms in the middle, {most:.0f} ms at most"
    means = "of reads; a create passes the carrier too, and is waited for as long as NUMBERGATE_UPSTREAM_TIMEOUT says"
    return Observed("latency", "settled", detail, means, facts)


def _broken(heard: Heard) -> str:
    if heard.kind != "answer":
        return f"no answer: {fit(heard.detail or heard.kind, 200)}"
    return f"answered {heard.status}, and not what its page shows"


def standing(account: Standing) -> list[Observed]:
    """How an account stands here, in the same form."""
    since = rfc3339(account.mode_since)
    told_since = moment(since)
    if account.mode == "mark":
        seen, means = f"mark, since {told_since}", "purchases go out side by side, and a doubt is resolved by its mark"
    else:
        seen = f"lane, since {told_since}, when a number of ours came back without its mark"
        if not account.mode_learned:
            seen = f"lane, from the first, {told_since}: no mark was seen in a listing yet"
        means = (
            "one purchase at a time for each user; a doubt is resolved by elimination for users declared exclusive,"
            " for others by a person"
        )
    mode = Observed(
        "mode", "settled", seen, means, {"mode": account.mode, "since": since, "learned": account.mode_learned}
    )
    if account.listed_at is None:
        listed = Observed("listed", "open", "not yet", "nothing is bought before: start a worker", {"listed_at": None})
    else:
        at = rfc3339(account.listed_at)
        means = "what the account held then is existing, and neither ours nor an orphan"
        listed = Observed("listed", "settled", moment(at), means, {"listed_at": at})
    counts = {
        name: getattr(account, name) for name in ("held", "unconfirmed", "doubtful", "unresolved", "orphans", "ghosts")
    }
    detail = (
        f"{count_of(account.held, 'number')} held, {account.unconfirmed} of them not seen in a listing yet;"
        f" {count_of(account.doubtful, 'doubt')} being resolved, {account.unresolved} unresolved,"
        f" {count_of(account.orphans, 'orphan')}, {count_of(account.ghosts, 'ghost')}"
    )
    waiting = account.unresolved + account.orphans + account.ghosts
    means = (
        "what is unresolved, every orphan and every ghost waits for a person: docs/operate.md"
        if waiting
        else "nobody waits"
    )
    return [mode, listed, Observed("open", "settled", detail, means, counts)]
