"""Text that people and other programs hand us: what may be in it, and why not the rest."""

import re
import unicodedata
from collections.abc import Callable, Sequence

# Marks that reorder what stands around them: a nickname with one can make another row read as something it is not.
BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
UNSAFE_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
MOST_SHOWN = 64


def plain(text: str) -> str:
    """The text itself, where it can be stored, logged and shown safely.

    Raises: ValueError for control characters, unpaired surrogates and direction marks, naming the first.
    """
    if text.isprintable():  # None of them is; told in one step.
        return text
    for character in text:
        if character in BIDI_CONTROLS:
            raise ValueError(f"direction mark U+{ord(character):04X} is not allowed; remove it")
        if unicodedata.category(character) in UNSAFE_CATEGORIES:
            raise ValueError(f"control character U+{ord(character):04X} is not allowed; remove it")
    return text


def shown(text: str, most: int = MOST_SHOWN) -> str:
    """The text fit to be repeated to whoever sent it: cut to a length, with U+FFFD for what `plain` refuses."""
    safe = (
        "\ufffd" if character in BIDI_CONTROLS or unicodedata.category(character) in UNSAFE_CATEGORIES else character
        for character in text[:most]
    )
    return "".join(safe) + ("…" if len(text) > most else "")


def shaped(pattern: str, told: str) -> Callable[[str | None], str | None]:
    """What lets a text of this form pass, and raises ValueError with `told`: a pattern alone does not say the mend."""
    form = re.compile(pattern)

    def check(text: str | None) -> str | None:
        if text is not None and form.fullmatch(text) is None:
            raise ValueError(told)
        return text

    return check


def names_of(known: Sequence[str], most: int | None = None) -> Callable[[str | None], str | None]:
    """What lets a list with commas of known names pass, and raises ValueError that says which is none and which are."""

    def check(text: str | None) -> str | None:
        names = [] if text is None else text.split(",")
        for name in names:
            if name not in known:
                raise ValueError(
                    f"names {shown(name)!r}, which is none; there are {', '.join(known)}, with commas between"
                )
        if most is not None and len(names) > most:
            raise ValueError(f"must name {most} at most")
        return text

    return check


def names_pattern(known: Sequence[str], most: int | None = None) -> str:
    """The form of such a list, for whoever reads the OpenAPI document."""
    one = f"({'|'.join(known)})"
    return f"^{one}(,{one}){'*' if most is None else f'{{0,{most - 1}}}'}$"
