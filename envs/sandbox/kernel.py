"""The Linux calls the sandbox needs and Python does not offer; imported inside the jail too."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import select
import threading
from collections.abc import Callable

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
OWN_EVERYTHING = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET

MS_RDONLY, MS_NOSUID, MS_NODEV = 1, 2, 4
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2

CAP_SETPCAP, CAP_SYS_ADMIN = 8, 21
# For `os.waitpid`: whatever signal a child's end gives.
WAIT_FOR_ALL = 0x40000000

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP = 1, 4, 8, 22
_PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 24, 36, 38, 47
_CAP_AMBIENT_RAISE, _CAP_AMBIENT_CLEAR_ALL = 2, 4
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_SIGCHLD = 17
# CLONE_VM, CLONE_FS, CLONE_FILES
_IDLE = 0x100 | 0x200 | 0x400 | _SIGCHLD
_WATCH_MS = 2
_STACK_BYTES = 2**14

_PIVOT_ROOT, _CLONE = {"x86_64": (155, 56), "aarch64": (41, 220)}.get(
    platform.machine(), (None, None)
)
_libc = ctypes.CDLL(None, use_errno=True)
# Holds the GIL across the call: the cloned process would otherwise wake without it.
_libc_with_gil = ctypes.PyDLL(None, use_errno=True)
try:
    _fork: Callable[[], int] = _libc_with_gil._Fork
except AttributeError:
    # A C library that is older than glibc 2.34.
    _fork = os.fork
# Made once: a process writes little anew that it shares with those it forked.
_idle_stack = ctypes.create_string_buffer(_STACK_BYTES)
_idle_stack_top = ctypes.c_void_p(ctypes.addressof(_idle_stack) + _STACK_BYTES)
_pause = ctypes.cast(_libc.pause, ctypes.c_void_p)
_SIG_DFL, _SIG_IGN = ctypes.c_void_p(0), ctypes.c_void_p(1)


# Made once: a child that makes a type writes to much that it shares with its parent.
_CapabilityHeader = ctypes.c_uint32 * 2
_CapabilityData = ctypes.c_uint32 * 6


class _SeccompProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _check(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def _prctl(option: int, *arguments: int) -> None:
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    _check(_libc.prctl(option, *padded), f"prctl({option})")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """mount(2)."""
    result = _libc.mount(
        source.encode(),
        target.encode(),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        options.encode(),
    )
    _check(result, f"mount({kind or 'bind'} on {target})")


def pivot_root_here() -> None:
    """Make the working directory, a mount point, the root, and let go of the old one."""
    if _PIVOT_ROOT is None:
        raise OSError(f"no system call numbers known for {platform.machine()}")
    _check(_libc.syscall(ctypes.c_long(_PIVOT_ROOT), b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "umount of the old root")
    os.chdir("/")


def unshare(flags: int) -> None:
    """unshare(2)."""
    _check(_libc.unshare(flags), f"unshare({flags:#x})")


def set_namespace(fd: int, kind: int) -> None:
    """setns(2): enter one namespace of those that `fd` refers to."""
    _check(_libc.setns(fd, kind), f"setns({kind:#x})")


def start_idle_process() -> int:
    """Start a process that sleeps until it is killed, and buries its children; returns its pid.

    It shares all memory and descriptors with this one, and so costs next to nothing to start and
    to end. One at a time: they share a stack.
    """
    # It keeps what is ignored, and the kernel buries the children of those who ignore their end.
    _libc.signal(_SIGCHLD, _SIG_IGN)
    try:
        return _check(_libc.clone(_pause, _idle_stack_top, _IDLE, None), "clone of an idle process")
    finally:
        _libc.signal(_SIGCHLD, _SIG_DFL)


def fork() -> int:
    """fork(2) without what modules do in a child: what they mend, threads that are none broke.

    Nor does `random` seed itself anew.
    """
    return _check(_fork(), "fork")


def clone(flags: int) -> int:
    """Fork into new namespaces; returns the child's pid, and 0 in the child.

    The C library does not learn of the fork: the child must soon `os.fork` or `exec`.
    """
    if _CLONE is None:
        raise OSError(f"no system call numbers known for {platform.machine()}")
    words = [ctypes.c_long(word) for word in (_CLONE, flags | _SIGCHLD, 0, 0, 0, 0)]
    return _check(_libc_with_gil.syscall(*words), f"clone({flags:#x})")


def die_with_parent(number: int = 9) -> None:
    """Ask for a signal when the parent thread dies; a later change of identity undoes it."""
    _prctl(_PR_SET_PDEATHSIG, number)


def watch_end(pid: int) -> int:
    """A descriptor that is readable once the child has ended; nothing is to be read from it."""
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        # gVisor has no such descriptors.
        if error.errno != errno.ENOSYS:
            raise
    ended, tell = os.pipe()
    forgotten = select.poll()
    forgotten.register(tell, 0)

    def wait() -> None:
        how = os.WEXITED | os.WNOWAIT | os.WNOHANG
        with contextlib.suppress(ChildProcessError):
            while os.waitid(os.P_PID, pid, how) is None and not forgotten.poll(_WATCH_MS):
                pass
        os.close(tell)

    threading.Thread(target=wait, daemon=True).start()
    return ended


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_readable(readable: bool) -> None:
    """Whether other processes of this user may look into this one; fork inherits it."""
    _prctl(_PR_SET_DUMPABLE, int(readable))


def keep_capabilities() -> None:
    """Let permitted capabilities survive the coming change of user id."""
    _prctl(_PR_SET_KEEPCAPS, 1)


def set_capabilities(*capabilities: int) -> None:
    """Hold exactly these, now and across exec; none gives up every privilege."""
    try:
        _prctl(_PR_CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL)
    except OSError as error:
        # EINVAL: gVisor has no such capabilities, and so none to give up.
        if error.errno != errno.EINVAL or capabilities:
            raise
    mask = _mask(capabilities)
    _capset(mask, inherited=mask)
    for capability in capabilities:
        _prctl(_PR_CAP_AMBIENT, _CAP_AMBIENT_RAISE, capability)


def hold_capabilities(*capabilities: int) -> None:
    """Hold exactly these until the next exec."""
    _capset(_mask(capabilities), inherited=0)


def _mask(capabilities: tuple[int, ...]) -> int:
    return sum(1 << capability for capability in capabilities)


def _capset(mask: int, inherited: int) -> None:
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, _CapabilityData(mask, mask, inherited, 0, 0, 0)), "capset")


def empty_bounding_set() -> None:
    """No exec of this process or its children can ever gain a capability."""
    for capability in range(64):
        try:
            _prctl(_PR_CAPBSET_DROP, capability)
        except OSError:
            # EINVAL: past the last capability this kernel knows.
            return


def forbid_new_privileges() -> None:
    """Set no_new_privs: no exec of this process or its children gives more than they have."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def lock_down(seccomp_program: bytes) -> None:
    """Set no_new_privs and load the system call filter; neither can be undone."""
    forbid_new_privileges()
    program = _SeccompProgram(len(seccomp_program) // 8, seccomp_program)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program))
