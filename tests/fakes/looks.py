"""What may be asked about listings, and about doubts."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from uuid import UUID

from service.kit.clock import utc_now
from service.numbers.ledger import Admission
from service.reconciliation.doubts import DOUBTS, OpenDoubts
from service.reconciliation.grounds import Grounds
from service.reconciliation.judgement import Doubt, Observation, Place, Presence, only_new_row
from service.teli.listing import Row
from tests.fakes.play import give_up, row_of
from tests.fakes.purchases import Purchases
from tests.fakes.scene import (
    FIRST,
    PHONES,
    ROWS,
    SECOND,
    USERS,
)
from tests.fakes.world import alter


class Looks(Purchases):
    def _place(self, chance: Random) -> Place:
        """Mostly one that has doubts."""
        doubted = [place for place, intents in self.world.open_intents.items() if intents]
        if doubted and chance.random() < 0.8:
            return Place(*chance.choice(doubted))
        return Place(chance.choice((FIRST, FIRST, SECOND)), chance.choice(list(USERS)))

    async def claim_places(self, chance: Random) -> None:
        # Which of those that were looked at at one time comes first is nobody's promise.
        looked_at = [look.looked_at for look in self.world.looks.values() if look.looked_at]
        ordered = len(set(looked_at)) == len(looked_at)
        places = await self.both.ask(
            "sightings", "claim", doubts_every=5.0, all_every=300.0, limit=chance.choice((1, 2)) if ordered else 100,
            account=chance.choice((None, None, FIRST, SECOND)), role="worker",
            arrange=lambda found: sorted(found, key=str),
        )  # fmt: skip
        for place in places:
            if chance.random() < 0.5:
                await self.both.ask("sightings", "renew", place, role="worker")
            if chance.random() < 0.95:
                await self.both.ask("sightings", "looked", place, role="worker")

    async def forms(self, chance: Random) -> None:
        organization = chance.choice(list(USERS))
        uuids = {user: f"uuid-{user}-{chance.randrange(3)}" for user in (*USERS[organization], "nobody")}
        await self.both.ask("sightings", "learn_users", organization, uuids, role="worker")
        await self.both.ask("sightings", "users_of", organization, role="worker")

    def _row(self, chance: Random, place: Place) -> Row:
        """Mostly one that has to do with a doubt there, or with another purchase."""
        here = [one for one in self.world.intents.values() if one.organization_id == place.organization_id]
        open_here = [one for one in here if one.state in DOUBTS]
        phone_number, user = (
            chance.choice((*PHONES, "+493012345")),
            chance.choice((*USERS[place.organization_id], None)),
        )
        nickname = chance.choice((None, "desk"))
        if here and chance.random() < 0.8:
            intent = chance.choice(open_here if open_here and chance.random() < 0.7 else here)
            user = intent.user_id if chance.random() < 0.9 else user
            if intent.named_number and chance.random() < 0.5:
                phone_number = intent.named_number
            elif chance.random() < 0.7:
                nickname = chance.choice((intent.mark + "desk", intent.mark, f" {intent.mark.lower()}"))
        return row_of(chance.choice(ROWS), phone_number, user, nickname)

    def _observed(self, chance: Random, place: Place, *, shown: float | None = None) -> Observation:
        """Most of what was seen there before and of what is held, and something new."""
        before = self.world.rows_at.get((place.account_id, place.organization_id), {}).values()
        held = self.world.numbers_at.get((place.account_id, place.organization_id), ())
        shown = shown or chance.choice((0.5, 0.95, 1.0))
        rows = [
            *(row_of(row.row_id, row.phone_number, row.user_id, row.nickname) for row in before),
            *(
                row_of(one.upstream_row_id, one.phone_number, one.user_id, one.upstream_nickname)
                for one in held
                if one.upstream_row_id and one.state != "released"
            ),
        ]
        rows = [row for row in rows if chance.random() < shown]
        rows += [self._row(chance, place) for _ in range(chance.choice((0, 0, 1, 2, 4)))]
        chance.shuffle(rows)
        began_at = utc_now() - timedelta(seconds=chance.choice((0, 1, 30)))
        return Observation(place, began_at, tuple(rows), complete=chance.random() < 0.85)

    async def keep(self, chance: Random) -> None:
        """A listing; often what it proves is settled at once, as the resolver does."""
        place = self._place(chance)
        kept = await self.both.ask("sightings", "keep", self._observed(chance, place), role="worker")
        for presence in kept.presences:
            if chance.random() < 0.6:
                await self._found(presence.intent, presence.row)

    async def _found(self, doubt: Doubt, row: Row) -> None:
        await self.both.ask("sightings", "close_older", Presence(doubt, row), role="worker")
        question = {
            "tenant_id": doubt.tenant_id, "intent_id": str(doubt.id), "request_id": doubt.request_id,
            "actor": "worker", "verdict": "owned", "reason": "seen", "answer": {"status": 200},
            "evidence": {"at": utc_now().isoformat(), "kind": "listing", "detail": "seen"},
            "number": {"id": str(self.new_uuid()), "phone_number": row.phone_number, "pretty": "", "area_code": "313"},
        }  # fmt: skip
        await self.both.ask("ledger", "settle", question, role="worker")
        await self.both.ask("sightings", "explained", doubt.account_id, row.row_id, role="worker")

    async def close_older(self, chance: Random) -> None:
        place = self._place(chance)
        row = self._row(chance, place)
        for doubt in (await self._doubts_of(place, timedelta(seconds=100))).doubts:
            await self.both.ask("sightings", "close_older", Presence(doubt, row), role="worker")
        await self.both.ask("sightings", "explained", place.account_id, row.row_id, role="worker")

    async def ghost(self, chance: Random) -> None:
        """A number that one complete listing after another does not show; sometimes given up, and seen again."""
        held = [one for one in self.world.numbers.values() if one.upstream_row_id and one.state == "active"]
        if not held:
            return
        number = chance.choice(held)
        place = Place(number.account_id, number.organization_id)
        for _ in range(5):
            seen = self._observed(chance, place, shown=1.0)
            rows = tuple(row for row in seen.rows if row.row_id != number.upstream_row_id)
            seen = replace(seen, rows=rows, complete=chance.random() < 0.9)
            await self.both.ask("sightings", "keep", seen, role="worker")
            self.both.still.pass_time(chance.choice((40.0, 61.0)))
        if number.state == "active" and chance.random() < 0.7:
            if chance.random() < 0.7:
                await self.both.change(lambda world: give_up(world, number), "numbers", "quotas")
            else:
                await self.both.change(lambda world: alter(number, still_ours_at=utc_now()), "numbers")
            await self.both.ask("sightings", "keep", self._observed(chance, place, shown=1.0), role="worker")

    async def _doubts_of(self, place: Place, settling: timedelta) -> OpenDoubts:
        found: OpenDoubts = await self.both.ask(
            "doubts", "of", place, settling=settling, role="worker", arrange=in_order
        )
        return found

    async def doubts(self, chance: Random) -> None:
        """All that is asked of the doubts of a place; some are decided."""
        place = self._place(chance)
        found = await self._doubts_of(place, timedelta(seconds=chance.choice((1, 100, 10_000))))
        for doubt in found.doubts:
            if (lane := found.lanes.get(doubt.id)) is None:
                continue
            seen = Observation(place, utc_now(), tuple(row for row, _ in lane.appeared), complete=True)
            if (row := only_new_row(lane, doubt, seen)) is not None:
                await self._found(doubt, row)
        await self.both.ask("doubts", "with_candidates", place, found.doubts, role="worker")
        since = utc_now() - timedelta(seconds=chance.choice((0, 60, 1000, 100_000)))
        asked = {(user, at) for user in USERS[place.organization_id] for at in (since, since - timedelta(hours=1))}
        await self.both.ask("doubts", "purchases_known", place, asked, role="worker")
        for seconds in (1.0, 100.0):
            settling = timedelta(seconds=seconds)
            await self.both.ask("doubts", "accounted_for", place, asked, settling=settling, role="worker")
        if chance.random() < 0.5:
            some = [doubt for doubt in found.doubts if chance.random() < 0.5]
            grounds = [Grounds(doubt.id, doubt.tenant_id, "absent", b"looked") for doubt in found.doubts]
            await self.both.ask("doubts", "unresolved", some, grounds, role="worker")
            others = [replace(one, kind="seen", payload=bytes([chance.randrange(256)])) for one in grounds]
            await self.both.ask("doubts", "keep_grounds", others, role="worker")

    async def bought_after_all(self, chance: Random) -> None:
        """A refused intent's row is listed; who asks next is offered its number, and may take it."""
        await self.admit(chance)
        asked = self.intents[-1]
        intent = self.world.intents.get(UUID(asked["intent_id"]))
        if intent is None or intent.state != "sending":
            return
        await self._refuse(asked)
        place = Place(intent.account_id, intent.organization_id)
        for _ in range(chance.choice((1, 1, 2))):
            row = row_of(chance.choice(ROWS), chance.choice((*PHONES, "+12125550100")), intent.user_id, intent.mark)
            seen = self._observed(chance, place)
            await self.both.ask("sightings", "keep", replace(seen, rows=(row, *seen.rows)), role="worker")
        again = asked | {"intent_id": str(self.new_uuid()), "key": None, "mark": f"[ZZZZZ{self.count:08d}] "}
        self.intents.append(again)
        admission = await self._admit(again)
        if not isinstance(admission, Admission) or not (spare := admission.said.get("spare")):
            return
        number = {
            "id": str(self.new_uuid()), "phone_number": spare["phone_number"], "pretty": "", "area_code": "313",
            "orphan_id": spare["orphan_id"] if chance.random() < 0.9 else str(self.new_uuid()),
            "nickname": spare["nickname"], "mark": intent.mark,
        }  # fmt: skip
        question = {
            "tenant_id": intent.tenant_id, "intent_id": again["intent_id"], "request_id": "r", "actor": "key:1",
            "verdict": "owned", "reason": "reused", "number": number, "answer": {"status": 200},
            "evidence": {"at": utc_now().isoformat(), "kind": "reuse", "detail": "spare"},
        }  # fmt: skip
        if chance.random() < 0.2:
            await self._refuse(again)
        await self.both.ask("ledger", "settle", question)
        other = chance.choice(self.intents)
        question |= {"tenant_id": other["tenant_id"], "intent_id": other["intent_id"]}
        await self.both.ask("ledger", "settle", question)


def in_order(found: OpenDoubts) -> OpenDoubts:
    """What appeared in a lane has no order of its own."""
    lanes = {
        doubt: replace(lane, appeared=sorted(lane.appeared, key=lambda one: one[0].row_id))
        for doubt, lane in found.lanes.items()
    }
    return replace(found, lanes=lanes)
