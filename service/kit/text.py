"""Text that people and other programs hand us: what may be in it, and why not the rest."""

import unicodedata

# Marks that reorder what stands around them: a nickname with one can make another row read as something it is not.
BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(text: str) -> str:
    """The text itself, where it can be stored, logged and shown safely.

    Raises: ValueError for control characters, unpaired surrogates and direction marks, naming the first.
    """
    for character in text:
        if character in BIDI_CONTROLS:
            raise ValueError(f"direction mark U+{ord(character):04X} is not allowed; remove it")
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise ValueError(f"control character U+{ord(character):04X} is not allowed; remove it")
    return text
