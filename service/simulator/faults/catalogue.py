"""All faults there are. To add one, write its class and name it here."""

from typing import Any

from service.simulator.faults.answers import (
    CutJson,
    EmptyBody,
    HtmlError,
    OddJson,
    ServerError,
    SuccessFalse,
    TooManyRequests,
    Unauthorized,
)
from service.simulator.faults.connection import ClientLeaves, Hold, Reset, SeeOther, Slow
from service.simulator.faults.creates import (
    AlreadyHeld,
    LateInList,
    NicknameChanged,
    NoNumber,
    NotLinked,
    NotRecorded,
    OtherAreaCode,
    OutOfStock,
    RivalPurchase,
)
from service.simulator.faults.fault import ANY, Fault
from service.simulator.faults.listings import AnalyticsMiscount, ListEmpty, ListMiscounts, ListOmits
from service.simulator.faults.releases import ReleaseNotRecorded, VoiceCarrierFails, VoiceProviderFails

_ALL: tuple[type[Fault], ...] = (
    Slow,
    ClientLeaves,
    Reset,
    Hold,
    SeeOther,
    HtmlError,
    EmptyBody,
    CutJson,
    SuccessFalse,
    ServerError,
    Unauthorized,
    TooManyRequests,
    OddJson,
    OutOfStock,
    NoNumber,
    OtherAreaCode,
    AlreadyHeld,
    NotRecorded,
    NotLinked,
    LateInList,
    NicknameChanged,
    RivalPurchase,
    ListOmits,
    ListMiscounts,
    ListEmpty,
    AnalyticsMiscount,
    VoiceProviderFails,
    VoiceCarrierFails,
    ReleaseNotRecorded,
)

FAULTS = {fault.name: fault for fault in _ALL}
"""Every fault by its name."""


def described(fault: type[Fault]) -> dict[str, Any]:
    """What the control interface tells of a fault: `operations` is "any" where it can strike all of them."""
    return {
        "name": fault.name,
        "rows": list(fault.rows),
        "operations": "any" if fault.operations == ANY else list(fault.operations),
        "summary": fault.__doc__,
        "params": {name: field.default for name, field in fault.model_fields.items() if name != "operation"},
    }
