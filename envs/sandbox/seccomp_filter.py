"""Compiles the system call filter under which code in a sandbox runs."""

from __future__ import annotations

import errno
import functools
import socket
import stat
import tempfile
from types import ModuleType

from reachgym.envs.errors import SandboxError

_SOCKET_DOMAINS = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
# They outlive their sockets, for whoever comes next in the same network.
_IPV6_FLOWLABEL_MGR = 32
# NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
NAMESPACE_FLAGS = (1 << 7, 1 << 17, *(1 << bit for bit in range(25, 31)))
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

REFUSED = """
    unshare setns mount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen
    fsconfig fsmount fspick mount_setattr swapon swapoff
    ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd
    bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register
    keyctl add_key request_key
    init_module finit_module delete_module kexec_load kexec_file_load reboot
    open_by_handle_at name_to_handle_at fanotify_init quotactl quotactl_fd acct syslog
    settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname vhangup
    iopl ioperm modify_ldt
"""
# Memory that no resource limit of a process counts.
REFUSED_MEMORY = "memfd_create memfd_secret shmget shmat msgget semget mq_open"


@functools.cache
def compile_filter() -> bytes:
    """The filter as a BPF program for `PR_SET_SECCOMP`: everything passes but what is named.

    Network namespaces do not contain the socket families that are refused here.

    Raises:
        SandboxError: The library that compiles filters is not installed.
    """
    seccomp = _library()
    refuse = seccomp.ERRNO(errno.EPERM)
    program = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    for call in (*REFUSED.split(), *REFUSED_MEMORY.split()):
        # One that this libseccomp does not know cannot be named; older kernels lack it as well.
        if seccomp.resolve_syscall(seccomp.system_arch(), call) >= 0:
            program.add_rule(refuse, call)
    # clone3 hides its flags in memory, where no filter can read them; C libraries fall back.
    program.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    for flag in NAMESPACE_FLAGS:
        program.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    for request in (_TIOCSTI, _TIOCLINUX):
        low_half = seccomp.Arg(1, seccomp.MASKED_EQ, 0xFFFFFFFF, request)
        program.add_rule(refuse, "ioctl", low_half)
    # Linux gives device files to the privileged alone; gVisor does not ask.
    for call, place in (("mknod", 1), ("mknodat", 2)):
        for kind in (stat.S_IFCHR, stat.S_IFBLK):
            if seccomp.resolve_syscall(seccomp.system_arch(), call) >= 0:
                device = seccomp.Arg(place, seccomp.MASKED_EQ, stat.S_IFMT(0xFFFF), kind)
                program.add_rule(refuse, call, device)
    unknown = seccomp.ERRNO(errno.EAFNOSUPPORT)
    for call in ("socket", "socketpair"):
        # Few rules, since the kernel compiles them anew for each execution.
        for domain in set(range(max(_SOCKET_DOMAINS))) - set(_SOCKET_DOMAINS):
            program.add_rule(unknown, call, seccomp.Arg(0, seccomp.EQ, domain))
        program.add_rule(unknown, call, seccomp.Arg(0, seccomp.GT, max(_SOCKET_DOMAINS)))
    # Rare protocols are modules, which the kernel loads for anyone who asks for a socket.
    rare = seccomp.Arg(2, seccomp.GT, socket.IPPROTO_UDP)
    program.add_rule(seccomp.ERRNO(errno.EPROTONOSUPPORT), "socket", rare)
    level = seccomp.Arg(1, seccomp.MASKED_EQ, 0xFFFFFFFF, socket.IPPROTO_IPV6)
    option = seccomp.Arg(2, seccomp.MASKED_EQ, 0xFFFFFFFF, _IPV6_FLOWLABEL_MGR)
    program.add_rule(refuse, "setsockopt", level, option)
    with tempfile.TemporaryFile() as file:
        program.export_bpf(file)
        file.seek(0)
        return file.read()


def _library() -> ModuleType:
    try:
        import pyseccomp
    except (ImportError, RuntimeError) as error:
        raise SandboxError(
            f"expected libseccomp, which compiles system call filters, but: {error}. Install it"
            " (Debian: libseccomp2, Fedora: libseccomp); code is never run without a filter."
        ) from error
    library: ModuleType = pyseccomp
    return library
