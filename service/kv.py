"""Redis: a client that never makes anybody wait long, and scripts that come back as values or not at all.

Nothing here is the truth. Whoever asks gets `RedisAway` when Redis is slow, gone or confused, and goes on with
Postgres. A Redis Cluster is found out by itself: a node of one says of a key that others have it.
"""

import asyncio
import hashlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import hiredis
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AskError, NoScriptError
from redis.exceptions import ConnectionError as Broken

from service.kit.spans import REDIS, span

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

# There is no whole answer yet; false is one.
NOTHING = object()
# Redis or RedisCluster. Their commands are typed for waiting and for not waiting at once, which helps nobody.
Client = Any


class RedisAway(Exception):
    """Redis did not answer in time or as it should; asked again only after a moment."""


class KeyValue:
    def __init__(
        self, client: Redis, open_cluster: Callable[[], RedisCluster], lost: Callable[[], None] = lambda: None
    ) -> None:
        """Args: client, of a server, or of one node of the cluster that `open_cluster` opens if it is one; lost, called
        each time that Redis turned out to be away.
        """
        self._lost = lost
        self._client = client
        self._open_cluster = open_cluster
        self._cluster: RedisCluster | None = None
        self._pipe: Pipe | None = None
        self._opening = asyncio.Lock()
        self._turns = asyncio.Semaphore(TURNS)
        self._away_until = 0.0

    @classmethod
    def open(cls, url: str, *, lost: Callable[[], None] = lambda: None) -> "KeyValue":
        """Nothing is connected yet. Half a second is the longest a request waits for a connection or an answer."""
        # What has moved is asked for elsewhere; to learn all anew for it would cut off everybody who waits.
        cluster = partial(RedisCluster.from_url, url, reinitialize_steps=0, **OPTIONS)
        return cls(Redis.from_url(url, **OPTIONS), cluster, lost)

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
                self._lost()
            self._away_until = time.monotonic() + AWAY_FOR
            # Another server may stand behind the name by then.
            if self._pipe is not None:
                self._pipe.break_off()
            raise RedisAway from error

    async def _ask(self, question: Callable[[Client], Awaitable[Any]]) -> Any:
        if self._cluster is None:
            try:
                return await question(self._client)
            except AskError:  # MOVED is one too. Only a node of a cluster says so.
                pass
        # Until it has learned its nodes it would ask any.
        return await question(await self._known_cluster().initialize())

    async def pass_on(self, client: Client, *question: str | bytes | int) -> Any:
        """Within `run`: one command, by the pipe, save in a cluster, whose client knows whom to ask."""
        if client is not self._client:
            return await client.execute_command(*question)
        pipe = self._pipe
        if pipe is None or pipe.broken:
            async with self._opening:
                if self._pipe is None or self._pipe.broken:
                    self._pipe = await Pipe.open(self._client)
                pipe = self._pipe
        return await pipe.ask(*question)

    def _known_cluster(self) -> RedisCluster:
        if self._cluster is None:
            self._cluster = self._open_cluster()
        return self._cluster

    async def ping(self) -> None:
        """Of a cluster, every node that scripts go to. Raises: RedisAway."""
        everywhere = {"target_nodes": RedisCluster.PRIMARIES}
        await self.run(lambda client: client.ping() if client is self._client else client.ping(**everywhere))

    async def forget(self, pattern: str) -> None:
        """Every key like this, on every node; what comes meanwhile may stay. Raises: RedisAway."""
        client = await self.run(_itself)
        try:
            keys = [key async for key in client.scan_iter(match=pattern, count=1000)]
            for key in keys:  # One by one, for in a cluster each may be another node's.
                await client.unlink(key)
        except Exception as error:
            raise RedisAway from error

    async def about(self) -> tuple[str, bool, bool]:
        """The version of Redis that the server speaks as, whether it is a cluster's, and whether it is a mere replica,
        which of a cluster will do. Raises: RedisAway.
        """
        said = await self.run(lambda _: self._client.info())
        if said["cluster_enabled"]:
            self._known_cluster()
        cluster = bool(said["cluster_enabled"])
        return str(said["redis_version"]), cluster, said["role"] != "master" and not cluster

    async def close(self) -> None:
        if self._pipe is not None:
            self._pipe.break_off()
        await self._client.aclose()
        if self._cluster is not None:
            await self._cluster.aclose()


class Script:
    """Lua files, one after the other, run by their hash; by the text where a server has not heard it, or forgot it."""

    def __init__(self, kv: KeyValue, *parts: Path) -> None:
        self._kv = kv
        self._text = "".join(part.read_text() for part in parts)
        self._name = f"EVALSHA {parts[-1].stem}"
        self._hash = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, *, keys: list[str], args: list[str | bytes | int]) -> Any:
        """Raises: RedisAway."""
        call = (len(keys), *keys, *args)
        with span(self._name, "client", REDIS):
            return await self._kv.run(lambda client: self._ask(client, *call))

    async def _ask(self, client: Client, *call: str | bytes | int) -> Any:
        try:
            return await self._kv.pass_on(client, "EVALSHA", self._hash, *call)
        except NoScriptError:
            return await self._kv.pass_on(client, "EVAL", self._text, *call)


async def _itself(client: Client) -> Client:
    await client.ping()
    return client


class Pipe:
    """One connection on which questions follow one another, and no one waits for the answer to another: each answer is
    of the question that was asked first of those without one. Those of one turn of the loop leave together.

    To take a connection out of a pool for each question costs several times as much as to ask it. The connection is
    opened by redis-py, which knows of names, TLS and passwords.
    """

    def __init__(self, connection: Any) -> None:
        """`connection`: of redis-py, and open; closed once it is let go."""
        self._connection = connection
        # The one seam to what it opened; a test notices where it moves.
        self._reader: asyncio.StreamReader = connection._reader
        self._writer: asyncio.StreamWriter = connection._writer
        self._answers = hiredis.Reader(replyError=connection._parser.parse_error, notEnoughData=NOTHING)
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._unsent: list[bytes] = []
        self.broken = False
        self._hearing = asyncio.create_task(self._hear())

    @classmethod
    async def open(cls, client: Client) -> "Pipe":
        """Raises: what redis-py does."""
        connection = client.connection_pool.make_connection()
        await connection.connect()
        return cls(connection)

    async def ask(self, *question: str | bytes | int) -> Any:
        """Raises: redis.exceptions.RedisError, as the server says or as the connection breaks; TimeoutError, and then
        no further answer is believed to be another's.
        """
        if self.broken:
            raise Broken("the connection is gone")
        loop = asyncio.get_running_loop()
        written = hiredis.pack_command(question)  # type: ignore[arg-type]
        answer: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(answer)
        if not self._unsent:
            loop.call_soon(self._send)
        self._unsent.append(written)
        try:
            async with asyncio.timeout(PATIENCE):
                return await answer
        except TimeoutError:
            self.break_off()
            raise

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if not self.broken:
            self._writer.write(b"".join(unsent))

    def break_off(self) -> None:
        """Nobody gets an answer any more."""
        self.broken = True
        self._hearing.cancel()
        self._writer.transport.abort()
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(Broken("the connection is gone"))
        self._waiting.clear()

    async def _hear(self) -> None:
        try:
            while data := await self._reader.read(65_536):
                self._answers.feed(data)
                while (said := self._answers.gets()) is not NOTHING:
                    self._tell(said)
        except (OSError, hiredis.ProtocolError):
            log.debug("the connection to redis broke")
        finally:
            self.break_off()

    def _tell(self, said: Any) -> None:
        if isinstance(said, hiredis.PushNotification):
            return
        answer = self._waiting.popleft()
        if answer.done():
            return
        if isinstance(said, Exception):
            answer.set_exception(said)
        else:
            answer.set_result(said)
