"""What every fault has: a name, the operations it can strike, the step at which it does, and how."""

from abc import ABC, abstractmethod
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator

from service.simulator.call import Call
from service.simulator.operations import OPERATIONS
from service.simulator.reply import Json
from service.simulator.state.world import World
from service.simulator.steps import Step

ANY = ("create", *(name for name in OPERATIONS if name != "create"))
"""Every operation; creates by default, since they are what this simulator is for."""

CREATES = ("create", "sms_purchase")
RELEASES = ("release",)
LISTINGS = ("list", "sms_list", "call_list", "campaign_list", "organization_list", "user_list")


class Fault(BaseModel, ABC):
    """One thing that can go wrong. The fields are its parameters; the docstring is its line in the documentation.

    `rows` are those of the table of behaviours in docs/simulator.md. The first of `operations` is the default.
    A fault that only makes sense at one step narrows the type of `step` to it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClassVar[str]
    rows: ClassVar[tuple[int, ...]]
    operations: ClassVar[tuple[str, ...]]

    operation: str = ""
    step: Step = Step.answering

    @model_validator(mode="before")
    @classmethod
    def _take_the_default_operation(cls, given: Json) -> Json:
        return {"operation": cls.operations[0], **given}

    @model_validator(mode="after")
    def _fit_the_operation(self) -> Self:
        if self.operation not in self.operations:
            raise ValueError(f"operation must be one of {', '.join(self.operations)}")
        steps = OPERATIONS[self.operation].steps
        if self.step not in steps:
            raise ValueError(f"step must be one of {', '.join(steps)}")
        return self

    @abstractmethod
    async def strike(self, call: Call, world: World) -> None:
        """Do the damage: wait, change the call or its reply, or raise Answered or Disconnected to end it."""
