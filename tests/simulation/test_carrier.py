"""The simulated upstream: what it says is read by the gateway's own readers, what is true by its logs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from service.teli.analytics import read_purchases
from service.teli.directory import read_organizations, read_users
from service.teli.heard import Heard
from service.teli.listing import Listing, read_listing
from service.teli.reading import Refused, Sold, Unclear, read_create
from tests.simulation.answers import Answer
from tests.simulation.carrier import Carrier, Nicknames, uuid_of
from tests.simulation.rates import Rates

ORGANIZATION, USER, OTHER = "1790000000001x1", "1790000000002x1", "1790000000002x2"
MARKED = "[0123456789ABC] Front desk "
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC).timestamp()
DAY = datetime.fromtimestamp(NOW, UTC).date()


class Clock:
    """Virtual time."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def carrier(clock: Clock) -> Carrier:
    return simulated(clock)


def simulated(clock: Clock, seed: str = "carrier", told: Sequence[str] = (), **rates: float) -> Carrier:
    directory = {ORGANIZATION: [USER, OTHER], "1790000000003x1": []}
    return Carrier(Random(seed), now=clock, directory=directory, rates=Rates(**rates), named_again=lambda: told)


def heard(answer: Answer) -> Heard:
    status, headers, body = answer
    return Heard("answer", status, headers, body)


def create(carrier: Carrier, area_code: str = "313", **body: Any) -> Sold | Refused | Unclear:
    asked = {"area_code": area_code, "user_id": USER, "organization_id": ORGANIZATION, "nickname": MARKED, **body}
    return read_create(heard(carrier.create(asked)), area_code=area_code)


def buy(carrier: Carrier) -> str:
    sold = create(carrier)
    assert isinstance(sold, Sold)
    return sold.phone_number


def listing(carrier: Carrier) -> Listing | None:
    return read_listing(heard(carrier.list_numbers(ORGANIZATION, USER, whole=True)))


def listed(carrier: Carrier) -> list[tuple[str, str | None]]:
    found = listing(carrier)
    assert found is not None and found.complete
    return sorted((row.phone_number, row.nickname) for row in found.rows)


def counted(carrier: Carrier) -> dict[str, int] | None:
    return read_purchases(heard(carrier.purchases(ORGANIZATION, DAY, DAY)))


def release(carrier: Carrier, number: str) -> tuple[int, dict[str, Any]]:
    told = heard(carrier.release(number))
    assert told.status is not None
    return told.status, told.object()


# Health


def test_a_healthy_upstream_sells_lists_counts_and_takes_back(carrier: Carrier):
    number = buy(carrier)

    assert listed(carrier) == [(number, MARKED)]
    assert counted(carrier) == {USER: 1, OTHER: 0}
    [bought] = carrier.bought
    assert (bought.at, bought.user, bought.nickname, bought.who, bought.serial) == (NOW, USER, MARKED, "gateway", 1)
    assert carrier.held == {number: bought}

    status, body = release(carrier, number)
    assert (status, body["billing_stopped"]) == (200, True)
    status, body = release(carrier, number)
    assert (status, body["already_released"]) == (200, True)
    assert listed(carrier) == []
    assert (carrier.held, [one.purchase for one in carrier.released], carrier.bought) == ({}, [bought], [bought])


def test_a_users_listing_shows_its_own_and_a_whole_one_the_organisations(carrier: Carrier):
    number = buy(carrier)

    mine, others = (
        read_listing(heard(carrier.list_numbers(ORGANIZATION, user, whole=False))) for user in (USER, OTHER)
    )
    assert mine is not None and [row.phone_number for row in mine.rows] == [number]
    assert others == Listing((), complete=True)


def test_the_directory_gives_both_forms_of_each_id(carrier: Carrier):
    organizations = read_organizations(heard(carrier.organizations()))
    users = read_users(heard(carrier.users(ORGANIZATION)))

    assert organizations is not None and len(organizations) == 2
    assert users is not None
    assert {(user.unique_id, user.uuid) for user in users} == {(one, uuid_of(one)) for one in (USER, OTHER)}
    assert read_users(heard(carrier.users("unknown"))) == []


def test_an_update_changes_what_it_names_and_clears_by_nothing(carrier: Carrier):
    number = buy(carrier)

    assert carrier.update_agent(number, {"inbound_agent_id": "agent_1", "nickname": "Desk"}).status == 200
    assert carrier.update_agent(number, {"inbound_agent_id": ""}).status == 200
    assert carrier.update_agent(number, {"agent_id": "agent_1"}).status == 400
    assert carrier.update_agent("+13135550000", {"nickname": "x"}).status == 404
    assert carrier.release("+13135550000").status == 404

    found = listing(carrier)
    assert found is not None
    assert [(row.nickname, row.inbound_agent_id) for row in found.rows] == [("Desk", None)]


def test_an_empty_area_code_is_out_of_stock_and_a_number_given_back_is_sold_again_under_a_new_row(carrier: Carrier):
    numbers = [buy(carrier) for _ in range(12)]
    assert create(carrier) == Refused(
        "out_of_stock", "Failed to provision phone number", "No numbers available in area code 313"
    )

    release(carrier, numbers[3])

    assert buy(carrier) == numbers[3]
    first, again = (one for one in carrier.bought if one.phone_number == numbers[3])
    assert first.row_id != again.row_id
    assert len(carrier.bought) == 13 and len(carrier.held) == 12


# Sales


def test_a_sale_unheard_is_never_read_as_refused(clock: Clock):
    carrier = simulated(clock, sells_unheard=1.0, recycles=0.5)

    for serial in range(1, 301):
        assert isinstance(create(carrier), Unclear | Sold)
        assert (len(carrier.bought), carrier.bought[-1].serial) == (serial, serial)
        release(carrier, carrier.bought[-1].phone_number)


@pytest.mark.parametrize(("rate", "meaning"), [("refuses", Refused), ("fails", Unclear)])
def test_a_refusal_and_a_failure_buy_nothing(clock: Clock, rate: str, meaning: type):
    carrier = simulated(clock, **{rate: 1.0})

    answers = [create(carrier) for _ in range(200)]

    assert all(isinstance(answer, meaning) for answer in answers)
    assert len(set(map(str, answers))) > 5
    assert carrier.bought == []


def test_a_sale_may_name_a_number_held_before(clock: Clock):
    told: list[str] = []
    carrier = simulated(clock, told=told, names_held=1.0)
    number = buy(carrier)
    assert buy(carrier) != number
    told.append(number)

    assert buy(carrier) == number

    assert len(carrier.bought) == 2


def test_a_sale_may_be_elsewhere(clock: Clock):
    sold = create(simulated(clock, sells_elsewhere=1.0))

    assert isinstance(sold, Sold) and sold.area_code == "989"


def test_what_is_forgotten_is_never_listed_nor_taken_back_and_analytics_count_one_more(clock: Clock):
    carrier = simulated(clock, forgets=1.0)

    answers = [create(carrier) for _ in range(10)]
    carrier.heal()
    clock.now += 3_600

    assert {type(answer) for answer in answers} == {Sold, Unclear}
    assert not any(bought.ever_listed for bought in carrier.bought)
    assert listed(carrier) == []
    assert counted(carrier) == {USER: 10, OTHER: 0}
    assert {release(carrier, number)[0] for number in list(carrier.held)} == {404}
    assert len(carrier.held) == 10


def test_a_stranger_buys_what_was_asked_for_last_without_a_mark(carrier: Carrier):
    create(carrier, area_code="415", user_id=OTHER)

    bought = carrier.stranger_buys()

    assert bought is not None
    assert (bought.user, bought.phone_number[2:5], bought.who, bought.serial) == (OTHER, "415", "stranger", None)
    assert len(listed(carrier)) == 2
    assert counted(carrier) == {USER: 0, OTHER: 2}
    assert carrier.stranger_releases(bought.phone_number) is not None
    assert len(listed(carrier)) == 1


# Listings


def test_rows_may_be_late_and_appear_in_the_end_or_by_healing(clock: Clock):
    carrier = simulated(clock, lists_late=1.0)
    buy(carrier)
    assert listed(carrier) == []
    clock.now += 300
    assert len(listed(carrier)) == 1

    buy(carrier)
    assert len(listed(carrier)) == 1
    carrier.heal()
    assert len(listed(carrier)) == 2


def test_a_number_may_be_sold_again_while_its_old_row_is_still_listed(clock: Clock):
    carrier = simulated(clock, lists_on=1.0, recycles=1.0)
    number = buy(carrier)
    release(carrier, number)

    assert buy(carrier) == number

    assert listed(carrier) == [(number, MARKED), (number, MARKED)]
    carrier.heal()
    assert len(listed(carrier)) == 1


@pytest.mark.parametrize(
    ("rate", "kinds"),
    [
        ("list_fails", {None, (0, True)}),
        ("omits_rows", {(rows, complete) for rows in range(3) for complete in (True, False)}),
        ("miscounts", {(3, False)}),
    ],
)
def test_a_listing_may_fail_fall_short_or_miscount(clock: Clock, rate: str, kinds: set[tuple[int, bool] | None]):
    carrier = simulated(clock, **{rate: 1.0})
    for _ in range(3):
        carrier.stranger_buys(ORGANIZATION, USER, "313")

    seen = [listing(carrier) for _ in range(100)]

    assert {found and (len(found.rows), found.complete) for found in seen} == kinds


def test_ids_may_be_of_either_form_from_one_listing_to_the_next(clock: Clock):
    carrier = simulated(clock, shows_uuids=0.5)
    buy(carrier)

    rows = [found.rows[0] for _ in range(50) if (found := listing(carrier))]

    assert {(row.organization_id, row.user_id) for row in rows} == {
        (organization, user) for organization in (ORGANIZATION, uuid_of(ORGANIZATION)) for user in (USER, uuid_of(USER))
    }


@pytest.mark.parametrize(
    ("way", "kept"),
    [
        ("kept", {MARKED}),
        ("trimmed", {MARKED.strip()}),
        ("cut", {MARKED[:length] for length in (8, 15, 16, 24)}),
        ("dropped", {None}),
    ],
)
def test_nicknames_are_kept_in_one_of_several_ways(clock: Clock, way: Nicknames, kept: set[str | None]):
    seen = set()
    for seed in range(40):
        carrier = simulated(clock, seed=f"nicknames {seed}")
        carrier.nicknames = way
        buy(carrier)
        seen |= {nickname for _, nickname in listed(carrier)}

    assert seen == kept


def test_the_way_nicknames_are_kept_may_change_midway(clock: Clock):
    carrier = simulated(clock, switches_nicknames=0.5)
    ways = []
    for _ in range(100):
        release(carrier, buy(carrier))
        ways.append(carrier.nicknames)

    assert set(ways) == {"kept", "trimmed", "cut", "dropped", "rewritten"}
    assert {bought.nickname for bought in carrier.bought} == {MARKED}


# Releases, updates, analytics


def test_a_release_may_fail_at_the_provider_at_the_carrier_or_after_it(clock: Clock):
    seen = set()
    for seed in range(30):
        carrier = simulated(clock, seed=f"release {seed}", release_fails=1.0)
        number = buy(carrier)
        status, body = release(carrier, number)
        seen.add((status, body.get("failed"), number in carrier.held, len(listed(carrier))))

    assert seen == {(502, "voice_provider", True, 1), (502, "voice_carrier", True, 1), (500, None, False, 1)}


def test_what_failed_to_sync_stays_listed_until_the_next_delete_though_healed_and_sold_again(clock: Clock):
    carrier = simulated(clock, seed="sync", release_fails=1.0, recycles=1.0)
    number = buy(carrier)
    while carrier.held:
        release(carrier, number)
    carrier.heal()
    clock.now += 86_400
    assert listed(carrier) == [(number, MARKED)]

    carrier.rates = Rates(recycles=1.0)
    assert buy(carrier) == number
    assert len(listed(carrier)) == 2

    assert release(carrier, number)[0] == 200
    assert (listed(carrier), carrier.held, len(carrier.released)) == ([], {}, 2)


def test_what_teli_does_not_know_of_is_not_taken_back_by_the_row_of_an_earlier_purchase(clock: Clock):
    carrier = simulated(clock, release_fails=1.0)
    number = buy(carrier)
    while carrier.held:
        release(carrier, number)
    carrier.rates = Rates(recycles=1.0, forgets=1.0)
    create(carrier)

    assert release(carrier, number)[0] == 200
    assert (listed(carrier), list(carrier.held)) == ([], [number])


def test_a_release_may_be_refused_though_the_number_is_held(clock: Clock):
    carrier = simulated(clock, release_refused=1.0)
    number = buy(carrier)

    assert {release(carrier, number)[0] for _ in range(20)} == {400, 404}
    assert list(carrier.held) == [number]


def test_an_update_may_fail_with_or_without_effect(clock: Clock):
    carrier = simulated(clock, update_fails=1.0)
    number = buy(carrier)
    changed = set()
    for attempt in range(20):
        assert carrier.update_agent(number, {"nickname": f"name {attempt}"}).status == 500
        changed.add(listed(carrier) == [(number, f"name {attempt}")])

    assert changed == {True, False}


def test_analytics_may_run_a_day_late(clock: Clock):
    carrier = simulated(clock, analytics_late=1.0)
    buy(carrier)

    assert counted(carrier) == {USER: 0, OTHER: 0}
    clock.now += 86_400
    assert counted(carrier) == {USER: 1, OTHER: 0}


# Chance


def test_one_seed_gives_the_same_bytes_and_others_give_others(clock: Clock):
    def told(seed: int) -> list[Answer]:
        chance = Random(seed)
        carrier = simulated(clock, seed=f"told {seed}")
        carrier.rates = Rates.drawn(chance)
        answers = []
        for _ in range(40):
            asked = {"area_code": "313", "user_id": USER, "organization_id": ORGANIZATION, "nickname": MARKED}
            answers.append(carrier.create(asked))
            answers.append(carrier.list_numbers(ORGANIZATION, USER, whole=True))
            answers += [carrier.release(number) for number in list(carrier.held)[5:]]
            answers.append(carrier.purchases(ORGANIZATION, DAY, DAY))
        return answers

    assert [told(seed) for seed in range(20)] == [told(seed) for seed in range(20)]
    assert told(1) != told(2)
