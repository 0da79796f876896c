"""The sandbox level for machines that forbid user namespaces; weaker than the others."""

from __future__ import annotations

from collections.abc import Mapping

from reachgym.envs.sandbox import launch as namespaces_launch
from reachgym.envs.sandbox.landlock import launch
from reachgym.envs.sandbox.landlock.files import check_room
from reachgym.envs.sandbox.protocol import ExecResult
from reachgym.envs.sandbox.shell_programs import shell_files
from reachgym.envs.sandbox.zygote_sandbox import ZygoteSandbox
from reachgym.envs.sandbox.zygote_session import ZygoteSession


class LandlockSandbox(ZygoteSandbox):
    """Runs Python in children of one zygote, confined by Landlock and system call filters.

    It needs no privileges at all. Code sees that files of the host exist, though it can read none
    but the interpreter's, and that processes exist, though it can reach none. Memory and files are
    bounded by watching, so for some milliseconds code may hold more of either than its limit; a
    single file never grows past it. Otherwise as `ZygoteSandbox`.

    Args:
        limits: What one execution may use.

    Raises:
        SandboxError: This machine cannot give the isolation; the text names what is missing.
    """

    @property
    def level(self) -> str:
        """Always `"landlock"`."""
        return "landlock"

    def exec(self, code: str, *, files: dict[str, bytes] | None = None) -> ExecResult:
        """Run `code` as a main module; see `Sandbox.exec`.

        Raises:
            SandboxError: The sandbox was closed, belongs to another process, or broke.
            InputError: A file lies outside the working directory or cannot be written, or they are
                too many or too large.
        """
        check_room(files or {}, self._limits.file_bytes)
        return super().exec(code, files=files)

    def open_session(self) -> LandlockSession:
        """Open a session with processes, limits and files of its own; see `Sandbox`."""
        return LandlockSession(self._limits)

    def _launch(self) -> namespaces_launch.Slot:
        return launch.start(self._limits)


class LandlockSession(ZygoteSession):
    """A session whose processes are confined as those of `LandlockSandbox`.

    Its working directory is a folder of the host, so its path differs from session to session.

    Args:
        limits: What one call may use; memory, processes and files count for the whole session.

    Raises:
        SandboxError: This machine cannot give the isolation; the text names what is missing.
    """

    def write(self, files: Mapping[str, bytes]) -> None:
        """Put files into the working directory; see `Session`."""
        check_room(files, self._limits.file_bytes)
        super().write(files)

    def _launch(self) -> namespaces_launch.Slot:
        return launch.start(self._limits, shell_files())
