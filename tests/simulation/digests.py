"""The digests of schedules, one a line: what another process says of the same seeds."""

import sys

from tests.simulation.schedule import be_silent, run

if __name__ == "__main__":
    be_silent()
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        print(run(seed).digest)
