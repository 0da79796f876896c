"""Runs in a process of its own: calls a module's functions, each in a child that harms nothing.

It imports the module once, which is what takes long, and forks for every call. The child may
compute and read files; it cannot write any, start processes or reach a network, and its time and
memory end. Whatever hostile text makes of it, all that comes out is one JSON value.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

ALLOWED = """
    read pread64 readv write writev close fstat newfstatat statx stat lstat lseek access faccessat
    faccessat2 readlink readlinkat getdents64 getcwd poll ppoll select dup
    mmap munmap mremap mprotect madvise brk
    futex sched_yield sched_getaffinity get_robust_list set_robust_list rseq membarrier
    rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack
    getpid gettid getppid getuid geteuid getgid getegid getrusage uname sysinfo
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times getrandom
    exit exit_group
"""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_MOST_BYTES = 2**23


def main() -> None:
    """Answer the requests on standard input, a line each, until there are no more."""
    functions = vars(importlib.import_module(json.loads(sys.stdin.buffer.readline())))
    load_filter = _filter()
    channel = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    if "warm_up" in functions:
        functions["warm_up"]()
    gc.collect()
    gc.freeze()
    _send(channel, {"ready": True})
    for line in sys.stdin.buffer:
        function, arguments, limits = json.loads(line)
        work = partial(_work, functions[function], arguments, limits, load_filter)
        _send(channel, _in_child(work, limits["wall_s"]))


def _work(
    function: Callable[..., object],
    arguments: list[object],
    limits: Mapping[str, int],
    load_filter: Callable[[], None],
) -> object:
    """What the child does: it gives up what it may not use, then calls the function."""
    cpu_s, memory_bytes = limits["cpu_s"], limits["memory_bytes"]
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    load_filter()
    return function(*arguments)


def _in_child(work: Callable[[], object], wall_s: float) -> dict[str, object]:
    """What a forked child makes of the work: a value, an exception or no answer."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _answer(work, writer)
    os.close(writer)
    text = _read(reader, wall_s)
    os.close(reader)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if text.endswith(b"\n"):
        # Hostile text may have made it anything.
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            return dict(json.loads(text))
    return {"ended": _ending(status)}


def _answer(work: Callable[[], object], writer: int) -> None:
    """The child's whole life."""
    try:
        # Only its own end of the pipe: what reaches the caller is written by the server.
        os.closerange(3, writer)
        os.closerange(writer + 1, writer + 64)
        os.dup2(1, 0)
        try:
            reply = {"value": work()}
        except Exception as error:
            reply = {"raised": f"{type(error).__name__}: {error}"[:500]}
        _send(writer, reply)
    finally:
        os._exit(0)


def _read(reader: int, wall_s: float) -> bytes:
    text = b""
    end_s = time.monotonic() + wall_s
    while len(text) <= _MOST_BYTES:
        left_s = end_s - time.monotonic()
        if left_s <= 0 or not select.select([reader], [], [], left_s)[0]:
            break
        part = os.read(reader, 2**16)
        text += part
        if not part or part.endswith(b"\n"):
            break
    return text


def _ending(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return "it ended without an answer"
    number = os.WTERMSIG(status)
    if number in (signal.SIGXCPU, signal.SIGKILL):
        return "it took too long"
    return f"it was ended by signal {number}"


def _filter() -> Callable[[], None]:
    """What lets the calling process make none but the allowed system calls; on Linux alone."""
    if sys.platform != "linux":
        return lambda: None
    import pyseccomp as seccomp

    rules: Any = seccomp.SyscallFilter(defaction=seccomp.ERRNO(1))
    for call in ALLOWED.split():
        if seccomp.resolve_syscall(seccomp.system_arch(), call) >= 0:
            rules.add_rule(seccomp.ALLOW, call)
    for call, place in (("open", 1), ("openat", 2)):
        if seccomp.resolve_syscall(seccomp.system_arch(), call) >= 0:
            rules.add_rule(seccomp.ALLOW, call, seccomp.Arg(place, seccomp.MASKED_EQ, _WRITING, 0))
    load: Callable[[], None] = rules.load
    return load


def _send(descriptor: int, value: object) -> None:
    line = json.dumps(value).encode() + b"\n"
    while line:
        line = line[os.write(descriptor, line) :]
