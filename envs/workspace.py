"""Where an environment's tools and verifier run code: a sandbox, and a session for each episode."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reachgym.envs.sandbox.protocol import Sandbox, Session
from reachgym.envs.sandbox.shared import shared_sandbox


class Workspace:
    """One environment's way to sandboxed code; nothing is opened before it is used.

    Args:
        open_sandbox: Gives the sandbox, at each use; whoever gives it closes it.
    """

    def __init__(self, open_sandbox: Callable[[], Sandbox] = shared_sandbox) -> None:
        self._open_sandbox = open_sandbox
        self._files: dict[str, bytes] = {}
        self._session: Session | None = None
        self._level: str | None = None

    @property
    def level(self) -> str | None:
        """The isolation at which code of this or the last episode ran; None if none did."""
        return self._level

    @property
    def files(self) -> dict[str, bytes]:
        """What the episode's task puts into the working directory, path to content."""
        return dict(self._files)

    def begin(self, files: Mapping[str, str]) -> None:
        """Start an episode whose task comes with these files, and end the one before."""
        self.end()
        self._files = {path: text.encode() for path, text in files.items()}
        self._level = None

    def sandbox(self) -> Sandbox:
        """Where to run code that is to leave nothing behind.

        Raises:
            SandboxError: This machine gives no sandbox that the configuration allows.
        """
        sandbox = self._open_sandbox()
        self._level = sandbox.level
        return sandbox

    def session(self) -> Session:
        """The episode's own session, its working directory filled with the task's files.

        Raises:
            SandboxError: As `sandbox`, or the session could not be opened.
            InputError: The task's files do not fit into it.
        """
        if self._session is None:
            session = self.sandbox().open_session()
            try:
                if self._files:
                    session.write(self._files)
            except BaseException:
                session.close()
                raise
            self._session = session
        return self._session

    def end(self) -> None:
        """End the episode's session, if it has one; again does nothing."""
        if self._session is not None:
            self._session.close()
            self._session = None
