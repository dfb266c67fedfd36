"""Redis: a client that never makes anybody wait long, and scripts that come back as values or not at all.

Nothing here is the truth. Whoever asks gets `RedisAway` when Redis is slow, gone or confused, and goes on with
Postgres. A Redis Cluster is found out by itself: a node of one says of a key that others have it.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AskError, NoScriptError

# Not structlog's: where no logs were set up, as in `doctor`, that one would write on stdout, amid the JSON.
log = logging.getLogger(__name__)

AWAY_FOR = 1.0
PATIENCE = 0.5
# For a turn, a connection and an answer; in a cluster also for asking the way.
LONGEST = 3 * PATIENCE
TURNS = 64
OPTIONS: dict[str, Any] = {
    "socket_timeout": PATIENCE,
    "socket_connect_timeout": PATIENCE,
    # By itself it would try three times more, and pause in between.
    "retry": Retry(NoBackoff(), 0),
    "protocol": 3,
    # Two questions fewer as it connects; and to know its own version it would read its package's papers each time.
    "driver_info": None,
}

# Redis or RedisCluster. Their commands are typed for waiting and for not waiting at once, which helps nobody.
Client = Any


class RedisAway(Exception):
    """Redis did not answer in time or as it should; asked again only after a moment."""


class KeyValue:
    def __init__(self, client: Redis, open_cluster: Callable[[], RedisCluster]) -> None:
        """Args: client, of a server, or of one node of the cluster that `open_cluster` opens if it is one."""
        self._client = client
        self._open_cluster = open_cluster
        self._cluster: RedisCluster | None = None
        self._turns = asyncio.Semaphore(TURNS)
        self._away_until = 0.0

    @classmethod
    def open(cls, url: str) -> "KeyValue":
        """Nothing is connected yet. Half a second is the longest a request waits for a connection or an answer."""
        # What has moved is asked for elsewhere; to learn all anew for it would cut off everybody who waits.
        return cls(Redis.from_url(url, **OPTIONS), partial(RedisCluster.from_url, url, reinitialize_steps=0, **OPTIONS))

    def script(self, *parts: Path) -> "Script":
        return Script(self, *parts)

    @property
    def away(self) -> bool:
        return time.monotonic() < self._away_until

    async def run(self, question: Callable[[Client], Awaitable[Any]]) -> Any:
        """Raises: RedisAway."""
        try:
            async with asyncio.timeout(LONGEST), self._turns:
                if self.away:  # Here, as it may have turned out so while we waited.
                    raise RedisAway
                return await self._ask(question)
        except RedisAway:
            raise
        except Exception as error:  # The client's own faults too: nobody's purchase may fail by them.
            if not self.away:  # Of all who were waiting, the first one tells; never the text, which may quote the URL.
                log.warning("redis is away: %s", type(error).__name__)
            self._away_until = time.monotonic() + AWAY_FOR
            raise RedisAway from error

    async def _ask(self, question: Callable[[Client], Awaitable[Any]]) -> Any:
        if self._cluster is None:
            try:
                return await question(self._client)
            except AskError:  # MOVED is one too. Only a node of a cluster says so.
                pass
        # Until it has learned its nodes it would ask any.
        return await question(await self._known_cluster().initialize())

    def _known_cluster(self) -> RedisCluster:
        if self._cluster is None:
            self._cluster = self._open_cluster()
        return self._cluster

    async def ping(self) -> None:
        """Of a cluster, every node that scripts go to. Raises: RedisAway."""
        everywhere = {"target_nodes": RedisCluster.PRIMARIES}
        await self.run(lambda client: client.ping() if client is self._client else client.ping(**everywhere))

    async def about(self) -> tuple[str, bool]:
        """The version of Redis that the server speaks as, and whether it is a cluster's. Raises: RedisAway."""
        said = await self.run(lambda _: self._client.info())
        if said["cluster_enabled"]:
            self._known_cluster()
        return str(said["redis_version"]), bool(said["cluster_enabled"])

    async def close(self) -> None:
        await self._client.aclose()
        if self._cluster is not None:
            await self._cluster.aclose()


class Script:
    """Lua files, one after the other, run by their hash; by the text where a server has not heard it, or forgot it."""

    def __init__(self, kv: KeyValue, *parts: Path) -> None:
        self._kv = kv
        self._text = "".join(part.read_text() for part in parts)
        self._hash = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, *, keys: list[str], args: list[str | bytes | int]) -> Any:
        """Raises: RedisAway."""
        return await self._kv.run(lambda client: self._ask(client, len(keys), *keys, *args))

    async def _ask(self, client: Client, *call: str | bytes | int) -> Any:
        try:
            return await client.evalsha(self._hash, *call)
        except NoScriptError:
            return await client.eval(self._text, *call)
