"""Redis: a client that never makes anybody wait long, and scripts that come back as values or not at all.

Nothing here is the truth. Whoever asks gets `RedisAway` when Redis is slow, gone or confused, and goes on with
Postgres.
"""

import logging
import time
from pathlib import Path
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

# Not structlog's: where no logs were set up, as in `doctor`, that one would write on stdout, amid the JSON.
log = logging.getLogger(__name__)

AWAY_FOR = 1.0
PATIENCE = 0.5


class RedisAway(Exception):
    """Redis did not answer in time or as it should; asked again only after a moment."""


class KeyValue:
    def __init__(self, client: "Redis") -> None:
        self._client = client
        self._away_until = 0.0
        self.round_trips = 0

    @classmethod
    def open(cls, url: str) -> "KeyValue":
        """Nothing is connected yet. Half a second is the longest a request waits for a connection or an answer."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=64,
            timeout=PATIENCE,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            # By itself it would try three times more, and pause in between.
            retry=Retry(NoBackoff(), 0),
            protocol=3,
        )
        return cls(Redis.from_pool(pool))

    def script(self, path: Path) -> "Script":
        return Script(self, path)

    @property
    def away(self) -> bool:
        return time.monotonic() < self._away_until

    async def run(self, command: Any, *args: Any, **kwargs: Any) -> Any:
        """Raises: RedisAway."""
        if self.away:
            raise RedisAway
        self.round_trips += 1
        try:
            return await command(*args, **kwargs)
        except Exception as error:  # The client's own faults too: nobody's purchase may fail by them.
            if not self.away:  # Of all who were waiting, the first one tells; never the text, which may quote the URL.
                log.warning("redis is away: %s", type(error).__name__)
            self._away_until = time.monotonic() + AWAY_FOR
            raise RedisAway from error

    async def ping(self) -> None:
        """Raises: RedisAway."""
        await self.run(self._client.ping)

    async def version(self) -> str:
        """The version of Redis that the server speaks as. Raises: RedisAway."""
        return str((await self.run(self._client.info, "server"))["redis_version"])

    async def close(self) -> None:
        await self._client.aclose()

    def register(self, source: str) -> Any:
        return self._client.register_script(source)


class Script:
    """A Lua file run by its hash; loaded again by itself where Redis has forgotten it."""

    def __init__(self, kv: KeyValue, path: Path) -> None:
        self._kv = kv
        self._script = kv.register(path.read_text())

    async def __call__(self, *, keys: list[str], args: list[str | bytes | int]) -> Any:
        """Raises: RedisAway."""
        return await self._kv.run(self._script, keys=keys, args=args)
