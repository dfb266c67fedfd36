"""A program that keeps both engines open until SIGTERM or Ctrl-C, as `numbergate up` does.

program.py DATA_DIR: for good in that directory. Without it: in a temporary one. Prints one line of JSON when ready, or
the error that kept it from being so.
"""

import asyncio
import json
import signal
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from service.embedded import EmbeddedError, EmbeddedPostgres, EmbeddedValkey, temporary_data_dir


async def main(data_dir: str | None = None) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with AsyncExitStack() as stack:
        directory = Path(data_dir) if data_dir else stack.enter_context(temporary_data_dir())
        postgres = await stack.enter_async_context(EmbeddedPostgres(directory))
        valkey = await stack.enter_async_context(EmbeddedValkey(directory, persistent=True))
        ready = {
            "data_dir": str(directory),
            "postgres_pid": postgres.pid,
            "postgres_url": postgres.superuser_url(),
            "valkey_pid": valkey.pid,
            "valkey_url": valkey.url,
        }
        print(json.dumps(ready), flush=True)
        await stopped.wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        try:
            asyncio.run(main(*sys.argv[1:]))
        except EmbeddedError as error:
            print(json.dumps({"error": type(error).__name__, "message": str(error)}), flush=True)
