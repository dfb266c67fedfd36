"""Many schedules over several processes, a chunk of seeds at a time, and what they came to."""

import gc
import multiprocessing.pool
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter

from tests.simulation.planted import FAULTS
from tests.simulation.schedule import CRASHED, Report, be_silent, run

CHUNK = 50
MOST_SEEDS_TO_A_CATCH = 1_000
# Of a report, and of a tally too.
SUMS = ("purchases", "calls", "share", "releases", "restored", "recycled", "orders", "cancelled", "ordered")


@dataclass(slots=True)
class Tally:
    """Sums over schedules. `share`: the sum of their shares; `violations`: by seed, in words."""

    schedules: int = 0
    purchases: int = 0
    calls: int = 0
    share: float = 0.0
    most_listings: int = 0
    releases: int = 0
    restored: int = 0
    recycled: int = 0
    orders: int = 0
    cancelled: int = 0
    ordered: int = 0
    seconds: float = 0.0
    violations: dict[int, list[str]] = field(default_factory=dict)

    def add(self, report: Report) -> None:
        self.schedules += 1
        self.most_listings = max(self.most_listings, report.listings)
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(report, name))
        if report.violations:
            self.violations[report.seed] = report.violations

    def join(self, other: "Tally") -> None:
        self.schedules += other.schedules
        self.most_listings = max(self.most_listings, other.most_listings)
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.violations |= other.violations

    @property
    def mean_share(self) -> float:
        return self.share / max(1, self.schedules)

    def told(self) -> str:
        found = [f"seed {seed}: {one}" for seed, all_found in self.violations.items() for one in all_found]
        pace = self.schedules / max(self.seconds, 0.001)
        ran = f"{self.schedules} schedules, {len(self.violations)} with a violation, {pace:.0f} a second"
        share = f"{self.mean_share:.0%} of the calls met a fault while there were any"
        did = f"{self.purchases} purchases, {self.calls} calls; {share}; at most {self.most_listings} listings each"
        back = f"{self.releases} releases, {self.restored} of them taken back; {self.recycled} numbers sold to us anew"
        many = f"{self.orders} orders, {self.cancelled} of them cancelled; {self.ordered} numbers bought for them"
        return "\n".join([*found, ran, did, back, many])


@dataclass(frozen=True, slots=True)
class Catch:
    """The first violation that a planted fault led to, after `seeds` tried; by `seed`, or by none of them."""

    name: str
    seeds: int
    seed: int | None
    seconds: float
    violation: str | None


def run_chunk(seeds: range) -> Tally:
    tally = Tally()
    for seed in seeds:
        tally.add(run(seed))
    return tally


def run_many(
    seeds: range, *, seconds: float | None = None, processes: int = 2, told: Callable[[Tally], None] | None = None
) -> Tally:
    """Run them all, or as many as are done when `seconds` are over. `told`: called after each chunk."""
    tally, began = Tally(), perf_counter()
    chunks = (seeds[n : n + CHUNK] for n in range(0, len(seeds), CHUNK))
    with pool(processes) as workers:
        # No more at once than there are processes for: what is begun is waited for.
        while batch := list(islice(chunks, processes)):
            for done in workers.imap_unordered(run_chunk, batch):
                tally.join(done)
            tally.seconds = perf_counter() - began
            if told is not None:
                told(tally)
            if seconds is not None and tally.seconds >= seconds:
                break
    return tally


def first_catch(name: str) -> Catch:
    """Run schedules with a fault planted, first the one that showed it once, until one shows it."""
    began = perf_counter()
    with FAULTS[name].planted():
        for tried, seed in enumerate((FAULTS[name].shown_by, *range(MOST_SEEDS_TO_A_CATCH))):
            # That a schedule falls over itself is no finding of what judges it.
            if found := [one for one in run(seed).violations if not one.startswith(CRASHED)]:
                return Catch(name, tried + 1, seed, perf_counter() - began, found[0])
    return Catch(name, MOST_SEEDS_TO_A_CATCH, None, perf_counter() - began, None)


def first_catches(names: list[str], *, processes: int = 2) -> Iterator[Catch]:
    """In the order in which they are found."""
    with pool(processes) as workers:
        yield from workers.imap_unordered(first_catch, names)


def table(catches: list[Catch]) -> str:
    """A line for each fault: how many seeds it took, the one that showed it, and how."""
    width = max((len(one.name) for one in catches), default=0)
    return "\n".join(
        f"{one.name:{width}}  {one.seeds:5}  {one.seed!s:>5}  {one.violation or 'SURVIVED'}"[:200]
        for one in sorted(catches, key=lambda one: one.name)
    )


def digests(seeds: range) -> list[str]:
    return [run(seed).digest for seed in seeds]


def pool(processes: int) -> "multiprocessing.pool.Pool":
    """Processes of their own, not copies: a test's process has threads and connections."""
    return multiprocessing.get_context("spawn").Pool(processes, initializer=_begin)


def _begin() -> None:
    be_silent()
    gc.freeze()  # What is imported is never garbage, and need not be looked at again after each schedule.
