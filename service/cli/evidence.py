"""Doubts, orphans and ghosts in plain words: what each is, what is known of it, and what may be done."""

from collections.abc import Iterator
from typing import Any, Literal

from service.cli.words import count_of, fit, known, moment
from service.reconciliation.words import DECIDED_ON, ORPHANED, of_evidence, why

List = Literal["doubts", "orphans", "ghosts"]
Item = dict[str, Any]
SINCE: dict[List, str] = {"doubts": "admitted_at", "orphans": "seen_at", "ghosts": "gone_at"}
MOST_BODY = 300
WHAT = {
    ("doubts", "owned"): "The purchase is taken to have bought {phone_number}: the tenant holds it, and it counts.",
    ("doubts", "refused"): "The purchase is taken to have bought nothing: its quota is given back.",
    ("orphans", "adopt"): "{number} is held by tenant {tenant} for user {user} from now on, and counts.",
    ("orphans", "release"): "{number} is given back to the carrier. That cannot be undone.",
    ("orphans", "ignore"): "{number} stays at Teli, billed, and is no concern of ours.",
    ("ghosts", "missing"): "{number} no longer counts, until a listing shows it again.",
    ("ghosts", "still_ours"): "{number} is held, whatever the listings show.",
}
OF_A_RELEASE = {
    "missing": "{number} is released, for good, and no longer counts.",
    "still_ours": "{number} is held as before, and may be released again.",
}


def headline(kind: List, item: Item) -> str:
    """An item in a few words, for a table."""
    if kind == "doubts":
        heard = item.get("evidence") or []
        last = _heard(heard[-1], brief=True) if heard else "nothing was heard"
        return f"{last}; {count_of(_total(item, 'candidates'), 'candidate')}"
    if kind == "orphans":
        return known(item.get("nickname"))
    looks = int(item.get("looks") or 0)
    return known(item.get("reason")) + (f"; not in {count_of(looks, 'listing')}" if looks else "")


def story(kind: List, item: Item) -> Iterator[str]:
    """All that is known of an item, line by line."""
    yield f"{kind.removesuffix('s').capitalize()} {item['id']}, {known(item.get('state'))}"
    yield ""
    yield from {"doubts": _doubt, "orphans": _orphan, "ghosts": _ghost}[kind](item)
    yield ""
    yield "Decide"
    yield from (f"  {line}" for line in _decisions(kind, item))


def consequence(kind: List, decision: str, item: Item, given: dict[str, str | None]) -> str:
    """What a decision does, for whoever is asked whether it is meant."""
    names = {
        "phone_number": known(given.get("phone_number")),
        "number": known(item.get("phone_number")) if item.get("phone_number") else "The number",
        "tenant": known(given.get("tenant_id") or item.get("tenant_id")),
        "user": known(given.get("user_id") or item.get("user_id")),
    }
    unresolved = kind == "ghosts" and item.get("state") == "releasing"
    return (OF_A_RELEASE[decision] if unresolved else WHAT[kind, decision]).format(**names)


def _total(item: Item, name: str) -> int:
    """How many there are, of which the item may show the first or last few."""
    return int(item.get(f"{name}_total") or len(item.get(name) or []))


def _doubt(item: Item) -> Iterator[str]:
    nickname = f", to be called “{known(item['nickname'])}”" if item.get("nickname") else ""
    yield f"A number in area code {known(item.get('area_code'))} was to be bought{nickname}."
    yield from _owner(item)
    yield f"  asked for  {moment(item.get('admitted_at'))}; the send ended {moment(item.get('send_ended_at'))}"
    yield f"  mark       {known(item.get('mark'))}, at the head of the nickname where Teli kept it"
    if item.get("phone_number"):
        yield f"  named      {known(item['phone_number'])}, which the account held already"
    if item.get("reason"):
        yield f"  why        {fit(why(str(item['reason'])), 2 * MOST_BODY)}"
    yield ""
    yield "What was heard of it"
    heard = item.get("evidence") or []
    if (earlier := _total(item, "evidence") - len(heard)) > 0:
        yield f"  {count_of(earlier, 'earlier piece')} of evidence, not shown"
    yield from (f"  {moment(one.get('heard_at'))}  {_heard(one)}" for one in heard)
    if not heard:
        yield "  Nothing: the sender was lost before it could tell."
    for one in item.get("decided_on") or []:
        yield ""
        yield from _decided_on(one, known(item.get("user_id")))
    yield ""
    yield "Rows at Teli that it may have bought"
    candidates = item.get("candidates") or []
    for one in candidates:
        called = f"“{known(one['nickname'])}”" if one.get("nickname") else "without a nickname"
        yield f"  {known(one.get('phone_number'))}  {called}, first seen {moment(one.get('seen_at'))}"
        yield f"    which is the orphan {one['id']}"
    if (more := _total(item, "candidates") - len(candidates)) > 0:
        yield f"  and {count_of(more, 'more row')}, not shown: numbergate orphans list"
    if not candidates:
        yield "  None that nothing else explains."


def _orphan(item: Item) -> Iterator[str]:
    yield f"Teli shows {known(item.get('phone_number'))}, and no purchase of ours accounts for it."
    reason = str(item.get("reason"))
    yield ORPHANED.get(reason, f"Why: {fit(reason)}.")
    yield from _owner(item)
    yield f"  nickname   {known(item.get('nickname'))}"
    yield f"  row        {known(item.get('row_id'))}"
    yield f"  first seen {moment(item.get('seen_at'))}"
    if item.get("intent_id"):
        yield f"  belongs to the purchase {item['intent_id']}, most likely"


def _ghost(item: Item) -> Iterator[str]:
    looks = int(item.get("looks") or 0)
    since = moment(item.get("gone_at"))
    number = known(item.get("phone_number"))
    if item.get("state") == "releasing":
        yield f"{number} was to be released. That is unresolved since {since}, and nothing more is sent."
        yield "It was released after all, or it is still held. It counts until that is decided, and may be billed."
    elif item.get("row_id") is None:
        yield f"{number} was bought, at {since}, and {count_of(looks, 'complete listing')} since then did not show it."
        yield "Teli never recorded it, or its listing is wrong. It counts, and may be billed."
    else:
        yield f"We hold {number}, and {count_of(looks, 'complete listing')} since {since} did not show it."
        yield "It was released in the dashboard, or Teli's listing is wrong. It still counts, and may be billed."
    yield f"  why        {known(item.get('reason'))}"
    yield from _owner(item)
    yield f"  nickname   {known(item.get('nickname'))}"
    yield f"  row        {known(item.get('row_id'))}"


def _decided_on(one: Item, user: str) -> Iterator[str]:
    """What a decision was based on; what is not kept in full is counted. `user`: whose the purchase is."""
    kind = known(one.get("kind"))
    yield f"What it was decided on, {moment(one.get('at'))}: {DECIDED_ON.get(kind, kind)}"
    looks = one.get("looks") or []
    if looks:
        yield f"  {count_of(len(looks), 'look')}, from {moment(looks[0])} to {moment(looks[-1])}"
    if counts := one.get("counts"):
        counted, of = known(counts.get("counted")), known(counts.get("known"))
        yield f"  Teli counts {counted} since {known(counts.get('since'))}, of which {of} are known"
    rows = one.get("rows") or []
    if rows and kind in ("absent", "presumed"):
        yield f"  What that listing showed of user {user}, none of it proved to be this purchase's:"
    elif rows:
        yield f"  What that listing showed under its mark, under the number it named, or of user {user}:"
    for row in rows:
        called = f"“{known(row['nickname'])}”" if row.get("nickname") else "without a nickname"
        yield f"  {known(row.get('phone_number'))}  {called}, row {known(row.get('row_id'))}"
    if left_out := int(one.get("rows_left_out") or 0):
        yield f"  and {count_of(left_out, 'row')} more"


def _owner(item: Item) -> Iterator[str]:
    yield f"  tenant     {known(item.get('tenant_id'))}"
    yield f"  for        user {known(item.get('user_id'))} of organisation {known(item.get('organization_id'))}"


def _heard(one: Item, *, brief: bool = False) -> str:
    """One piece of evidence, by its `kind`; one that is not known here is shown by its name."""
    detail = one.get("detail")
    said = of_evidence(known(one.get("kind")), known(one["status"]) if one.get("status") else None)
    if brief:
        return said
    if detail:
        said += f" ({fit(str(detail), MOST_BODY)})"
    return f"{said}: {fit(str(one['body']), MOST_BODY)}" if one.get("body") else said


def _decisions(kind: List, item: Item) -> Iterator[str]:
    command = f"numbergate {kind} resolve {item['id']}"
    why = "--reason 'how you know'"
    if kind == "doubts":
        numbers = [str(one.get("phone_number")) for one in item.get("candidates") or []] or ["+1…"]
        for number in numbers:
            yield f"{command} owned --phone-number {fit(number)} {why}"
        yield f"{command} refused {why}"
    elif kind == "orphans":
        missing = "".join(f" --{name} …" for name in ("tenant", "user") if not item.get(f"{name}_id"))
        yield f"{command} adopt{missing} {why}"
        yield f"{command} release{missing} {why}"
        yield f"{command} ignore {why}"
    else:
        yield f"{command} missing {why}"
        yield f"{command} still_ours {why}"
