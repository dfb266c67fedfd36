"""`python -m tests.simulation`: run schedules, replay one, or see which planted faults they catch."""

import argparse
import os
import sys

from tests.simulation.planted import FAULTS
from tests.simulation.runner import Tally, first_catches, run_many, table
from tests.simulation.schedule import be_silent, describe, run

A_THIRD = 1 / 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    commands = parser.add_subparsers(required=True)

    running = commands.add_parser("run", help="many schedules; exit code 1 on a violation")
    running.add_argument("--seeds", type=positive, default=1_000, help="how many")
    running.add_argument("--first", type=int, default=0, help="the first seed")
    running.add_argument("--seconds", type=float, help="begin no more after so long")
    running.add_argument("--processes", type=positive, default=os.cpu_count() or 1)
    running.set_defaults(command=run_schedules)

    replaying = commands.add_parser("replay", help="one schedule: what its seed draws, and what came of it")
    replaying.add_argument("seed", type=int)
    replaying.add_argument("--trace", action="store_true", help="every call, in order")
    replaying.set_defaults(command=replay)

    planting = commands.add_parser(
        "faults", help="planted faults, each to its first catch; exit code 1 if one survives"
    )
    planting.add_argument("names", nargs="*", metavar="NAME")
    planting.add_argument("--processes", type=positive, default=os.cpu_count() or 1)
    planting.set_defaults(command=catch)

    asked = parser.parse_args()
    be_silent()
    return int(asked.command(asked))


def positive(text: str) -> int:
    """Raises: ArgumentTypeError. No schedules would be no violations."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, and is {text}")
    return int(text)


def run_schedules(asked: argparse.Namespace) -> int:
    seeds = range(asked.first, asked.first + asked.seeds)
    tally = run_many(seeds, seconds=asked.seconds, processes=asked.processes, told=show_progress)
    show(tally.told())
    if tally.mean_share < A_THIRD:
        show("fewer than a third of the calls met a fault")
    return 1 if tally.violations or tally.mean_share < A_THIRD else 0


def replay(asked: argparse.Namespace) -> int:
    for name, drawn in describe(asked.seed).items():
        show(f"{name}: {drawn}")
    report = run(asked.seed, keep_trace=asked.trace)
    for line in report.trace or ():
        show(line)
    for violation in report.violations:
        show(violation)
    show(f"{report.digest}: {report.purchases} purchases, {report.calls} calls, {len(report.violations)} violations")
    return 1 if report.violations else 0


def catch(asked: argparse.Namespace) -> int:
    if unknown := set(asked.names) - set(FAULTS):
        show(f"no such faults: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
        return 2
    catches = []
    for one in first_catches(asked.names or [*FAULTS], processes=asked.processes):
        catches.append(one)
        print(f"\r{len(catches)} faults", end="", file=sys.stderr, flush=True)
    show("\r" + table(catches))
    survivors = [one.name for one in catches if one.violation is None]
    show(f"{len(catches) - len(survivors)} of {len(catches)} caught")
    return 1 if survivors else 0


def show_progress(tally: Tally) -> None:
    if sys.stderr.isatty():
        print(f"\r{tally.schedules} schedules, {len(tally.violations)} violations", end="", file=sys.stderr, flush=True)


def show(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
