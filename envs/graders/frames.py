"""Answers of a program in a sandbox, one line each, on a standard output that is theirs alone.

Runs on both sides of a sandbox's wall. Every line carries the execution's nonce, its place in the
order and its length, so that neither other output nor a cut one is taken for an answer. Only where
no foreign code runs is the nonce a secret; what foreign code answers is its own word anyway.
"""

from __future__ import annotations

import os

READY = "ready"


class FrameWriter:
    """Takes standard output for frames; whatever is printed from then on is dropped."""

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce
        self._written = 0
        self._channel = os.dup(1)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)

    def write(self, payload: str) -> None:
        """Send one line of ASCII."""
        line = f"{self._nonce} {self._written} {len(payload)} {payload}\n".encode("ascii")
        self._written += 1
        while line:
            line = line[os.write(self._channel, line) :]


def read_frames(output: str, nonce: str) -> list[str]:
    """The payloads of whole frames in `output`, as far as none is missing."""
    payloads: list[str] = []
    for line in output.split("\n"):
        head = f"{nonce} {len(payloads)} "
        length, _, payload = line.removeprefix(head).partition(" ")
        if line.startswith(head) and length == str(len(payload)):
            payloads.append(payload)
    return payloads
