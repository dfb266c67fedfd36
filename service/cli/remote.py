"""A running gateway, asked over HTTP with an API key: what every command does that decides nothing by itself."""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Annotated, Any, Self

import httpx
from pydantic import AfterValidator, Field, SecretStr

from service.cli.faults import failed, told_faults
from service.cli.profiles import CHOSEN, profile_settings
from service.cli.words import fit
from service.kit.urls import check_https
from service.settings import BadConfiguration, FromEnvironment

PATIENCE = 60.0
EXPORT_PATIENCE = 900.0
# A doubt is looked up with its evidence and candidates, so that larger pages keep the ledger busy.
PAGE = 100
# The members of a body that were options here, by their pointers.
OPTIONS = {
    "/reason": "--reason",
    "/tenant_id": "--tenant",
    "/user_id": "--user",
    "/phone_number": "--phone-number",
}
NONE: Mapping[str, str] = {}
SETTINGS = {"url": "NUMBERGATE_URL", "key": "NUMBERGATE_API_KEY"}


class Refused(Exception):
    """The gateway said no; `detail` is its own words. Nothing was changed."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


class Away(Exception):
    """There was no answer, or it was not a gateway's. Whether anything was changed is not known."""


def _https_outside_loopback(url: str) -> str:
    return check_https(url, "the key travels in a header").rstrip("/")


def _header(key: SecretStr) -> SecretStr:
    if not (key.get_secret_value().isascii() and key.get_secret_value().isprintable()):
        raise ValueError("is not a key")
    return key


class RemoteSettings(FromEnvironment):
    url: Annotated[str, AfterValidator(_https_outside_loopback)] = Field(
        "http://127.0.0.1:8080", alias="NUMBERGATE_URL"
    )
    api_key: Annotated[SecretStr, AfterValidator(_header)] = Field(alias="NUMBERGATE_API_KEY")


class Remote:
    def __init__(self, url: str, key: str) -> None:
        self.url = url
        # Certificates take a while to load, and on this machine nobody speaks TLS; nor does a proxy stand in between.
        far = url.startswith("https:")
        self._http = httpx.Client(
            base_url=url,
            headers={"X-API-Key": key, "Accept": "application/json", "User-Agent": "numbergate"},
            timeout=PATIENCE,
            trust_env=far,
            verify=ssl.create_default_context() if far else False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, *, options: Mapping[str, str] = NONE, **params: Any) -> dict[str, Any]:
        """`options`: by what name a person gave a parameter. Raises: Refused, Away."""
        return self._ask("GET", path, options, params=params)[0]

    def get_tagged(self, path: str) -> tuple[dict[str, Any], str]:
        """With its ETag. Raises: Refused, Away."""
        body, headers = self._ask("GET", path, NONE)
        return body, headers.get("ETag", "")

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        options: Mapping[str, str] = OPTIONS,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """`options`: by what name a person gave a member of the body. Raises: Refused, Away."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return self._ask("POST", path, options, json=body, headers=headers)[0]

    def upload(
        self,
        path: str,
        content: bytes | IO[bytes],
        content_type: str,
        *,
        options: Mapping[str, str] = OPTIONS,
        **params: Any,
    ) -> dict[str, Any]:
        """As `post`, of a file. Raises: Refused, Away."""
        headers = {"Content-Type": content_type}
        return self._ask("POST", path, options, content=content, params=params, headers=headers)[0]

    def put(self, path: str, body: Mapping[str, Any], *, options: Mapping[str, str] = OPTIONS) -> dict[str, Any]:
        """As `post`. Raises: Refused, Away."""
        return self._ask("PUT", path, options, json=body)[0]

    def patch(
        self, path: str, body: Mapping[str, Any], *, options: Mapping[str, str] = OPTIONS, if_match: str | None = None
    ) -> dict[str, Any]:
        """As `post`; `if_match`: only while it has this ETag. Raises: Refused, Away."""
        headers = {} if if_match is None else {"If-Match": if_match}
        return self._ask("PATCH", path, options, json=body, headers=headers)[0]

    def delete(self, path: str, *, options: Mapping[str, str] = OPTIONS, **params: Any) -> dict[str, Any]:
        """As `post`. Raises: Refused, Away."""
        return self._ask("DELETE", path, options, params=params)[0]

    def items(
        self, path: str, *, paged: bool = True, options: Mapping[str, str] = NONE, **params: Any
    ) -> Iterator[dict[str, Any]]:
        """A listing's items, page after page as they are wanted. Raises: Refused, Away."""
        while True:
            page = self.get(path, options=options, **({"limit": PAGE} if paged else {}), **params)
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            params["cursor"] = page["next_cursor"]

    @contextmanager
    def stream(
        self, path: str, *, accept: str, options: Mapping[str, str] = NONE, **params: Any
    ) -> Iterator[httpx.Response]:
        """An answer that is too long to be held. Raises: Refused, Away."""
        # Nothing is sent before the whole of it is made.
        patience = httpx.Timeout(PATIENCE, read=EXPORT_PATIENCE)
        try:
            with self._http.stream("GET", path, params=params, headers={"Accept": accept}, timeout=patience) as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise self._refusal(answer, options)
                yield answer
        except httpx.HTTPError as error:
            raise Away(f"{self.url} broke off: {fit(str(error)) or type(error).__name__}") from None

    def _ask(
        self, method: str, path: str, options: Mapping[str, str], **request: Any
    ) -> tuple[dict[str, Any], httpx.Headers]:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            told = f"{self.url} does not answer: {fit(str(error)) or type(error).__name__}"
            unknown = "; whether it was done is not known, so look again" if method != "GET" else ""
            raise Away(told + unknown) from None
        if answer.status_code in (200, 201, 202) and (body := _object(answer)) is not None:
            return body, answer.headers
        if answer.status_code == 204:
            return {}, answer.headers
        raise self._refusal(answer, options)

    def _refusal(self, answer: httpx.Response, options: Mapping[str, str]) -> Refused | Away:
        body = _object(answer)
        if body is not None and "code" in body and "detail" in body:
            said = _by_options(body, options)
            # The same words stand for whatever is not there: what was looked for is told beside them.
            where = f" ({answer.request.url.path})" if body["code"] == "not_found" else ""
            return Refused(answer.status_code, str(body["code"]), fit(said + where))
        return Away(f"{self.url} answered {answer.status_code}, and not as a gateway does: check NUMBERGATE_URL")


def _object(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _by_options(problem: Mapping[str, Any], options: Mapping[str, str]) -> str:
    """What is wrong, each fault by the option that it is about."""
    faults = problem.get("errors")
    if not faults or not isinstance(faults, list) or not all(isinstance(one, dict) for one in faults):
        return str(problem["detail"])
    named = ((str(one.get("pointer") or "body"), one.get("detail")) for one in faults)
    return "; ".join(f"{_option(pointer, options)}: {detail}" for pointer, detail in named)


def _option(pointer: str, options: Mapping[str, str]) -> str:
    """Of an item of a list, the option that made the list."""
    return options.get(pointer) or options.get("/".join(pointer.split("/")[:2])) or pointer


@contextmanager
def remote(url: str | None, key: str | None) -> Iterator[Remote]:
    """The gateway named by options, else by the environment; whatever hinders is a line on stderr and an exit code:
    1 where the gateway refused or is away, 2 where it is not said which gateway or with what key.
    """
    given = {SETTINGS[name]: value for name, value in (("url", url), ("key", key)) if value is not None}
    settled = profile_settings(url, key, dict(os.environ)) | given
    environment = {
        name: value
        for name, value in os.environ.items()
        if name.removesuffix("_FILE") not in settled and name != CHOSEN
    }
    try:
        settings = RemoteSettings.from_environment(environment | settled)
    except BadConfiguration as bad:
        raise SystemExit(told_faults(bad)) from None
    try:
        with Remote(settings.url, settings.api_key.get_secret_value()) as found:
            yield found
    except (Refused, Away) as error:
        raise SystemExit(failed(error)) from None
