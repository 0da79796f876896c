"""The three Landlock system calls, and what each version of their interface can restrict.

Versions: 1 files (Linux 5.13), 2 moves between folders (5.19), 3 truncation (6.2), 4 TCP (6.7),
5 device ioctls (6.10), 6 signals and abstract unix sockets (6.12).
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

# Before it, whatever may be read may also be truncated by its owner.
OLDEST_ABI = 3
SCOPED_ABI = 6

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_MAKE_FIFO, _MAKE_SYM, _REFER, _TRUNCATE = 1 << 10, 1 << 12, 1 << 13, 1 << 14
LOOK = READ_FILE | READ_DIR
PROGRAM = EXECUTE | LOOK
# Nothing in it can be executed: a program that its maker may not read would hide its processes.
OWN_FOLDER = (WRITE_FILE | LOOK | _REMOVE_DIR | _REMOVE_FILE) | (
    _MAKE_DIR | _MAKE_REG | _MAKE_FIFO | _MAKE_SYM | _REFER | _TRUNCATE
)
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE
_ALL_FILES = (1 << 15) - 1
_IOCTL_DEV = 1 << 15
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_SCOPE_ABSTRACT_UNIX, _SCOPE_SIGNAL = 1 << 0, 1 << 1

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_libc = ctypes.CDLL(None, use_errno=True)


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("folder", ctypes.c_int32))


def abi() -> int:
    """The version of Landlock's interface that this kernel has.

    Raises:
        OSError: ENOSYS, the kernel was built without it; EOPNOTSUPP, it was not enabled at boot.
    """
    return _call("landlock_create_ruleset", _CREATE_RULESET, None, 0, _VERSION_FLAG)


def create(abi: int, rules: Iterable[tuple[int, str]]) -> int:
    """A descriptor of a ruleset that refuses all that this version can, but for `rules`.

    Args:
        abi: Version of the interface.
        rules: Access rights, and the file or the folder with all below it for which they hold.

    Raises:
        OSError: One of them is not there, or the kernel refuses.
    """
    attributes = _RulesetAttributes(_ALL_FILES | (_IOCTL_DEV if abi >= 5 else 0), 0, 0)
    size = 8
    if abi >= 4:
        attributes.network = _BIND_TCP | _CONNECT_TCP
        size = 16
    if abi >= SCOPED_ABI:
        attributes.scopes = _SCOPE_ABSTRACT_UNIX | _SCOPE_SIGNAL
        size = 24
    # A kernel of an older version refuses a structure with fields that it does not know.
    pointer = ctypes.byref(attributes)
    ruleset = _call("landlock_create_ruleset", _CREATE_RULESET, pointer, size, 0)
    for access, path in rules:
        _allow(ruleset, access, path)
    return ruleset


def enter(ruleset: int) -> None:
    """Confine this thread and its later children for good; no_new_privs must be set."""
    _call("landlock_restrict_self", _RESTRICT_SELF, ruleset, 0)


def _allow(ruleset: int, access: int, path: str) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            access &= _OF_FILES
        rule = ctypes.byref(_PathBeneath(access, fd))
        _call("landlock_add_rule", _ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(fd)


def _call(name: str, number: int, *arguments: object) -> int:
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result
