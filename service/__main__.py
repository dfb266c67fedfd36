"""`python -m service` is `numbergate`."""

import sys

from service.kit.garbage import collect_seldom


def main() -> None:
    collect_seldom()
    try:
        from service.cli.main import run
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.split(".")[0] == "service":
            raise
        # Without an extra, or with that of the client alone, nothing of the gateway's is installed.
        print(f"numbergate: {missing.name} is missing: pip install 'numbergate[server]'", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None
    run()


if __name__ == "__main__":
    main()
