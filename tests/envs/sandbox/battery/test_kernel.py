"""Attacks on the kernel: calls that open much of it to anyone, and ways to privileges."""

from __future__ import annotations

import fcntl
import os
import platform
import subprocess
import termios
from collections.abc import Callable

import pytest

from reachgym.envs.sandbox.protocol import ExecResult

Attack = Callable[..., ExecResult]
Owners = Callable[..., subprocess.Popen[str]]

NAMESPACES = "(0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)"


def test_mount(refuses: Attack) -> None:
    refuses(
        "os.mkdir('here')\n"
        "def mount(kind, flags): return syscall('mount', b'none', b'here', kind, flags, b'')\n"
        "for kind in (b'tmpfs', b'proc', b'sysfs', b'overlay', b'fuse', b'cgroup', b'mqueue'):\n"
        "    attempt(kind, mount, kind, 0)\n"
        "attempt('bind', syscall, 'mount', b'/usr', b'here', b'', 4096, b'')\n"
        "attempt('writable', syscall, 'mount', b'none', b'/usr', b'', 32 | 4096, b'')\n"
        "attempt('unmount', syscall, 'umount2', b'/tmp', 2)\n"
        "attempt('pivot', syscall, 'pivot_root', b'.', b'.')\n"
        "attempt('fsopen', syscall, 'fsopen', b'tmpfs', 0)\n"
        "attempt('open_tree', syscall, 'open_tree', -100, b'/', 1)\n"
        "attempt('chroot', os.chroot, '.')\n"
    )


def test_user_namespaces(refuses: Attack) -> None:
    refuses(
        f"for flag in {NAMESPACES}:\n"
        "    attempt(f'unshare {flag:#x}', syscall, 'unshare', flag)\n"
        "    for high in (0, 1 << 32):\n"
        "        attempt(f'user {flag:#x}', syscall, 'unshare', 0x10000000 | flag | high)\n"
        "attempt('files', syscall, 'unshare', 0x10000000 | 0x400 | 0x200)\n"
        "try: attempt('join', syscall, 'setns', os.open('/proc/1/ns/user', os.O_RDONLY), 0)\n"
        "except OSError: print('join REFUSED ENOENT')\n"
    )


def test_clone_into_namespaces(refuses: Attack) -> None:
    refuses(
        "def cloned(name, *words):\n"
        "    pid = syscall(name, *words)\n"
        "    if pid == 0: os._exit(0)\n"
        "    return pid\n"
        f"for flag in {NAMESPACES}:\n"
        "    if flag != 0x80:\n"
        "        attempt(f'clone {flag:#x}', cloned, 'clone', 0x10000000 | flag | 17, 0, 0, 0, 0)\n"
        "    words = (ctypes.c_uint64 * 11)(0x10000000 | flag, 0, 0, 0, 17)\n"
        "    attempt(f'clone3 {flag:#x}', cloned, 'clone3', words, 88)\n"
    )


def test_setuid(attack: Attack, refuses: Attack) -> None:
    refuses(
        "attempt('user', os.setuid, 0)\n"
        "attempt('users', os.setresuid, 0, 0, 0)\n"
        "attempt('effective', os.setreuid, -1, 0)\n"
        "attempt('group', os.setgid, 0)\n"
        "attempt('groups', os.setgroups, [0])\n"
        "def capset(): return libc.capset(head, data)\n"
        "head = (ctypes.c_uint32 * 2)(0x20080522, 0)\n"
        "data = (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)\n"
        "for n in range(64):\n"
        "    if libc.prctl(47, 2, n, 0, 0) == 0: print('ambient', n, 'DONE')\n"
        "    if libc.prctl(23, n, 0, 0, 0) == 1 and libc.prctl(39, 0, 0, 0, 0) != 1:\n"
        "        print('bounding', n, 'DONE')\n"
        "if capset() == 0: print('capset DONE')\n"
    )
    code = (
        "data = (ctypes.c_uint32 * 6)()\n"
        "libc.capget((ctypes.c_uint32 * 2)(0x20080522, 0), data)\n"
        "print(0 in os.getresuid() + os.getresgid() + tuple(os.getgroups()), list(data))\n"
    )
    assert attack(code).stdout == "False [0, 0, 0, 0, 0, 0]\n"


def test_io_uring(refuses: Attack) -> None:
    refuses("attempt('setup', syscall, 'io_uring_setup', 4, ctypes.create_string_buffer(256))\n")


def test_userfaultfd(refuses: Attack) -> None:
    # The flag asks for what even a careful kernel gives to anyone.
    refuses("for flags in (0, 1): attempt(flags, syscall, 'userfaultfd', flags)\n")


def test_bpf(refuses: Attack) -> None:
    refuses(
        "array = struct.pack('IIIII', 2, 4, 8, 1, 0).ljust(128, b'\\0')\n"
        "attempt('map', syscall, 'bpf', 0, ctypes.create_string_buffer(array), 128)\n"
        "exits = ctypes.create_string_buffer(struct.pack('QQ', 0xb7, 0x95))\n"
        "licence = ctypes.create_string_buffer(b'GPL')\n"
        "program = struct.pack('IIQQ', 1, 2, ctypes.addressof(exits), ctypes.addressof(licence))\n"
        "attribute = ctypes.create_string_buffer(program.ljust(128, b'\\0'))\n"
        "attempt('program', syscall, 'bpf', 5, attribute, 128)\n"
    )


def test_keyctl(refuses: Attack) -> None:
    refuses(
        "attempt('session', syscall, 'keyctl', 0, -3, 1, 0, 0)\n"
        "attempt('join', syscall, 'keyctl', 1, b'shared')\n"
        "attempt('add', syscall, 'add_key', b'user', b'leak', b'x', 1, -4)\n"
        "attempt('request', syscall, 'request_key', b'user', b'leak', b'', -4)\n"
    )


def test_perf(refuses: Attack) -> None:
    refuses(
        "for kind, config in ((0, 0), (1, 0), (1, 9), (2, 1)):\n"
        "    # Disabled, and the kernel, the hypervisor and idling are left out.\n"
        "    words = struct.pack('IIQQQQQ', kind, 112, config, 0, 0, 0, 0b11100001)\n"
        "    event = ctypes.create_string_buffer(words.ljust(112, b'\\0'))\n"
        "    attempt(config, syscall, 'perf_event_open', event, 0, -1, -1, 0)\n"
    )


def test_module_load(refuses: Attack) -> None:
    refuses(
        "image = open(sys.executable, 'rb')\n"
        "attempt('from a file', syscall, 'finit_module', image.fileno(), b'', 0)\n"
        "attempt('from memory', syscall, 'init_module', image.read(4096), 4096, b'')\n"
        "attempt('unload', syscall, 'delete_module', b'none', 0)\n"
    )


def test_module_load_by_protocol(refuses: Attack) -> None:
    """A socket of a rare protocol makes the kernel load its module."""
    refuses(
        "for domain in (socket.AF_INET, socket.AF_INET6):\n"
        "    for kind in range(1, 11):\n"
        "        # DCCP, L2TP, SCTP, UDP-Lite, MPTCP, SMC and some that are not taken.\n"
        "        for protocol in (33, 115, 132, 136, 262, 256, 200, 255):\n"
        "            attempt(protocol, socket.socket, domain, kind, protocol)\n"
    )


def test_file_handles(refuses: Attack) -> None:
    refuses(
        "handle = ctypes.create_string_buffer(struct.pack('II', 8, 1) + struct.pack('Q', 2), 136)\n"
        "root = os.open('.', os.O_RDONLY)\n"
        "attempt('open', syscall, 'open_by_handle_at', root, handle, os.O_RDONLY)\n"
    )


def test_shared_memory_of_system_v(attack: Attack) -> None:
    """It outlives its maker, and must not be there for the next."""
    code = "try: print(syscall('shmget', 0x7267, 4096, {}))\nexcept OSError: print('none')"
    attack(code.format("0o1666"))
    assert attack(code.format("0")).stdout == "none\n"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="this machine has one set of calls")
def test_calls_of_another_architecture(attack: Attack) -> None:
    """Filters are written for one numbering of calls; x86 processors offer three."""
    code = (
        "import mmap\n"
        "memory = mmap.mmap(-1, 4096, prot=7)\n"
        "memory.write(bytes.fromhex(PROGRAM))\n"
        "address = ctypes.addressof(ctypes.c_char.from_buffer(memory))\n"
        "print('before', flush=True)\n"
        "result = ctypes.CFUNCTYPE(ctypes.c_int)(address)()\n"
        "print('DONE' if result >= 0 else 'REFUSED')\n"
    )
    # The number of unshare, CLONE_NEWUSER, and the way into the kernel.
    i386 = "53b836010000bb00000010cd805bc3"
    x32 = "b810010040bf000000100f05c3"
    for program in (i386, x32):
        result = attack(code.replace("PROGRAM", repr(program)))
        assert result.stdout in ("before\n", "before\nREFUSED\n"), result
        assert result.stdout.endswith("REFUSED\n") or result.exit_code < 0


def test_tiocsti(
    start_owner: Owners, armed: Callable[[str], str], eventually: Callable[..., bool]
) -> None:
    code = armed(
        "import fcntl, glob\n"
        "for path in ('/dev/tty', '/dev/console', *glob.glob('/dev/pts/[0-9]*')):\n"
        "    try: os.open(path, os.O_RDWR | os.O_NOCTTY)\n"
        "    except OSError: pass\n"
        "for fd in range(10):\n"
        "    for word in b'injected\\n': attempt(fd, fcntl.ioctl, fd, 0x5412, bytes([word]))\n"
        "    attempt('paste', fcntl.ioctl, fd, 0x541C, b'\\x03')\n"
        "print([fd for fd in range(10) if os.isatty(fd)])\n"
    )
    near, far = os.openpty()
    # Only into its own terminal may a process push characters without privileges.
    take = f"import fcntl\nfcntl.ioctl(0, {termios.TIOCSCTTY}, 0)\n"
    owner = start_owner(code, stdin=far, before=take)
    output, _ = owner.communicate(timeout=30)
    assert output.endswith("\n[]\n"), output
    assert "DONE" not in output
    assert output.count("REFUSED") == 100
    os.set_blocking(near, False)
    waiting = fcntl.ioctl(far, termios.FIONREAD, bytes(4))
    assert waiting == bytes(4)
    with pytest.raises(BlockingIOError):
        os.read(near, 99)
    os.close(near)
    os.close(far)
