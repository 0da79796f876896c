"""Prints all that an execution could leave to the next, inside the sandbox."""

import atexit
import builtins
import os
import resource
import signal
import sys


def listing(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return None


# Under Landlock the working directory is the host's, and has another name when it is made anew.
environment = {name: value.replace(os.getcwd(), "WORK") for name, value in os.environ.items()}
print(listing("."), listing("/tmp"), listing("/dev/shm"), sorted(environment.items()))
print(sum(name.isdigit() for name in listing("/proc") or ()), os.getuid(), os.umask(0))
print(sorted(vars(builtins)))
print(sorted(sys.modules))
print(sys.path, sys.meta_path, len(sys.path_hooks))
print([signal.getsignal(n) for n in range(1, 65) if n not in (32, 33)], signal.getitimer(0))
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), os.getpriority(0, 0), atexit._ncallbacks())
# Landlock's limit on processes rests on a count of those that the user has.
limits = [n for n in range(16) if n != resource.RLIMIT_NPROC]
print([resource.getrlimit(n) for n in limits], open.__module__, print.__self__.__name__)
