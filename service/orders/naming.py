"""What the numbers of an order are called: a template, as `Sales {area_code}-{n:03}`. Pure.

A template is read piece by piece, never formatted: `{n.__class__}` would show more than the number.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Self

# By their place in the order, from 1; the code it is asked for in; who owns it.
PLACEHOLDERS = ("n", "area_code", "user_id")
# Digits filled up with zeros; with spaces, as of {n:3}, a name is nobody's wish.
WIDTH = re.compile(r"(0[1-9][0-9]?)?d?")


@dataclass(frozen=True, slots=True)
class Template:
    """`pieces`: text, and where a placeholder follows it, its name and how it is written."""

    pieces: tuple[tuple[str, str | None, str], ...]

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises: ValueError, in words for whoever wrote it."""
        pieces = []
        try:
            found = list(Formatter().parse(text))
        except ValueError:
            raise ValueError(
                "is no template: a brace in it is not closed, or not opened; write {n}, {area_code} or {user_id},"
                " and {{ or }} for a brace of its own"
            ) from None
        for literal, name, form, conversion in found:
            if name is not None:
                _check(name, form or "", conversion)
            pieces.append((literal, name, form or ""))
        return cls(tuple(pieces))

    def names_area_code(self) -> bool:
        return any(name == "area_code" for _, name, _ in self.pieces)

    def filled(self, *, n: int, area_code: str, user_id: str) -> str:
        values: Mapping[str, str | int] = {"n": n, "area_code": area_code, "user_id": user_id}
        return "".join(
            literal + ("" if name is None else format(values[name], form)) for literal, name, form in self.pieces
        )


def _check(name: str, form: str, conversion: str | None) -> None:
    if name not in PLACEHOLDERS:
        known = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
        raise ValueError(f"has an unknown placeholder {{{name}}}; there are {known}")
    if conversion is not None:
        raise ValueError(f"must not convert {{{name}}}; leave the ! out")
    if form and (name != "n" or WIDTH.fullmatch(form) is None):
        raise ValueError(f"cannot write {{{name}}} as :{form}; {{n:03}} is n in three digits, nothing else has a form")


def named_twice(*ways: Iterable[str | None]) -> str | None:
    """A name that two would have; each of several `ways` names all of them, in order, and any two may be had."""
    whose: dict[str, int] = {}
    for names in ways:
        for place, name in enumerate(names):
            if name is not None and whose.setdefault(name, place) != place:
                return name
    return None
