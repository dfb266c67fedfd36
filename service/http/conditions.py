"""`If-Match` and `If-None-Match` (RFC 9110, section 13.1): a change of what was seen, and an answer that is known.

An entity tag is strong, of the whole answer: `"revision-rest"`. The revision is that of what may be changed, and of it
alone `If-Match` asks: what changes by itself, as costs do, is nobody's change that another's could undo.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Header

from service.kit.errors import Fault, InvalidRequest, ServiceError

LONGEST = 2000
TAG = re.compile(r'(W/)?"([!#-~\x80-\xff]*)"')
LIST = re.compile(rf"\s*{TAG.pattern}(\s*,\s*{TAG.pattern})*\s*")


class EtagMismatch(ServiceError):
    """What is to be changed is not what was seen: somebody changed it since."""

    status, code, title = 412, "etag_mismatch", "ETag mismatch"

    def __init__(self) -> None:
        super().__init__(
            "This was changed since it was read; nothing was changed now. Read it again, and send its ETag."
        )


def digest(of: bytes) -> str:
    return hashlib.sha256(of).hexdigest()[:16]


def etag_of(revision: str, content: str) -> str:
    """`content`: the whole answer."""
    return f'"{revision}-{digest(content.encode())}"'


@dataclass(frozen=True, slots=True)
class Tags:
    """The entity tags of a condition, quotes and all; `anything` where it is `*`. Weak ones apart."""

    strong: frozenset[str]
    weak: frozenset[str] = frozenset()
    anything: bool = False

    @classmethod
    def of(cls, name: str, text: str) -> Self:
        """Raises: InvalidRequest, naming the header."""
        if text.strip() == "*":
            return cls(frozenset(), anything=True)
        if len(text) > LONGEST or not LIST.fullmatch(text):
            raise InvalidRequest(Fault(name, 'must be an ETag in double quotes, as in "4f1c", several, or *'))
        found = [(bool(weak), f'"{opaque}"') for weak, opaque in TAG.findall(text)]
        return cls(frozenset(tag for weak, tag in found if not weak), frozenset(tag for weak, tag in found if weak))

    def check(self, revision: str) -> None:
        """Of `If-Match`: whether a strong tag is of this revision. Raises: EtagMismatch."""
        if not (self.anything or revision in {tag.strip('"').partition("-")[0] for tag in self.strong}):
            raise EtagMismatch

    def know(self, etag: str) -> bool:
        """Of `If-None-Match`: by weak comparison."""
        return self.anything or etag in self.strong | self.weak


async def _if_match(
    if_match: Annotated[str | None, Header(description="Change only what still has this ETag")] = None,
) -> Tags | None:
    return None if if_match is None else Tags.of("If-Match", if_match)


async def _if_none_match(
    if_none_match: Annotated[str | None, Header(description="Answer 304 if it still has this ETag")] = None,
) -> Tags | None:
    return None if if_none_match is None else Tags.of("If-None-Match", if_none_match)


IfMatch = Annotated[Tags | None, Depends(_if_match)]
IfNoneMatch = Annotated[Tags | None, Depends(_if_none_match)]
