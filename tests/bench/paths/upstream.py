"""`python -m tests.bench.paths.upstream FD`: sells a number to whoever asks, of a slow area code after a while.

Nothing but what a purchase needs: what is measured beside it should not wait for its seller.
"""

import asyncio
import re
import socket
import sys
from itertools import count
from typing import cast

import uvloop

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
AREA_CODE = re.compile(rb'"area_code": *"(\d{3})"')
# Milliseconds that a number of an area code takes; of any other one it is there at once.
SLOW = {"212": 50}
# Of an area code, as far as they may be given to anybody.
EXCHANGES = [exchange for exchange in range(200, 1000) if exchange % 100 != 11 and exchange != 555]


class Seller(asyncio.Protocol):
    sold = count()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._heard = b""

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (end := self._heard.find(b"\r\n\r\n")) >= 0:
            announced = LENGTH.search(self._heard, 0, end)
            whole = end + 4 + (int(announced[1]) if announced else 0)
            if len(self._heard) < whole:
                return
            request, self._heard = self._heard[:whole], self._heard[whole:]
            found = AREA_CODE.search(request, end)
            area_code = found[1].decode() if found else "313"
            after = SLOW.get(area_code, 0) / 1000
            asyncio.get_running_loop().call_later(after, self._answer, area_code, b"onnection: close" in request[:end])

    def _answer(self, area_code: str, is_last: bool) -> None:
        exchange, line = divmod(next(self.sold), 10_000)
        number = f"{area_code}{EXCHANGES[exchange]}{line:04}"
        body = (
            f'{{"success":true,"phone_number":"+1{number}","phone_number_pretty":"({number[:3]}) {number[3:6]}-'
            f'{number[6:]}","area_code":"{area_code}","phone_number_type":"teli-voice","powered_by":"Teli"}}'
        ).encode()
        if not self._transport.is_closing():
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
            self._transport.write(head + body)
            if is_last:
                self._transport.close()


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Seller, sock=socket.socket(fileno=int(sys.argv[1])))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
