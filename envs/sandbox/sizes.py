"""What every level gives besides the limits it is asked for, and what its own processes take."""

from __future__ import annotations

# What an idle interpreter maps without using it.
INTERPRETER_ADDRESS_BYTES = 128 * 2**20
# What the process holds that forks executions, with those that wait for one.
SERVER_BYTES = 48 * 2**20
DESCRIPTORS = 256
# Files and folders that may be made.
INODES = 4096
SHARED_MEMORY_BYTES = 16 * 2**20
SHARED_MEMORY_INODES = 256
