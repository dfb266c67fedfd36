"""Faults of giving a number back: any of the three hops can fail after the one before it took effect."""

from typing import Literal

from service.simulator.call import Call
from service.simulator.errors import refusal
from service.simulator.faults.fault import RELEASES, Fault
from service.simulator.reply import Answered, Reply
from service.simulator.state.world import World
from service.simulator.steps import Step

_FAILED = "Failed to release phone number"


class VoiceProviderFails(Fault):
    """502 naming `voice_provider`; the number is still linked, held and billed."""

    name = "voice_provider_fails"
    rows = (31,)
    operations = RELEASES
    step: Literal[Step.received] = Step.received

    async def strike(self, call: Call, world: World) -> None:
        raise Answered(Reply(502, refusal(502, _FAILED, failed="voice_provider").body))


class VoiceCarrierFails(Fault):
    """502 naming `voice_carrier`; the number is unlinked, and still held and billed."""

    name = "voice_carrier_fails"
    rows = (32,)
    operations = RELEASES
    step: Literal[Step.unlinked] = Step.unlinked

    async def strike(self, call: Call, world: World) -> None:
        raise Answered(Reply(502, refusal(502, _FAILED, failed="voice_carrier").body))


class ReleaseNotRecorded(Fault):
    """500 after the carrier took the number back; Teli's row stays listed until the next DELETE."""

    name = "release_not_recorded"
    rows = (33,)
    operations = RELEASES
    step: Literal[Step.returned] = Step.returned

    async def strike(self, call: Call, world: World) -> None:
        raise Answered(Reply(500, refusal(500, "State sync failure").body))
