"""The twins in memory are true: whatever is asked, in whatever order, they answer as the stores over Postgres do."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.db import Database, open_database
from service.idempotency.once import UNKEYED
from service.kit import clock
from service.kit.types import TenantId, new_id
from service.numbers.grace import Grace
from service.numbers.ledger import Ledger
from service.numbers.models import Number
from service.numbers.repository import Numbers
from service.numbers.steps import Steps
from service.orders.queue import OrderQueue
from service.orders.work import OrderWork
from service.reconciliation.doubts import Doubts
from service.reconciliation.sightings import Sightings
from tests.fakes.both import BEGINNING, Both, Still, Stores
from tests.fakes.doubts import DoubtsInMemory
from tests.fakes.grace import GraceInMemory
from tests.fakes.ledger import LedgerInMemory
from tests.fakes.numbers import NumbersInMemory
from tests.fakes.orders import OrderQueueInMemory, OrdersInMemory, OrderWorkInMemory, PlacingInMemory
from tests.fakes.questions import KINDS, Questions, questions_of
from tests.fakes.scene import FIRST, NORTH, SECOND, principal, scene
from tests.fakes.sightings import SightingsInMemory
from tests.fakes.steps import StepsInMemory
from tests.fakes.world import World
from tests.support.ordering import orders_over, placing_over
from tests.support.simulated_time import SimulatedPostgres

WINDOW, GRACE = timedelta(seconds=100), timedelta(seconds=30)
PRICE = 3
ORDINARILY, IN_CI, IN_FULL = 40, 300, 10_000
PARTS = 10
SEEDS = st.integers(0, 2**32 - 1)
SEQUENCES = st.one_of(
    [st.lists(st.tuples(st.sampled_from(questions_of(kind)), SEEDS), min_size=10, max_size=50) for kind in KINDS]
)


@pytest.fixture
def still() -> Iterator[Still]:
    was, clock.source = clock.source, Still()
    yield clock.source
    clock.source = was


@pytest.fixture
async def stores(simulated: SimulatedPostgres) -> AsyncIterator[Stores]:
    api = open_database(simulated.url, "numbergate_api", pool=1)
    worker = open_database(simulated.url, "numbergate_worker", pool=1)
    yield Stores(over(api), over(worker))
    await api.engine.dispose()
    await worker.engine.dispose()


def over(database: Database) -> Mapping[str, Any]:
    return {
        "ledger": Ledger(database),
        "steps": Steps(database),
        "numbers": Numbers(database),
        "grace": Grace(database, grace=GRACE),
        "sightings": Sightings(database, window=WINDOW),
        "doubts": Doubts(database),
        "placing": placing_over(database, limits_at=PRICE),
        "orders": orders_over(database),
        "queue": OrderQueue(database),
        "order_work": OrderWork(database, mark_keep=60.0),
    }


def in_memory(world: World) -> Mapping[str, Any]:
    return {
        "ledger": LedgerInMemory(world),
        "steps": StepsInMemory(world),
        "numbers": NumbersInMemory(world),
        "grace": GraceInMemory(world, grace=GRACE),
        "sightings": SightingsInMemory(world, window=WINDOW),
        "doubts": DoubtsInMemory(world),
        "placing": PlacingInMemory(world, limits_at=PRICE),
        "orders": OrdersInMemory(world),
        "queue": OrderQueueInMemory(world),
        "order_work": OrderWorkInMemory(world),
    }


async def play(
    postgres: SimulatedPostgres, still: Still, stores: Stores, seed: int, questions: list[tuple[str, int]]
) -> None:
    """Raises: Difference, with all that was asked before."""
    still.begin()
    world = scene(Random(seed))
    both = Both(postgres, still, world, stores, in_memory(world))
    await both.begin()
    playing = Questions(both)
    for name, detail in questions:
        await playing.ask(name, Random(detail))
    await both.check()


def sequences(most: int) -> settings:
    # The fixtures begin anew with each sequence by themselves; a sequence is many draws, and takes its time.
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=most, suppress_health_check=checks)


@sequences(ORDINARILY if settings.get_current_profile_name() == "default" else IN_CI)
@given(seed=SEEDS, questions=SEQUENCES)
async def test_the_twins_and_the_real_stores_give_the_same_answers_and_hold_the_same_rows(
    simulated: SimulatedPostgres, still: Still, stores: Stores, seed: int, questions: list[tuple[str, int]]
):
    await play(simulated, still, stores, seed, questions)


E164, OTHER_E164 = "+13135550100", "+13135550101"
PLACE = {"account_id": FIRST, "organization_id": NORTH, "user_id": "ann"}


def add_acquisition(world: World, phone_number: str, row_id: str | None, *, age: float, **values: Any) -> Number:
    return world.add_number(
        **PLACE, id=new_id(), tenant_id="alpha", phone_number=phone_number, pretty="", area_code="313", mark="",
        acquired_at=BEGINNING - timedelta(seconds=age), upstream_row_id=row_id, **values,
    )  # fmt: skip


def add_seen(world: World, row_id: str, phone_number: str, *, gone: bool = False, account: UUID = FIRST) -> None:
    gone_at = BEGINNING if gone else None
    place = PLACE | {"account_id": account}
    world.add_row(**place, row_id=row_id, phone_number=phone_number, first_seen_at=BEGINNING, gone_at=gone_at)


def add_doubt(world: World, phone_number: str | None, state: str) -> None:
    world.add_intent(
        **PLACE, id=new_id(), tenant_id="beta", area_code="313", wish={}, mark="m", request_id="r", state=state,
        admitted_at=BEGINNING, lease_until=BEGINNING, slot=1, named_number=phone_number,
    )  # fmt: skip


CLAIMS: tuple[tuple[bool, Callable[[World], object]], ...] = (
    (False, lambda world: None),
    (True, lambda world: add_seen(world, "own", E164, gone=True)),
    (False, lambda world: add_seen(world, "own", E164)),
    (True, lambda world: add_seen(world, "another", E164)),
    (False, lambda world: add_seen(world, "another", E164, gone=True)),
    (False, lambda world: add_seen(world, "another", OTHER_E164)),
    (False, lambda world: add_seen(world, "another", E164, account=SECOND)),
    (False, lambda world: add_seen(world, "earlier", E164)),
    (True, lambda world: world.add_orphan(FIRST, E164, "late_proof")),
    (False, lambda world: world.add_orphan(FIRST, E164, "late_proof", state="ignored")),
    (False, lambda world: world.add_orphan(FIRST, OTHER_E164, "late_proof")),
    (False, lambda world: world.add_orphan(SECOND, E164, "late_proof")),
    (False, lambda world: world.add_orphan(FIRST, E164, "unexplained", row_id="not seen any more")),
    (True, lambda world: add_doubt(world, E164, "doubtful")),
    (True, lambda world: add_doubt(world, E164, "unresolved")),
    (False, lambda world: add_doubt(world, E164, "refused")),
    (False, lambda world: add_doubt(world, OTHER_E164, "doubtful")),
    (False, lambda world: add_doubt(world, None, "doubtful")),
)


@pytest.mark.parametrize(("row_id", "claims"), [("own", CLAIMS), (None, ((True, CLAIMS[2][1]), *CLAIMS[3:]))])
async def test_a_number_is_in_question_where_its_row_is_gone_or_its_e164_stands_for_something_else(
    simulated: SimulatedPostgres, still: Still, stores: Stores, row_id: str | None, claims: Any
):
    for expected, claim in claims:
        still.begin()
        world = scene(Random(0))
        add_acquisition(world, E164, "earlier", age=60, state="released", released_at=BEGINNING)
        number = add_acquisition(world, E164, row_id, age=30, state="active")
        claim(world)
        both = Both(simulated, still, world, stores, in_memory(world))
        await both.begin()

        for tenant, role in ((TenantId("alpha"), "api"), (None, "worker")):
            _, in_question = await both.ask("numbers", "with_question", number.id, tenant, role=role)
            *_, with_links = await both.ask("numbers", "with_links", number.id, tenant, role=role)
            assert (in_question, with_links) == (expected, expected)
        if row_id is not None:
            shared = await both.ask("numbers", "shared_by", number, role="worker")
            # That its row is gone says of nobody else.
            assert (shared is not None) == (expected and claim is not CLAIMS[1][1])


async def test_a_release_that_is_taken_back_leaves_its_quotas_in_the_day_that_it_is(
    simulated: SimulatedPostgres, still: Still, stores: Stores
):
    """The functions that take it back run as their definer, and ask what time it is."""
    still.begin()
    world = scene(Random(0))
    number = add_acquisition(world, E164, "own", age=60, state="active")
    both = Both(simulated, still, world, stores, in_memory(world))
    await both.begin()

    asked = {"reason": None, "request_id": "r", "once": UNKEYED}
    await both.ask("grace", "schedule", principal("alpha"), number.id, force=False, **asked)
    await both.ask("grace", "restore", principal("alpha"), number.id, **asked)

    await both.check()
    days = {quota.day for quota in world.quotas_of("alpha", NORTH, "ann")}
    assert days == {BEGINNING.date()}


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
@sequences(IN_FULL // PARTS)
@given(seed=SEEDS, questions=SEQUENCES)
async def test_ten_thousand_sequences_show_no_difference(
    part: int, simulated: SimulatedPostgres, still: Still, stores: Stores, seed: int, questions: list[tuple[str, int]]
):
    await play(simulated, still, stores, seed, questions)
