"""Every code is an exception of its own, and what is not known is one of its status."""

import httpx
import pytest

from service.client import Client, errors
from tests.architecture.test_errors import PAGE, ROW
from tests.client.asked import KINDS, Asked, told_by

KEY = "ngk_a-key-that-nobody-may-see"


def test_every_code_of_the_page_of_errors_has_an_exception_under_its_status():
    documented = {code: int(status) for status, code, _, _ in ROW.findall(PAGE.read_text())}

    assert errors.BY_CODE.keys() == documented.keys()
    for code, status in documented.items():
        assert issubclass(errors.BY_CODE[code], errors.kind_of(status, None)), code
        assert errors.BY_CODE[code].__doc__, code


def test_every_exception_can_be_caught_by_what_all_have_in_common():
    for kind in errors.BY_CODE.values():
        assert issubclass(kind, errors.Refused)
        assert issubclass(kind, errors.NumbergateError)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(409, errors.Conflict), (429, errors.TooManyRequests), (418, errors.ClientError), (507, errors.ServerError)],
)
def test_a_code_of_a_later_gateway_is_an_exception_of_its_status(status: int, kind: type[errors.Refused]):
    error = errors.refused(status, {"code": "made_up_later", "detail": "As it stands."})

    assert type(error) is kind
    assert (error.code, error.status, error.detail) == ("made_up_later", status, "As it stands.")


@pytest.mark.parametrize("problem", [None, [], "text", {}, {"code": 7, "detail": None, "errors": "x", "request_id": 1}])
def test_an_answer_that_is_no_problem_is_told_by_its_status(problem: object):
    error = errors.refused(503, problem, request_id="r-1", retry_after=2.0)

    assert type(error) is errors.Unavailable
    assert (error.code, error.status, error.request_id, error.retry_after) == (None, 503, "r-1", 2.0)


async def test_a_refusal_says_all_that_the_problem_says(kind: str):
    def answer(request: httpx.Request) -> httpx.Response:
        body = {
            "code": "quota_exceeded", "status": 429, "detail": "10 of 10", "request_id": "r-1", "quota": {"limit": 10},
            "errors": [{"pointer": "/x", "detail": "y"}], "success": False,
        }  # fmt: skip
        return httpx.Response(429, json=body, headers={"Retry-After": "7"})

    with pytest.raises(errors.QuotaExceeded) as told:
        await told_by(answer, kind)("buy", "313", "user")

    error = told.value
    assert (error.status, error.code, error.detail, error.request_id) == (429, "quota_exceeded", "10 of 10", "r-1")
    assert (error.retry_after, error.members["quota"]) == (7.0, {"limit": 10})
    assert error.errors == ({"pointer": "/x", "detail": "y"},)
    assert str(error) == "quota_exceeded: 10 of 10 (request r-1)"


@pytest.mark.parametrize(
    "url",
    [
        "http://numbergate.example.com",
        "ftp://host",
        "numbergate",
        "https://u:p@host",
        "https://host?x=1",
        "http://[::",
        "https://host:0",
        "https://host:x",
        "https://host:99999",
    ],
)
def test_a_key_is_sent_to_no_place_where_others_may_read_it(url: str):
    with pytest.raises(ValueError, match="base_url must") as told:
        Client(url, KEY)
    assert "u:p" not in str(told.value)


@pytest.mark.parametrize("key", ["", "two words", "a\nb", "schlüssel"])
def test_what_is_no_key_is_refused_without_being_shown(key: str):
    with pytest.raises(ValueError, match="api_key") as told:
        Client("https://host", key)
    assert not key or key not in str(told.value)


async def test_the_key_is_in_no_repr_log_or_error(kind: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG")
    transport = httpx.MockTransport(lambda request: httpx.Response(401, json={"code": "invalid_key", "detail": "no"}))
    client = KINDS[kind]("http://127.0.0.1:9", KEY, transport=transport)

    with pytest.raises(errors.InvalidKey) as told:
        await Asked(client)("me")

    shown = [repr(client), str(told.value), repr(told.value), repr(vars(client)), caplog.text]
    assert not [text for text in shown if KEY in text]
