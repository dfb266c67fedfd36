"""Turns itself into a server: takes on an identity, ties its life to its parent's, then becomes the program.

A script, run by path in a fresh interpreter and never imported, so it uses nothing but the standard library:

    launcher.py PARENT_PID DEATH_SIGNAL IDENTITY UID GID [PROGRAM ARGUMENT...]

A function run between fork and exec (`preexec_fn`) could do the same, but may deadlock when the parent has threads.
No PROGRAM: exits with 0, which says that the identity can be had.
"""

import ctypes
import os
import resource
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def main(parent: str, death_signal: str, identity: str, uid: str, gid: str, *program: str) -> None:
    if identity == "namespace":
        _enter_user_namespace(int(uid), int(gid))
    elif identity == "other":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    # After the change of identity, which the kernel answers by forgetting the death signal.
    _die_with(int(parent), int(death_signal))
    # A core file would hold secrets, and stay behind.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if program:
        os.execv(program[0], program)


def _enter_user_namespace(uid: int, gid: int) -> None:
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")  # The kernel demands it before the group may be mapped.
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {outer_gid} 1")


def _die_with(parent: int, death_signal: int) -> None:
    if sys.platform == "linux":
        _call("prctl", _PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # It died before the kernel knew that we wanted to hear of it.
        sys.exit("the parent process has ended")


def _call(function: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc[function](*map(ctypes.c_ulong, arguments)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.exit(f"cannot start as asked: {error}")
