"""Compiles the system call filters: the common one, and one for what Landlock leaves open."""

from __future__ import annotations

import errno
import functools
import socket
import tempfile
from collections.abc import Iterator

from reachgym.envs.sandbox import seccomp_filter
from reachgym.envs.sandbox.landlock import ruleset

# Landlock knows TCP alone; a datagram pair could be turned to a socket that others listen on.
_NETWORK = "socket connect bind listen"
# With these, descriptors of files could be on their way where nobody counts them.
_SEND_DESCRIPTORS = "sendmsg sendmmsg"
_BUFFER_OPTIONS = (socket.SO_SNDBUF, socket.SO_RCVBUF)
_SOCKET_TYPE_BITS = 0xF
_PAIR_TYPES = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)
# These succeed and do nothing. One signal to the process group must reach all of an execution, and
# starting a program often asks for a group of its own. Landlock restricts what a file contains, not
# what else its owner may do to it, and copying a file sets its mode and times.
_IGNORED = "setsid setpgid chmod fchmod fchmodat utime utimes futimesat utimensat"
_FILE_ATTRIBUTES = """
    chown fchown lchown fchownat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
    inotify_init inotify_init1 inotify_add_watch
"""
# fchmodat2, setxattrat, removexattrat, file_setattr: newer than many a libseccomp, and numbered
# alike on all machines.
_NUMBERED = (452, 463, 466, 469)
# What processes of one user share, beyond the calls that the common filter refuses.
_SHARED = """
    msgsnd msgrcv msgctl semop semtimedop semctl shmctl mq_unlink
    migrate_pages move_pages process_mrelease
"""
# The argument at this place names a process, a group or a user; 0 is the caller's own.
_OF_OTHERS = {
    0: "prlimit64 sched_setaffinity sched_setscheduler sched_setparam sched_setattr",
    1: "setpriority ioprio_set",
}
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_F_SETLEASE = 1024
# All processes of the user, whose number 0 stands for.
_PRIO_USER, _IOPRIO_WHO_USER = 2, 3
_COMMANDS = (
    ("prctl", 0, _PR_SET_PDEATHSIG),
    ("prctl", 0, _PR_SET_DUMPABLE),
    ("fcntl", 1, _F_SETLEASE),
    ("setpriority", 0, _PRIO_USER),
    ("ioprio_set", 0, _IOPRIO_WHO_USER),
)
# Those of terminals, pipes and sockets are below. Those of file systems change what a file's owner
# may change through a descriptor that only reads, and Landlock does not hear of it.
_LAST_PLAIN_IOCTL = 0xFFFF
_SIGNALS = "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal"
# Whoever owns a descriptor gets a signal when it has something to read.
_F_SETOWN, _F_SETOWN_EX, _FIOSETOWN, _SIOCSPGRP = 8, 15, 0x8901, 0x8902
_SIGNALLING_COMMANDS = (
    ("fcntl", 1, _F_SETOWN),
    ("fcntl", 1, _F_SETOWN_EX),
    ("ioctl", 1, _FIOSETOWN),
    ("ioctl", 1, _SIOCSPGRP),
)
_LOW_HALF = 0xFFFFFFFF
# A folder that its owner may not open or list hides what is in it from being counted. The place is
# that of the permissions.
_OWNERS = 0o700
_MAKE_FOLDER = (("mkdir", 1), ("mkdirat", 2))


@functools.cache
def compile_filters(abi: int) -> tuple[bytes, bytes]:
    """Both filters, as BPF programs for `PR_SET_SECCOMP`.

    Args:
        abi: Version of Landlock's interface; what it does not cover is refused here.

    Raises:
        SandboxError: The library that compiles filters is not installed.
    """
    common = seccomp_filter.compile_filter()
    import pyseccomp as seccomp

    refuse = seccomp.ERRNO(errno.EPERM)
    program = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    for call in _refused(abi):
        # One that this libseccomp does not know by name, the kernels of its time lack as well.
        if seccomp.resolve_syscall(seccomp.system_arch(), call) >= 0:
            program.add_rule(seccomp.ERRNO(0) if call in _IGNORED.split() else refuse, call)
    for number in _NUMBERED:
        program.add_rule(refuse, number)
    for kind in set(range(_SOCKET_TYPE_BITS + 1)) - set(_PAIR_TYPES):
        of_kind = seccomp.Arg(1, seccomp.MASKED_EQ, _SOCKET_TYPE_BITS, kind)
        program.add_rule(refuse, "socketpair", of_kind)
    for option in _BUFFER_OPTIONS:
        # What is on its way from a socket is nobody's memory.
        of_socket = seccomp.Arg(1, seccomp.MASKED_EQ, _LOW_HALF, socket.SOL_SOCKET)
        buffer = seccomp.Arg(2, seccomp.MASKED_EQ, _LOW_HALF, option)
        program.add_rule(refuse, "setsockopt", of_socket, buffer)
    for place, calls in _OF_OTHERS.items():
        for call in calls.split():
            program.add_rule(refuse, call, seccomp.Arg(place, seccomp.NE, 0))
    for call, place, value in _COMMANDS + (_SIGNALLING_COMMANDS if _unscoped(abi) else ()):
        low_half = seccomp.Arg(place, seccomp.MASKED_EQ, _LOW_HALF, value)
        program.add_rule(refuse, call, low_half)
    program.add_rule(refuse, "ioctl", seccomp.Arg(1, seccomp.GT, _LAST_PLAIN_IOCTL))
    for owners in range(0, _OWNERS, 0o100):
        for call, place in _MAKE_FOLDER:
            program.add_rule(refuse, call, seccomp.Arg(place, seccomp.MASKED_EQ, _OWNERS, owners))
        hidden = seccomp.Arg(0, seccomp.MASKED_EQ, _OWNERS, _OWNERS - owners)
        program.add_rule(refuse, "umask", hidden)
    with tempfile.TemporaryFile() as file:
        program.export_bpf(file)
        file.seek(0)
        return common, file.read()


def _refused(abi: int) -> Iterator[str]:
    for calls in (_NETWORK, _SEND_DESCRIPTORS, _IGNORED, _FILE_ATTRIBUTES, _SHARED):
        yield from calls.split()
    if _unscoped(abi):
        yield from _SIGNALS.split()


def _unscoped(abi: int) -> bool:
    return abi < ruleset.SCOPED_ABI
