"""Attacks through sockets: to the host, to names, and of families that namespaces do not hold."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reachgym.envs.sandbox.protocol import ExecResult

Attack = Callable[..., ExecResult]


def hears_nothing(listener: socket.socket) -> bool:
    return not select.select([listener], [], [], 0.1)[0]


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_tcp_to_host_loopback(refuses: Attack, family: socket.AddressFamily, address: str) -> None:
    with socket.create_server((address, 0), family=family) as listener:
        port = listener.getsockname()[1]
        refuses(
            f"def connect(family, address):\n"
            "    with socket.socket(family) as mine:\n"
            "        mine.settimeout(0.5); mine.connect(address)\n"
            f"attempt('plain', connect, {int(family)}, ({address!r}, {port}))\n"
            f"attempt('mapped', connect, socket.AF_INET6, ('::ffff:127.0.0.1', {port}))\n"
            f"attempt('any', connect, socket.AF_INET, ('0.0.0.0', {port}))\n"
            "def fast_open():\n"
            f"    with socket.socket({int(family)}) as mine:\n"
            f"        mine.sendto(b'x', 0x20000000, ({address!r}, {port}))\n"
            "attempt('fast open', fast_open)\n"
        )
        assert hears_nothing(listener)


def test_udp_to_host_loopback(attack: Attack) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        result = attack(
            f"target = ('127.0.0.1', {port})\n"
            "def send(): return socket.socket(socket.AF_INET, 2).sendto(b'x', target)\n"
            "def connect(): return socket.socket(socket.AF_INET, 2).connect(target)\n"
            "attempt('send', send); attempt('connect', connect)\n"
        )
        assert result.exit_code == 0, result
        assert hears_nothing(listener)


def test_a_listener_in_the_sandbox_is_none_of_the_host(attack: Attack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    code = (
        "def listen():\n"
        f"    mine = socket.create_server(('127.0.0.1', {port}))\n"
        "    mine.settimeout(0.4)\n"
        "    return mine.accept()\n"
        "attempt('listen', listen)\n"
    )
    results: list[ExecResult] = []
    attacking = threading.Thread(target=lambda: results.append(attack(code)))
    attacking.start()
    reached = 0
    while attacking.is_alive():
        with socket.socket() as caller:
            reached += caller.connect_ex(("127.0.0.1", port)) == 0
        time.sleep(0.01)
    assert reached == 0
    assert "REFUSED" in results[0].stdout


def test_dns(attack: Attack) -> None:
    """No name is resolved, and no interface has an address from which to ask a server."""
    result = attack(
        "import fcntl\n"
        "for name in ('host.invalid', 'host.docker.internal', 'gateway.docker.internal'):\n"
        "    attempt(name, socket.getaddrinfo, name, 80)\n"
        "def addresses():\n"
        "    space = ctypes.create_string_buffer(4000)\n"
        "    ask = ctypes.create_string_buffer(struct.pack('iP', 4000, ctypes.addressof(space)))\n"
        "    with socket.socket(socket.AF_INET, 2) as mine: fcntl.ioctl(mine, 0x8912, ask)\n"
        "    length, _ = struct.unpack('iP', ask.raw[:16])\n"
        "    names = {space.raw[n:n + 16].rstrip(b'\\0') for n in range(0, length, 40)} - {b'lo'}\n"
        "    if not names: raise OSError(errno.ENETUNREACH, 'none')\n"
        "    return names\n"
        "attempt('addresses', addresses)\n"
    )
    assert result.exit_code == 0, result
    assert result.stdout.count("REFUSED") == 4
    assert "DONE" not in result.stdout


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_abstract_unix_sockets(refuses: Attack, kind: socket.SocketKind) -> None:
    name = f"\0reachgym-battery-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, kind) as listener:
        listener.bind(name)
        if kind != socket.SOCK_DGRAM:
            listener.listen()
        refuses(
            f"for kind in ({int(kind)}, 1, 2, 5):\n"
            "    def connect():\n"
            f"        with socket.socket(socket.AF_UNIX, kind) as mine: mine.connect({name!r})\n"
            "    attempt('connect', connect)\n"
            "def send():\n"
            f"    with socket.socket(socket.AF_UNIX, 2) as mine: mine.sendto(b'x', {name!r})\n"
            "attempt('send', send)\n"
            "def pair():\n"
            "    with socket.socketpair(socket.AF_UNIX, 2)[0] as mine:\n"
            f"        mine.sendto(b'x', {name!r})\n"
            "attempt('pair', pair)\n"
        )
        assert hears_nothing(listener)


def test_unix_sockets_in_the_file_system(refuses: Attack) -> None:
    path = f"/var/tmp/battery-{os.getpid()}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        try:
            Path(path).chmod(0o777)
            listener.listen()
            refuses(
                f"for path in ({path!r}, '/proc/1/root{path}', '/var/run/docker.sock',\n"
                "        '/run/systemd/private', '/run/dbus/system_bus_socket'):\n"
                "    def connect():\n"
                "        with socket.socket(socket.AF_UNIX) as mine: mine.connect(path)\n"
                "    def send():\n"
                "        with socket.socket(socket.AF_UNIX, 2) as mine: mine.sendto(b'x', path)\n"
                "    attempt('connect', connect); attempt('send', send)\n"
            )
            assert hears_nothing(listener)
        finally:
            Path(path).unlink()


def test_af_vsock(refuses: Attack) -> None:
    """Only that there is no such socket; none is ever connected."""
    refuses(
        "for kind in (1, 2, 5):\n"
        "    for domain in (40, 40 | 1 << 32):\n"
        "        def make(): return syscall('socket', domain, kind, 0)\n"
        "        attempt('socket', make)\n"
        "        pair = (ctypes.c_int * 2)()\n"
        "        attempt('pair', syscall, 'socketpair', domain, kind, 0, pair)\n"
    )


def test_netlink(refuses: Attack) -> None:
    refuses(
        "for protocol in range(23):\n"
        "    for kind in (2, 3):\n"
        "        attempt(protocol, socket.socket, socket.AF_NETLINK, kind, protocol)\n"
    )


def test_other_families_and_raw_sockets(refuses: Attack) -> None:
    refuses(
        "for domain in {*range(3, 64), 1000} - {socket.AF_INET6}:\n"
        "    for kind in (1, 2, 3, 5):\n"
        "        attempt(domain, socket.socket, domain, kind, 0)\n"
        "for domain in (socket.AF_INET, socket.AF_INET6):\n"
        "    for protocol in (1, 58, 255): attempt('raw', socket.socket, domain, 3, protocol)\n"
    )
