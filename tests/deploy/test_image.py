"""The image as far as it can be tried without a container engine: what its health check says of a server."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from service.embedded.ports import free_port

DOCKERFILE = (Path(__file__).parents[2] / "Dockerfile").read_text()


def healthy(port: int) -> bool:
    """As the image asks itself, on another port. A proxy of the environment must not be asked in place of it."""
    [check] = re.findall(r"^HEALTHCHECK .*\\\n +CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    program, *arguments = json.loads(check)
    assert program == "python"
    asked = [argument.replace("8080", str(port)) for argument in arguments]
    proxy = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    return subprocess.run([sys.executable, *asked], env=proxy, capture_output=True, timeout=60).returncode == 0


@contextmanager
def answering(status: int) -> Iterator[int]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False)])
def test_the_health_check_says_what_healthz_says(status: int, well: bool):
    with answering(status) as port:
        assert healthy(port) is well


def test_where_nothing_listens_the_health_check_fails():
    assert not healthy(free_port())
