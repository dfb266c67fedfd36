"""What every answer has in common, and how JSON becomes one: unknown members are kept aside, and break nothing."""

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import date, datetime
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

T = TypeVar("T")


class NotAsDescribed(ValueError):
    """A body that is not what its model says; the text names the member."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """`extra`: members that this version of the client does not know, as they came."""

    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


def read(kind: type[T], value: object) -> T:
    """A model from decoded JSON. Raises: NotAsDescribed."""
    return cast(T, _read(kind, value, ""))


def _read(kind: Any, value: object, at: str) -> Any:
    if kind is Any or kind is object:
        return value
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(kind), value, at)
    if origin is tuple:
        item, _ = get_args(kind)
        return tuple(_read(item, one, f"{at}/{place}") for place, one in enumerate(_a(list, value, at)))
    if origin is Mapping:
        _, item = get_args(kind)
        return {name: _read(item, one, f"{at}/{name}") for name, one in _a(dict, value, at).items()}
    if issubclass(origin or kind, Answer):
        return _model(kind, _a(dict, value, at), at)
    if kind in FROM_TEXT:
        return _from_text(kind, _a(str, value, at), at)
    if kind is float and type(value) is int:
        return float(value)
    # A bool is an int to Python, and none to JSON.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise NotAsDescribed(f"{at or '/'}: is no {kind.__name__}")
    return value


def _one_of(kinds: tuple[Any, ...], value: object, at: str) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    others = [kind for kind in kinds if kind is not types.NoneType]
    for kind in others[:-1]:
        try:
            return _read(kind, value, at)
        except NotAsDescribed:
            continue
    return _read(others[-1], value, at)


def _model(kind: Any, value: Mapping[str, Any], at: str) -> Answer:
    members = _members(kind)
    known = {name: _read(member, value[name], f"{at}/{name}") for name, member in members.items() if name in value}
    if absent := _required(kind) - known.keys():
        raise NotAsDescribed(f"{at}/{min(absent)}: is missing")
    # A frozen class with slots cannot be told of which parameters it was made by.
    made: type[Answer] = get_origin(kind) or kind
    return made(**known, extra={name: one for name, one in value.items() if name not in members})


@cache
def _members(kind: Any) -> Mapping[str, Any]:
    """Of a generic model too, with its parameters filled in."""
    model = get_origin(kind) or kind
    hints = get_type_hints(model)
    filled = {one.name: hints[one.name] for one in fields(model) if one.name != "extra"}
    if arguments := get_args(kind):
        filled = {name: hint[arguments] if _is_open(hint) else hint for name, hint in filled.items()}
    return filled


def _is_open(hint: Any) -> bool:
    return bool(getattr(hint, "__parameters__", ()))


@cache
def _required(kind: Any) -> frozenset[str]:
    model = get_origin(kind) or kind
    return frozenset(one.name for one in fields(model) if one.default is MISSING and one.default_factory is MISSING)


FROM_TEXT: Mapping[Any, Callable[[str], Any]] = {UUID: UUID, datetime: datetime.fromisoformat, date: date.fromisoformat}


def _from_text(kind: type[Any], value: str, at: str) -> Any:
    try:
        return FROM_TEXT[kind](value)
    except ValueError:
        raise NotAsDescribed(f"{at or '/'}: is no {kind.__name__}") from None


def _a(kind: type[T], value: object, at: str) -> T:
    if not isinstance(value, kind):
        raise NotAsDescribed(f"{at or '/'}: is no {'object' if kind is dict else kind.__name__}")
    return value
