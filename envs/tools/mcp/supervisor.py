"""Runs a server for as long as the process that asked for it lives, and leaves nothing behind.

A program by itself: the server may be a chain of launchers (`npx`, `uvx`, a shell), of which a
signal to the first would not reach the last.
"""

import ctypes
import os
import signal
import sys
from contextlib import suppress

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_GRACE_S = 0.5
_CANNOT_RUN = 127
_AWAITED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM}


def main() -> None:
    """Run `argv[2:]` until it ends, or until the process `argv[1]` does."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _end_with(parent, signal.SIGTERM)
    supervisor = os.getpid()
    server = os.fork()
    if server == 0:
        _become(command, supervisor)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    status = _wait(server)
    _end_all()
    sys.exit(status if status >= 0 else 128 - status)


def _become(command: list[str], supervisor: int) -> None:
    try:
        os.setsid()
        _end_with(supervisor, signal.SIGKILL)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error}\n".encode())
    finally:
        os._exit(_CANNOT_RUN)


def _wait(server: int) -> int:
    """The server's exit code; asked to end, it has a moment before it is killed."""
    while True:
        came = signal.sigwait(_AWAITED)
        if came == signal.SIGCHLD:
            ended, status = os.waitpid(server, os.WNOHANG)
            if ended:
                _signal_group(server, signal.SIGKILL)
                return os.waitstatus_to_exitcode(status)
        elif came == signal.SIGALRM:
            _signal_group(server, signal.SIGKILL)
        else:
            _signal_group(server, signal.SIGTERM)
            signal.setitimer(signal.ITIMER_REAL, _GRACE_S)


def _signal_group(server: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(server, number)


def _end_all() -> None:
    """End what left the server's group; it has become a child of this process."""
    with suppress(OSError):
        while True:
            with open(f"/proc/self/task/{os.getpid()}/children") as children:
                for child in children.read().split():
                    os.kill(int(child), signal.SIGKILL)
            os.waitpid(-1, 0)


def _end_with(parent: int, number: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(_CANNOT_RUN)


def _prctl(option: int, value: int) -> None:
    # Elsewhere a server learns from the end of its standard input that nobody is there any more.
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
