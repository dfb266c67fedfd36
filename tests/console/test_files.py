"""What the console loads: its own, and what others wrote as their packages have it."""

import base64
import hashlib
import json
import re
from pathlib import Path

from service.console.rendering import HERE, version
from tests.support.gateway import Gateway

VENDOR = HERE / "static" / "vendor"


def test_what_others_wrote_is_as_their_package_has_it():
    named = {
        name: digest
        for package in json.loads((VENDOR / "packages.json").read_text()).values()
        for name, digest in package["files"].items()
    }

    found = {
        path.name: "sha256-" + base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
        for path in VENDOR.iterdir() if path.suffix in (".js", ".css")
    }  # fmt: skip

    assert found == named


def test_no_template_has_a_script_or_a_style_of_its_own_or_lets_markup_through():
    for path in Path(HERE / "templates").rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|\|\s*safe\b|javascript:", text), path
        assert not re.search(r"(src|href)=\"(https?:)?//", text), path


async def test_files_come_packed_for_good_and_by_name_alone(gateway: Gateway):
    path = f"/console/static/{version()}/console.css"
    packed = await gateway.http.get(path, headers={"Accept-Encoding": "gzip"})
    plain = await gateway.http.get(path, headers={"Accept-Encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"
    for name in ("..%2f..%2fapi.py", "vendor/packages.json", "nothing.css"):
        assert (await gateway.http.get(f"/console/static/{version()}/{name}")).status_code == 404, name
