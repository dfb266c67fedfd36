"""Faults planted on purpose, each breaking one rule: the simulation is worth what it finds of these.

Most are patches of the product's own code; where the rule is SQL, of its twin in memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any
from unittest.mock import patch
from uuid import UUID

import service.numbers.confirm
import service.numbers.sending
import service.reconciliation.absence
import service.reconciliation.judgement
import service.reconciliation.resolver
import tests.fakes.doubts
import tests.fakes.grace
import tests.fakes.ledger
import tests.fakes.orders
import tests.fakes.quotas
import tests.fakes.sightings
from service.db import CommitUnknown
from service.kit.phone import E164, pretty
from service.numbers.changes import Changes
from service.numbers.confirm import Confirmation
from service.numbers.ledger import SEND_WITHIN, Admission
from service.numbers.marks import mark_of
from service.numbers.provisioning import Provisioning
from service.numbers.purchases import Purchase
from service.numbers.release import Release
from service.numbers.sending import Sending
from service.reconciliation.judgement import Doubt, Judgement, Lane, Presence
from service.reconciliation.resolver import Resolver
from service.reconciliation.witness import Agreement, Witness
from service.teli.client import SendBy
from service.teli.heard import Heard
from service.teli.listing import Row
from service.teli.reading import Refused, Sold
from tests.fakes.doubts import DoubtsInMemory
from tests.fakes.grace import GraceInMemory
from tests.fakes.ledger import LedgerInMemory
from tests.fakes.numbers import NumbersInMemory
from tests.fakes.sightings import SightingsInMemory
from tests.fakes.world import World, alter

EVER = datetime(2000, 1, 1, tzinfo=UTC)
Patch = AbstractContextManager[Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """`breaks`: the rule, in one sentence. `planted()` puts the fault in place for as long as it is entered.

    `shown_by`: a seed that showed it once, to be tried first.
    """

    name: str
    breaks: str
    planted: Callable[[], AbstractContextManager[None]]
    shown_by: int


FAULTS: dict[str, Fault] = {}


def fault(breaks: str, shown_by: int = 0) -> Callable[[Callable[[], Patch | Sequence[Patch]]], None]:
    """What is decorated gives the patches of a fault that is called as it is."""

    def keep(patches: Callable[[], Patch | Sequence[Patch]]) -> None:
        @contextmanager
        def planted() -> Iterator[None]:
            with ExitStack() as all_of_them:
                made = patches()
                for one in made if isinstance(made, Sequence) else [made]:
                    all_of_them.enter_context(one)
                yield

        name = patches.__name__
        FAULTS[name] = Fault(name, breaks, planted, shown_by)

    return keep


def instead(target: Any, name: str, make: Callable[[Any], Callable[..., Any]]) -> Patch:
    """`make` gets what is there now, and gives what takes its place."""
    real = getattr(target, name)
    return patch.object(target, name, wraps(real)(make(real)))


# -- Sending ----------------------------------------------------------------------------------------------------------


@fault("A create of unknown outcome is never sent again.", shown_by=7)
def blind_retry():
    async def send(sending: Sending, account_id: UUID, body: Mapping[str, Any], send_by: SendBy) -> Heard:
        teli = await sending._upstreams.of(account_id)
        heard = await teli.create(body, send_by=send_by)
        return heard if heard.kind != "broken" else await teli.create(body, send_by=SendBy.within(5))

    return patch.object(Sending, "_send", send)


def reading(says: Callable[[Heard], Sold | Refused | None]) -> Patch:
    """Answers to a create are read in this way first."""
    return instead(
        service.numbers.sending,
        "read_create",
        lambda real: lambda heard, *, area_code: says(heard) or real(heard, area_code=area_code),
    )


@fault("A timeout is no refusal.", shown_by=35)
def a_timeout_is_a_refusal():
    return reading(lambda heard: Refused("never_sent") if heard.kind == "broken" else None)


@fault("Of the 5xx only the words of an empty stock are a refusal.", shown_by=11)
def a_server_error_is_a_refusal():
    return reading(lambda heard: Refused("out_of_stock") if (heard.status or 0) >= 500 else None)


@fault("A 2xx that names no number proves nothing.", shown_by=89)
def a_2xx_without_a_number_is_a_refusal():
    def says(heard: Heard) -> Refused | None:
        named = heard.object().get("phone_number")
        return Refused("bad_request") if 200 <= (heard.status or 0) < 300 and not named else None

    return reading(says)


@fault("A 2xx that says `success: false` is no sale.", shown_by=72)
def a_denial_is_a_sale():
    def says(heard: Heard) -> Sold | None:
        number = heard.object().get("phone_number") or "+13135551000"
        denied = heard.status == 200 and heard.object().get("success") is False
        return Sold(E164(number), pretty(E164(number)), number[2:5], None) if denied else None

    return reading(says)


@fault("Past its deadline nothing leaves, however the sender was held up.", shown_by=473)
def deadline_ignored():
    return patch.object(SendBy, "passed", lambda _: False)


@fault("Where the commit of an admission is unknown, nothing is sent.")
def sent_though_admission_is_unknown():
    def make(real: Any) -> Any:
        async def admit(provisioning: Provisioning, purchase: Purchase) -> Admission:
            try:
                return await real(provisioning, purchase)  # type: ignore[no-any-return]
            except CommitUnknown:
                said = {
                    "account_id": str(purchase.caller.account_id),
                    "teli_tenant_id": "teli",
                    "spare": None,
                    "quota": {"tightest": None},
                }
                return Admission("admitted", said, SendBy.within(SEND_WITHIN))

        return admit

    return instead(Provisioning, "_admit", make)


@fault("Whoever asks is told what is stored, not what was heard.", shown_by=28)
def told_as_heard():
    def make(real: Any) -> Any:
        async def write(sending: Sending, question: dict[str, Any]) -> dict[str, Any]:
            settled: dict[str, Any] = await real(sending, question)
            return {**settled, "answer": question["answer"]} if question.get("answer") else settled

        return write

    return instead(Sending, "_write", make)


# -- The ledger -------------------------------------------------------------------------------------------------------


def after_settling(then: Callable[[World, Any, str, dict[str, Any], dict[str, Any]], None]) -> Patch:
    """`then` gets the world, the intent, its state before, what was asked, and what was said."""

    def make(real: Any) -> Any:
        async def settle(ledger: LedgerInMemory, ask: dict[str, Any]) -> dict[str, Any]:
            intent = ledger._world.intents.get(UUID(ask["intent_id"]))
            before = intent.state if intent else "none"
            said: dict[str, Any] = await real(ledger, ask)
            then(ledger._world, intent, before, ask, said)
            return said

        return settle

    return instead(LedgerInMemory, "settle", make)


@fault("A refusal changes nothing once the number is owned.", shown_by=33)
def late_refusal_undoes_a_purchase():
    def then(_world: World, intent: Any, before: str, ask: dict[str, Any], _said: dict[str, Any]) -> None:
        if before == "owned" and ask["verdict"] == "refused":
            alter(intent, state="refused", answer=ask.get("answer"))

    return after_settling(then)


@fault("Proof is kept, however late it comes and whoever brings it.", shown_by=13)
def late_proof_dropped():
    def make(real: Any) -> Any:
        async def settle(ledger: LedgerInMemory, ask: dict[str, Any]) -> dict[str, Any]:
            intent = ledger._world.intents.get(UUID(ask["intent_id"]))
            late = ask["verdict"] == "owned" and intent is not None and intent.state != "sending"
            said: dict[str, Any] = await real(ledger, ask | {"verdict": "doubtful"} if late else ask)
            return said

        return settle

    return instead(LedgerInMemory, "settle", make)


def give_back(world: World, tenant: str) -> None:
    quota = world.quotas["tenant", tenant, "", ""]
    alter(quota, reserved=max(0, quota.reserved - 1))


@fault("A doubt holds its quota.", shown_by=1)
def quota_given_back_on_doubt():
    return after_settling(
        lambda world, intent, _before, _ask, said: (
            give_back(world, intent.tenant_id) if said["moved"] and said["state"] == "doubtful" else None
        )
    )


@fault("Quota is given back once, by the one UPDATE that moved the intent.", shown_by=7)
def quota_given_back_twice():
    return after_settling(
        lambda world, intent, before, ask, _said: (
            give_back(world, intent.tenant_id) if before == "refused" and ask["verdict"] == "refused" else None
        )
    )


@fault("A limit of an organisation, a user or the deployment holds over all tenants.", shown_by=26)
def only_the_tenants_quota_counts():
    def make(real: Any) -> Any:
        def quotas_of(world: World, tenant_id: str, organization_id: str, user_id: str) -> list[Any]:
            return [one for one in real(world, tenant_id, organization_id, user_id) if one.scope == "tenant"]

        return quotas_of

    return instead(World, "quotas_of", make)


def admitting(make: Callable[[Any], Callable[[LedgerInMemory, dict[str, Any], datetime], dict[str, Any]]]) -> Patch:
    return instead(LedgerInMemory, "_admit", make)


@fault("The key is stored with the intent.", shown_by=1)
def key_not_stored():
    def make(real: Any) -> Any:
        def admit(ledger: LedgerInMemory, ask: dict[str, Any], now: datetime) -> dict[str, Any]:
            said: dict[str, Any] = real(ledger, ask, now)
            if said["outcome"] == "admitted":
                ledger._world.keys.pop((ask["tenant_id"], "create", ask["key"]), None)
            return said

        return admit

    return admitting(make)


def knowing(forgets: Callable[[Any], bool]) -> Patch:
    """Admission takes these intents of a key for none."""

    def make(real: Any) -> Any:
        def known(ledger: LedgerInMemory, tenant: str, key: str, *rest: Any) -> Any:
            found = ledger._world.keys.get((tenant, "create", key))
            if found is not None and found.intent_id is not None and forgets(ledger._world.intents[found.intent_id]):
                return None
            return real(ledger, tenant, key, *rest)

        return known

    return instead(LedgerInMemory, "_known", make)


@fault("At most one intent of a key is not refused: a doubt is none.", shown_by=18)
def doubtful_key_buys_anew():
    return knowing(lambda intent: intent.state in ("doubtful", "unresolved"))


@fault("What was presumed or decided stays the key's answer.", shown_by=11)
def presumed_refusal_reopened():
    return patch.object(tests.fakes.ledger, "STAND", ())


@fault("An undelivered answer is taken over by one request.", shown_by=47)
def taken_over_twice():
    return patch.object(World, "deliver", lambda *_: None)


@fault("What is unresolved is not taken over.", shown_by=72)
def unresolved_taken_over():
    return patch.object(tests.fakes.ledger, "NEVER_TAKEN_OVER", ())


@fault("What is reserved counts like what is used.", shown_by=40)
def only_used_counts():
    def make(real: Any) -> Any:
        def admit(ledger: LedgerInMemory, ask: dict[str, Any], now: datetime) -> dict[str, Any]:
            quota = ledger._world.quotas["tenant", ask["tenant_id"], "", ""]
            reserved = quota.reserved
            alter(quota, reserved=0)
            try:
                return real(ledger, ask, now)  # type: ignore[no-any-return]
            finally:
                alter(quota, reserved=quota.reserved + reserved)

        return admit

    return admitting(make)


class Crowded(dict[Any, Any]):
    """Lanes in which there is always room."""

    def __contains__(self, lane: object) -> bool:
        return False

    def __delitem__(self, lane: object) -> None:
        self.pop(lane, None)


@fault("A lane has one send at a time, and where two open purchases could own a row neither takes it.", shown_by=49)
def lanes_and_differences_shared():
    def begin(real: Any) -> Any:
        def init(world: World) -> None:
            real(world)
            world.lanes = Crowded()

        return init

    return [instead(World, "__init__", begin), elimination(lambda lane: replace(lane, others_open=0))]


@fault("Before the end of its lease nobody may say that a send has ended.", shown_by=13)
def lapsed_before_the_lease_ended():
    def make(real: Any) -> Any:
        async def lapse(ledger: LedgerInMemory, *, limit: int) -> Any:
            for intents in ledger._world.open_intents.values():
                for intent in intents.values():
                    if intent.state == "sending":
                        alter(intent, lease_until=intent.lease_until - timedelta(seconds=15))
            lapsed = await real(ledger, limit=limit)
            for intents in ledger._world.open_intents.values():
                for intent in intents.values():
                    if intent.state == "sending" or intent.id in lapsed:
                        alter(intent, lease_until=intent.lease_until + timedelta(seconds=15))
            return lapsed

        return lapse

    return instead(LedgerInMemory, "lapse", make)


@fault("What a refused intent bought after all is reused by the same tenant and user alone.", shown_by=210)
def orphan_of_another_reused():
    def spare(ledger: LedgerInMemory, account_id: Any, ask: dict[str, Any]) -> dict[str, Any] | None:
        for orphan in ledger._world.orphans_at.get(account_id, ()):
            if orphan.state == "open" and orphan.reason == "refused_intent":
                return {
                    "orphan_id": str(orphan.id),
                    "phone_number": orphan.phone_number,
                    "row_id": orphan.row_id,
                    "nickname": orphan.nickname,
                }
        return None

    def to_be_had(ledger: LedgerInMemory, _intent: Any, orphan_id: Any) -> Any:
        orphan = ledger._world.orphans.get(orphan_id)
        return orphan if orphan is not None and orphan.state == "open" else None

    return [patch.object(LedgerInMemory, "_spare", spare), patch.object(LedgerInMemory, "_to_be_had", to_be_had)]


# -- Absence ----------------------------------------------------------------------------------------------------------


@fault("Absence is not believed before the window after the end of the send.")
def absent_before_the_window():
    def make(real: Any) -> Any:
        def proves(looks: Any, *, send_ended_at: datetime, window: timedelta) -> bool:
            return bool(real(looks, send_ended_at=send_ended_at, window=timedelta(0)))

        return proves

    return instead(service.reconciliation.resolver, "proves_absence", make)


@fault("Listings count from the end of the send, not from its beginning.", shown_by=10)
def absent_before_the_send_ended():
    def make(real: Any) -> Any:
        def found(*args: Any) -> list[Doubt]:
            return [replace(doubt, ended_at=doubt.admitted_at) for doubt in real(*args)]

        return found

    return instead(tests.fakes.doubts, "open_doubts", make)


@fault("No single listing proves absence.")
def absent_by_one_listing():
    return patch.object(service.reconciliation.absence, "LOOKS", 1)


@fault("A listing whose count is not its rows proves no absence.", shown_by=31)
def incomplete_listings_count():
    def make(real: Any) -> Any:
        def read(heard: Heard) -> Any:
            listing = real(heard)
            return replace(listing, complete=True) if listing else None

        return read

    return instead(service.reconciliation.resolver, "read_listing", make)


@fault("A listing that lacks a number which is surely held proves no absence.", shown_by=19)
def untrustworthy_listings_count():
    return patch.object(service.reconciliation.judgement, "_shows_ours", lambda *_: True)


@fault("Nothing is written off before Teli's own counts agree.", shown_by=13)
def written_off_without_counts():
    async def agrees(_witness: Witness, _place: Any, doubts: Sequence[Doubt], _forms: Any) -> Any:
        return {doubt: Agreement(doubt.admitted_at, 0, 0) for doubt in doubts}

    return patch.object(Witness, "agrees", agrees)


@fault("Nothing is written off while a candidate of it is undecided.", shown_by=9)
def written_off_with_candidates():
    async def nobody(*_: Any) -> Set[Any]:
        return set()

    return patch.object(DoubtsInMemory, "with_candidates", nobody)


@fault("Nothing is written off before its time.", shown_by=14)
def written_off_at_once():
    def make(real: Any) -> Any:
        def begin(resolver: Resolver, *args: Any, **named: Any) -> None:
            real(resolver, *args, **named | {"write_off": timedelta(0)})

        return begin

    return instead(Resolver, "__init__", make)


# -- Presence ---------------------------------------------------------------------------------------------------------


def elimination(change: Callable[[Lane], Lane]) -> Patch:
    return instead(service.reconciliation.resolver, "only_new_row", lambda real: lambda lane: real(change(lane)))


@fault("Set difference is for lane mode only.", shown_by=73)
def set_difference_in_mark_mode():
    def make(real: Any) -> Any:
        def lanes(store: DoubtsInMemory, place: Any, doubts: Sequence[Doubt], settling: timedelta) -> Any:
            marks = store._world.accounts[place.account_id].mode == "mark"
            if not marks:
                return real(store, place, doubts, settling)
            found = real(store, place, [replace(one, holds_lane=True) for one in doubts], settling)
            return {name: replace(lane, mode="lane", exclusive=True) for name, lane in found.items()}

        return lanes

    return instead(DoubtsInMemory, "_lanes", make)


@fault("Set difference is for users of whom an operator vouched that nobody else buys for them.", shown_by=73)
def set_difference_for_anybody():
    def make(real: Any) -> Any:
        def lanes(store: DoubtsInMemory, place: Any, doubts: Sequence[Doubt], settling: timedelta) -> Any:
            found = real(store, place, [replace(one, holds_lane=True) for one in doubts], settling)
            return {name: replace(lane, exclusive=True) for name, lane in found.items()}

        return lanes

    return instead(DoubtsInMemory, "_lanes", make)


@fault("Set difference is over rows that the last listing before the send did not have.", shown_by=125)
def no_baseline():
    def make(real: Any) -> Any:
        def lanes(store: DoubtsInMemory, place: Any, doubts: Sequence[Doubt], settling: timedelta) -> Any:
            users = {one.id: one.user_id for one in doubts}
            appeared = store._appeared(place, set(users.values()), EVER)
            return {
                name: replace(lane, baseline=EVER, appeared=[one for one in appeared if one[0].user_id == users[name]])
                for name, lane in real(store, place, doubts, settling).items()
            }

        return lanes

    return [instead(DoubtsInMemory, "_lanes", make), telling_no_time()]


@fault("What a refusal bought after all is no row of the next purchase.", shown_by=461)
def a_refusals_row_is_the_next_ones():
    return [patch.object(tests.fakes.doubts, "may_own_new_rows", lambda *_: False), telling_no_time()]


def telling_no_time() -> Patch:
    """Rows that say when they were made are known by that; these rules are for those that do not."""
    return patch.object(service.reconciliation.judgement, "made_before", lambda *_: None)


@fault("What an answer named is kept as proof, where its doubt turned out to own another.", shown_by=103_479)
def named_and_forgotten():
    return patch.object(LedgerInMemory, "_keep_what_was_named", lambda *_: None)


@fault("A row made before a purchase is not what it bought.", shown_by=106_962)
def made_before_it_and_taken():
    return telling_no_time()


def present(more: Callable[[Any, Any, Sequence[Presence]], list[Presence]]) -> Patch:
    def make(real: Any) -> Any:
        def presences(seen: Any, known: Any) -> list[Presence]:
            found: list[Presence] = real(seen, known)
            return found + more(seen, known, found)

        return presences

    return instead(service.reconciliation.judgement, "_presences", make)


def free(seen: Any, known: Any, found: Sequence[Presence]) -> list[Row]:
    taken = {one.row.row_id for one in found} | set(known.existing) | set(known.ours)
    return [row for row in seen.rows if row.row_id not in taken]


@fault("A row without a mark is nobody's, whatever its area code and time.", shown_by=9)
def unmarked_row_adopted():
    def more(seen: Any, known: Any, found: Sequence[Presence]) -> list[Presence]:
        doubts = [one for one in known.doubts if one.id not in {presence.intent.id for presence in found}]
        near = [(doubt, row) for doubt in doubts for row in free(seen, known, found)
                if row.user_id == doubt.user_id and row.row_id not in known.rows]  # fmt: skip
        return [Presence(*pair) for pair in near[:1]]

    return present(more)


@fault("A mark counts on the row of its own user.", shown_by=432)
def mark_of_another_user():
    def more(seen: Any, known: Any, found: Sequence[Presence]) -> list[Presence]:
        by_mark = {doubt.mark: doubt for doubt in known.doubts}
        marked = [(by_mark.get(mark_of(row.nickname) or ""), row) for row in free(seen, known, found)]
        return [Presence(doubt, row) for doubt, row in marked if doubt is not None][:1]

    return present(more)


@fault("A number seen under a new row closes the acquisition before it.", shown_by=28)
def older_acquisition_left_open():
    async def leave(*_: Any) -> None:
        return None

    return patch.object(SightingsInMemory, "close_older", leave)


def judging(change: Callable[[Any, Any, Judgement], Judgement]) -> Patch:
    def make(real: Any) -> Any:
        def judge(seen: Any, known: Any, *, window: timedelta) -> Judgement:
            return change(seen, known, real(seen, known, window=window))

        return judge

    return instead(tests.fakes.sightings, "judge", make)


@fault("Every row that nothing explains is an orphan, whoever bought it.", shown_by=4)
def strangers_not_filed():
    return judging(
        lambda _seen, _known, found: replace(found, orphans=[one for one in found.orphans if one.named is not None])
    )


@fault("A number that is listed again counts anew only if it had been given up.", shown_by=1)
def returning_number_counted_twice():
    def change(seen: Any, known: Any, found: Judgement) -> Judgement:
        back = [one.number_id for row in seen.rows if (one := known.ours.get(row.row_id)) and one.gone_at is not None]
        return replace(found, healed=[*found.healed, *back])

    return judging(change)


# -- Confirming, changing, giving back --------------------------------------------------------------------------------


class Trusting:
    """A confirmation that takes every number for confirmed."""

    def __init__(self, real: Confirmation) -> None:
        self.listing = real.listing

    async def confirm(self, *_: Any, **__: Any) -> bool:
        return True

    async def look(self, *_: Any, **__: Any) -> str:
        return "confirmed"


def unconfirmed(service_of: type[Changes] | type[Release]) -> Patch:
    def make(real: Any) -> Any:
        def begin(it: Any, numbers: Any, steps: Any, teli: Any, confirmation: Confirmation, **named: Any) -> None:
            real(it, numbers, steps, teli, Trusting(confirmation), **named)

        return begin

    return instead(service_of, "__init__", make)


@fault("A row with another's mark is another purchase's, whatever its E.164.", shown_by=58)
def confirmed_by_anothers_mark():
    return [
        patch.object(service.numbers.confirm, "mark_of", lambda _: None),
        patch.object(World, "is_anothers_row", lambda *_: False),
    ]


@fault("No nickname is written before the number's row was seen.", shown_by=40)
def nickname_pushed_unseen():
    return unconfirmed(Changes)


@fault("A number that is not confirmed is not given back.", shown_by=3)
def released_unconfirmed():
    return unconfirmed(Release)


@fault("A release is repeated only after its row was seen again, alone under its number.", shown_by=1120)
def release_repeated_without_looking():
    async def there(*_: Any) -> str:
        return "there"

    return patch.object(Release, "_look", there)


@fault("A release of unknown outcome is not repeated before everything has settled.", shown_by=118)
def release_repeated_unsettled():
    def make(real: Any) -> Any:
        def begin(release: Release, *args: Any, **named: Any) -> None:
            real(release, *args, **named | {"settling_window": 0.0})

        return begin

    return instead(Release, "__init__", make)


@fault("A row that is gone though no DELETE left is no release of ours.", shown_by=52)
def release_believed_without_a_delete():
    def make(real: Any) -> Any:
        async def gone(release: Release, step: Any, number: Any) -> Any:
            return await release._released(step, number, None)

        return gone

    return instead(Release, "_gone", make)


@fault("A 404 is no proof of a release.", shown_by=188)
def not_found_is_released():
    def make(real: Any) -> Any:
        async def read(release: Release, step: Any, number: Any, heard: Heard, tenant: Any) -> Any:
            if heard.status == 404:
                heard = replace(heard, status=200, body=b'{"success":true}')
            return await real(release, step, number, heard, tenant)

        return read

    return instead(Release, "_read", make)


# -- Releases with second thoughts -------------------------------------------------------------------------------------


@fault("Nothing is given back before its grace is over.", shown_by=5)
def grace_cut_short():
    return patch.object(tests.fakes.grace, "grace_ends", lambda *, asked_at, **_: asked_at)


@fault("What was scheduled is given back when its grace is over.", shown_by=1)
def scheduled_and_forgotten():
    return patch.object(tests.fakes.grace, "grace_ends", lambda *, asked_at, **_: asked_at + timedelta(days=1))


@fault("A number that was restored is not given back.", shown_by=1)
def released_though_restored():
    def begin(_: Any) -> Any:
        async def grace_is_over(numbers: NumbersInMemory, step: Any, tenant: Any) -> bool:
            numbers._begin_releasing(numbers._one(step.number_id, tenant))
            return True

        return grace_is_over

    def leave(real: Any) -> Any:
        def end_step(world: World, step: Any, **values: Any) -> None:
            if values["outcome"] != "restored":
                real(world, step, **values)

        return end_step

    return [
        instead(NumbersInMemory, "grace_is_over", begin),
        instead(World, "end_step", leave),
        patch.object(tests.fakes.quotas, "take_release_back", lambda *_: None),
    ]


@fault("Once its release has begun a number is not restored.", shown_by=73)
def restored_while_releasing():
    def make(real: Any) -> Any:
        async def restore(grace: GraceInMemory, caller: Any, which: Any, **asked: Any) -> Any:
            number = grace._held(caller, which)
            if number.state == "releasing":
                alter(number, state="release_scheduled")
            return await real(grace, caller, which, **asked)

        return restore

    return instead(GraceInMemory, "restore", make)


@fault("A release that was taken back counts no more.", shown_by=1)
def taken_back_and_counted():
    return patch.object(tests.fakes.quotas, "take_release_back", lambda *_: None)


# -- Orders ------------------------------------------------------------------------------------------------------------


def moving(ignored: int) -> Patch:
    """What an order has reserved is not moved this way."""

    def make(real: Any) -> Any:
        def move(world: World, item: Any, users: Any, by: int) -> None:
            if by != ignored:
                real(world, item, users, by)

        return move

    return instead(tests.fakes.quotas, "move_ordered", make)


@fault("What an order does not send any more gives its quota back.", shown_by=2)
def cancelled_and_still_reserved():
    return moving(-1)


@fault("What was refused and is asked for again is reserved again.", shown_by=14)
def asked_again_without_quota():
    return moving(1)


@fault("An item that was cancelled after it was claimed is not sent.", shown_by=7)
def sent_though_cancelled():
    def make(_: Any) -> Any:
        def item_to_send(world: World, ask: dict[str, Any], now: datetime) -> Any:
            item = world.order_items[UUID(ask["order_id"]), ask["seq"]]
            deadline = world.orders[item.order_id].deadline
            in_time = deadline is None or now < deadline
            return item if in_time and item.outcome in ("waiting", "cancelled") else None

        return item_to_send

    return instead(tests.fakes.orders, "item_to_send", make)


@fault("Nothing is sent after the order's deadline.", shown_by=81)
def sent_after_the_deadline():
    return patch.object(tests.fakes.orders, "may_be_sent", lambda order, _: order.cancelled_at is None)


@fault("An item whose purchase is in doubt is not asked for again.", shown_by=119)
def doubtful_item_asked_again():
    def make(real: Any) -> Any:
        def follows(world: World, intent: Any) -> None:
            if intent.order_id is not None and intent.state == "doubtful":
                item = world.order_items[intent.order_id, intent.order_seq]
                tests.fakes.orders.wait_again(world, item, intent, intent.send_ended_at)
            real(world, intent)

        return follows

    return instead(tests.fakes.orders, "item_follows", make)
