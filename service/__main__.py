"""`python -m service` is `numbergate`."""

import gc
import sys


def main() -> None:
    # What a request makes is gone with it, and what is imported stays: a pass through all there is finds next to
    # nothing, takes a fifth of the time to start, and later is a pause for all who wait.
    gc.set_threshold(50_000, 20, 100)
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
