"""The upstream of the simulation: Teli and the carrier behind it, as one synchronous model driven by chance.

It speaks Teli's JSON and nothing of the gateway's. What the network does to its answers is the harness's business.
Truths are for the oracle: `bought` is every purchase ever made, whatever anybody was told of it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from random import Random
from typing import Any, Final, Literal
from uuid import NAMESPACE_OID, UUID, uuid5

from tests.simulation.answers import (
    Answer,
    error,
    no_listing,
    ok,
    out_of_stock,
    proves_nothing,
    refusal,
    refusal_all_the_same,
    sale,
    sale_unheard,
    zulu,
)
from tests.simulation.rates import Rates
from tests.simulation.truths import Purchase, Release, Row, Who

DAY: Final = 86_400.0
CUTS: Final = (8, 15, 16, 24)
"""Lengths nicknames are cut at: within a mark, before its trailing space, at its end, and behind it."""

ELSEWHERE: Final = "989"

Nicknames = Literal["kept", "trimmed", "cut", "dropped", "rewritten"]
SHOWS_MARKS: Final[tuple[Nicknames, ...]] = ("kept", "trimmed")
WAYS: Final[tuple[Nicknames, ...]] = ("kept", "kept", "trimmed", "cut", "dropped", "rewritten")


class Carrier:
    """One account's upstream.

    Args: chance, for everything left open; now, seconds since 1970; directory, users (unique_ids) by organisation;
        stock, numbers in an area code; longest_lag, seconds; named_again, numbers that an answer may name though
        they are held, as the gateway knows.
    """

    def __init__(
        self,
        chance: Random,
        *,
        now: Callable[[], float],
        directory: Mapping[str, Sequence[str]],
        rates: Rates = Rates(),  # noqa: B008 # Frozen.
        stock: int = 12,
        longest_lag: float = 300.0,
        named_again: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.rates = rates
        self.nicknames: Nicknames = "kept"
        self.bought: list[Purchase] = []
        self.held: dict[str, Purchase] = {}
        self.released: list[Release] = []
        self.calls: Counter[str] = Counter()
        self._chance = chance
        self._now = now
        self._directory = directory
        self._uuids = {one: uuid_of(one) for org, users in directory.items() for one in (org, *users)}
        self._size = stock
        self._stock: dict[str, list[str]] = {}
        self._longest_lag = longest_lag
        self._named_again = named_again
        self._taken: set[str] = set()
        self._answered: set[str] = set()
        self._rows: list[Row] = []
        self._records: defaultdict[str, list[Row]] = defaultdict(list)
        self._cut_at = chance.choice(CUTS)
        self._last_wish: tuple[str, str, str] | None = None

    @property
    def recycled(self) -> int:
        """Purchases of the gateway's of a number that had been given back before."""
        given_back = {one.purchase.phone_number: one.at for one in reversed(self.released)}
        return sum(one.who == "gateway" and given_back.get(one.phone_number, math.inf) <= one.at for one in self.bought)

    # What the harness does

    def heal(self) -> None:
        """Healthy from now on, with no row late or left over. Nicknames go on as they are: that is a way, no fault."""
        self.rates = Rates()
        now = self._now()
        for row in self._rows:
            row.listed_from = min(row.listed_from, now)
            if row.listed_until < math.inf:
                row.listed_until = min(row.listed_until, now)

    def stranger_buys(
        self,
        organization: str | None = None,
        user: str | None = None,
        area_code: str | None = None,
        nickname: str | None = "",
    ) -> Purchase | None:
        """Somebody buys in the dashboard: what the last create asked for, unless told. None where nothing is left."""
        like = self._last_wish or self._any_wish()
        wish = (organization or like[0], user or like[1], area_code or like[2])
        nickname = nickname or self._chance.choice((None, "", "Front desk"))
        return self._sell(wish, nickname, who="stranger", serial=None, ever_listed=True)

    def stranger_releases(self, phone_number: str | None = None) -> Release | None:
        """Somebody gives a number back in the dashboard, any held one unless told."""
        recorded = [number for number, held in self.held.items() if held.ever_listed]
        number = phone_number or (self._chance.choice(recorded) if recorded else None)
        if number is None or number not in recorded:
            return None
        self._taken.add(number)
        self._give_back(number, who="stranger")
        self._close(number)
        return self.released[-1]

    # What Teli answers

    def create(self, body: Mapping[str, Any]) -> Answer:
        self.calls["create"] += 1
        area_code, user, organization = (body.get(name) for name in ("area_code", "user_id", "organization_id"))
        if not area_code or not user:
            return error(400, "area_code and user_id required")
        if user not in self._directory.get(str(organization), ()):
            return error(400, "User not found")
        self._last_wish = str(organization), str(user), str(area_code)
        if self._hit(self.rates.switches_nicknames):
            self.nicknames, self._cut_at = self._chance.choice(WAYS), self._chance.choice(CUTS)
        if self._hit(self.rates.refuses):
            return refusal(self._chance, area_code)
        if self._hit(self.rates.fails):
            return proves_nothing(self._chance)
        if (named := self._named()) is not None:
            return sale(named)
        return self._sale(self._last_wish, body.get("nickname"))

    def list_numbers(self, organization: str, user: str, whole: bool) -> Answer:
        self.calls["list"] += 1
        if self._hit(self.rates.list_fails):
            return no_listing(self._chance, "phone_numbers")
        now, form, organization_form = self._now(), self._id_form(), self._id_form()
        rows = [
            row.shown(form, organization_form)
            for row in self._rows
            if row.purchase.organization == organization
            and (whole or row.purchase.user == user)
            and row.listed_from <= now < row.listed_until
        ]
        return self._listing("phone_numbers", rows)

    def _is_answered(self, number: str) -> bool:
        """Held by a purchase whose answer named it: of another one nobody here could know."""
        return number in self.held and self.held[number].row_id in self._answered

    def _named(self) -> str | None:
        if not self._hit(self.rates.names_held):
            return None
        held = [number for number in self._named_again() if self._is_answered(number)]
        if not held:
            return None
        named = self._chance.choice(held)
        self._taken.add(named)
        return named

    def update_agent(self, number: str, body: Mapping[str, Any]) -> Answer:
        self.calls["update_agent"] += 1
        changes = {
            name: body[name] or None for name in ("inbound_agent_id", "outbound_agent_id", "nickname") if name in body
        }
        if not changes:
            return error(400, "inbound_agent_id, outbound_agent_id or nickname required")
        row = next(self._open_rows(number), None)
        if row is None:
            return error(404, "Phone number not found")
        if self._hit(self.rates.update_refused):
            return self._chance.choice((error(400, "Agent not found"), error(404, "Phone number not found")))
        fails = self._hit(self.rates.update_fails)
        if not fails or self._chance.random() < 0.5:
            row.inbound_agent_id = changes.get("inbound_agent_id", row.inbound_agent_id)
            row.outbound_agent_id = changes.get("outbound_agent_id", row.outbound_agent_id)
            if "nickname" in changes:
                row.nickname = self._kept(changes["nickname"], number)
        if fails:
            return error(500, "Failed to update phone number")
        return ok(phone_number=number, message="Phone number updated", **changes)

    def release(self, number: str) -> Answer:
        """The E.164 alone says which: where it was bought again, the later purchase goes."""
        self.calls["release"] += 1
        if number not in self._records:
            return error(404, "Phone number not found")
        row = next(self._open_rows(number), None)
        if row is None:
            last = self._records[number][-1]
            return ok(phone_number=number, released_at=zulu(last.released_at or 0), already_released=True)
        if self._hit(self.rates.release_refused):
            return self._chance.choice((error(400, "Not a voice phone number"), error(404, "Phone number not found")))
        held = self.held.get(number) is row.purchase
        if held and self._hit(self.rates.release_fails):
            failed = self._chance.choice(("voice_provider", "voice_carrier", "sync"))
            if failed != "sync":
                return error(502, "Failed to release phone number", failed=failed)
            self._give_back(number, who="gateway")
            return error(500, "State sync failure")
        if held:
            self._give_back(number, who="gateway")
        self._close(number)
        return ok(
            phone_number=number,
            released_at=zulu(self._now()),
            billing_stopped=True,
            message="Phone number released. You will not be billed in the next cycle.",
        )

    def organizations(self) -> Answer:
        self.calls["organizations"] += 1
        if self._hit(self.rates.list_fails):
            return no_listing(self._chance, "organizations")
        return self._listing("organizations", [self._entry(one) for one in self._directory])

    def users(self, organization: str) -> Answer:
        self.calls["users"] += 1
        if organization not in self._directory:
            return error(404, "Organization not found")
        if self._hit(self.rates.list_fails):
            return no_listing(self._chance, "users")
        about = {"organization_id": self._uuids[organization], "email": None}
        return self._listing("users", [{**self._entry(one), **about} for one in self._directory[organization]])

    def purchases(self, organization: str, start: date, end: date) -> Answer:
        """Analytics by user; both days are included, by UTC."""
        self.calls["purchases"] += 1
        if organization not in self._directory:
            return error(400, "organization_id is required")
        if self._hit(self.rates.analytics_fail):
            return error(500, "Failed to get analytics")
        known_until = self._now() - (DAY if self._hit(self.rates.analytics_late) else 0.0)
        since, until = midnight(start), min(midnight(end) + DAY, math.nextafter(known_until, math.inf))
        counts = Counter(
            one.user for one in self.bought if one.organization == organization and since <= one.at < until
        )
        form = self._id_form()
        users = [
            {"user_id": form(user), "cost_breakdown": {"phone_purchase_count": counts[user]}}
            for user in self._directory[organization]
        ]
        return ok(period={"start": start.isoformat(), "end": end.isoformat()}, users=users)

    # The carrier

    def _sale(self, wish: tuple[str, str, str], nickname: str | None) -> Answer:
        organization, user, asked = wish
        area_code = asked
        if self._hit(self.rates.sells_elsewhere):
            area_code = self._chance.choice(sorted({*self._stock, ELSEWHERE} - {asked}))
        forgotten = self._hit(self.rates.forgets)
        bought = self._sell(
            (organization, user, area_code),
            nickname,
            who="gateway",
            serial=self.calls["create"],
            ever_listed=not forgotten,
        )
        if bought is None:
            return out_of_stock(asked)
        if forgotten and self._chance.random() < 0.5:
            return error(500, "Failed to provision phone number", message="Failed to store phone number")
        if not forgotten and self._hit(self.rates.sells_refused):
            return refusal_all_the_same(self._chance)
        told = sale(bought.phone_number)
        if self._hit(self.rates.sells_unheard):
            return sale_unheard(self._chance, told)
        self._answered.add(bought.row_id)
        return told

    def _sell(
        self,
        wish: tuple[str, str, str],
        nickname: str | None,
        *,
        who: Who,
        serial: int | None,
        ever_listed: bool,
    ) -> Purchase | None:
        organization, user, area_code = wish
        stock = self._stock_of(area_code)
        if not stock:
            return None
        if who == "stranger" or self.nicknames not in SHOWS_MARKS:
            # Not what was taken from us in the dashboard, or named anew: without a mark nobody could tell whose it is.
            stock = [number for number in stock if number not in self._taken]
        if not stock:
            return None
        number = stock[-1 if self._hit(self.rates.recycles) else self._chance.randrange(len(stock))]
        self._stock[area_code].remove(number)
        row_id = str(UUID(int=self._chance.getrandbits(128), version=4))
        now = self._now()
        bought = Purchase(now, number, row_id, user, organization, nickname, who, serial, ever_listed)
        self.bought.append(bought)
        self.held[number] = bought
        if ever_listed:
            row = Row(bought, self._kept(nickname, number), now + self._lag(self.rates.lists_late))
            self._rows.append(row)
            self._records[number].append(row)
        return bought

    def _open_rows(self, number: str) -> Iterator[Row]:
        """Teli's rows of it that it believes held, the latest first; older ones are left from failed syncs."""
        return (row for row in reversed(self._records.get(number, [])) if row.released_at is None)

    def _close(self, number: str) -> None:
        for row in self._open_rows(number):
            row.released_at = self._now()
            row.listed_until = row.released_at + self._lag(self.rates.lists_on)

    def _give_back(self, number: str, *, who: Who) -> None:
        self.released.append(Release(self._now(), self.held.pop(number), who))
        self._stock_of(number[2:5]).append(number)

    def _stock_of(self, area_code: str) -> list[str]:
        if area_code not in self._stock:
            self._stock[area_code] = [f"+1{area_code}555{1000 + n}" for n in range(self._size)]
        return self._stock[area_code]

    def _any_wish(self) -> tuple[str, str, str]:
        organization = self._chance.choice([one for one in self._directory if self._directory[one]])
        return organization, self._chance.choice(self._directory[organization]), "313"

    def _kept(self, nickname: str | None, number: str) -> str | None:
        if nickname is None:
            return None
        match self.nicknames:
            case "kept":
                return nickname
            case "trimmed":
                return nickname.strip()
            case "cut":
                return nickname[: self._cut_at]
            case "dropped":
                return None
            case "rewritten":
                return f"Line {number[-4:]}"

    # Teli's listings

    def _listing(self, member: str, rows: list[dict[str, Any]]) -> Answer:
        """In no order that means anything; short or miscounted where chance has it."""
        self._chance.shuffle(rows)
        count: int | str | None = len(rows)
        if rows and self._hit(self.rates.omits_rows):
            rows = self._chance.sample(rows, self._chance.randrange(len(rows)))
            count = self._chance.choice((count, len(rows), len(rows)))
        if self._hit(self.rates.miscounts):
            count = self._chance.choice((len(rows) + 1, len(rows) - 1, "many", None))
        return ok(count=count, **{member: rows})

    def _entry(self, unique_id: str) -> dict[str, Any]:
        return {"unique_id": unique_id, "id": self._uuids[unique_id], "name": f"Name of {unique_id}"}

    def _id_form(self) -> Callable[[str], str]:
        return self._uuids.__getitem__ if self._hit(self.rates.shows_uuids) else str

    # Chance

    def _hit(self, rate: float) -> bool:
        return rate > 0 and self._chance.random() < rate

    def _lag(self, rate: float) -> float:
        return self._chance.uniform(1, self._longest_lag) if self._hit(rate) else 0.0


def uuid_of(unique_id: str) -> str:
    return str(uuid5(NAMESPACE_OID, unique_id))


def midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
