"""Free TCP ports on the loopback interface."""

import random
import socket
from collections.abc import Iterator

HOST = "127.0.0.1"

# Below the ports that the kernel gives to outgoing connections (Linux: from 32768, macOS: from 49152).
# A stopped server therefore finds its port free when it starts again, and a client that keeps dialling
# a stopped server can never be handed that very port for its own end and so connect to itself.
_RANGE = range(20_000, 32_000)


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    while True:
        port = random.choice(_RANGE)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


def candidates(port: int, *, attempts: int = 5) -> Iterator[int]:
    """The given port, once; or, for 0, several free ones, as somebody else may take one before the server does."""
    if port:
        yield port
    else:
        for _ in range(attempts):
            yield free_port()
