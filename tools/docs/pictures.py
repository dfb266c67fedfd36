"""`python -m tools.docs.pictures`: draw the pictures of `docs/images`, of what is written here.

Each is one file that fits light and dark: as an image it goes by what the reader's system prefers, within a page of the
site by the page's own colours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

IMAGES = Path(__file__).parents[2] / "docs" / "images"
STYLE = """\
.drawn { --ink: #1f2328; --soft: #59636e; --line: #8c959f; --ground: #ffffff; --box: #f6f8fa; --good: #1a7f37;
  --bad: #a40e26; --doubt: #9a6700; font: 14px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { .drawn { --ink: #e6edf3; --soft: #9198a1; --line: #656c76; --ground: #0d1117;
  --box: #151b23; --good: #3fb950; --bad: #f85149; --doubt: #d29922; } }
body[data-theme="light"] .drawn { --good: #1a7f37; --bad: #a40e26; --doubt: #9a6700; }
body[data-theme="dark"] .drawn { --good: #3fb950; --bad: #f85149; --doubt: #d29922; }
.drawn text { fill: var(--color-foreground-primary, var(--ink)); text-anchor: middle; }
.drawn .soft { fill: var(--color-foreground-secondary, var(--soft)); font-size: 12.5px; }
.drawn .left { text-anchor: start; } .drawn .strong { font-weight: 600; }
.drawn rect.ground { fill: var(--color-background-primary, var(--ground)); }
.drawn rect.box { fill: var(--color-background-secondary, var(--box)); stroke: var(--line); }
.drawn rect.good { stroke: var(--good); } .drawn rect.bad { stroke: var(--bad); }
.drawn rect.doubt { stroke: var(--doubt); }
.drawn path { fill: none; stroke: var(--line); stroke-width: 1.5; } .drawn path.life { stroke-dasharray: 3 5; }
.drawn path.back { stroke-dasharray: 6 4; } .drawn .head { fill: var(--line); stroke: none; }
"""
HEAD = '<path class="head" d="M0 0 L9 4.5 L0 9 Z"/>'


@dataclass(frozen=True)
class Message:
    """From one to another of those above, by their places from the left; `back` is an answer."""

    who: int
    whom: int
    says: str
    back: bool = False


@dataclass(frozen=True)
class Aside:
    """What one of them does by itself, or what holds from here on."""

    says: str


WHO = ("Your service", "Numbergate", "Redis", "Postgres", "Teli")
PURCHASE: tuple[Message | Aside, ...] = (
    Message(0, 1, "create, with a key"),
    Aside("Who asks, and is it right? All faults are told at once."),
    Message(1, 2, "told before? found full?"),
    Message(2, 1, "no", back=True),
    Message(1, 3, "admit, at once: key, money stop, quota, intent"),
    Message(3, 1, "written: from here on it cannot be forgotten", back=True),
    Aside("Each is one transaction, and none is open while Teli is waited for."),
    Message(1, 4, "create, once, with a mark in the nickname"),
    Message(4, 1, "sold, refused, or nothing that proves either", back=True),
    Message(1, 3, "settle, at once: evidence, outcome, answer, event"),
    Message(1, 2, "the answer, for replays"),
    Message(1, 0, "what is known by then", back=True),
    Aside("200: bought. 4xx and 5xx: nothing was bought. 202: not known yet, with an operation to poll."),
    Aside("A doubt is never sent again: the worker looks in Teli's listing until it is owned or refused."),
)


@dataclass(frozen=True)
class State:
    name: str
    told: str  # What its operation is called, to callers.
    x: int
    y: int
    look: str


@dataclass(frozen=True)
class Change:
    """Between two states, by the points of its line; its words stand at a point of their own."""

    before: str
    after: str
    line: str
    says: tuple[str, ...]
    x: int
    y: int


STATES = (
    State("sending", "the caller's operation is pending", 130, 200, ""),
    State("doubtful", "pending", 455, 200, "doubt"),
    State("unresolved", "unresolved", 830, 200, "doubt"),
    State("owned", "succeeded: the number is yours", 455, 50, "good"),
    State("refused", "failed: nothing was bought", 455, 350, "bad"),
)
LATE = ("its row was seen, proof came", "late, or a person decided")
GONE = ("absent until the write-off,", "or a person decided")
CHANGES = (
    Change("sending", "owned", "M130 172 C130 90 200 50 335 50", ("Teli named", "the number"), 130, 76),
    Change("sending", "refused", "M130 228 C130 310 200 350 335 350", ("proof that nothing", "was bought"), 130, 320),
    Change("sending", "doubtful", "M250 200 L335 200", ("anything else, or", "the sender died"), 292, 158),
    Change("doubtful", "owned", "M455 172 L455 78", ("its row was seen,", "or proof came late"), 540, 122),
    Change("doubtful", "refused", "M455 228 L455 322", ("proof came late, or", "a person decided"), 540, 272),
    Change("doubtful", "unresolved", "M575 200 L710 200", ("absent from three", "good listings"), 640, 158),
    Change("unresolved", "owned", "M830 172 C830 90 760 50 575 50", LATE, 835, 76),
    Change("unresolved", "refused", "M830 228 C830 310 760 350 575 350", GONE, 835, 320),
)  # fmt: skip


def purchase() -> str:
    """Who tells whom what while a number is bought."""
    left, apart, step, top = 90, 195, 44, 70
    height = top + step * len(PURCHASE) + 20
    lives = [f'<path class="life" d="M{left + n * apart} 48 V{height - 12}"/>' for n in range(len(WHO))]
    boxes = [_box(left + n * apart, 28, 150, 38, name) for n, name in enumerate(WHO)]
    rows = [row for n, each in enumerate(PURCHASE) for row in _row(each, left, apart, top + step * n)]
    return _picture(
        "How a number is bought, step by step", 2 * left + apart * (len(WHO) - 1), height, [*lives, *boxes, *rows]
    )


def _row(each: Message | Aside, left: int, apart: int, y: int) -> Iterator[str]:
    if isinstance(each, Aside):
        yield _on_ground(left + apart, y + 20, each.says, "soft left", (left + apart + 12))
        return
    begins, ends = left + each.who * apart, left + each.whom * apart
    # The head of the arrow stands before the line of life, not on it.
    yield _arrow(f"M{begins} {y + 26} L{ends + (-3 if ends > begins else 3)} {y + 26}", "back" if each.back else "")
    middle = (begins + ends) // 2
    yield _on_ground(middle, y + 18, each.says, "")


def states() -> str:
    """The states of an intent, and what leads from one to another."""
    lines = [_arrow(change.line, "") for change in CHANGES]
    boxes = [line for state in STATES for line in (
        f'<rect class="box {state.look}" x="{state.x - 120}" y="{state.y - 28}" width="240" height="56" rx="8"/>',
        f'<text class="strong" x="{state.x}" y="{state.y - 4}">{state.name}</text>',
        f'<text class="soft" x="{state.x}" y="{state.y + 15}">{escape(state.told)}</text>',
    )]  # fmt: skip
    words = [
        _on_ground(change.x, change.y + 16 * n, said, "soft")
        for change in CHANGES
        for n, said in enumerate(change.says)
    ]
    return _picture("The states of an intent", 960, 400, [*lines, *boxes, *words])


def _picture(told: str, width: int, height: int, lines: list[str]) -> str:
    return (
        f'<svg class="drawn" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(told)}">\n<style>\n{STYLE}</style>\n'
        '<defs><marker id="drawn-head" markerWidth="9" markerHeight="9" refX="8" refY="4.5" orient="auto" '
        f'markerUnits="userSpaceOnUse">{HEAD}</marker></defs>\n'
        f'<rect class="ground" width="{width}" height="{height}"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def _box(x: int, y: int, width: int, height: int, name: str) -> str:
    return (
        f'<rect class="box" x="{x - width // 2}" y="{y - height // 2}" width="{width}" height="{height}" rx="8"/>\n'
        f'<text class="strong" x="{x}" y="{y + 5}">{escape(name)}</text>'
    )


def _arrow(line: str, look: str) -> str:
    return f'<path class="{look}" marker-end="url(#drawn-head)" d="{line}"/>'


def _on_ground(x: int, y: int, says: str, look: str, left: int | None = None) -> str:
    """Words with the ground behind them, so that no line runs through."""
    wide = int(len(says) * 6.6) + 8
    begins = x - wide // 2 if left is None else left - 4
    return (
        f'<rect class="ground" x="{begins}" y="{y - 13}" width="{wide}" height="17"/>\n'
        f'<text class="{look}" x="{x if left is None else left}" y="{y}">{escape(says)}</text>'
    )


DRAWN = {"purchase.svg": purchase, "states.svg": states}

if __name__ == "__main__":
    for name, drawn in DRAWN.items():
        (IMAGES / name).write_text(drawn())
