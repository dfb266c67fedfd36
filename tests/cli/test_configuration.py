"""Faults of the configuration: one line each, all at once, no value shown, exit code 2 before anything starts."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from service.cli.remote import RemoteSettings
from service.db import open_database
from service.kit.errors import StorageUnavailable
from service.kv import KeyValue
from service.settings import BadConfiguration, DatabaseSettings, Settings
from service.tenants.roles import Role

from .command import numbergate

GOOD = {
    "DATABASE_URL": "postgresql://gate:hidden@db.internal/numbergate",
    "REDIS_URL": "rediss://:hidden@redis.internal:6379/0",
    "TELI_BASE_URL": "https://api.teli.ai",
    "TELI_API_KEY": "hidden",
    "NUMBERGATE_SECRET": "hidden, and certainly long enough to be a secret",
}
SECONDS = [
    str(field.alias)
    for name, field in Settings.model_fields.items()
    if field.annotation is float and name != "traces_ratio"
]


def faults(**changes: Any) -> list[str]:
    """Of the good settings with these changes; None takes one away."""
    environment = {name: value for name, value in (GOOD | changes).items() if value is not None}
    with pytest.raises(BadConfiguration) as caught:
        Settings.from_environment(environment)
    assert "hidden" not in str(caught.value)
    return caught.value.faults


async def test_good_settings_are_taken_and_hide_their_secrets():
    settings = Settings.from_environment(GOOD | {"TELI_BASE_URL": "http://127.0.0.1:8000/"})

    assert settings.teli_base_url == "http://127.0.0.1:8000"
    assert "hidden" not in repr(settings)


async def test_passwords_of_urls_stand_in_no_log_in_either_spelling():
    database, redis = "postgresql://u:p%40ss-of-a-db@db/x", "redis://:short@kv"
    settings = Settings.from_environment(GOOD | {"DATABASE_URL": database, "REDIS_URL": redis})

    assert {"p%40ss-of-a-db", "p@ss-of-a-db"} <= {*settings.secrets}
    assert "short" not in settings.secrets, "it stands in ordinary words"


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("value", [None, ""])
async def test_a_missing_one_is_named(name: str, value: str | None):
    assert faults(**{name: value}) == [f"{name}: is not set"]


async def test_all_faults_are_told_at_once():
    told = faults(DATABASE_URL=None, REDIS_URL="hidden", NUMBERGATE_METRICS_PORT="hidden")

    assert [fault.split(":")[0] for fault in told] == ["DATABASE_URL", "REDIS_URL", "NUMBERGATE_METRICS_PORT"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://hidden@db/x"),
        ("DATABASE_URL", "hidden"),
        ("DATABASE_URL", "postgresql://hidden@db:port/x"),
        ("DATABASE_URL", "postgresql://hid℀den@db/x"),
        ("REDIS_URL", "http://redis"),
        ("TELI_BASE_URL", "api.teli.ai"),
        ("TELI_BASE_URL", "http://api.teli.ai"),
        ("TELI_BASE_URL", "https://hidden@api.teli.ai"),
        ("TELI_BASE_URL", "https://:hidden@api.teli.ai"),
        ("TELI_BASE_URL", "https://api.teli.ai/?a=b"),
        ("NUMBERGATE_SECRET", "short"),
        ("NUMBERGATE_ACCOUNT_KEYS", "hidden"),
        ("NUMBERGATE_ACCOUNT_KEYS", "k1:hidden"),
        ("NUMBERGATE_TELI_TENANT_ID", "x" * 129),
        ("NUMBERGATE_DATABASE_POOL", "1"),
        ("NUMBERGATE_METRICS_PORT", "65536"),
        ("NUMBERGATE_TRACES_URL", "collector:4318"),
        ("NUMBERGATE_TRACES_URL", "http://hidden:hidden@collector:4318"),
        ("NUMBERGATE_TRACES_RATIO", "1.1"),
        ("NUMBERGATE_TRUSTED_PROXIES", "10.0.0.0/8,hidden"),
        ("NUMBERGATE_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("NUMBERGATE_FAILED_AUTHENTICATIONS", "0"),
        ("NUMBERGATE_LOG_FORMAT", "loud"),
        ("NUMBERGATE_LOG_LEVEL", "loud"),
        ("NUMBERGATE_KEY_ENVIRONMENT", "Live!"),
        *((name, value) for name in SECONDS for value in ("soon", "-1", "nan", "inf")),
        *((name, "0") for name in SECONDS if name != "NUMBERGATE_DRAIN_NOTICE"),
    ],
)
async def test_a_malformed_one_is_named(name: str, value: str):
    [fault] = faults(**{name: value})

    assert fault.startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DATABASE_URL", "postgresql://db/x?sslmode=hidden", "write ssl= in place of sslmode="),
        ("DATABASE_URL", "postgresql://db/x?ssl=hidden", "ssl must be one of disable, "),
        ("DATABASE_URL", "postgresql://db/x?hidden=1", "may have no parameters but ssl, "),
        ("DATABASE_URL", "postgresql://gate:5?hidden@db/x", "may have no parameters but ssl, "),
        ("REDIS_URL", "redis://redis/0?hidden=bar", "may have no parameters but db, "),
        ("REDIS_URL", "redis://redis/0?decode_responses=true", "may have no parameters but db, "),
        ("REDIS_URL", "redis://redis/hidden", "the database must be a number"),
        ("REDIS_URL", "redis://redis?db=hidden", "the database must be a number"),
        ("REDIS_URL", "redis://redis/0?ssl_cert_reqs=none", "must be rediss:// where it has ssl_ parameters"),
        ("TELI_API_KEY", "   ", "must be printable ASCII without spaces"),
        ("TELI_API_KEY", "hid den", "must be printable ASCII without spaces"),
        ("TELI_API_KEY", "hidden\r\nX: y", "must be printable ASCII without spaces"),
        ("TELI_API_KEY", "hidden\u2019", "must be printable ASCII without spaces"),
        ("TELI_BASE_URL", "https://api.teli.ai/ hidden", "must have no white space and no control characters"),
        ("TELI_BASE_URL", "https://api.te\nli.ai", "must have no white space and no control characters"),
        ("TELI_BASE_URL", "https://api.teli.ai\x7f", "must have no white space and no control characters"),
        ("NUMBERGATE_SECRET", " " * 40, "must be 32 characters or more, white space not counted; it has 0"),
        ("NUMBERGATE_SECRET", "short", "must be 32 characters or more, white space not counted; it has 5"),
        ("NUMBERGATE_TELI_TENANT_ID", "x" * 129, "must be 128 characters or fewer"),
        ("NUMBERGATE_ANSWER_WITHIN", "0", "must be greater than 0"),
        ("NUMBERGATE_ANSWER_WITHIN", "soon", "must be a number"),
        ("NUMBERGATE_ANSWER_WITHIN", "inf", "must be a finite number"),
        ("NUMBERGATE_ANSWER_WITHIN", "31536001", "must be 31536000 or less"),
        ("NUMBERGATE_DATABASE_POOL", "1", "must be 2 or more"),
        ("NUMBERGATE_DATABASE_POOL", "2.5", "must be a whole number"),
        ("NUMBERGATE_LOG_LEVEL", "loud", "must be 'debug', 'info', 'warning' or 'error'"),
        ("NUMBERGATE_KEY_ENVIRONMENT", "Live!", "must match ^[a-z]{2,8}$"),
    ],
)
async def test_a_malformed_one_is_told_how_to_mend_it_in_one_line(name: str, value: str, message: str):
    [fault] = faults(**{name: value})

    assert fault.startswith(f"{name}: {message}")
    assert "\n" not in fault


async def test_the_parameters_that_the_drivers_need_for_tls_are_taken():
    settings = Settings.from_environment(
        GOOD
        | {
            "DATABASE_URL": "postgresql://db/x?ssl=verify-full",
            "REDIS_URL": "rediss://redis?db=3&ssl_cert_reqs=required&ssl_ca_certs=/ca&ssl_certfile=/c&ssl_keyfile=/k",
        }
    )

    assert settings.database_url.get_secret_value().endswith("?ssl=verify-full")
    await KeyValue.open(settings.redis_url.get_secret_value()).close()


@pytest.mark.parametrize(("mode", "taken"), [("prefer", True), ("require", False)])
async def test_ssl_in_the_database_url_reaches_the_driver(database_url: str, mode: str, taken: bool):
    """The Postgres of the tests has no TLS: who requires it is not let down to a connection without."""
    database = open_database(f"{database_url}?ssl={mode}", "numbergate_api", pool=1)
    try:
        with nullcontext() if taken else pytest.raises(StorageUnavailable):
            await database.ping()
    finally:
        await database.engine.dispose()


async def test_white_space_around_the_upstream_key_is_taken_off():
    settings = Settings.from_environment(GOOD | {"TELI_API_KEY": " hidden\n"})

    assert settings.teli_api_key.get_secret_value() == "hidden"


async def test_times_that_contradict_each_other_are_told():
    [fault] = faults(NUMBERGATE_SETTLING_WINDOW="10", NUMBERGATE_UPSTREAM_TIMEOUT="10")

    assert fault.startswith("NUMBERGATE_SETTLING_WINDOW: must be longer than NUMBERGATE_UPSTREAM_TIMEOUT: ")
    [fault] = faults(NUMBERGATE_UPSTREAM_TIMEOUT="900")
    assert fault.startswith("NUMBERGATE_SETTLING_WINDOW: "), "the default is held to it too"
    [fault] = faults(NUMBERGATE_SETTLING_WINDOW="600", NUMBERGATE_WRITE_OFF="599")
    assert fault.startswith("NUMBERGATE_WRITE_OFF: must be no shorter than NUMBERGATE_SETTLING_WINDOW: ")


async def test_times_that_contradict_each_other_are_told_together_with_the_other_faults():
    told = faults(REDIS_URL=None, NUMBERGATE_UPSTREAM_TIMEOUT="1000", NUMBERGATE_LOG_LEVEL="loud")

    assert [fault.split(":")[0] for fault in told] == [
        "REDIS_URL",
        "NUMBERGATE_SETTLING_WINDOW",
        "NUMBERGATE_LOG_LEVEL",
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("NUMBERGATE_SETTLE_WINDOW", "NUMBERGATE_SETTLING_WINDOW"),
        ("NUMBERGATE_WRITEOFF", "NUMBERGATE_WRITE_OFF"),
        ("NUMBERGATE_METRIC_PORT", "NUMBERGATE_METRICS_PORT"),
        ("NUMBERGATE_SECRT_FILE", "NUMBERGATE_SECRET_FILE"),
        ("NUMBERGATE_DATABASE_URL", "DATABASE_URL"),
    ],
)
async def test_a_misspelt_one_is_told_with_the_one_that_was_meant(name: str, meant: str):
    assert faults(**{name: "https://hidden"}) == [f"{name}: is no setting; {meant} is: rename it, or unset it"]
    assert Settings.from_environment(GOOD | {name: ""}) == Settings.from_environment(GOOD)


async def test_variables_of_other_commands_of_kubernetes_and_of_strangers_are_ignored():
    others = [str(field.alias) for field in RemoteSettings.model_fields.values()]
    kubernetes = ["PORT", "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_80_TCP_ADDR", "PORT_80_TCP_PORT"]
    api = [f"API_{name}" for name in kubernetes]

    ignored = dict.fromkeys(
        [
            *others,
            *(f"{name}_FILE" for name in others),
            *(f"NUMBERGATE_{name}" for name in (*kubernetes, *api, "IMAGE", "VERSION", "LOG_FILE", "HOST")),
        ],
        "something",
    ) | {"NUMBERGATE_METRIC_PORT": "tcp://10.0.0.1:80"}
    assert Settings.from_environment(GOOD | ignored) == Settings.from_environment(GOOD)

    mine = {"NUMBERGATE_API_KEY": "hidden"}
    theirs = {str(field.alias): GOOD.get(str(field.alias), "1000") for field in Settings.model_fields.values()}
    assert RemoteSettings.from_environment(mine | theirs) == RemoteSettings.from_environment(mine)
    assert DatabaseSettings.from_environment(theirs | mine)


@pytest.mark.parametrize("name", GOOD)
async def test_any_may_stand_in_a_file(tmp_path: Path, name: str):
    file = tmp_path / "value"
    file.write_text(GOOD[name] + "\n")

    given = {key: value for key, value in GOOD.items() if key != name} | {f"{name}_FILE": str(file)}
    assert Settings.from_environment(given) == Settings.from_environment(GOOD)


async def test_a_file_that_cannot_be_read_is_told(tmp_path: Path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfd")

    for path, why in (("nowhere", "No such file"), (".", "Is a directory"), ("binary", "not text")):
        [fault] = faults(TELI_API_KEY=None, TELI_API_KEY_FILE=str(tmp_path / path))
        assert fault.startswith("TELI_API_KEY: TELI_API_KEY_FILE cannot be read: ")
        assert why in fault


async def test_a_value_and_a_file_for_the_same_are_refused(tmp_path: Path):
    (tmp_path / "key").write_text("hidden")

    [fault] = faults(TELI_API_KEY_FILE=str(tmp_path / "key"))
    assert fault == "TELI_API_KEY: is set, and TELI_API_KEY_FILE too: set one of them"


@pytest.mark.parametrize(
    "command", ["serve", "worker", "migrate", "doctor --json", "keys create-admin me", "up --json", "demo --once"]
)
async def test_every_command_refuses_a_bad_configuration_before_it_starts_anything(command: str, tmp_path: Path):
    bad = {"DATABASE_URL": "mysql://db/x"} if command == "migrate" else {"NUMBERGATE_ANSWER_WITHIN": "soon"}

    ended = numbergate(*command.split(), **bad, TMPDIR=str(tmp_path), XDG_DATA_HOME=str(tmp_path))

    assert ended.returncode == 2
    assert next(iter(bad)) in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


async def test_up_with_another_upstream_needs_its_key_and_https(tmp_path: Path):
    ended = numbergate("up", "--teli-url", "http://api.teli.ai", XDG_DATA_HOME=str(tmp_path))

    assert ended.returncode == 2
    assert [line.split(": ")[1] for line in ended.stderr.splitlines()] == ["TELI_BASE_URL", "TELI_API_KEY"]


PEOPLE = {
    "NUMBERGATE_OIDC_ISSUER": "https://login.example/",
    "NUMBERGATE_OIDC_CLIENT_ID": "numbergate",
    "NUMBERGATE_OIDC_ROLES": '{"a": "auditor", "b": {"role": "admin", "organization_ids": ["1x2"]}}',
    "NUMBERGATE_PUBLIC_URL": "https://Numbergate.example:443/",
    "NUMBERGATE_TOKEN_ISSUERS": "https://login.example/ https://other.example",
    "NUMBERGATE_TOKEN_AUDIENCE": "numbergate-api",
    "NUMBERGATE_TOKEN_SCOPES": "numbers:read numbers:create",
}


def test_people_and_tokens_are_configured_together():
    settings = Settings.from_environment(GOOD | PEOPLE)

    assert settings.oidc_issuer == "https://login.example/", "to the letter"
    assert settings.public_url == "https://numbergate.example", "as a browser writes it"
    assert settings.oidc_roles == {"a": Role("auditor"), "b": Role("admin", ("1x2",))}
    assert settings.token_issuers == ("https://login.example/", "https://other.example")


def test_what_people_and_tokens_lack_is_told_at_once():
    told = faults(NUMBERGATE_OIDC_ISSUER="https://login.example", NUMBERGATE_TOKEN_ISSUERS="https://login.example")

    assert {fault.split(":")[0] for fault in told} == PEOPLE.keys() - {
        "NUMBERGATE_OIDC_ISSUER", "NUMBERGATE_TOKEN_ISSUERS"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("NUMBERGATE_OIDC_ISSUER", "http://login.example", "must be https outside loopback: keys and codes"),
        ("NUMBERGATE_OIDC_ISSUER", "http://127.0.0.1:9", "is on loopback, where a development provider lets anybody"),
        ("NUMBERGATE_TOKEN_ISSUERS", "https://a.example http://b.example", "must be https outside loopback"),
        ("NUMBERGATE_TOKEN_ISSUERS", "http://localhost:9", "is on loopback, where a development provider lets anybody"),
        ("NUMBERGATE_PUBLIC_URL", "http://numbergate.example", "must be https outside loopback: sessions"),
        ("NUMBERGATE_PUBLIC_URL", "https://example/gate", "must be an origin alone"),
        ("NUMBERGATE_OIDC_SCOPES", "profile", "must match ^openid"),
        ("NUMBERGATE_OIDC_ROLES", "auditor", "must be JSON"),
        ("NUMBERGATE_OIDC_ROLES", "[]", "must be a JSON object"),
        ("NUMBERGATE_OIDC_ROLES", '{"a": "boss"}', "group a: the role must be one of admin, "),
        ("NUMBERGATE_OIDC_ROLES", '{"a": {"role": "admin", "orgs": []}}', "group a: orgs is no field"),
        ("NUMBERGATE_OIDC_ROLES", '{"a": {"role": "finance", "organization_ids": ["1"]}}', "group a: organization_ids"),
        ("NUMBERGATE_OIDC_ROLES", '{"a": {"role": "admin", "organization_ids": ["*"]}}', "group a: organization_ids"),
        ("NUMBERGATE_TOKEN_SCOPES", "numbers:read numbers:fly", "numbers:fly is not a tenant's scope"),
        ("NUMBERGATE_TOKEN_AUDIENCE", "numbergate", "must differ from NUMBERGATE_OIDC_CLIENT_ID"),
        ("NUMBERGATE_SESSION_IDLE", "28801", "must be no longer than NUMBERGATE_SESSION_LIFETIME"),
    ],
)
def test_a_fault_in_who_may_log_in_is_told_in_one_line(name: str, value: str, message: str):
    [fault] = faults(**PEOPLE | {name: value})

    assert fault.startswith(f"{name}: {message}")
    assert "\n" not in fault
