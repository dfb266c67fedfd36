"""What must be true of a schedule, judged from the carrier's own record of every purchase ever made.

Never from the state at the end alone: a sweeper that tidies up would hide every double purchase.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from service.kit.errors import StateConflict
from service.numbers.models import Intent, Number
from service.numbers.steps import SEND_WITHIN
from service.quotas.models import Quota
from tests.fakes.ledger import is_sale
from tests.fakes.quotas import counted, covers
from tests.fakes.world import World
from tests.simulation.callers import Deed, Heard
from tests.simulation.carrier import Carrier
from tests.simulation.machines import GRACE, WINDOW, WRITE_OFF
from tests.simulation.orderers import OrderDeed
from tests.simulation.seams import LISTENS, Deletion, Journal, Look
from tests.simulation.truths import Purchase

OPEN = ("sending", "doubtful", "unresolved")
# Refusals that were heard of Teli, after which an item is asked for again, or given up.
TELIS_WORD = ("out_of_stock", "credentials", "rate_limited", "bad_request")
# Seconds from the end of an order's last item until every worker has looked at it.
CLOSED_WITHIN = 30.0
# As design has it, not as the code: three looks, a minute or a third of the window apart.
LOOKS = 3
APART = timedelta(minutes=1)


@dataclass(slots=True)
class Truths:
    """Everything there is to judge by. `made_for`: of each purchase of ours, by its row id, the intent."""

    world: World
    carrier: Carrier
    journal: Journal
    heard: list[Heard]
    deeds: list[Deed]
    ordering: list[OrderDeed]
    now: float
    made_for: dict[str, Intent] = field(init=False)
    sends: Counter[Any] = field(init=False)
    sent_by: dict[int, Intent] = field(init=False)
    strays: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.sends, self.strays, self.made_for, self.sent_by = Counter(), [], {}, {}
        by_mark: dict[str, list[Intent]] = defaultdict(list)
        for intent in sorted(self.world.intents.values(), key=lambda one: one.admitted_at):
            by_mark[intent.mark].append(intent)
        of_serial: dict[int, Intent] = {}
        for departure in self.journal.departures:
            at = datetime.fromtimestamp(departure.at, UTC)
            owners = [one for one in by_mark[departure.mark] if one.admitted_at <= at]
            if not owners or at > owners[-1].lease_until:
                self.strays.append(f"a create left at {departure.at:.3f} that no intent had admitted: {departure.mark}")
                continue
            self.sends[owners[-1].id] += 1
            self.sent_by[id(departure)] = owners[-1]
            if departure.serial is not None:
                of_serial[departure.serial] = owners[-1]
        for purchase in self.carrier.bought:
            if purchase.serial is not None and purchase.serial in of_serial:
                self.made_for[purchase.row_id] = of_serial[purchase.serial]

    def ours(self) -> list[Purchase]:
        return [one for one in self.carrier.bought if one.who == "gateway"]


def violations(truths: Truths, *, written_off: bool) -> list[str]:
    """Every promise that was broken, in words. `written_off`: the time until the write-off has passed."""
    rules = AT_THE_END if written_off else ()
    return [found for rule in (*rules, _nothing_stuck, _orders_end) for found in rule(truths, written_off)]


def _bought_once(truths: Truths, _: bool) -> Iterator[str]:
    yield from truths.strays
    for intent_id, sends in truths.sends.items():
        if sends > 1:
            yield f"double: intent {intent_id} was sent {sends} times"
    per_key = Counter(
        (intent.tenant_id, intent.idempotency_key)
        for intent in truths.world.intents.values()
        if intent.idempotency_key is not None and intent.state != "refused"
    )
    for (tenant, key), count in per_key.items():
        if count > 1:
            yield f"double: key {key} of {tenant} has {count} intents that are not refused"


def _no_stranger_adopted(truths: Truths, _: bool) -> Iterator[str]:
    bought = {one.row_id: one for one in truths.carrier.bought}
    for number in truths.world.numbers.values():
        if number.upstream_row_id is not None:
            purchase = bought.get(number.upstream_row_id)
            intent = truths.made_for.get(number.upstream_row_id)
            if purchase is None or purchase.who == "stranger":
                yield f"adopted: {number.phone_number} has a stranger's row {number.upstream_row_id}"
            elif (
                intent is None
                or intent.tenant_id != number.tenant_id
                or (intent.id != number.intent_id and not _reused(truths, intent, number))
            ):
                yield f"adopted: {number.phone_number} of {number.tenant_id} was bought for another intent"
        elif not any(
            one.phone_number == number.phone_number
            and (intent := truths.made_for.get(one.row_id)) is not None
            and (intent.id == number.intent_id or _reused(truths, intent, number))
            for one in truths.carrier.bought
        ) and not _named_while_held(truths, number):
            yield f"adopted: {number.phone_number} of {number.tenant_id} was never bought for its intent"


def _reused(truths: Truths, bought_for: Intent, number: Number) -> bool:
    """A refused intent's number may be had by the next of its tenant, organisation and user, and is its key's."""
    owner = truths.world.intents.get(number.intent_id) if number.intent_id else None
    return (
        bought_for.state == "refused"
        and owner is not None
        and (owner.decision == "reused" or owner.mark == bought_for.mark)
        and (owner.tenant_id, owner.organization_id, owner.user_id)
        == (bought_for.tenant_id, bought_for.organization_id, bought_for.user_id)
    )


def _named_while_held(truths: Truths, number: Number) -> bool:
    """Its answer named a number that was held then, and could be written down only when that had been given back."""
    heard = [one.heard_at for one in truths.world.evidence if one.intent_id == number.intent_id and _named(one.body)]
    return any(
        one.phone_number == number.phone_number and one.released_at is not None and min(heard) < one.released_at
        for one in truths.world.numbers.values()
        if heard and one.id != number.id and one.released_at is not None and one.released_at <= number.acquired_at
    )


def _none_lost(truths: Truths, _: bool) -> Iterator[str]:
    """Every number that is held at the carrier is in the ledger, was there before, is an orphan, or is in doubt."""
    world = truths.world
    owned = {one.upstream_row_id for one in world.numbers.values()}
    unconfirmed = {(one.intent_id, one.phone_number) for one in world.numbers.values() if one.state != "released"}
    orphans = {one.row_id for one in world.orphans.values()}
    proofs = {(one.intent_id, one.phone_number) for one in world.orphans.values()}
    existing = {row_id for _, row_id in world.existing}
    for purchase in truths.carrier.held.values():
        intent = truths.made_for.get(purchase.row_id)
        known = (
            purchase.row_id in owned
            or purchase.row_id in orphans
            or purchase.row_id in existing
            or (intent is not None and (intent.id, purchase.phone_number) in unconfirmed | proofs)
            or (intent is not None and intent.state == "unresolved" and _held_up(truths, purchase, intent))
            # Its key's mark had another row; Teli's counts alone tell of this one.
            or (intent is not None and intent.state == "owned" and not purchase.ever_listed)
            or (intent is not None and not purchase.ever_listed and _in_a_persons_hands(intent))
        )
        if not known:
            state = f"intent {intent.id} is {intent.state}" if intent else "nobody's intent"
            yield f"lost: {purchase.phone_number} row {purchase.row_id} by {purchase.who}, {state}"
    for number in world.numbers.values():
        held = truths.carrier.held.get(number.phone_number)
        if number.state == "released" and held is not None and held.row_id == number.upstream_row_id:
            yield f"lost: {number.phone_number} is released in the ledger and held at the carrier"


def _held_up(truths: Truths, purchase: Purchase, intent: Intent) -> bool:
    """Never listed; or its number is still that of an acquisition that is gone, which a person must decide first."""
    rivals = (one for one in truths.world.numbers.values() if one.phone_number == purchase.phone_number)
    return not purchase.ever_listed or any(one.state != "released" and one.intent_id != intent.id for one in rivals)


def _held_at(number: Number, moment: datetime) -> bool:
    return number.acquired_at <= moment and (number.released_at is None or moment < number.released_at)


def _in_a_persons_hands(intent: Intent) -> bool:
    """What Teli never lists nobody can see: who has the doubt on a list may be right or wrong about it."""
    return intent.state == "unresolved" or intent.decision == "operator"


def _proof_is_kept(truths: Truths, _: bool) -> Iterator[str]:
    """Each answer that named a number is its intent's, or an orphan's that names it, or waits to be looked at."""
    world = truths.world
    orphans = {(one.intent_id, one.phone_number) for one in world.orphans.values()}
    numbers = {(one.intent_id, one.phone_number) for one in world.numbers.values()}
    for heard in world.evidence:
        if not is_sale(heard):
            continue
        named, intent = _named(heard.body), world.intents[heard.intent_id]
        if named is None or (intent.id, named) in orphans | numbers or intent.named_number == named:
            continue
        if intent.state in OPEN:
            continue  # It names a number that is held already, and whoever decides has it before them.
        if intent.state == "refused" and intent.decided_at is not None and heard.heard_at <= intent.decided_at:
            continue  # It named a number that was held already, and was decided knowing that.
        if any(one.phone_number == named and _held_at(one, heard.heard_at) for one in world.numbers.values()):
            continue  # So it did, and the row that its key had been sold before was seen then.
        yield f"lost: the proof that {named} was sold to intent {intent.id}, which is {intent.state}"


def _named(body: str | None) -> str | None:
    try:
        said = orjson.loads(body or "")
    except orjson.JSONDecodeError:
        return None
    sold = isinstance(said, dict) and said.get("success") is True and said.get("phone_number")
    return str(sold) if sold else None


def _absence_is_proved(truths: Truths, _: bool) -> Iterator[str]:
    """No doubt was called absent before three listings a while apart were whole, and held what was known to be held.

    Judged from what was heard of Teli, not from what was written of it.
    """
    world, ends = truths.world, _ends_of_sends(truths)
    apart = min(APART.total_seconds(), WINDOW / LOOKS)
    for at, doubt in truths.journal.absent:
        ended = ends.get(doubt.id, world.intents[doubt.id].lease_until.timestamp())
        whole = sorted(
            (
                look
                for look in truths.journal.looks
                if look.organization == doubt.organization_id and look.complete and ended <= look.at <= at
            ),
            key=lambda look: look.at,
        )
        held = _surely_held(truths, doubt.organization_id)
        good: list[float] = []
        for look in whole:
            lacks = [row for row, since in held.items() if since <= look.at and row not in look.rows]
            believed = all(_is_ghost(truths.journal.looks, row, look) for row in lacks)
            if believed and (not good or look.at - good[-1] >= apart or look.at >= ended + WINDOW):
                good.append(look.at)
        if len(good) < LOOKS or good[-1] < ended + WINDOW or good[-1] - good[0] < apart * (LOOKS - 1):
            yield f"hasty: intent {doubt.id} was called absent at {at:.3f}, {at - ended:.1f} s after its send"


def _ends_of_sends(truths: Truths) -> dict[UUID, float]:
    """When senders stopped listening, of those that lived to; nobody listens beyond the lease."""
    found: dict[UUID, float] = {}
    for departure in truths.journal.departures:
        intent = truths.sent_by.get(id(departure))
        if intent is not None and departure.ended is not None:
            found[intent.id] = min(departure.ended, intent.lease_until.timestamp())
    return found


def _trusted_rightly(truths: Truths, _: bool) -> Iterator[str]:
    """A listing that was trusted held what was surely held, save what was a ghost by the listings kept before it."""
    kept = {(one.organization_id, _moment(one.began_at.timestamp())) for one in truths.world.listings}
    looks = [one for one in truths.journal.looks if (one.organization, _moment(one.at)) in kept]
    by_moment = {(one.organization, _moment(one.at)): one for one in looks}
    for taken in truths.world.listings:
        look = by_moment.get((taken.organization_id, _moment(taken.began_at.timestamp())))
        if look is None or not taken.trustworthy:
            continue
        for row, since in _surely_held(truths, look.organization).items():
            if since <= look.at and row not in look.rows and not _is_ghost(looks, row, look):
                yield f"trusted: the listing at {look.at:.3f}, which lacked {row}"


def _moment(at: float) -> int:
    """In microseconds, as Postgres counts them; rounded first as the clock of the schedule is, for halves too."""
    return round(round(at, 6) * 1_000_000)


def _surely_held(truths: Truths, organization: str) -> dict[str, float]:
    """Rows of numbers that are ours to the end, with when that was known."""
    held = {one.row_id for one in truths.carrier.held.values()}
    return {
        one.upstream_row_id: one.confirmed_at.timestamp()
        for one in truths.world.numbers.values()
        if one.organization_id == organization
        and one.state == "active"
        and one.upstream_row_id in held
        and one.confirmed_at is not None
    }


def _is_ghost(looks: list[Look], row: str, look: Look) -> bool:
    """Absent from several whole listings over a window, and from all since it was last seen: it need not be in this."""
    lacking: list[float] = []
    for one in sorted(looks, key=lambda one: one.at, reverse=True):
        if one.organization != look.organization or one.at >= look.at:
            continue
        if row in one.rows:
            break
        if one.complete:
            lacking.append(one.at)
    return len(lacking) >= LOOKS and look.at - lacking[-1] >= WINDOW


def _never_back(truths: Truths, _: bool) -> Iterator[str]:
    """What is owned stays owned: a number's intent says so, and an owned intent has its number."""
    intents, numbers = truths.world.intents, truths.world.numbers
    for number in numbers.values():
        if number.intent_id is not None and (state := intents[number.intent_id].state) != "owned":
            yield f"undone: intent {number.intent_id} has {number.phone_number} and is {state}"
    for intent in intents.values():
        if intent.state == "owned" and intent.number_id not in numbers:
            yield f"undone: intent {intent.id} is owned and has no number"


def _presumed_rightly(truths: Truths, _: bool) -> Iterator[str]:
    """What is written off was not bought, or Teli itself does not count it; and it has waited its time."""
    bought = {intent.id for intent in truths.made_for.values()}
    for intent in truths.world.intents.values():
        if intent.state == "refused" and intent.decision == "presumed":
            if intent.id in bought:
                yield f"presumed: intent {intent.id} was bought, and is written off"
            if intent.decided_at is not None and (intent.decided_at - intent.admitted_at).total_seconds() < WRITE_OFF:
                yield f"hasty: intent {intent.id} was written off at {intent.decided_at:%H:%M:%S}"


def _final_refusals_stand(truths: Truths, _: bool) -> Iterator[str]:
    """A key keeps the answer that nothing was bought, once that was decided and not only said."""
    decided = {
        (one.tenant_id, one.idempotency_key): one.decided_at
        for one in truths.world.intents.values()
        if one.idempotency_key is not None and one.state == "refused" and one.decision in ("presumed", "operator")
    }
    for intent in truths.world.intents.values():
        until = decided.get((intent.tenant_id, intent.idempotency_key))
        if until is not None and intent.admitted_at > until:
            yield f"two answers: key {intent.idempotency_key} was refused for good, and was sent again"


def _never_over_quota(truths: Truths, _: bool) -> Iterator[str]:
    """At no moment did the carrier hold more for a tenant, a user, an organisation or all than its limit.

    Nor was more bought in a day.
    """
    orphans = truths.world.orphans.values()
    second_rows = {one.row_id for one in orphans if one.reason == "second_row_of_a_mark"}
    changes: list[tuple[float, int, Intent]] = []
    ended = {one.purchase.row_id: one.at for one in truths.carrier.released}
    rows = {one.intent_id: one.upstream_row_id for one in truths.world.numbers.values() if one.upstream_row_id}
    for purchase in truths.ours():
        intent = truths.made_for.get(purchase.row_id)
        if intent is None:
            yield f"unexplained: {purchase.phone_number} was bought by us for no intent"
            continue
        if intent.state == "refused" or purchase.row_id in second_rows:
            continue  # What Teli sold though it had refused, or the key sold anew after that, waits as an orphan.
        if rows.get(intent.id, purchase.row_id) != purchase.row_id:
            continue  # The same, but never listed: its key has the row that was sold before.
        changes.append((purchase.at, 1, intent))
        if purchase.row_id in ended:
            changes.append((ended[purchase.row_id], -1, intent))
    changes.sort(key=lambda one: one[:2])
    for quota in truths.world.quotas.values():
        if quota.mode != "enforced":
            continue
        covered = [(at, change, intent) for at, change, intent in changes if covers(quota, intent)]
        held = 0
        for at, change, _intent in covered:
            held += change
            if quota.numbers_held is not None and held > quota.numbers_held:
                yield f"over quota: {_named_quota(quota)} held {held} of {quota.numbers_held} at {at:.3f}"
                return
        bought = Counter(intent.admitted_at.date() for _, change, intent in covered if change == 1)
        for day, count in bought.items():
            if quota.purchases_per_day is not None and count > quota.purchases_per_day:
                yield f"over quota: {_named_quota(quota)} bought {count} of {quota.purchases_per_day} on {day}"


def _named_quota(quota: Quota) -> str:
    return " ".join(filter(None, (quota.scope, quota.tenant_id, quota.organization_id, quota.user_id)))


def _one_answer(truths: Truths, _: bool) -> Iterator[str]:
    """Every answer is that of an intent of its key; a number, once told, stands; an error bought nothing."""
    world = truths.world
    answers: dict[tuple[str, str | bytes], set[str]] = defaultdict(set)
    of_request = {intent.request_id: intent for intent in world.intents.values()}
    for intent in world.intents.values():
        if intent.answer is not None:
            answers[intent.tenant_id, intent.idempotency_key or intent.request_id].add(intent.answer["body"])
            if intent.fingerprint is not None:
                answers[intent.tenant_id, intent.fingerprint].add(intent.answer["body"])
    sold: dict[tuple[str, str], str] = {}
    for heard in truths.heard:
        name = (heard.tenant, heard.key or heard.request_id)
        if heard.body is not None:
            if heard.body not in answers[(heard.tenant, heard.fingerprint) if heard.joined else name]:
                yield f"two answers: {name} was told {heard.body[:120]} at {heard.at:.3f}, which no intent of it says"
            if name in sold and sold[name] != heard.body:
                yield f"two answers: {name} was told {sold[name][:100]} and later {heard.body[:100]}"
            if heard.status is not None and heard.status < 300:
                sold[name] = heard.body
        elif heard.told == "error" and (failed := of_request.get(heard.request_id)) and truths.sends[failed.id]:
            yield f"two answers: {heard.request_id} was told {heard.code}, and was sent"
    for named, body in sold.items():
        told = orjson.loads(body)
        number = next((one for one in world.numbers.values() if str(one.id) == told["id"]), None)
        if number is None or number.phone_number != told["phone_number"]:
            yield f"two answers: {named} was told {told['phone_number']}, which the ledger does not say"


def _taken_over_once(truths: Truths, _: bool) -> Iterator[str]:
    """Without a key an outcome is told to one request, and what is unresolved to none but who had it before."""
    told = Counter((heard.tenant, heard.body) for heard in truths.heard if heard.key is None and heard.body is not None)
    for (tenant, body), count in told.items():
        if count > 1:
            yield f"taken over: {tenant} was told {count} times {body[:100]}"
    absent_at = {doubt.id: at for at, doubt in truths.journal.absent}
    for heard in truths.heard:
        if heard.joined and heard.state == "unresolved" and absent_at.get(heard.operation, math.inf) < heard.began:
            yield f"taken over: {heard.operation} by {heard.request_id}, which began when it was unresolved"


def _right_releases(truths: Truths, _: bool) -> Iterator[str]:
    """No DELETE ended another acquisition than one that was given back."""
    given_back = {number.upstream_row_id: number for number in truths.world.numbers.values()}
    for deletion in truths.journal.deletions:
        if deletion.ended is None:
            continue
        number = given_back.get(deletion.ended)
        if number is None or number.state not in ("releasing", "released"):
            if _taken_and_sold_anew(truths, deletion) or _sold_behind_an_old_row(truths, deletion):
                continue
            state = number.state if number else "nobody's"
            yield f"wrong release: {deletion.phone_number} row {deletion.ended} was given back and is {state}"


def _taken_and_sold_anew(truths: Truths, deletion: Deletion) -> bool:
    """Somebody gave it back in the dashboard, it was sold to us anew, and the sale was not told yet.

    Whoever gives it back in that moment, by a request that need not look first, gives back the new one.
    """
    taken = [one for one in truths.carrier.released if one.who == "stranger" and one.at <= deletion.at]
    intent = truths.made_for.get(deletion.ended or "")
    number = truths.world.numbers.get(intent.number_id) if intent and intent.number_id else None
    return (
        any(one.purchase.phone_number == deletion.phone_number for one in taken)
        and intent is not None
        and (number is None or number.acquired_at.timestamp() > deletion.at)
    )


def _sold_behind_an_old_row(truths: Truths, deletion: Deletion) -> bool:
    """A release took effect and Teli lists the number on; sold anew, its new row was not listed when it was looked."""
    return any(
        one.purchase.phone_number == deletion.phone_number and one.at < deletion.at for one in truths.carrier.released
    ) and any(
        row.purchase.row_id == deletion.ended and row.listed_from > deletion.at - LISTENS
        for row in truths.carrier._rows
    )


def _grace_is_kept(truths: Truths, _: bool) -> Iterator[str]:
    """Nothing is given back, or kept from being restored, before somebody asked for that and its grace was over.

    What was restored was not asked for, until it is anew; what was scheduled is given back, unless it was restored.
    """
    world = truths.world
    of_row = {one.upstream_row_id: one for one in world.numbers.values() if one.upstream_row_id}
    for deletion in truths.journal.deletions:
        number = of_row.get(deletion.ended) if deletion.ended else None
        if number is None or _taken_and_sold_anew(truths, deletion) or _sold_behind_an_old_row(truths, deletion):
            continue
        if not _called_for(truths, number, deletion.at):
            yield f"too soon: {number.phone_number} was given back at {deletion.at:.3f}, and nobody had asked for that"
    for deed in truths.deeds:
        if deed.kind == "restore" and deed.refused == StateConflict.code:
            number = _meant(truths, deed)
            if number is not None and not _called_for(truths, number, deed.at) and not _taken(truths, number):
                yield f"too soon: {number.phone_number} could not be restored at {deed.at:.3f}, within its grace"
        elif deed.kind == "schedule" and deed.number is not None and not _restored_since(truths, deed):
            number = world.numbers[deed.number]
            if number.state in ("active", "release_scheduled"):
                yield f"forgotten: {number.phone_number} was to be given back, and is {number.state}"
    for number in world.numbers.values():
        if number.state != "active" and not _called_for(truths, number, truths.now) and not _taken(truths, number):
            yield f"too soon: {number.phone_number} is {number.state}, and nobody had asked for that"


def _called_for(truths: Truths, number: Number, moment: float) -> bool:
    """By then somebody may have asked for it to be given back, since it was acquired or last restored."""
    restored = [
        one.began for one in truths.deeds if one.kind == "restore" and one.number == number.id and one.at <= moment
    ]
    since = max(number.acquired_at.timestamp(), *restored) if restored else number.acquired_at.timestamp()
    return any(
        one.kind != "restore"
        and one.refused is None
        and (one.tenant, one.phone_number) == (number.tenant_id, number.phone_number)
        and one.at >= since
        and one.began + (GRACE.total_seconds() if one.kind == "schedule" else 0) <= moment
        for one in truths.deeds
    )


def _restored_since(truths: Truths, scheduled: Deed) -> bool:
    """Or maybe: who asked for that was not told."""
    return any(
        one.kind == "restore"
        and one.refused is None
        and (one.tenant, one.phone_number) == (scheduled.tenant, scheduled.phone_number)
        and one.at >= scheduled.began
        for one in truths.deeds
    )


def _taken(truths: Truths, number: Number) -> bool:
    """Somebody gave it back in the dashboard, so that it was closed when it was sold to us anew."""
    return number.state == "released" and any(
        one.who == "stranger" and one.purchase.phone_number == number.phone_number for one in truths.carrier.released
    )


def _meant(truths: Truths, deed: Deed) -> Number | None:
    """The latest acquisition of that number then; None where another was filed just then."""
    named = [
        one
        for one in truths.world.numbers.values()
        if (one.tenant_id, one.phone_number) == (deed.tenant, deed.phone_number)
        and one.acquired_at.timestamp() <= deed.at
    ]
    latest = max(named, key=lambda one: one.acquired_at)
    return latest if latest.acquired_at.timestamp() < deed.began else None


def _seen_before_touched(truths: Truths, _: bool) -> Iterator[str]:
    """By its E.164 alone a number is neither given back nor named before its own row was seen."""
    seen: dict[str, float] = {}
    for number in truths.world.numbers.values():
        if number.confirmed_at is not None:
            at = number.confirmed_at.timestamp()
            seen[number.phone_number] = min(at, seen.get(number.phone_number, at))
    for deed, deeds in (("given back", truths.journal.deletions), ("named", truths.journal.namings)):
        for one in deeds:
            if seen.get(one.phone_number, math.inf) > one.at:
                yield f"unseen: {one.phone_number} was {deed} at {one.at:.3f}, and its row was not known"


def _settled_before_repeated(truths: Truths, _: bool) -> Iterator[str]:
    """A DELETE of which nobody knows what became is not repeated before a window has passed, unless sold anew."""
    last: dict[str, Deletion] = {}
    for deletion in truths.journal.deletions:
        before = last.get(deletion.phone_number)
        last[deletion.phone_number] = deletion
        if before is None or before.known or deletion.at - before.at >= WINDOW - SEND_WITHIN:
            continue
        if not any(
            one.phone_number == deletion.phone_number and before.at <= one.at <= deletion.at
            for one in truths.carrier.bought
        ):
            yield f"wrong release: {deletion.phone_number} again after {deletion.at - before.at:.1f} s, unsettled"


def _balanced(truths: Truths, _: bool) -> Iterator[str]:
    world = truths.world
    for quota in world.quotas.values():
        for name, count in counted(world, quota).items() if quota.day is not None else ():
            if getattr(quota, name) != count:
                yield f"unbalanced: {_named_quota(quota)} counts {name} {getattr(quota, name)}, and has {count}"


def _orders_end(truths: Truths, _: bool) -> Iterator[str]:
    """Every order comes to one of its ends, with counts that add up to what was ordered."""
    for order in truths.world.orders.values():
        items = truths.world.items_of[order.id]
        outcomes = Counter(one.outcome for one in items)
        if any(one.ended_at is not None and truths.now - one.ended_at.timestamp() < CLOSED_WITHIN for one in items):
            continue
        if order.state not in ("completed", "partial", "cancelled", "failed"):
            yield f"stuck: order {order.id} is {order.state}, with {dict(outcomes)}"
        elif order.counts != outcomes or sum(outcomes.values()) != order.to_do:
            yield f"stuck: order {order.id} of {order.to_do} counts {order.counts}, and has {dict(outcomes)}"


def _no_more_than_ordered(truths: Truths, _: bool) -> Iterator[str]:
    """An item is bought once, and neither late nor after its order's cancellation was answered; a key is one order."""
    world = truths.world
    bought: Counter[tuple[UUID, int]] = Counter()
    for intent in truths.made_for.values():
        # What Teli sold though it had refused waits as an orphan.
        refused = intent.state == "refused" and intent.decision in TELIS_WORD
        if intent.order_id is not None and intent.order_seq is not None and not refused:
            bought[intent.order_id, intent.order_seq] += 1
    for (order_id, seq), count in bought.items():
        item = world.order_items[order_id, seq]
        if count > 1:
            yield f"more than ordered: item {seq} of order {order_id} was bought {count} times"
        if item.outcome == "cancelled":
            yield f"more than ordered: item {seq} of order {order_id} was cancelled, and was bought"
    cancelled = {one.order: one.at for one in truths.ordering if one.kind == "cancel" and one.refused is None}
    for intent in world.intents.values():
        if intent.order_id is None:
            continue
        order, admitted = world.orders[intent.order_id], intent.admitted_at
        if order.deadline is not None and admitted > order.deadline:
            yield f"more than ordered: intent {intent.id} was begun after its order's deadline"
        if admitted.timestamp() > cancelled.get(order.id, math.inf):
            yield f"more than ordered: intent {intent.id} was begun after its order was cancelled"
    for deed in truths.ordering:
        if deed.kind == "cancel" and deed.refused not in (None, StateConflict.code):
            yield f"two answers: order {deed.order} could not be cancelled: {deed.refused}"
    named = {(one.tenant, one.key) for one in truths.ordering}
    if len(world.orders) > len(named):
        yield f"more than ordered: {len(named)} keys made {len(world.orders)} orders"
    told: dict[tuple[str, str], set[UUID | None]] = defaultdict(set)
    for deed in truths.ordering:
        if deed.kind == "order" and deed.refused is None and deed.at < math.inf:
            told[deed.tenant, deed.key].add(deed.order)
    for (tenant, key), orders in told.items():
        if len(orders) > 1 or not orders <= world.orders.keys():
            yield f"two answers: order {key} of {tenant} was told as {sorted(map(str, orders))}"


def _never_sent_is_true(truths: Truths, _: bool) -> Iterator[str]:
    """What was refused because it never left has not left: whoever asked for it may ask anew."""
    for intent in truths.world.intents.values():
        if intent.state == "refused" and intent.decision == "never_sent" and truths.sends[intent.id]:
            yield f"double: intent {intent.id} was refused as never sent, and was sent"


def _ordered_is_owned(truths: Truths, _: bool) -> Iterator[str]:
    """What an item says it came to is what became of its purchase."""
    world = truths.world
    for item in world.order_items.values():
        intent = world.intents.get(item.intent_id) if item.intent_id is not None else None
        state = "never sent" if intent is None else intent.state
        number = world.numbers.get(item.number_id) if item.number_id is not None else None
        if (item.outcome == "done") != (state == "owned") or (item.outcome == "unresolved") != (state == "unresolved"):
            yield f"untold: item {item.seq} of order {item.order_id} is {item.outcome}, and its purchase {state}"
        if item.outcome == "done" and (number is None or intent is None or number.intent_id != intent.id):
            yield f"untold: item {item.seq} of order {item.order_id} is done, by no number of its purchase"


def _nothing_stuck(truths: Truths, written_off: bool) -> Iterator[str]:
    """Open are those purchases alone of which nothing can be known; no slot, place or lease is left over."""
    world = truths.world
    for intent in world.intents.values():
        if intent.state in ("sending", "doubtful"):
            yield f"stuck: intent {intent.id} is {intent.state}"
        if intent.state == "unresolved" and (seen := _evidence(truths, intent)):
            yield f"stuck: intent {intent.id} is unresolved, yet {seen}"
        if intent.state == "unresolved" and written_off and not _may_stay_open(truths, intent):
            yield f"stuck: intent {intent.id} is not written off"
    if any(slot.intent_id is not None for slots in world.slots.values() for slot in slots):
        yield "stuck: a send slot is taken"
    if any(place.leaves_at.timestamp() > truths.now for place in world.queue.values()):
        yield "stuck: somebody stands in the queue"
    for step in world.steps.values():
        if step.state == "running":
            if step.lease_until is not None and step.lease_until.timestamp() < truths.now:
                yield f"stuck: step {step.kind} is running"
        elif step.state == "waiting" and written_off and not _may_wait(truths, world.numbers[step.number_id], step):
            yield f"stuck: step {step.kind} of {world.numbers[step.number_id].phone_number}: {step.outcome}"


def _evidence(truths: Truths, intent: Intent) -> str | None:
    """Presence that speaks for a doubt: its row is listed with its mark."""
    for row in truths.carrier._rows:
        made_for = truths.made_for.get(row.purchase.row_id)
        if made_for is not None and made_for.id == intent.id and row.listed_until > truths.now:
            kept = (row.nickname or "").strip()
            if kept.startswith(intent.mark.strip()) and not _held_up(truths, row.purchase, intent):
                return f"row {row.purchase.row_id} carries its mark"
    return None


def _may_stay_open(truths: Truths, intent: Intent) -> bool:
    """A candidate that nobody decided, or a purchase for its user of which the ledger does not know that it is."""
    world = truths.world
    candidates = any(
        one.state == "open" and one.organization_id == intent.organization_id
        and one.user_id in (None, intent.user_id) and one.created_at > intent.admitted_at
        for one in world.orphans.values()
    )  # fmt: skip
    known = {one.upstream_row_id for one in world.numbers.values()} | {one.row_id for one in world.orphans.values()}
    known |= {row_id for _, row_id in world.existing}
    unknown = any(one.user == intent.user_id and one.row_id not in known for one in truths.carrier.bought)
    # Teli counts it for its user, and we for nobody.
    unknown |= any(
        one.user_id is None and one.organization_id == intent.organization_id for one in world.orphans.values()
    )
    return candidates or unknown or _counted_before_today(truths, intent)


def _counted_before_today(truths: Truths, intent: Intent) -> bool:
    """What was there before Numbergate, bought on the day of the doubt, is counted by Teli and not by us."""
    return any(one.user_id == intent.user_id for one in truths.world.existing.values())


def _may_wait(truths: Truths, number: Number, step: Any) -> bool:
    """What waits for something that will not come: a row that is not listed, or a mark whose time is not over."""
    listed = any(
        row.purchase.phone_number == number.phone_number and row.listed_until > truths.now
        for row in truths.carrier._rows
    )
    return not listed or step.kind == "unmark" or step.due_at.timestamp() > truths.now


AT_THE_END = (
    _bought_once,
    _no_stranger_adopted,
    _none_lost,
    _proof_is_kept,
    _absence_is_proved,
    _trusted_rightly,
    _never_back,
    _presumed_rightly,
    _final_refusals_stand,
    _never_over_quota,
    _one_answer,
    _taken_over_once,
    _right_releases,
    _grace_is_kept,
    _seen_before_touched,
    _settled_before_repeated,
    _balanced,
    _no_more_than_ordered,
    _never_sent_is_true,
    _ordered_is_owned,
)
