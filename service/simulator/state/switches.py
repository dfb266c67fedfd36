"""Where Teli's documents are silent, a switch says which Teli this one is."""

from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator

from service.simulator.operations import OPERATIONS
from service.simulator.state.database import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS switches (name TEXT PRIMARY KEY, value TEXT NOT NULL)"

IdForm = Literal["unique_id", "uuid"]


class Switches(BaseModel):
    """Every switch with its default. The rows are those of the table in docs/simulator.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strict: bool = False
    """Refuse what the documents do not show: unknown fields, missing ids, strangers, numbers where text belongs."""
    missing_ids: Literal["accepted", "refused"] = "accepted"
    """A create without organization_id or tenant_id (row 3)."""
    unknown_owner: Literal["accepted", "refused"] = "accepted"
    """A create for a user that is unknown, or of another organisation than it says."""
    impossible_area_code: Literal["out_of_stock", "400", "422"] = "out_of_stock"
    """An area code that cannot exist (row 5)."""
    recycle_released: bool = False
    """Whether a released number is the next one sold in its area code (row 35)."""
    latency_ms: dict[str, float] = Field(default_factory=dict)
    """Milliseconds that each operation takes at least, by its name."""

    list_lag_seconds: float = 0
    """How long after its creation a number stays out of every listing (row 21)."""
    removal_lag_seconds: float = 0
    """How long after its release a number stays in every listing."""
    id_form_numbers: IdForm = "uuid"
    """How number rows name user and organisation (row 25); likewise the other three."""
    agent_id_form_numbers: Literal["as_linked", "agent_id", "unique_id", "voice_agent_id", "id"] = "as_linked"
    """Which id of a known agent number rows show (row 25)."""
    id_form_users: IdForm = "uuid"
    id_form_calls: IdForm = "uuid"
    id_form_campaigns: IdForm = "unique_id"

    nickname: Literal["kept", "trimmed", "cut", "dropped"] = "kept"
    """What is stored of a nickname (row 26): all, without outer blanks, the first letters, nothing."""
    nickname_length: int = Field(default=16, ge=0)
    """Letters that `cut` keeps."""
    agent_ids: Literal["any", "known", "agent_id", "unique_id", "voice_agent_id", "id"] = "any"
    """Which agent ids can be linked (row 37): any text, any form of a known agent, or one form."""
    sms_number_update: Literal["accepted", "refused"] = "accepted"
    """Whether update-agent takes an SMS number (row 37)."""

    invalid_key_body: Literal["success", "powered_by"] = "success"
    """Which of the two documented bodies an unknown key gets (row 38)."""
    invalid_key_status: Literal[401, 403] = 401
    error_shape: Literal[
        "as_documented",
        "error_success",
        "error_powered_by",
        "error_only",
        "error_message",
        "error_detail",
        "detail_list",
        "html",
        "text",
    ] = "as_documented"
    """The body of every error (row 40)."""
    time_format: Literal["as_documented", "naive", "offset", "zulu", "epoch", "empty"] = "as_documented"
    """How every moment is written (row 42)."""

    analytics_lag_seconds: float = 0
    """How far the counts of numbers are behind (row 43)."""
    analytics_include_sms: bool = False

    campaign_reuse: Literal["redial", "overwrite", "409"] = "redial"
    """A second create with the same campaign_id (row 44): dials again, replaces, or is refused."""
    campaign_caller_id: Literal["calls_fail", "refused", "any"] = "calls_fail"
    """A caller id that the tenant does not hold (row 44)."""
    call_lag_seconds: float = 0
    """How long after its end a call appears (row 45)."""
    call_rows_have_numbers: bool = False

    @field_validator("latency_ms")
    @classmethod
    def _know_the_operations(cls, latency_ms: dict[str, float]) -> dict[str, float]:
        if unknown := latency_ms.keys() - OPERATIONS.keys():
            raise ValueError(f"unknown operation {', '.join(sorted(unknown))}; known: {', '.join(OPERATIONS)}")
        return latency_ms


class SwitchBoard:
    """The present switches, kept over a restart."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.create(SCHEMA)
        self.load()

    def load(self) -> None:
        """Take the stored switches, the rest by default."""
        stored = self._db.rows("SELECT name, value FROM switches")
        self.now = Switches.model_validate({row["name"]: orjson.loads(row["value"]) for row in stored})

    def turn(self, **changes: Any) -> None:
        """Turn some switches and leave the others. Raises pydantic's ValidationError, and then turns none."""
        self.now = Switches.model_validate({**self.now.model_dump(), **changes})
        with self._db.together():
            for name in changes:
                value = orjson.dumps(getattr(self.now, name)).decode()
                self._db.run("INSERT OR REPLACE INTO switches VALUES (?, ?)", name, value)
