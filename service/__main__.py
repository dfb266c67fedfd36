"""`python -m service` is `numbergate`."""

from service.cli.main import run

run()
