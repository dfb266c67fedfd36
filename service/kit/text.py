"""Text that people and other programs hand us: what may be in it, and why not the rest."""

import unicodedata

# Marks that reorder what stands around them: a nickname with one can make another row read as something it is not.
BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
UNSAFE_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
MOST_SHOWN = 64


def plain(text: str) -> str:
    """The text itself, where it can be stored, logged and shown safely.

    Raises: ValueError for control characters, unpaired surrogates and direction marks, naming the first.
    """
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
