"""Faults of the answer: broken, odd, or not Teli's at all. At an early step nothing was done; at the last, all was."""

from typing import Any, Literal

from pydantic import Field

from service.simulator import errors
from service.simulator.call import Call
from service.simulator.faults.fault import ANY, Fault
from service.simulator.reply import Answered, Json, Reply
from service.simulator.state.world import World
from service.simulator.steps import Step


class HtmlError(Fault):
    """A proxy's error page instead of JSON."""

    name = "html_error"
    rows = (13,)
    operations = ANY
    status: int = Field(default=502, ge=400, le=599)

    async def strike(self, call: Call, world: World) -> None:
        page = f"<html><head><title>{self.status}</title></head><body><h1>{self.status}</h1></body></html>"
        raise Answered(Reply(self.status, page, "text/html"))


class EmptyBody(Fault):
    """A status and no body."""

    name = "empty_body"
    rows = (14, 15)
    operations = ANY
    status: int = Field(default=500, ge=200, le=599)

    async def strike(self, call: Call, world: World) -> None:
        raise Answered(Reply(self.status, None))


class CutJson(Fault):
    """The body ends in the middle; `status` 0 keeps the status. At an early step it is an error that is cut."""

    name = "cut_json"
    rows = (14,)
    operations = ANY
    status: int = 0

    async def strike(self, call: Call, world: World) -> None:
        reply = call.reply or errors.shaped(errors.refusal(500, "Internal server error"), "as_documented")
        whole = reply.wire().decode()
        raise Answered(Reply(self.status or reply.status, whole[: len(whole) // 2]))


class SuccessFalse(Fault):
    """200 with an error for a body."""

    name = "success_false"
    rows = (16,)
    operations = ANY
    error: str = "Failed to provision phone number"

    async def strike(self, call: Call, world: World) -> None:
        raise Answered(Reply(200, {"error": self.error, "success": False, "powered_by": "Teli"}))


class ServerError(Fault):
    """An error in Teli's own shape; `message` null leaves that field out."""

    name = "server_error"
    rows = (6, 23)
    operations = ANY
    step: Step = Step.received
    status: int = Field(default=500, ge=400, le=599)
    error: str = "Failed to provision phone number"
    message: str | None = "Provider unavailable"

    async def strike(self, call: Call, world: World) -> None:
        more = {} if self.message is None else {"message": self.message}
        raise Answered(Reply(self.status, errors.refusal(self.status, self.error, **more).body))


class Unauthorized(Fault):
    """The key is refused, although it is good."""

    name = "unauthorized"
    rows = (38,)
    operations = ANY
    step: Literal[Step.received] = Step.received
    status: Literal[401, 403] = 401
    error: str = "Invalid API key"

    async def strike(self, call: Call, world: World) -> None:
        raise Answered(Reply(self.status, {"error": self.error, "success": False}))


class TooManyRequests(Fault):
    """429, with `Retry-After` in seconds or, when null, without."""

    name = "too_many_requests"
    rows = (39,)
    operations = ANY
    step: Literal[Step.received] = Step.received
    retry_after: int | None = 1

    async def strike(self, call: Call, world: World) -> None:
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        raise Answered(Reply(429, {"error": "Too many requests", "success": False}, headers=headers))


class OddJson(Fault):
    """The right answer, oddly written: unknown fields, nulls for texts, keys reversed, or numbers as text."""

    name = "odd_json"
    rows = (41,)
    operations = ANY
    step: Literal[Step.answering] = Step.answering
    form: Literal["extra_fields", "nulls", "reversed", "text_numbers"] = "extra_fields"

    async def strike(self, call: Call, world: World) -> None:
        if call.reply is not None and isinstance(call.reply.body, dict):
            call.reply.body = self._rewritten(call.reply.body)

    def _rewritten(self, body: Json) -> Json:
        changed = {key: self._value(key, value) for key, value in body.items()}
        if self.form == "reversed":
            return dict(reversed(changed.items()))
        return {**changed, "x_unknown": {"nested": [1]}} if self.form == "extra_fields" else changed

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return self._rewritten(value)
        if isinstance(value, list):
            return [self._rewritten(item) if isinstance(item, dict) else item for item in value]
        if self.form == "nulls" and isinstance(value, str) and key != "phone_number":
            return None
        if self.form == "text_numbers" and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return value
