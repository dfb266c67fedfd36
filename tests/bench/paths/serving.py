"""`python -m tests.bench.paths.serving NAME FD`: the program of that module, by the server that ours has."""

import importlib
import socket
import sys

import uvicorn


def main() -> None:
    name, fd = sys.argv[1:]
    app = importlib.import_module(f"tests.bench.paths.{name}").app
    config = uvicorn.Config(app, http="httptools", loop="uvloop", access_log=False, log_level="warning")
    # By the number of a descriptor alone uvicorn takes it for a socket of Unix, which waits for more to send.
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(fd))])


if __name__ == "__main__":
    main()
