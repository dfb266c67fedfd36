"""What is known of a doubt, an orphan or a ghost, in words for people. Pure."""

import re

# Every reason an orphan can have that is worth more than its own name.
ORPHANED = {
    "unexplained": "No purchase made through Numbergate explains it: bought in the dashboard, or by another program.",
    "late_proof": "Proof of a purchase that has been decided otherwise: it bought nothing, or another number.",
    "after_restore": "It turned up after a restore of the database; while it is open, nothing is bought for its user.",
    "refused_intent": "It carries the mark of a purchase that was taken to have bought nothing.",
    "second_row_of_a_mark": "It carries the mark of a purchase that has bought another number.",
}
HEARD = {
    "never_sent": "nothing was sent",
    "listing": "a listing showed it",
    "absence": "no listing ever showed it",
    "operator": "an operator decided",
    "reuse": "it was given a number that an earlier purchase had bought after all",
}
# What a doubt came of: as it is filed, or the error by which the connection broke.
WHY = {
    "absent": "it was looked for over the whole window, and no listing showed it",
    "sender_lost": "the process that sent it ended before it could tell what was answered",
    "number_already_held": "the answer named a number that the account held already",
    "ReadError": "the connection broke while the answer was waited for",
    "WriteError": "the connection broke while the request was sent",
    "RemoteProtocolError": "the connection was closed before a whole answer had come",
    "TimeoutError": "no answer came in time",
    "Unreadable": "the answer could not be read",
}
UNCLEAR_STATUS = re.compile(r"status ([0-9]{3})( with success false| without a number)?")
UNCLEAR = {
    None: "which does not tell whether it bought",
    " with success false": "and said in it that it had failed, which is no proof",
    " without a number": "and named no number",
}
DECIDED_ON = {
    "seen": "a listing showed a row that proves it",
    "only_new_row": "one row alone was new, and only this purchase can have bought it",
    "absent": "no listing showed it, over the whole window",
    "presumed": "no listing ever showed it, and Teli counts no more purchases than are known",
}


def why(reason: str) -> str:
    """Why a purchase is a doubt; what is not known here is told as it is filed."""
    if found := UNCLEAR_STATUS.fullmatch(reason):
        return f"Teli answered {found[1]}, {UNCLEAR[found[2]]}"
    name, _, more = reason.partition(": ")
    if name not in WHY:
        return reason
    return f"{WHY[name]} ({more})" if more else WHY[name]


def of_evidence(kind: str, status: int | str | None) -> str:
    """One piece of evidence, by its kind; one that is not known here is told by its name."""
    if kind == "answer":
        return f"Teli answered {'–' if status is None else status}"
    if kind == "broken":
        return f"the answer {status} broke off" if status else "the connection broke"
    return HEARD.get(kind, kind)
