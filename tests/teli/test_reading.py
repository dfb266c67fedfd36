"""The table of outcomes (design, section 5), cell by cell: what an answer to create proves."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.kit.phone import is_nanp
from service.teli.heard import Heard
from service.teli.reading import Refused, Sold, Unclear, read_create

NUMBER = "+13135550142"
OUT_OF_STOCK = {
    "error": "Failed to provision phone number",
    "message": "No numbers available in area code 313",
    "success": False,
    "powered_by": "Teli",
}
REFUSING = {400: "bad_request", 401: "credentials", 403: "credentials", 429: "rate_limited"}


def sale(**changed: object) -> dict[str, object]:
    return {
        "success": True,
        "phone_number": NUMBER,
        "phone_number_pretty": "+1 313-555-0142",
        "area_code": "313",
        "phone_number_type": "teli-voice-twilio",
        "powered_by": "Teli",
    } | changed


def without(body: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in body.items() if name not in names}


# What a status may carry. None of these is a sale, an out-of-stock text of this area code, or a list of details.
SAYS_NOTHING: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \r\n\t ",
    "html": b"<html><body><h1>502 Bad Gateway</h1></body></html>",
    "text": b"upstream connect error or disconnect/reset before headers",
    "null": b"null",
    "a number": b"42",
    "a text": b'"+13135550142"',
    "a list": b"[]",
    "a list of a sale": orjson.dumps([sale()]),
    "an empty object": b"{}",
    "not utf-8": b'{"phone_number": "\xff\xfe"}',
    "a lone surrogate": b'{"phone_number": "\\ud800"}',
    "a byte order mark": b"\xef\xbb\xbf" + orjson.dumps(sale()),
    "a sale cut short": orjson.dumps(sale())[:-3],
    "two objects": orjson.dumps(sale()) * 2,
    "deep nesting": b"[" * 5000,
    "error and success": orjson.dumps({"error": "Campaign not found", "success": False, "powered_by": "Teli"}),
    "error without powered_by": orjson.dumps({"error": "x", "success": False}),
    "error without success": orjson.dumps({"error": "x", "powered_by": "Teli"}),
    "error alone": orjson.dumps({"error": "x"}),
    "error and message": orjson.dumps({"error": "Failed to provision phone number", "message": "Provider unavailable"}),
    "error and detail": orjson.dumps({"error": "x", "detail": "Admin permission required"}),
    "failed step": orjson.dumps({"success": False, "failed": "voice_carrier"}),
    "error of another type": orjson.dumps({"error": {"code": 1}, "message": ["No numbers available in area code 313"]}),
    "stock in error": orjson.dumps({"error": OUT_OF_STOCK["message"], "success": False}),
    "stock of another code": orjson.dumps(OUT_OF_STOCK | {"message": "No numbers available in area code 312"}),
    "stock in other words": orjson.dumps(OUT_OF_STOCK | {"message": "No phone numbers available in area code 313"}),
    "stock with more after": orjson.dumps(OUT_OF_STOCK | {"message": "No numbers available in area code 313 yet"}),
    "stock with more before": orjson.dumps(OUT_OF_STOCK | {"message": "Bought. No numbers available in area code 313"}),
    "stock in other case": orjson.dumps(OUT_OF_STOCK | {"message": "no numbers available in area code 313"}),
    "stock over two lines": orjson.dumps(OUT_OF_STOCK | {"message": "No numbers available in area code 313\n"}),
    "stock in a list": orjson.dumps([OUT_OF_STOCK]),
}

NO_SALE: dict[str, dict[str, object]] = {
    "no number": without(sale(), "phone_number"),
    "null": sale(phone_number=None),
    "empty": sale(phone_number=""),
    "an integer": sale(phone_number=13135550142),
    "true": sale(phone_number=True),
    "a list": sale(phone_number=[NUMBER]),
    "an object": sale(phone_number={"number": NUMBER}),
    "without plus": sale(phone_number="13135550142"),
    "ten digits": sale(phone_number="3135550142"),
    "pretty": sale(phone_number="+1 313-555-0142"),
    "blanks around": sale(phone_number=f" {NUMBER} "),
    "a line break": sale(phone_number=f"{NUMBER}\n"),
    "other digits": sale(phone_number="+1313555014٢"),
    "too short": sale(phone_number="+1313555014"),
    "too long": sale(phone_number="+131355501422"),
    "no area code": sale(phone_number="+11135550142"),
    "no exchange": sale(phone_number="+13131550142"),
    "another country": sale(phone_number="+442071838750"),
    "success false": sale(success=False),
    "success as text": sale(success="false"),
    "success as digit": sale(success=0),
    "accepted only": {"success": True, "status": "processing"},
}


def read(status: int, body: bytes | dict[str, object], area_code: str = "313") -> Sold | Refused | Unclear:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return read_create(Heard("answer", status, body=content), area_code=area_code)


@pytest.mark.parametrize("name", SAYS_NOTHING)
def test_a_body_that_proves_nothing_leaves_it_to_the_status(name: str):
    for status in range(100, 600):
        found = read(status, SAYS_NOTHING[name])

        if status in REFUSING:
            assert isinstance(found, Refused), status
            assert found.reason == REFUSING[status]
        else:
            assert isinstance(found, Unclear), status


def test_a_body_that_names_a_number_is_a_sale_under_every_2xx_and_under_nothing_else():
    for status in range(100, 600):
        found = read(status, sale())

        if 200 <= status < 300:
            assert found == Sold(NUMBER, "+1 313-555-0142", "313", "teli-voice-twilio")
        else:
            assert isinstance(found, Refused) == (status in REFUSING), status


@pytest.mark.parametrize("name", NO_SALE)
def test_a_2xx_that_names_no_number_or_denies_it_is_unclear(name: str):
    for status in range(200, 300):
        assert isinstance(read(status, NO_SALE[name]), Unclear), status


def test_the_out_of_stock_text_refuses_under_500_alone():
    for status in range(100, 600):
        found = read(status, OUT_OF_STOCK)

        if status == 500:
            assert found == Refused("out_of_stock", OUT_OF_STOCK["error"], OUT_OF_STOCK["message"])
        else:
            assert isinstance(found, Refused) == (status in REFUSING), status


def test_a_list_of_details_refuses_under_422_alone():
    for status in range(100, 600):
        found = read(status, {"detail": [{"loc": ["body", "area_code"], "msg": "bad", "type": "value_error"}]})

        assert isinstance(found, Refused) == (status in {**REFUSING, 422: ""}), status
    assert read(422, {"detail": []}) == Refused("bad_request")
    assert isinstance(read(422, {"detail": "no"}), Unclear)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            sale(phone_number="+19895550142", area_code="313"),
            Sold("+19895550142", "+1 313-555-0142", "989", "teli-voice-twilio"),
        ),
        (without(sale(), "success"), Sold(NUMBER, "+1 313-555-0142", "313", "teli-voice-twilio")),
        (sale(success=None), Sold(NUMBER, "+1 313-555-0142", "313", "teli-voice-twilio")),
        (sale(success="true", x_unknown={"a": [1]}), Sold(NUMBER, "+1 313-555-0142", "313", "teli-voice-twilio")),
        ({"phone_number": NUMBER}, Sold(NUMBER, "+1 313-555-0142", "313", None)),
        (sale(phone_number_pretty=None, phone_number_type=7), Sold(NUMBER, "+1 313-555-0142", "313", None)),
        (sale(phone_number_pretty="a\x00b"), Sold(NUMBER, "a\ufffdb", "313", "teli-voice-twilio")),
    ],
)
def test_a_sale_is_read_whatever_else_it_says(body: dict[str, object], told: Sold):
    assert read(200, body) == told


@pytest.mark.parametrize("body", SAYS_NOTHING.values())
def test_what_was_never_sent_is_refused_and_what_broke_is_unclear_whatever_was_heard(body: bytes):
    assert read_create(Heard("never_sent", detail="ConnectError"), area_code="313") == Refused(
        "never_sent", message="ConnectError"
    )
    for status in (None, *range(100, 600)):
        assert isinstance(read_create(Heard("broken", status, body=body, detail="cut"), area_code="313"), Unclear)
        assert isinstance(read_create(Heard("broken", status, body=orjson.dumps(sale())), area_code="313"), Unclear)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
TELLING = st.fixed_dictionaries(
    {},
    optional={
        "success": JSON,
        "phone_number": JSON | st.just(NUMBER) | st.from_regex(r"\+?1?[0-9]{9,12}", fullmatch=True),
        "phone_number_pretty": JSON,
        "phone_number_type": JSON,
        "error": JSON,
        "message": JSON | st.from_regex(r"No numbers available in area code 31[34]", fullmatch=True),
        "detail": JSON,
    },
)


def holds(status: int, body: bytes) -> None:
    heard = Heard("answer", status, body=body)

    found = read_create(heard, area_code="313")

    content = heard.object()
    match found:
        case Sold():
            assert 200 <= status < 300
            assert found.phone_number == content["phone_number"]
            assert is_nanp(found.phone_number)
            assert content.get("success") is not False
        case Refused(reason="out_of_stock"):
            assert (status, content["message"]) == (500, "No numbers available in area code 313")
        case Refused():
            assert status in REFUSING or (status == 422 and isinstance(content["detail"], list))
        case Unclear():
            assert status not in REFUSING
    orjson.dumps(heard.evidence())


@settings(max_examples=300, deadline=None)
@given(st.integers(100, 599), st.binary(max_size=300))
def test_no_bytes_raise_or_pass_for_more_than_they_are(status: int, body: bytes):
    holds(status, body)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([200, 201, 202, 204, 400, 404, 422, 500, 502]) | st.integers(100, 599), JSON | TELLING)
def test_no_json_raises_or_passes_for_more_than_it_is(status: int, body: object):
    holds(status, orjson.dumps(body))


def test_evidence_is_what_postgres_can_hold_and_holds_no_key():
    heard = Heard.without(
        "the-key", "broken", 200, {"x-echo": "the-key", "y": "a\x00b"}, b'{"key": "the-key\x00\xff"}', "the-key \udc80"
    )

    told = heard.evidence()

    assert "the-key" not in orjson.dumps(told).decode()
    assert "\x00" not in told["body"] + told["headers"]["y"]
    assert told["detail"] == "… ?"


def test_evidence_is_kept_to_a_length():
    told = Heard("answer", 200, {f"h{i}": "x" * 9_999 for i in range(99)}, b"y" * 1_000_000, "z" * 9_999).evidence()

    assert (len(told["body"]), len(told["headers"]), len(told["detail"])) == (65_536, 50, 500)
    assert max(map(len, told["headers"].values())) == 1_000
