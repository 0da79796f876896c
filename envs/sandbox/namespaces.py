"""The embedded sandbox level: Linux namespaces around a warm interpreter that forks."""

from __future__ import annotations

from reachgym.envs.sandbox import launch
from reachgym.envs.sandbox.shell_programs import shell_files
from reachgym.envs.sandbox.zygote_sandbox import ZygoteSandbox
from reachgym.envs.sandbox.zygote_session import ZygoteSession


class NamespacesSandbox(ZygoteSandbox):
    """Runs Python in children of one zygote, each in namespaces of its own; see `ZygoteSandbox`."""

    @property
    def level(self) -> str:
        """Always `"namespaces"`."""
        return "namespaces"

    def open_session(self) -> ZygoteSession:
        """Open a session with processes, limits and files of its own; see `Sandbox`."""
        return NamespacesSession(self._limits)

    def _launch(self) -> launch.Slot:
        return launch.start(self._limits)


class NamespacesSession(ZygoteSession):
    """A session in namespaces and a control group of its own; see `ZygoteSession`."""

    def _launch(self) -> launch.Slot:
        return launch.start(self._limits, shell_files())
