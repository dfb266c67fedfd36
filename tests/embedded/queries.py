"""One question to a server, over a connection of its own."""

from typing import Any

import asyncpg
from redis.asyncio import Redis


async def sql(url: str, query: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def redis(url: str, *command: str) -> Any:
    client: Any = Redis.from_url(url, decode_responses=True)  # Its commands are untyped.
    async with client:
        return await client.execute_command(*command)
