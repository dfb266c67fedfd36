"""Configuration, from the environment alone; read by the composition roots, passed on as values."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from service.kit.money import Price
from service.kit.networks import Network, read_network
from service.kit.sealing import Keyring
from service.kit.urls import LOOPBACK, check_https, https_outside_loopback, scheme_and_host
from service.tenants.roles import Role, read_roles

PREFIX = "NUMBERGATE_"
# How alike two names must be for one to be a slip of the other, where 1 is the same. Below it are other words.
ALIKE = 0.85
# How Kubernetes writes where a service is, which may be called `numbergate-metric`.
KUBERNETES = ("tcp://", "udp://", "sctp://")
SECRET_LENGTH = 32
SHORTEST_SECRET = 8
# Of what the drivers take from a URL's query: others break every connection, or change how answers are read.
POSTGRES_PARAMETERS = ("ssl", "host", "port", "passfile", "target_session_attrs")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
REDIS_PARAMETERS = ("db", "ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
# Kubernetes sets NUMBERGATE_PORT and NUMBERGATE_SERVICE_* for a service of that name: none of ours may be called so.
Seconds = Annotated[float, Field(gt=0, le=365 * 86400, allow_inf_nan=False)]


class BadConfiguration(Exception):
    """The environment cannot be used. `faults`: one line each, naming the variable and the mend."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _scheme(*allowed: str) -> AfterValidator:
    def check(url: SecretStr) -> SecretStr:
        if scheme_and_host(url.get_secret_value())[0] not in allowed:
            raise ValueError(f"must look like {allowed[0]}://host/…")
        return url

    return AfterValidator(check)


def _parameters(url: str, known: tuple[str, ...]) -> dict[str, str]:
    """The query's. An unknown one is not named: behind a password with a raw `?` it may be the rest of that password.

    Raises: ValueError.
    """
    given = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    if not given.keys() <= set(known):
        raise ValueError(f"may have no parameters but {', '.join(known)} (in a password, ? is written %3F)")
    return given


def _postgres_parameters(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    given = _parameters(url, (*POSTGRES_PARAMETERS, "sslmode"))
    if "sslmode" in given:
        raise ValueError("write ssl= in place of sslmode=, with the same value: the driver knows it by that name")
    if given.get("ssl", "require") not in SSL_MODES:
        raise ValueError(f"ssl must be one of {', '.join(SSL_MODES)}")
    return secret


def _redis_parameters(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    given = _parameters(url, REDIS_PARAMETERS)
    numbers = [urlsplit(url).path.removeprefix("/") or "0", given.get("db", "0")]
    if not all(re.fullmatch("[0-9]{1,9}", number) for number in numbers):
        raise ValueError("the database must be a number, as in redis://host/0")
    if any(name.startswith("ssl_") for name in given) and urlsplit(url).scheme != "rediss":
        raise ValueError("must be rediss:// where it has ssl_ parameters")
    return secret


def _password_of(url: SecretStr | None) -> list[str]:
    """As the URL has it and as it is meant. None that is so short that it stands in ordinary words too."""
    password = (urlsplit(url.get_secret_value()).password if url else None) or ""
    return [password, unquote(password)] if len(password) >= SHORTEST_SECRET else []


def _header(key: SecretStr) -> SecretStr:
    stripped = key.get_secret_value().strip()
    if not re.fullmatch("[!-~]+", stripped):
        raise ValueError("must be printable ASCII without spaces: it travels in a header")
    return SecretStr(stripped)


def _keyring(keys: SecretStr | None) -> SecretStr | None:
    Keyring.parse(keys.get_secret_value() if keys else "")
    return keys


def _not_blank(secret: SecretStr) -> SecretStr:
    length = len("".join(secret.get_secret_value().split()))
    if length < SECRET_LENGTH:
        raise ValueError(f"must be {SECRET_LENGTH} characters or more, white space not counted; it has {length}")
    return secret


def _https(why: str) -> AfterValidator:
    return AfterValidator(partial(check_https, why=why))


# To the letter, with a slash at its end or without: tokens name it so.
Issuer = Annotated[str, _https("keys and codes are fetched from there")]


def _origin(url: str) -> str:
    """As browsers write it, who compare it to the letter."""
    parts = urlsplit(url)
    if parts.path not in ("", "/"):
        raise ValueError("must be an origin alone, as https://host or https://host:port, without a path")
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(':443' if parts.scheme == 'https' else ':80')}"


def _collector(url: str) -> str:
    """Often inside the cluster, by http: no secret goes there."""
    if scheme_and_host(url)[0] not in ("http", "https") or any(sign in url for sign in "@?#"):
        raise ValueError("must look like http://host:4318, without credentials, query or fragment")
    return url


def _words(value: object) -> object:
    return tuple(value.split()) if isinstance(value, str) else value


def _roles(value: object) -> object:
    return read_roles(value) if isinstance(value, str) else value


def _tenant_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    if not scopes:
        return scopes
    from service.tenants.administration import TENANT_SCOPES  # Takes a while to load, and is seldom needed.

    if unknown := [one for one in scopes if one not in TENANT_SCOPES]:
        raise ValueError(f"{unknown[0][:64]} is not a tenant's scope; there are {', '.join(TENANT_SCOPES)}")
    return scopes


class FromEnvironment(BaseModel):
    """Settings of which every field is a variable. Any may be given as a file instead, as NAME_FILE."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises: BadConfiguration, with every fault at once and no value in it."""
        values = {name: value for name, value in environment.items() if value != ""}
        faults = dict(cls._misspelt(values))
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
                if (field := cls.model_fields.get(name)) is not None:  # A default is named by its field.
                    name = str(field.alias)
                faults.setdefault(name, _in_words(fault["type"], fault["msg"], fault.get("ctx", {})))
        if faults:
            raise BadConfiguration([f"{name}: {message}" if name else message for name, message in faults.items()])
        return settings

    @classmethod
    def _misspelt(cls, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Variables that are nearly one of these: the default would be taken in silence. All others are ignored.

        What other commands read, and what Kubernetes sets for a service of this name, is like none of these.
        """
        known = [str(field.alias) for field in cls.model_fields.values()]
        by_word = {
            name.removeprefix(PREFIX): name for known_name in known for name in (known_name, f"{known_name}_FILE")
        }
        for name, value in values.items():
            if not name.startswith(PREFIX) or name in by_word.values() or value.startswith(KUBERNETES):
                continue
            if near := get_close_matches(name.removeprefix(PREFIX), by_word, n=1, cutoff=ALIKE):
                yield name, f"is no setting; {by_word[near[0]]} is: rename it, or unset it"


IN_WORDS = {
    "missing": "is not set",
    "string_too_short": "must be {min_length} characters or more",
    "string_too_long": "must be {max_length} characters or fewer",
    "greater_than": "must be greater than {gt:.15g}",
    "greater_than_equal": "must be {ge:.15g} or more",
    "less_than_equal": "must be {le:.15g} or less",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}",
}


def _in_words(kind: str, message: str, context: Mapping[str, Any]) -> str:
    return IN_WORDS[kind].format(**context) if kind in IN_WORDS else message.removeprefix("Value error, ")


def _networks(text: Any) -> Any:
    """Of a list with commas. Raises: ValueError."""
    try:
        return tuple(read_network(one.strip()) for one in text.split(",")) if isinstance(text, str) else text
    except ValueError:
        raise ValueError(
            "must be networks in CIDR notation, separated by commas, as in 10.0.0.0/8,2001:db8::/32, "
            "with no bits set behind their lengths"
        ) from None


DatabaseUrl = Annotated[SecretStr, _scheme("postgresql", "postgres"), AfterValidator(_postgres_parameters)]


class DatabaseSettings(FromEnvironment):
    """What commands need that speak with the database alone. For `migrate` the login may become the owner."""

    database_url: DatabaseUrl = Field(alias="DATABASE_URL")


class Settings(FromEnvironment):
    """Every setting. Times are in seconds."""

    database_url: DatabaseUrl = Field(alias="DATABASE_URL")
    redis_url: Annotated[SecretStr, _scheme("redis", "rediss"), AfterValidator(_redis_parameters)] = Field(
        alias="REDIS_URL"
    )
    teli_base_url: Annotated[str, AfterValidator(https_outside_loopback)] = Field(alias="TELI_BASE_URL")
    teli_api_key: Annotated[SecretStr, AfterValidator(_header)] = Field(alias="TELI_API_KEY")
    teli_tenant_id: str = Field("default", alias="NUMBERGATE_TELI_TENANT_ID", min_length=1, max_length=128)
    secret: Annotated[SecretStr, AfterValidator(_not_blank)] = Field(alias="NUMBERGATE_SECRET")
    account_keys: Annotated[SecretStr | None, AfterValidator(_keyring)] = Field(None, alias="NUMBERGATE_ACCOUNT_KEYS")

    upstream_timeout: Seconds = Field(180, alias="NUMBERGATE_UPSTREAM_TIMEOUT")
    answer_within: Seconds = Field(20, alias="NUMBERGATE_ANSWER_WITHIN")
    drain_notice: Annotated[float, Field(ge=0, le=60)] = Field(2, alias="NUMBERGATE_DRAIN_NOTICE")
    settling_window: Seconds = Field(900, validate_default=True, alias="NUMBERGATE_SETTLING_WINDOW")
    write_off: Seconds = Field(259_200, validate_default=True, alias="NUMBERGATE_WRITE_OFF")
    resolve_interval: Seconds = Field(15, alias="NUMBERGATE_RESOLVE_INTERVAL")
    sweep_interval: Seconds = Field(3600, alias="NUMBERGATE_SWEEP_INTERVAL")
    mark_keep: Seconds = Field(691_200, alias="NUMBERGATE_MARK_KEEP")
    campaign_interval: Seconds = Field(60, alias="NUMBERGATE_CAMPAIGN_INTERVAL")
    calls_interval: Seconds = Field(3600, alias="NUMBERGATE_CALLS_INTERVAL")
    calls_look_back: Seconds = Field(7_776_000, alias="NUMBERGATE_CALLS_LOOK_BACK")
    call_reads_per_hour: int = Field(720, ge=0, le=100_000, alias="NUMBERGATE_CALL_READS_PER_HOUR")
    call_look_ups_per_hour: int = Field(720, ge=0, le=100_000, alias="NUMBERGATE_CALL_LOOK_UPS_PER_HOUR")
    release_grace: Seconds = Field(259_200, alias="NUMBERGATE_RELEASE_GRACE")

    budgets_interval: Seconds = Field(900, alias="NUMBERGATE_BUDGETS_INTERVAL")
    quotas_interval: Seconds = Field(60, alias="NUMBERGATE_QUOTAS_INTERVAL")

    events_kept: Seconds = Field(2_592_000, ge=345_600, alias="NUMBERGATE_EVENTS_KEPT")
    webhook_networks: Annotated[tuple[Network, ...] | None, BeforeValidator(_networks)] = Field(
        None, alias="NUMBERGATE_WEBHOOK_NETWORKS"
    )

    default_price_setup: int = Field(0, ge=0, le=1_000_000_000_000, alias="NUMBERGATE_DEFAULT_PRICE_SETUP")
    default_price_monthly: int = Field(1_000_000, ge=0, le=1_000_000_000_000, alias="NUMBERGATE_DEFAULT_PRICE_MONTHLY")
    default_currency: str = Field("USD", pattern="^[A-Z]{3}$", alias="NUMBERGATE_DEFAULT_CURRENCY")

    database_pool: int = Field(20, ge=2, le=200, alias="NUMBERGATE_DATABASE_POOL")
    database_pooler: Literal["none", "transaction"] = Field("none", alias="NUMBERGATE_DATABASE_POOLER")
    replica_url: DatabaseUrl | None = Field(None, alias="NUMBERGATE_REPLICA_URL")
    export_within: float = Field(600, ge=1, le=86_400, alias="NUMBERGATE_EXPORT_WITHIN")
    export_mebibytes: int = Field(4096, ge=1, le=1_048_576, alias="NUMBERGATE_EXPORT_MEBIBYTES")
    replicas: int = Field(4, ge=1, le=10_000, alias="NUMBERGATE_REPLICAS")
    metrics_port: int | None = Field(None, ge=0, le=65535, alias="NUMBERGATE_METRICS_PORT")
    traces_url: Annotated[str, AfterValidator(_collector)] | None = Field(None, alias="NUMBERGATE_TRACES_URL")
    traces_ratio: float = Field(0.05, ge=0, le=1, allow_inf_nan=False, alias="NUMBERGATE_TRACES_RATIO")
    trusted_proxies: Annotated[tuple[Network, ...] | None, BeforeValidator(_networks)] = Field(
        None, alias="NUMBERGATE_TRUSTED_PROXIES"
    )
    failed_authentications: int = Field(300, ge=1, le=1_000_000, alias="NUMBERGATE_FAILED_AUTHENTICATIONS")
    log_format: Literal["auto", "json", "pretty"] = Field("auto", alias="NUMBERGATE_LOG_FORMAT")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", alias="NUMBERGATE_LOG_LEVEL")
    key_environment: str = Field("live", pattern="^[a-z]{2,8}$", alias="NUMBERGATE_KEY_ENVIRONMENT")

    oidc_issuer: Issuer | None = Field(None, alias="NUMBERGATE_OIDC_ISSUER")
    public_url: Annotated[str, _https("sessions travel in a cookie"), AfterValidator(_origin)] | None = Field(
        None, validate_default=True, alias="NUMBERGATE_PUBLIC_URL"
    )
    oidc_client_id: str | None = Field(
        None, validate_default=True, min_length=1, max_length=255, alias="NUMBERGATE_OIDC_CLIENT_ID"
    )
    oidc_client_secret: SecretStr | None = Field(None, alias="NUMBERGATE_OIDC_CLIENT_SECRET")
    oidc_scopes: str = Field("openid", pattern="^openid( [!-~]+)*$", alias="NUMBERGATE_OIDC_SCOPES")
    oidc_groups_claim: str = Field("groups", min_length=1, max_length=255, alias="NUMBERGATE_OIDC_GROUPS_CLAIM")
    oidc_roles: Annotated[dict[str, Role], BeforeValidator(_roles)] = Field(
        {}, validate_default=True, alias="NUMBERGATE_OIDC_ROLES"
    )
    session_lifetime: Seconds = Field(28_800, alias="NUMBERGATE_SESSION_LIFETIME")
    session_idle: Seconds = Field(1_800, validate_default=True, alias="NUMBERGATE_SESSION_IDLE")

    token_issuers: Annotated[tuple[Issuer, ...], BeforeValidator(_words)] = Field((), alias="NUMBERGATE_TOKEN_ISSUERS")
    token_audience: str | None = Field(
        None, validate_default=True, min_length=1, max_length=255, alias="NUMBERGATE_TOKEN_AUDIENCE"
    )
    token_tenant_claim: str = Field("tenant_id", min_length=1, max_length=255, alias="NUMBERGATE_TOKEN_TENANT_CLAIM")
    token_scopes: Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_tenant_scopes)] = Field(
        (), validate_default=True, alias="NUMBERGATE_TOKEN_SCOPES"
    )

    @property
    def default_price(self) -> Price:
        """What a number is reckoned at where nothing more is known."""
        return Price(self.default_price_setup, self.default_price_monthly, self.default_currency)

    @property
    def keyring(self) -> Keyring:
        """What the keys of upstream accounts are encrypted with; empty where nothing is set."""
        return Keyring.parse(self.account_keys.get_secret_value() if self.account_keys else "")

    @property
    def secrets(self) -> list[str]:
        """Whatever must stand in no log."""
        keys = self.account_keys.get_secret_value() if self.account_keys else ""
        return [
            self.teli_api_key.get_secret_value(),
            self.secret.get_secret_value(),
            self.oidc_client_secret.get_secret_value() if self.oidc_client_secret else "",
            *(entry.partition(":")[2] for entry in re.split(r"[\s,]+", keys)),
            *(form for url in (self.database_url, self.redis_url, self.replica_url) for form in _password_of(url)),
        ]

    # Each is held to one that stands before it, so that it is told together with whatever else is wrong.
    @field_validator("settling_window")
    @classmethod
    def _longer_than_a_send(cls, window: float, others: ValidationInfo) -> float:
        if window <= others.data.get("upstream_timeout", 0):
            raise ValueError(
                "must be longer than NUMBERGATE_UPSTREAM_TIMEOUT: "
                "nothing may be decided while a send can still be answered"
            )
        return window

    @field_validator("write_off")
    @classmethod
    def _not_before_it_settled(cls, write_off: float, others: ValidationInfo) -> float:
        if write_off < others.data.get("settling_window", 0):
            raise ValueError(
                "must be no shorter than NUMBERGATE_SETTLING_WINDOW: "
                "nothing is written off before a listing could show it"
            )
        return write_off

    @field_validator("oidc_issuer", "token_issuers")
    @classmethod
    def _no_demo_provider_beside_live_keys(
        cls, issuers: str | tuple[str, ...] | None, others: ValidationInfo
    ) -> str | tuple[str, ...] | None:
        each = (issuers,) if isinstance(issuers, str) else issuers or ()
        if others.data.get("key_environment", "live") == "live" and any(
            scheme_and_host(one)[1] in LOOPBACK for one in each
        ):
            raise ValueError(
                "is on loopback, where a development provider lets anybody in: "
                "use one over https, or another NUMBERGATE_KEY_ENVIRONMENT than live"
            )
        return issuers

    @field_validator("public_url", "oidc_client_id")
    @classmethod
    def _set_beside_the_issuer(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value is None and others.data.get("oidc_issuer"):
            raise ValueError("is not set, and NUMBERGATE_OIDC_ISSUER is")
        return value

    @field_validator("oidc_roles")
    @classmethod
    def _somebody_may_do_something(cls, roles: dict[str, Role], others: ValidationInfo) -> dict[str, Role]:
        if others.data.get("oidc_issuer") and not roles:
            raise ValueError("is not set, and NUMBERGATE_OIDC_ISSUER is: nobody who logs in could do anything")
        return roles

    @field_validator("session_idle")
    @classmethod
    def _idle_before_it_ends(cls, idle: float, others: ValidationInfo) -> float:
        if idle > others.data.get("session_lifetime", idle):
            raise ValueError("must be no longer than NUMBERGATE_SESSION_LIFETIME")
        return idle

    @field_validator("token_audience")
    @classmethod
    def _for_us_and_no_login(cls, audience: str | None, others: ValidationInfo) -> str | None:
        if audience is None and others.data.get("token_issuers"):
            raise ValueError("is not set, and NUMBERGATE_TOKEN_ISSUERS is")
        if audience is not None and audience == others.data.get("oidc_client_id"):
            raise ValueError(
                "must differ from NUMBERGATE_OIDC_CLIENT_ID: what the provider tells of a person who logs in is no key"
            )
        return audience

    @field_validator("token_scopes")
    @classmethod
    def _good_for_something(cls, scopes: tuple[str, ...], others: ValidationInfo) -> tuple[str, ...]:
        if not scopes and others.data.get("token_issuers"):
            raise ValueError("is not set, and NUMBERGATE_TOKEN_ISSUERS is: no token could do anything")
        return scopes
