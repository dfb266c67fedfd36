"""What must be true of a schedule, judged from the carrier's own record of every purchase ever made.

Never from the state at the end alone: a sweeper that tidies up would hide every double purchase.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from service.numbers.models import Intent, Number
from service.numbers.repository import COUNTED
from tests.fakes.world import World
from tests.simulation.callers import Heard
from tests.simulation.carrier import Carrier
from tests.simulation.seams import Journal
from tests.simulation.truths import Purchase

OPEN = ("sending", "doubtful", "unresolved")


@dataclass(slots=True)
class Truths:
    """Everything there is to judge by. `made_for`: of each purchase of ours, by its row id, the intent."""

    world: World
    carrier: Carrier
    journal: Journal
    heard: list[Heard]
    now: float
    made_for: dict[str, Intent] = field(init=False)
    sends: Counter[Any] = field(init=False)
    strays: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.sends, self.strays, self.made_for = Counter(), [], {}
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
            if departure.serial is not None:
                of_serial[departure.serial] = owners[-1]
        for purchase in self.carrier.bought:
            if purchase.serial is not None and purchase.serial in of_serial:
                self.made_for[purchase.row_id] = of_serial[purchase.serial]

    def ours(self) -> list[Purchase]:
        return [one for one in self.carrier.bought if one.who == "gateway"]


def violations(truths: Truths, *, written_off: bool) -> list[str]:
    """Every promise that was broken, in words. `written_off`: the time until the write-off has passed."""
    rules = (
        (_bought_once, _no_stranger_adopted, _none_lost, _never_over_quota, _one_answer, _right_releases, _balanced)
        if written_off
        else ()
    )
    return [found for rule in (*rules, _nothing_stuck) for found in rule(truths, written_off)]


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
        ):
            yield f"adopted: {number.phone_number} of {number.tenant_id} was never bought for its intent"


def _reused(truths: Truths, bought_for: Intent, number: Number) -> bool:
    """A refused intent's number may be had by the next of its tenant and user, and is its key's in any case."""
    owner = truths.world.intents.get(number.intent_id) if number.intent_id else None
    return (
        bought_for.state == "refused"
        and owner is not None
        and (owner.decision == "reused" or owner.mark == bought_for.mark)
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


def _never_over_quota(truths: Truths, _: bool) -> Iterator[str]:
    """At no moment did the carrier hold more for a tenant than its limit."""
    changes: list[tuple[float, int, str]] = []
    ended = {one.purchase.row_id: one.at for one in truths.carrier.released}
    for purchase in truths.ours():
        intent = truths.made_for.get(purchase.row_id)
        if intent is None:
            yield f"unexplained: {purchase.phone_number} was bought by us for no intent"
            continue
        if intent.state == "refused":
            continue  # Teli said that it sold nothing: what it sold all the same waits as an orphan.
        changes.append((purchase.at, 1, intent.tenant_id))
        if purchase.row_id in ended:
            changes.append((ended[purchase.row_id], -1, intent.tenant_id))
    held: Counter[str] = Counter()
    for at, change, tenant in sorted(changes):
        held[tenant] += change
        limit = truths.world.quotas[tenant].numbers_held
        if limit is not None and held[tenant] > limit:
            yield f"over quota: {tenant} held {held[tenant]} of {limit} at {at:.3f}"
            return


def _one_answer(truths: Truths, _: bool) -> Iterator[str]:
    """Every answer is that of an intent of its key; a number, once told, stands; an error bought nothing."""
    world = truths.world
    answers: dict[tuple[str, str], set[str]] = defaultdict(set)
    of_request = {intent.request_id: intent for intent in world.intents.values()}
    for intent in world.intents.values():
        if intent.answer is not None:
            answers[intent.tenant_id, intent.idempotency_key or intent.request_id].add(intent.answer["body"])
    sold: dict[tuple[str, str], str] = {}
    for heard in truths.heard:
        name = (heard.tenant, heard.key or heard.request_id)
        if heard.body is not None:
            if heard.body not in answers[name]:
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


def _right_releases(truths: Truths, _: bool) -> Iterator[str]:
    """No DELETE ended another acquisition than one that was given back."""
    given_back = {number.upstream_row_id: number for number in truths.world.numbers.values()}
    for deletion in truths.journal.deletions:
        if deletion.ended is None:
            continue
        number = given_back.get(deletion.ended)
        if number is None or number.state not in ("releasing", "released"):
            state = number.state if number else "nobody's"
            yield f"wrong release: {deletion.phone_number} row {deletion.ended} was given back and is {state}"


def _balanced(truths: Truths, _: bool) -> Iterator[str]:
    world = truths.world
    used = Counter(one.tenant_id for one in world.numbers.values() if one.state in COUNTED)
    reserved = Counter(one.tenant_id for one in world.intents.values() if one.state in OPEN)
    for tenant, quota in world.quotas.items():
        if (quota.used, quota.reserved) != (used[tenant], reserved[tenant]):
            yield (
                f"unbalanced: {tenant} counts {quota.used} used and {quota.reserved} reserved,"
                f" and has {used[tenant]} and {reserved[tenant]}"
            )


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
    """A candidate that nobody decided, or a purchase for its user of which the ledger knows nothing."""
    world = truths.world
    candidates = any(
        one.state == "open" and one.organization_id == intent.organization_id
        and one.user_id in (None, intent.user_id) and one.created_at > intent.admitted_at
        for one in world.orphans.values()
    )  # fmt: skip
    known = {one.upstream_row_id for one in world.numbers.values()} | {one.row_id for one in world.orphans.values()}
    known |= {row_id for _, row_id in world.existing}
    unknown = any(one.user == intent.user_id and one.row_id not in known for one in truths.carrier.bought)
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
