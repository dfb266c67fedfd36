"""What a gateway may have as its Redis: Valkey 9, Redis 7, or a cluster of three Valkeys; and how each is lost.

All are processes of the tests' own, on the loopback interface.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.crc import REDIS_CLUSTER_HASH_SLOTS

from service.embedded import EmbeddedValkey
from service.embedded.files import keep_password
from service.embedded.ports import free_port
from tests.support.debian import program

KINDS = ("valkey", "redis", "cluster")


class Redis7(EmbeddedValkey):
    """Debian's Redis: the same files, settings and life as Valkey's."""

    kind = "redis"

    def _program(self) -> str:
        return str(redis_server(self.home))


def redis_server(home: Path) -> Path:
    """The program of an installed Redis, or of Debian's package of its tools, which runs no service of its own.

    It is one program that acts by its name: what checks a dump there is, as `redis-server`, the server.
    """
    if installed := shutil.which("redis-server"):
        return Path(installed)
    server = home / "redis-server"
    checking = program("redis-check-rdb", "redis-tools")
    if not server.is_symlink():
        server.symlink_to(checking)
    return server


class Node(EmbeddedValkey):
    """A node of a cluster, whose nodes share one password."""

    def __init__(self, data_dir: Path, password: str) -> None:
        super().__init__(data_dir)
        self.home.mkdir(parents=True)
        (self.home / "password").write_text(password)
        self.bus = free_port()

    def _settings(self) -> dict[str, str]:
        return super()._settings() | {
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-port": str(self.bus),
            # A restarted node is waited for, not given up.
            "cluster-node-timeout": "60000",
        }


@dataclass(frozen=True)
class RedisServers:
    """One server, or the nodes of a cluster, of which the first is the one that `url` names."""

    servers: Sequence[EmbeddedValkey]

    @property
    def url(self) -> str:
        return self.servers[0].url

    @property
    def is_cluster(self) -> bool:
        return len(self.servers) > 1

    async def tell(self, *command: str | int) -> list[Any]:
        """Each server's answer to a command."""
        return [await told(server.url, *command) for server in self.servers]

    async def kill(self) -> None:
        for server in self.servers:
            await server.kill()

    async def start(self) -> None:
        """All of them again, and as one again."""
        for server in self.servers:
            await server.start()
        if self.is_cluster:
            await until_one(self.servers)


async def told(url: str, *command: str | int) -> Any:
    client: Any = Redis.from_url(url, socket_timeout=10)
    async with client:
        return await client.execute_command(*command)


async def until_one(nodes: Sequence[EmbeddedValkey]) -> None:
    """Until every node of a cluster says that it serves."""
    async with asyncio.timeout(60):
        for node in nodes:
            while (await told(node.url, "CLUSTER INFO"))["cluster_state"] != "ok":
                await asyncio.sleep(0.05)


@asynccontextmanager
async def valkey_cluster(data: Path) -> AsyncIterator[RedisServers]:
    """Three nodes, each with a third of the slots."""
    async with AsyncExitStack() as stack:
        data.mkdir(exist_ok=True)
        password = keep_password(data / "password")
        nodes = [await stack.enter_async_context(Node(data / str(number), password)) for number in range(3)]
        bounds = [REDIS_CLUSTER_HASH_SLOTS * third // 3 for third in range(4)]
        for node, (begin, end) in zip(nodes, pairwise(bounds), strict=True):
            await told(node.url, "CLUSTER", "ADDSLOTSRANGE", begin, end - 1)
            await told(nodes[0].url, "CLUSTER", "MEET", node.host, node.port, node.bus)
        await until_one(nodes)
        yield RedisServers(nodes)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """A client of the tests' own, to one server or to all of a cluster."""
    client: Any = Redis.from_url(url)
    async with client:
        cluster = (await client.info("cluster"))["cluster_enabled"]
        if not cluster:
            yield client
    if cluster:
        async with RedisCluster.from_url(url) as every_node:
            yield every_node
