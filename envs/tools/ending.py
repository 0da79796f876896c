"""Tells an agent how its code or command ended."""

from __future__ import annotations

import signal

from reachgym.envs.sandbox.protocol import ExecResult, Outcome


def ending_of(result: ExecResult) -> str:
    """How it ended, in few words."""
    if result.outcome is Outcome.TIMEOUT:
        return f"timed out after {result.seconds:.3g} s"
    if result.outcome is Outcome.KILLED:
        return f"killed by {_signal_name(-result.exit_code)}, perhaps for a resource limit"
    return f"exited with status {result.exit_code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
