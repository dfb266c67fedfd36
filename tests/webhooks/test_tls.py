"""Webhooks by https: the connection goes to the address that was checked, the certificate must be the name's."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from service.kit.networks import read_network
from service.webhooks.sending import Sender
from service.webhooks.targets import Targets

EVENT = {"id": "e1", "type": "webhook.test", "data": {}}
SECRET = "whsec_" + 8 * "MTIz"
ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


def certified(name: str, folder: Path) -> tuple[Path, Path]:
    """A certificate that vouches for itself, and its key, as files."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    written = folder / f"{name}.crt", folder / f"{name}.key"
    written[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    written[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return written


@asynccontextmanager
async def listening(name: str, folder: Path) -> AsyncIterator[tuple[int, list[str | None], list[bytes]]]:
    """Somebody with a certificate for `name`: the port, the names that were asked for, and the requests that came."""
    asked: list[str | None] = []
    requests: list[bytes] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certified(name, folder))
    context.sni_callback = lambda _, server_name, __: asked.append(server_name)
    server = await asyncio.start_server(speak, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], asked, requests
    finally:
        server.close()


def sender(trusted: Path | None = None) -> Sender:
    """Every name leads to loopback, which is allowed here; `trusted` vouches for itself."""

    async def resolve(hostname: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    found = Sender(Targets((read_network("127.0.0.0/8"),), resolve=resolve))
    if trusted is not None:
        found._trusted.load_verify_locations(trusted)
    return found


async def test_the_name_is_asked_for_and_vouched_for_though_an_address_is_connected_to(tmp_path: Path):
    async with listening("hooks.example", tmp_path) as (port, asked, requests):
        outcome = await sender(tmp_path / "hooks.example.crt").send(
            f"https://hooks.example:{port}/hook", [SECRET], EVENT
        )
    assert (outcome.delivered, outcome.status) == (True, 204)
    assert asked == ["hooks.example"]
    [request] = requests
    assert request.startswith(b"POST /hook HTTP/1.1\r\n")
    assert f"host: hooks.example:{port}\r\n".encode() in request.lower()


@pytest.mark.parametrize("name", ["other.example", "127.0.0.1"])
async def test_a_certificate_of_another_name_is_sent_nothing(tmp_path: Path, name: str):
    async with listening(name, tmp_path) as (port, _, requests):
        outcome = await sender(tmp_path / f"{name}.crt").send(f"https://hooks.example:{port}/hook", [SECRET], EVENT)
    assert not outcome.delivered
    assert (outcome.error or "").startswith("its certificate is not good: ")
    assert requests == []


async def test_a_certificate_that_nobody_vouches_for_is_sent_nothing(tmp_path: Path):
    async with listening("hooks.example", tmp_path) as (port, _, requests):
        outcome = await sender().send(f"https://hooks.example:{port}/hook", [SECRET], EVENT)
    assert (outcome.error or "").startswith("its certificate is not good: ")
    assert requests == []
