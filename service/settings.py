"""Configuration, from the environment alone; read by the composition roots, passed on as values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
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
        if _parts(url.get_secret_value())[0] not in allowed:
            raise ValueError(f"must look like {allowed[0]}://host/…")
        return url

    return AfterValidator(check)


def _https_outside_loopback(url: str) -> str:
    scheme, host = _parts(url)
    if scheme not in ("http", "https"):
        raise ValueError("must look like https://host")
    if scheme == "http" and host not in LOOPBACK:
        raise ValueError("must be https outside loopback: the Teli key travels in a header")
    if any(sign in url for sign in "@?#"):
        raise ValueError("must be a base URL alone, without credentials, query or fragment")
    return url.rstrip("/")


def _parts(url: str) -> tuple[str, str]:
    """Scheme and host; empty ones where it is no URL. No error of the parser may get out: it quotes the password."""
    try:
        parts = urlsplit(url)
        return (parts.scheme, parts.hostname) if parts.hostname and parts.port != 0 else ("", "")
    except ValueError:
        return "", ""


class FromEnvironment(BaseModel):
    """Settings of which every field is a variable. Any may be given as a file instead, as NAME_FILE."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises: BadConfiguration, with every fault at once and no value in it."""
        values = {name: value for name, value in environment.items() if value != ""}
        faults: dict[str, str] = {}
        for name in (str(field.alias) for field in cls.model_fields.values()):
            if (path := values.get(f"{name}_FILE")) is None:
                continue
            if name in values:
                faults[name] = f"is set, and {name}_FILE too: set one of them"
            try:
                values[name] = Path(path).read_text().strip()
            except (OSError, ValueError) as error:
                faults[name] = f"{name}_FILE cannot be read: {getattr(error, 'strerror', None) or 'not text'}"
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            for fault in error.errors(include_input=False, include_url=False):
                name = str(fault["loc"][0]) if fault["loc"] else ""
                faults.setdefault(name, _in_words(fault["type"], fault["msg"]))
        if faults:
            raise BadConfiguration([f"{name}: {message}" if name else message for name, message in faults.items()])
        return settings


def _in_words(kind: str, message: str) -> str:
    return "is not set" if kind == "missing" else message.removeprefix("Value error, ")


class MigrationSettings(FromEnvironment):
    """What `numbergate migrate` needs: a login that may become the owner."""

    database_url: Annotated[SecretStr, _scheme("postgresql", "postgres")] = Field(alias="DATABASE_URL")


class Settings(FromEnvironment):
    """Every setting. Times are in seconds."""

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
    log_format: Literal["auto", "json", "pretty"] = Field("auto", alias="NUMBERGATE_LOG_FORMAT")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", alias="NUMBERGATE_LOG_LEVEL")
    key_environment: str = Field("live", pattern="^[a-z]{2,8}$", alias="NUMBERGATE_KEY_ENVIRONMENT")

    @model_validator(mode="after")
    def times_fit_together(self) -> Self:
        if self.settling_window <= self.upstream_timeout:
            raise ValueError(
                "NUMBERGATE_SETTLING_WINDOW must be longer than NUMBERGATE_UPSTREAM_TIMEOUT: "
                "nothing may be decided while a send can still be answered"
            )
        return self
