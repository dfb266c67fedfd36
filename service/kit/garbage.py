"""When garbage is looked for, and what memory is given back."""

<<<<<<< HEAD
import atexit
=======
import ctypes
>>>>>>> c30f4a1 (Answers and questions to Redis leave together; figures of the bench are kept, drawn and compared; costs of hot paths are counted)
import gc


def collect_seldom() -> None:
    """What a request makes is gone with it, and what is imported stays: a pass through all there is finds next to
    nothing, takes a fifth of the time to start, and later is a pause for all who wait.
    """
    gc.set_threshold(50_000, 20, 100)
<<<<<<< HEAD
    # Nor at the end, where the interpreter looks through all there is before it lets go of it: a second and more.
    atexit.register(gc.freeze)
=======


def keep_what_is_here() -> None:
    """Once all is imported and set up: it stays, and no later pass looks at it. What making it took is given back."""
    gc.collect()
    gc.freeze()
    # glibc's, which else keeps it for good; other C libraries have no such thing.
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
>>>>>>> c30f4a1 (Answers and questions to Redis leave together; figures of the bench are kept, drawn and compared; costs of hot paths are counted)
