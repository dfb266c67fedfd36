"""The socket a process serves on, bound before anything else is done, so that a taken port is told at once."""

import errno
import os
import socket

from service.cli.faults import CannotStart

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises: CannotStart."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(f"port {port} of {host} is taken: choose another with --port (0: any free one)") from None
        raise CannotStart(f"cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}") from None
