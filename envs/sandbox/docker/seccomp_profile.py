"""The system calls that an engine lets a container make.

What is not named is refused, so that a call which a later kernel brings is refused as well. The
names are those of Docker's own profile, less what the filter of the other levels refuses, and less
what only 32-bit programs, System V's messages and POSIX queues use: no other architecture's calls
are named, and its programs do not run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from reachgym.envs.sandbox import seccomp_filter

_ALLOWED = """
    accept accept4 access alarm arch_prctl bind brk capget capset chdir chmod chown clock_getres
    clock_gettime clock_nanosleep close close_range connect copy_file_range creat dup dup2 dup3
    epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2
    execve execveat exit exit_group faccessat faccessat2 fadvise64 fallocate fchdir fchmod
    fchmodat fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork fremovexattr
    fsetxattr fstat fstatfs fsync ftruncate futex futex_waitv futimesat get_robust_list
    get_thread_area getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer
    getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid
    getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getxattr
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy
    io_getevents io_pgetevents io_setup io_submit ioctl ioprio_get ioprio_set kill
    landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lgetxattr link
    linkat listen listxattr llistxattr lremovexattr lseek lsetxattr lstat madvise membarrier
    mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mprotect mremap msync munlock
    munlockall munmap nanosleep newfstatat open openat openat2 pause pidfd_open
    pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64
    preadv preadv2 prlimit64 process_mrelease pselect6 pwrite64 pwritev pwritev2 read readahead
    readlink readlinkat readv recvfrom recvmmsg recvmsg removexattr rename renameat renameat2
    restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
    rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max
    sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
    sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler
    sched_yield seccomp select sendfile sendmmsg sendmsg sendto set_robust_list set_thread_area
    set_tid_address setgid setgroups setitimer setpgid setpriority setregid setresgid setresuid
    setreuid setrlimit setsid setsockopt setuid setxattr shutdown sigaltstack signalfd signalfd4
    splice stat statfs statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill
    time timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create
    timerfd_gettime timerfd_settime times tkill truncate umask uname unlink unlinkat utime
    utimensat utimes vfork vmsplice wait4 waitid write writev
"""
# Linux' own numbers, whatever system asks for a container.
_ENOSYS = 38
_UNIX, _INET, _INET6 = 1, 2, 10
_UDP = 17
# Harmless ones: Linux' own, 32-bit addresses, a host name of old, and the question which it is.
_PERSONALITIES = (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)


def seccomp_profile() -> str:
    """The profile, as an engine takes it."""
    refused = {*seccomp_filter.REFUSED.split(), *seccomp_filter.REFUSED_MEMORY.split()}
    namespaces = sum(seccomp_filter.NAMESPACE_FLAGS)
    rules = [
        _rule([name for name in _ALLOWED.split() if name not in refused]),
        _rule(["clone"], [(0, "SCMP_CMP_MASKED_EQ", namespaces, 0)]),
        # It hides its flags in memory, where no filter can read them; C libraries fall back.
        _rule(["clone3"], error=_ENOSYS),
        *(_rule(["personality"], [(0, "SCMP_CMP_EQ", value, 0)]) for value in _PERSONALITIES),
    ]
    for domain in (_UNIX, _INET, _INET6):
        # Rare protocols are modules, which the kernel loads for anyone who asks for a socket.
        family, common = (0, "SCMP_CMP_EQ", domain, 0), (2, "SCMP_CMP_LE", _UDP, 0)
        rules += [_rule(["socket"], [family, common]), _rule(["socketpair"], [family])]
    # Without a list of architectures, the calls of any but the machine's own are refused.
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules})


def _rule(
    names: Sequence[str],
    conditions: Sequence[tuple[int, str, int, int]] = (),
    error: int | None = None,
) -> dict[str, object]:
    rule: dict[str, object] = {"names": list(names), "action": "SCMP_ACT_ALLOW"}
    if error is not None:
        rule |= {"action": "SCMP_ACT_ERRNO", "errnoRet": error}
    keys = ("index", "op", "value", "valueTwo")
    return rule | {"args": [dict(zip(keys, values, strict=True)) for values in conditions]}
