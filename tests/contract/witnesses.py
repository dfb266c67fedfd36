"""What ledger, carrier and records of decisions say of a story, in words that are the same on every run."""

from collections import Counter
from typing import Any

from service.numbers.release import GONE
from tests.contract.scene import Scene

# Why an intent is what it is, as the ledger notes it.
DECIDED = {
    "answer": "the answer",
    "out_of_stock": "the answer",
    "bad_request": "the answer",
    "credentials": "the answer",
    "rate_limited": "the answer",
    "never_sent": "the sender, for nothing left",
    "seen": "the worker, by its mark in a listing",
    "only_new_row": "the worker, by the only new row of an exclusive user",
    "presumed": "the worker, for it was absent until the write-off",
    "operator": "an operator",
}
BY_NUMBER = "the worker, by a new row of the number that was named"
# What became of a campaign.
FOUND_OUT = {"answer": "the answer", "found": "the worker, who looked for it by its id"}
OUTCOMES = """
    SELECT i.id, i.state, i.decision, i.mark, n.phone_number
    FROM intents i LEFT JOIN numbers n ON n.id = i.number_id ORDER BY i.admitted_at, i.id
"""
# What changes something at Teli.
ASKED = {"create": "create", "update_agent": "change", "release": "DELETE", "campaign_create": "campaign"}
NOBODY = "nobody yet: it is on the operator's list"


async def ledger(scene: Scene) -> str:
    """Intents and steps of the story; all numbers, orphans and quota."""
    intents = await _rows(scene, "SELECT id, state FROM intents ORDER BY admitted_at, id")
    steps = await _rows(
        scene, "SELECT id, kind, state FROM steps WHERE kind IN ('push', 'release') ORDER BY created_at, id"
    )
    numbers = await scene.gateway.sql("SELECT state, confirmed_at IS NULL FROM numbers ORDER BY acquired_at, id")
    orphans = await scene.gateway.sql("SELECT state FROM orphans ORDER BY state")
    used, reserved = (await scene.gateway.sql("SELECT sum(used), sum(reserved) FROM quotas"))[0]
    said = [
        *_counted(f"intent {state}" for _, state in intents),
        *_counted(f"{'release' if kind == 'release' else 'change'} {state}" for _, kind, state in steps),
        *_counted(f"campaign {state}" for _, state in await _rows(scene, "SELECT id, state FROM campaigns")),
        *_counted(f"number {state}{' (not seen yet)' if unseen else ''}" for state, unseen in numbers),
        *_counted(f"orphan {state}" for (state,) in orphans),
        f"quota {used} + {reserved}",
    ]
    return "; ".join(said)


async def carrier(scene: Scene) -> str:
    """What Teli was asked in the story; and in all, what was bought, is held and is billed."""
    asked = Counter(
        ASKED[one["operation"]]
        for one in await scene.teli.requests()
        if one["operation"] in ASKED and one["request_id"] not in scene.asked_before
    )
    counts = await scene.teli.counts()
    elsewhere = sum(one["bought_by"] != "api" for one in await scene.teli.purchases())
    said = [
        *(f"{count} {what}{'' if count == 1 else 's'}" for what, count in asked.items()),
        f"{counts['bought']} bought" + (f" ({elsewhere} by others)" if elsewhere else ""),
        f"{counts['held']} held",
        f"{counts['billed']} billed",
    ]
    return ", ".join(said if asked else ["not asked", *said])


async def resolved_by(scene: Scene) -> str:
    """Who found out, or decided, what became of it."""
    said: list[str] = []
    rows = {row["phone_number"]: row["nickname"] or "" for row in (await scene.teli.truth())["record"]["rows"]}
    for _, state, decision, mark, phone_number in await _rows(scene, OUTCOMES):
        marked = rows.get(phone_number, "").startswith(mark.strip())
        if state == "unresolved":
            said.append(NOBODY)
        elif state in ("owned", "refused"):
            said.append(DECIDED.get(decision, f"`{decision}`") if decision != "seen" or marked else BY_NUMBER)
        else:
            said.append("nobody yet: the worker goes on looking")
    for _, kind, state, tries, outcome in await _rows(
        scene,
        "SELECT id, kind, state, tries, outcome FROM steps WHERE kind IN ('push', 'release') ORDER BY created_at, id",
    ):
        said.append(_who_ended(kind, state, tries, outcome))
    said += [FOUND_OUT[how] for _, how in await _rows(scene, "SELECT id, decision FROM campaigns")]
    decided = await scene.gateway.sql(
        "SELECT DISTINCT action FROM audit WHERE action LIKE 'ghost.%' OR action LIKE 'orphan.%'"
    )
    said += ["an operator" for _ in decided]
    return "; then ".join(dict.fromkeys(said)) or "the gateway, which sent nothing"


def _who_ended(kind: str, state: str, tries: int, outcome: str) -> str:
    if state == "unresolved":
        return "nobody yet: a person must look"
    if state in ("waiting", "running"):
        return "nobody yet: the worker tries again"
    if tries == 1:
        return "the answer"
    if outcome == GONE:
        return "the worker, for its row is in no listing any more"
    return "the worker, who saw the row and asked again" if kind == "release" else "the worker, who asked again"


async def _rows(scene: Scene, query: str) -> list[tuple[Any, ...]]:
    """Rows of the story alone; their id comes first."""
    return [row for row in await scene.gateway.sql(query) if str(row[0]) not in scene.before]


def _counted(said: Any) -> list[str]:
    return [words if count == 1 else f"{count} × {words}" for words, count in Counter(said).items()]
