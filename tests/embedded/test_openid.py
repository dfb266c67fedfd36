"""The demo's identity provider: it lets anybody in, so nobody but the demo may have it."""

from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from service.cli.provision import demo_people
from service.cli.stack import Wanted
from service.settings import BadConfiguration, Settings
from tests.cli.test_configuration import GOOD
from tests.conftest import OpenGateway

BASE_URL = "http://127.0.0.1:8000"


async def test_each_of_its_people_logs_in_by_one_click(open_gateway: OpenGateway):
    with demo_people(BASE_URL) as people:
        by_name = {str(field.alias): name for name, field in Settings.model_fields.items()}
        known = {by_name[name]: value for name, value in people.settings.items()}
        async with open_gateway(key_environment="demo", **known) as gateway:
            transport = httpx.ASGITransport(app=gateway.app)
            for person, roles in (
                ("admin", ["admin"]),
                ("organization-admin", ["admin"]),
                ("finance", ["finance"]),
                ("operator", ["operator"]),
                ("auditor", ["auditor"]),
                ("nobody", None),
            ):
                async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as browser:
                    page = (await browser.get("/console/login")).headers["location"]
                    offered = httpx.get(page, trust_env=False)
                    assert f"person={person}" in offered.text
                    back = httpx.get(f"{page}&person={person}", trust_env=False)
                    arrived = await browser.get(back.headers["location"])
                    assert arrived.status_code == (303 if roles else 403), arrived.text
                    assert (await browser.get("/v1/me")).json().get("roles") == roles

        asked = dict(parse_qs(urlsplit(page).query))
        for changed in (
            {"redirect_uri": "https://evil.example/"},
            {"client_id": "another"},
            {"code_challenge_method": "plain"},
            {"response_type": "token"},
        ):
            refused = httpx.get(
                f"{people.issuer}/authorize?{urlencode({**asked, **changed}, doseq=True)}", trust_env=False
            )
            assert refused.status_code == 400, changed
        code = {"grant_type": "authorization_code", "code": "x", "client_id": "numbergate-development"}
        assert httpx.post(f"{people.issuer}/token", data=code, trust_env=False).status_code == 400
        assert urlsplit(people.issuer).hostname == "127.0.0.1"


def test_a_gateway_with_live_keys_does_not_take_it(tmp_path: Path):
    with demo_people(BASE_URL) as people:
        Settings.from_environment(GOOD | people.settings | {"NUMBERGATE_KEY_ENVIRONMENT": "demo"})
        with pytest.raises(BadConfiguration) as caught:
            Settings.from_environment(GOOD | people.settings)
    assert [fault.partition(": is on loopback")[0] for fault in caught.value.faults] == ["NUMBERGATE_OIDC_ISSUER"]
    # The demo takes its own, whatever the environment says.
    wanted = Wanted.of({"NUMBERGATE_OIDC_ISSUER": "https://login.example"}, port=0, data=tmp_path)
    assert wanted.settings.oidc_issuer is None
    assert "NUMBERGATE_OIDC_ISSUER" not in wanted.inherited
