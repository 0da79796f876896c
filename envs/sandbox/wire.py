"""Frames on the control socket between the supervisor and the zygote."""

from __future__ import annotations

import socket
import struct

RUN, KILL, SETUP = b"R", b"K", b"S"
# Of sessions: one is opened; its calls; what asks a call to stop.
OPEN, CELL, SHELL, WRITE, READ, INTERRUPT = b"O", b"C", b"H", b"W", b"G", b"I"
FINISHED, KILLED, BROKEN, REFUSED, READY = b"F", b"D", b"B", b"X", b"Y"

# Descriptors of a zygote in namespaces: the socket, and a file that counts its network's sockets.
CONTROL_FD, SOCKETS_FD = 3, 4

_HEADER = struct.Struct("<cI")


class ClosedError(Exception):
    """The other end is gone."""


def send(
    control: socket.socket, kind: bytes, payload: bytes = b"", fds: tuple[int, ...] = ()
) -> None:
    """Send one frame, with descriptors when `fds` are given."""
    socket.send_fds(control, [_HEADER.pack(kind, len(payload))], fds)
    control.sendall(payload)


def receive(control: socket.socket) -> tuple[bytes, bytes, list[int]]:
    """The next frame's kind, payload and descriptors.

    Raises:
        ClosedError: The other end closed the socket, also in the middle of a frame.
    """
    header, fds, _, _ = socket.recv_fds(control, _HEADER.size, 3)
    if len(header) < _HEADER.size:
        raise ClosedError
    kind, length = _HEADER.unpack(header)
    return kind, _receive_exactly(control, length), fds


def _receive_exactly(control: socket.socket, length: int) -> bytes:
    payload = bytearray(length)
    view = memoryview(payload)
    while view:
        count = control.recv_into(view)
        if count == 0:
            raise ClosedError
        view = view[count:]
    return bytes(payload)
