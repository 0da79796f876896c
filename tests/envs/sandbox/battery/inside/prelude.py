"""What attacks use, inside the sandbox."""

import ctypes
import errno
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)
# Of system calls on x86_64 and on aarch64.
NUMBERS = {
    "unshare": (272, 97),
    "clone": (56, 220),
    "clone3": (435, 435),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "shmget": (29, 194),
}


def name_process(name):
    """Children inherit the name, so that all of an attack can be found."""
    libc.prctl(15, name, 0, 0, 0)


def syscall(name, *words):
    number = NUMBERS[name][platform.machine() == "aarch64"]
    words = [w if isinstance(w, (bytes, ctypes.Array)) else ctypes.c_long(w) for w in words]
    result = libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def attempt(name, action, *arguments):
    try:
        value = action(*arguments)
    except OSError as error:
        print(name, "REFUSED", errno.errorcode.get(error.errno), flush=True)
    else:
        print(name, "DONE", repr(value)[:200], flush=True)


def others():
    own = {os.getpid()}
    try:
        numbered = {int(n) for n in os.listdir("/proc") if n.isdigit()}
    except OSError:
        numbered = set()
    return sorted((numbered | {1, os.getppid()}) - own - {0})
