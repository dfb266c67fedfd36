"""When garbage is looked for."""

import atexit
import gc


def collect_seldom() -> None:
    """What a request makes is gone with it, and what is imported stays: a pass through all there is finds next to
    nothing, takes a fifth of the time to start, and later is a pause for all who wait.
    """
    gc.set_threshold(50_000, 20, 100)
    # Nor at the end, where the interpreter looks through all there is before it lets go of it: a second and more.
    atexit.register(gc.freeze)


def keep_what_is_here() -> None:
    """Once all is imported and set up: it stays, and no later pass looks at it."""
    gc.collect()
    gc.freeze()
