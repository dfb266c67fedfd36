"""Configuration, from the environment alone; read by the composition roots, passed on as values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Kubernetes sets NUMBERGATE_PORT and NUMBERGATE_SERVICE_* for a service of that name: none of ours may be called so.
Seconds = Annotated[float, Field(gt=0, le=365 * 86400, allow_inf_nan=False)]


class BadConfiguration(Exception):
    """The environment cannot be used. `faults`: one line each, naming the variable and the mend."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _scheme(*allowed: str) -> AfterValidator:
    def check(url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in allowed or not parts.hostname:
            raise ValueError(f"must look like {allowed[0]}://host/…")
        return url

    return AfterValidator(check)


def _https_outside_loopback(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must look like https://host")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("must be https outside loopback: the Teli key travels in a header")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("must be a base URL alone, without credentials, query or fragment")
    return url.rstrip("/")


class Settings(BaseModel):
    """Every setting. Times are in seconds. Any variable may be given as a file instead, as NAME_FILE."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    database_url: Annotated[SecretStr, _scheme("postgresql", "postgres")] = Field(alias="DATABASE_URL")
    redis_url: Annotated[SecretStr, _scheme("redis", "rediss")] = Field(alias="REDIS_URL")
    teli_base_url: Annotated[str, AfterValidator(_https_outside_loopback)] = Field(alias="TELI_BASE_URL")
    teli_api_key: SecretStr = Field(alias="TELI_API_KEY", min_length=1)
    teli_tenant_id: str = Field("default", alias="NUMBERGATE_TELI_TENANT_ID", min_length=1, max_length=128)
    secret: SecretStr = Field(alias="NUMBERGATE_SECRET", min_length=32)

    upstream_timeout: Seconds = Field(180, alias="NUMBERGATE_UPSTREAM_TIMEOUT")
    answer_within: Seconds = Field(20, alias="NUMBERGATE_ANSWER_WITHIN")
    settling_window: Seconds = Field(900, alias="NUMBERGATE_SETTLING_WINDOW")
    write_off: Seconds = Field(259_200, alias="NUMBERGATE_WRITE_OFF")
    resolve_interval: Seconds = Field(15, alias="NUMBERGATE_RESOLVE_INTERVAL")
    sweep_interval: Seconds = Field(3600, alias="NUMBERGATE_SWEEP_INTERVAL")
    mark_keep: Seconds = Field(691_200, alias="NUMBERGATE_MARK_KEEP")
    release_grace: Seconds = Field(259_200, alias="NUMBERGATE_RELEASE_GRACE")

    database_pool: int = Field(20, ge=2, le=200, alias="NUMBERGATE_DATABASE_POOL")
    metrics_port: int | None = Field(None, ge=0, le=65535, alias="NUMBERGATE_METRICS_PORT")
    log_format: str = Field("auto", pattern="^(auto|json|pretty)$", alias="NUMBERGATE_LOG_FORMAT")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", alias="NUMBERGATE_LOG_LEVEL")
    key_environment: str = Field("live", pattern="^[a-z]{2,8}$", alias="NUMBERGATE_KEY_ENVIRONMENT")

    @model_validator(mode="after")
    def times_fit_together(self) -> Self:
        if self.settling_window <= self.upstream_timeout:
            raise ValueError(
                "NUMBERGATE_SETTLING_WINDOW must be longer than NUMBERGATE_UPSTREAM_TIMEOUT: "
                "nothing may be decided while a send can still be answered"
            )
        return self

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises: BadConfiguration, with every fault at once and no value in it."""
        faults: list[str] = []
        values = {name: value for name, value in environment.items() if value != ""}
        for field in cls.model_fields.values():
            name = str(field.alias)
            path = values.get(f"{name}_FILE")
            if path is None:
                continue
            if name in values:
                faults.append(f"{name}: set either {name} or {name}_FILE, not both")
            try:
                values[name] = Path(path).read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                faults.append(f"{name}_FILE: cannot be read: {getattr(error, 'strerror', None) or 'not text'}")
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            unread = {fault.split("_FILE:")[0] for fault in faults if "_FILE: cannot" in fault}
            for fault in error.errors(include_input=False, include_url=False):
                name = str(fault["loc"][0]) if fault["loc"] else ""
                message = "is not set" if fault["type"] == "missing" else fault["msg"].removeprefix("Value error, ")
                if name not in unread:
                    faults.append(f"{name}: {message}" if name else message)
        if faults:
            raise BadConfiguration(faults)
        return settings
