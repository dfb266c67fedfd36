"""A delivery is believed where the gateway signed it, lately, and nothing was changed in it."""

import json
from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from standardwebhooks import Webhook

from service.client.webhooks import NotVerified, verify
from service.http.examples import EVENT
from service.webhooks.secrets import make_secret

SECRET, OTHER = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", make_secret()
NOW = 1_790_000_000
BODY = json.dumps(EVENT)


def delivery(body: str = BODY, *secrets: str, at: int = NOW) -> dict[str, str]:
    """As another implementation of the specification signs it."""
    when = datetime.fromtimestamp(at, UTC)
    signatures = [Webhook(secret).sign("msg_1", when, body) for secret in secrets or (SECRET,)]
    return {"Webhook-Id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": " ".join(signatures)}


def test_what_was_signed_is_the_event():
    event = verify(SECRET, delivery(), BODY.encode(), now=NOW)

    assert (str(event.id), event.type, event.sequence) == (EVENT["id"], EVENT["type"], EVENT["sequence"])


def test_while_a_secret_is_rotated_either_verifies_it():
    headers = delivery(BODY, OTHER, SECRET)

    assert verify(SECRET, headers, BODY, now=NOW) == verify(OTHER, headers, BODY, now=NOW)


@given(place=st.integers(0, len(BODY) - 1), sign=st.characters(codec="ascii"))
def test_a_body_changed_in_one_place_is_not_believed(place: int, sign: str):
    changed = BODY[:place] + sign + BODY[place + 1 :]
    if changed != BODY:
        with pytest.raises(NotVerified, match="no signature"):
            verify(SECRET, delivery(), changed, now=NOW)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"webhook-signature": ""}, "webhook-signature is missing"),
        ({"webhook-signature": "v1,"}, "no signature"),
        ({"webhook-signature": "v1,ä"}, "no signature"),
        ({"webhook-signature": "garbage"}, "no signature"),
        ({"webhook-timestamp": "nan"}, "no signature"),
        ({"Webhook-Id": "msg_2"}, "no signature"),
    ],
)
def test_headers_that_were_changed_are_not_believed(changed: dict[str, str], why: str):
    with pytest.raises(NotVerified, match=why):
        verify(SECRET, delivery() | changed, BODY, now=NOW)


def test_another_secret_does_not_verify_it():
    with pytest.raises(NotVerified):
        verify(OTHER, delivery(), BODY, now=NOW)


@pytest.mark.parametrize(("away", "believed"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_what_is_old_or_from_the_future_is_not_believed(away: int, believed: bool):
    def look() -> Any:
        return verify(SECRET, delivery(at=NOW + away), BODY, now=NOW)

    if believed:
        assert look()
    else:
        with pytest.raises(NotVerified, match="older, or newer"):
            look()


def test_what_is_signed_and_no_event_is_told_so():
    with pytest.raises(NotVerified, match="is no event"):
        verify(SECRET, delivery("[]"), "[]", now=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!", "not base64"])
def test_a_secret_that_is_none_is_the_callers_mistake(secret: str):
    with pytest.raises(ValueError, match="whsec_ and base64"):
        verify(secret, delivery(), BODY, now=NOW)
