"""Several gateways by name: where each is and with which key, in one file that its owner alone may read."""

import json as jsonlib
import os
import sys
from dataclasses import dataclass, field
from getpass import getpass
from pathlib import Path
from typing import Any

import typer

from service.cli.faults import BAD_CONFIGURATION, failed
from service.cli.listing import show_items
from service.cli.words import known

CHOSEN = "NUMBERGATE_PROFILE"


def place() -> Path:
    """In the platform's folder of settings: on Linux `~/.config/numbergate`, or as XDG_CONFIG_HOME has it."""
    return Path(typer.get_app_dir("numbergate")) / "profiles.json"


@dataclass
class Profiles:
    """`default`: which is meant where nothing else says which gateway; None where that is none of them."""

    file: Path
    of: dict[str, dict[str, str]] = field(default_factory=dict)
    default: str | None = None

    @classmethod
    def kept(cls) -> "Profiles":
        """Exits with 2, and a line on stderr, where the file is there and cannot be read, or others may read it."""
        file = place()
        try:
            if file.stat().st_mode & 0o077:
                raise SystemExit(_wrong(f"{file}: others may read it, and keys are in it: chmod 600 {file}"))
            told = jsonlib.loads(file.read_text())
            return cls(
                file,
                {name: {"url": one["url"], "key": one["key"]} for name, one in told["profiles"].items()},
                told["default"],
            )
        except FileNotFoundError:
            return cls(file)
        except OSError as error:
            raise SystemExit(_wrong(f"{file}: {error.strerror}")) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SystemExit(_wrong(f"{file} is damaged: mend it, or remove it and begin anew")) from None

    def keep(self) -> None:
        """All or nothing, and readable for its owner alone from the first byte on."""
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            jsonlib.dump({"default": self.default, "profiles": self.of}, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.file)

    def named(self, name: str) -> dict[str, str]:
        """Exits with 2, and says which there are, where there is none of that name."""
        if name not in self.of:
            there = f"there are {', '.join(sorted(self.of))}" if self.of else "there is none yet: `profiles add`"
            raise SystemExit(_wrong(f"--profile: {name} is no profile; {there}"))
        return self.of[name]


def profile_settings(url: str | None, key: str | None, environment: dict[str, str]) -> dict[str, str]:
    """The settings of the profile that is meant; empty where options and environment say it all.

    One that is named is meant. The default is, where neither options nor the environment name a gateway or a key: a
    key goes nowhere but to the gateway that it was filed with.
    """
    name = environment.get(CHOSEN)
    if not name:
        elsewhere = ("NUMBERGATE_URL", "NUMBERGATE_API_KEY", "NUMBERGATE_API_KEY_FILE")
        if url is not None or key is not None or any(one in environment for one in elsewhere):
            return {}
        kept = Profiles.kept()
        if kept.default is None:
            return {}
        name = kept.default
    else:
        kept = Profiles.kept()
    found = kept.named(name)
    if url is not None and key is None:
        raise SystemExit(
            _wrong(f"--url: goes without a profile, for the key of {name} is another gateway's; or say --key")
        )
    return {"NUMBERGATE_URL": found["url"], "NUMBERGATE_API_KEY": found["key"]}


def run_add(name: str, url: str, key_file: Path | None, *, default: bool) -> int:
    """Returns the exit code. The key is read from a file, from what is piped in, or at the terminal without an echo."""
    try:
        if key_file is not None:
            key = key_file.read_text().strip()
        elif sys.stdin.isatty():
            key = getpass("Key: ").strip()
        else:
            key = sys.stdin.readline().strip()
    except OSError as error:
        return failed(f"--key-file: {key_file}: {error.strerror}")
    from service.cli.remote import RemoteSettings
    from service.settings import BadConfiguration

    try:
        settings = RemoteSettings.from_environment({"NUMBERGATE_URL": url, "NUMBERGATE_API_KEY": key})
    except BadConfiguration as bad:
        for fault in bad.faults:
            _wrong(fault.replace("NUMBERGATE_URL", "--url").replace("NUMBERGATE_API_KEY", "the key"))
        return BAD_CONFIGURATION
    kept = Profiles.kept()
    kept.of[name] = {"url": settings.url, "key": key}
    if default or kept.default is None:
        kept.default = name
    kept.keep()
    print(f"{name} is {settings.url}{', and the default' if kept.default == name else ''}.")
    return 0


def run_list(*, json: bool) -> int:
    """Returns the exit code. No key is shown."""
    kept = Profiles.kept()
    items: list[dict[str, Any]] = [
        {"name": name, "url": one["url"], "default": name == kept.default} for name, one in sorted(kept.of.items())
    ]
    return show_items(items, "profiles", _cells, ("name", "url"), complete=True, json=json)


def run_use(name: str) -> int:
    """Returns the exit code."""
    kept = Profiles.kept()
    kept.named(name)
    kept.default = name
    kept.keep()
    print(f"{name} is the default.")
    return 0


def run_remove(name: str) -> int:
    """Returns the exit code. The gateway's key stays one: only a revocation ends it."""
    kept = Profiles.kept()
    kept.named(name)
    del kept.of[name]
    if kept.default == name:
        kept.default = None
    kept.keep()
    print(f"{name} is removed; its key is good until it is revoked.")
    return 0


def _cells(one: dict[str, Any]) -> dict[str, str]:
    return {"name": known(one["name"]), "url": known(one["url"]), "default": "yes" if one["default"] else "–"}


def _wrong(why: str) -> int:
    print(f"numbergate: {why}", file=sys.stderr)
    return BAD_CONFIGURATION
