"""The listening sockets: Teli's, which can be taken away, and that of the control interface, which stays."""

import socket

from aiohttp import web

from service.simulator.teli import Teli

HOST = "127.0.0.1"
_BACKLOG = 1024


def bound(port: int) -> socket.socket:
    """A socket on loopback; port 0 takes a free one."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((HOST, port))
    return made


class Listener:
    """Teli's socket. While it is offline a connection is refused, so that nothing is ever sent (row 11)."""

    def __init__(self, runner: web.AppRunner, teli: Teli, port: int) -> None:
        self._runner = runner
        self._teli = teli
        self._site: web.SockSite | None = None
        self.port = port

    async def open(self) -> None:
        """Accept connections, on the same port as before."""
        if self._site is None:
            listening = bound(self.port)
            self.port = listening.getsockname()[1]
            self._site = web.SockSite(self._runner, listening, backlog=_BACKLOG)
            await self._site.start()
            self._teli.keep_alive = True

    async def close(self) -> None:
        """Refuse connections and close the idle ones; a request that is under way still gets its answer."""
        if self._site is not None:
            await self._site.stop()
            self._site = None
            self._teli.keep_alive = False
            server = self._runner.server
            for connection in server.connections if server else ():
                if connection.transport is not None and not self._teli.busy(connection.transport):
                    connection.transport.close()
