"""What is believed of a token, and what is not: without network, clock or database."""

import base64
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from service.tenants.identity_provider import Unusable, signing_keys
from service.tenants.jwt import LEEWAY, MOST_CHARACTERS, TokenRefused, looks_like_token, peek, verified

ISSUER, AUDIENCE, NOW = "https://login.example/", "numbergate-api", 1_800_000_000
RSA = RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)
EC = ECKey.generate_key("P-256", auto_kid=True)
ED = OKPKey.generate_key("Ed25519", auto_kid=True)
STRANGER = ECKey.generate_key("P-256", auto_kid=True)
KEYS = signing_keys({"keys": [key.as_dict(private=False) for key in (RSA, EC, ED)]})
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "svc", "exp": NOW + 300, "iat": NOW}
Key = RSAKey | ECKey | OKPKey | OctKey


def signed(key: Key = EC, alg: str = "ES256", *, header: dict[str, Any] | None = None, **changed: Any) -> str:
    """With these claims and header parameters changed; None takes one away."""
    claims = {name: value for name, value in (CLAIMS | changed).items() if value is not None}
    said = {"alg": alg, "kid": key.kid} | (header or {})
    said = {name: value for name, value in said.items() if value is not None}
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    return jws.serialize_compact(said, json.dumps(claims), key, registry=registry)


def part(said: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


def read(token: str) -> dict[str, Any]:
    peek(token)
    return verified(token, KEYS, issuer=ISSUER, audience=AUDIENCE, now=NOW)


def refusal(token: str) -> TokenRefused:
    with pytest.raises(TokenRefused) as caught:
        read(token)
    assert token[-20:] not in caught.value.reason
    return caught.value


@pytest.mark.parametrize(
    ("key", "alg"), [(RSA, "RS256"), (RSA, "PS512"), (EC, "ES256"), (ED, "EdDSA"), (ED, "Ed25519")]
)
def test_a_token_of_the_issuer_for_us_is_believed(key: Key, alg: str):
    assert read(signed(key, alg))["sub"] == "svc"
    assert read(signed(key, alg, aud=["another", AUDIENCE], header={"x-unknown": 1, "typ": "at+jwt"}))["sub"] == "svc"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"iss": "https://login.example"}, "was issued by somebody else"),
        ({"iss": None}, "lacks a claim: iss"),
        ({"aud": "another"}, "is meant for somebody else"),
        ({"aud": []}, "is meant for somebody else"),
        ({"aud": None}, "lacks a claim: aud"),
        ({"sub": None}, "lacks a claim: sub"),
        ({"sub": ""}, "has a claim that is not as it should be: sub"),
        ({"sub": 7}, "has a claim that is not as it should be: sub"),
        ({"sub": "x" * 256}, "names a subject that is too long, or that cannot be shown"),
        ({"sub": "a\0b"}, "names a subject that is too long, or that cannot be shown"),
        ({"exp": None}, "lacks a claim: exp"),
        ({"exp": "2030"}, "has a claim that is not as it should be: exp"),
        ({"exp": True}, "has a claim that is not as it should be: exp"),
        ({"exp": float("nan")}, "cannot be read"),
        ({"exp": NOW - LEEWAY}, "has expired"),
        ({"nbf": NOW + LEEWAY + 1}, "is not good yet; are the clocks right?"),
        ({"iat": NOW + LEEWAY + 1}, "was issued in the future; are the clocks right?"),
    ],
)
def test_a_token_that_is_not_for_us_now_is_refused_by_name(changed: dict[str, Any], reason: str):
    refused = refusal(signed(**changed))
    assert refused.reason == reason
    assert refused.expired == (reason == "has expired")


@pytest.mark.parametrize("changed", [{"exp": NOW - LEEWAY + 1}, {"nbf": NOW + LEEWAY}, {"iat": NOW + LEEWAY}])
def test_a_clock_may_go_wrong_by_a_minute(changed: dict[str, Any]):
    assert read(signed(**changed))


def test_whoever_has_no_key_of_the_issuer_is_not_believed():
    shared = f"{part({'alg': 'HS256', 'kid': RSA.kid})}.{part(CLAIMS)}"
    mac = base64.urlsafe_b64encode(hmac.digest(RSA.as_pem(private=False), shared.encode(), "sha256")).decode()
    good = signed(RSA, "RS256")
    head, claims, signature = good.split(".")
    for name, token in {
        "no algorithm": f"{part({'alg': 'none'})}.{part(CLAIMS)}.",
        "no algorithm, beside a signature": f"{part({'alg': 'none', 'kid': RSA.kid})}.{claims}.{signature}",
        "the public key as a shared secret": f"{shared}.{mac.rstrip('=')}",
        "another key": signed(STRANGER),
        "another key under the id of a good one": signed(STRANGER, header={"kid": EC.kid}),
        "a key that it brings along": signed(STRANGER, header={"jwk": STRANGER.as_dict(private=False)}),
        "another algorithm of the same key": f"{part({'alg': 'PS256', 'kid': RSA.kid})}.{claims}.{signature}",
        "no key id": signed(header={"kid": None}),
        "an extension that must be understood": f"{part({'alg': 'ES256', 'kid': EC.kid, 'crit': ['x']})}.{claims}.x",
        "other claims": f"{head}.{part(CLAIMS | {'sub': 'root'})}.{signature}",
        "no signature": f"{head}.{claims}.",
    }.items():
        assert "was not signed" in refusal(token).reason, name


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=400).map(lambda text: f"eyJ{text}.{text}.{text}"))
def test_nonsense_is_refused_and_nothing_worse(token: str):
    if looks_like_token(token):
        refusal(token)


@pytest.mark.parametrize(
    "token",
    [
        "eyJ" + "a" * MOST_CHARACTERS + ".b.c",
        f"{part({'alg': 'ES256'})}.{base64.urlsafe_b64encode(b'[' * 4000).decode()}.x",
        f"{part([])}.{part({})}.x",
        f"{part({'alg': ['ES256'], 'kid': {}})}.{part(CLAIMS)}.x",
        f"{part({'alg': None})}.{part(CLAIMS)}.x",
    ],
)
def test_a_token_that_is_too_long_too_deep_or_none_is_refused(token: str):
    refusal(token)


def test_keys_that_could_not_verify_a_signature_are_passed_over():
    good = EC.as_dict(private=False)
    found = signing_keys(
        {
            "keys": [
                OctKey.generate_key(256).as_dict(private=True),
                {**STRANGER.as_dict(private=False), "use": "enc"},
                {"kty": "EC", "crv": "P-256", "x": "?", "y": "?"},
                {"kty": "of the future"},
                {"kty": ["EC"]},
                {**good, "kid": 7},
                {"kty": "RSA"},
                "no key",
                good,
            ]
        }
    )
    assert isinstance(found, KeySet)
    assert [key.kid for key in found] == [EC.kid]
    without: tuple[dict[str, Any], ...] = ({}, {"keys": []}, {"keys": {}}, {"keys": [{"kty": "oct", "k": "eA"}]})
    for none in without:
        with pytest.raises(Unusable):
            signing_keys(none)
