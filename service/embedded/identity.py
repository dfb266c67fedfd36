"""Under whom a server runs. PostgreSQL refuses root, and initdb demands that its user has a name."""

import os
import pwd
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Disguise(StrEnum):
    """How a child comes by its identity. The values are the launcher's words."""

    none = "none"
    namespace = "namespace"
    other = "other"


@dataclass(frozen=True)
class Identity:
    """A user a child runs as: ourselves, ourselves under another name in a user namespace, or really another user.

    In a namespace only the child sees another user. To the file system it is still us, so it may work in a folder
    that nobody else may enter. Another user needs files of its own, and a way to them.
    """

    disguise: Disguise
    uid: int
    gid: int

    @classmethod
    def ours(cls) -> "Identity":
        return cls(Disguise.none, os.geteuid(), os.getegid())

    @classmethod
    def nobody(cls, disguise: Disguise) -> "Identity":
        """Raises: KeyError where the system has no such user."""
        entry = pwd.getpwnam("nobody")
        return cls(disguise, entry.pw_uid, entry.pw_gid)

    def own(self, path: Path) -> None:
        """Makes a file, or a directory with all it holds, belong to this user, if it does not yet."""
        uid, gid = (self.uid, self.gid) if self.disguise is Disguise.other else (os.geteuid(), os.getegid())
        if path.stat().st_uid == uid:
            return
        if path.is_dir():
            # By descriptor and never through a link: what another user owned may be full of surprises.
            for _, directories, files, descriptor in os.fwalk(path):
                for name in directories + files:
                    os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)
        os.chown(path, uid, gid, follow_symlinks=False)  # Last, so that an interruption is made good next time.

    def enter(self, directory: Path) -> None:
        """Lets this user pass through a directory of ours, without showing what is in it."""
        if self.disguise is Disguise.other:
            directory.chmod(directory.stat().st_mode | 0o011)

    def __str__(self) -> str:
        if self.disguise is Disguise.other:
            return f"user {self.uid}, who must be able to enter the data directory"
        return f"user {self.uid}"


def acceptable_to_postgres() -> bool:
    """Whether PostgreSQL would run under this process's own user."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return os.geteuid() != 0
