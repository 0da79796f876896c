"""What an environment's tools and verifier share: the task, its state, a sandbox and a session."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from reachgym.envs.errors import EpisodeError
from reachgym.envs.sandbox.protocol import Sandbox, Session
from reachgym.envs.sandbox.shared import shared_sandbox
from reachgym.envs.types import JSON, Information, Task

State: TypeAlias = dict[str, JSON]


@dataclass(frozen=True, slots=True)
class Place:
    """A workspace as it was at one moment.

    Attributes:
        task: The task that its tools work on.
        information: What they tell.
        state: A copy of what they kept.
        session: A branch of the session of that moment, None where none was open.
        level: The isolation at which code had run, None if none had.
    """

    task: Task
    information: Information
    state: State
    session: Session | None
    level: str | None

    def close(self) -> None:
        """End the kept session; again does nothing."""
        if self.session is not None:
            self.session.close()


class Workspace:
    """One environment's place of work; nothing is opened before it is used.

    Args:
        open_sandbox: Gives the sandbox, at each use; whoever gives it closes it.
    """

    def __init__(self, open_sandbox: Callable[[], Sandbox] = shared_sandbox) -> None:
        self._open_sandbox = open_sandbox
        self._task: Task | None = None
        self._information: Information = "full"
        self._state: State = {}
        self._session: Session | None = None
        self._level: str | None = None
        self._endings: list[Callable[[], None]] = []

    @property
    def task(self) -> Task:
        """The task that tools work on, gold included.

        It is the episode's own, except where information is shuffled across tasks.

        Raises:
            EpisodeError: No episode has begun.
        """
        if self._task is None:
            raise EpisodeError("there is no task to work on yet; call the environment's reset()")
        return self._task

    @property
    def information(self) -> Information:
        """What the episode's tools are to tell, as `ToolEnv` has it.

        Only a tool whose information is no single task's, such as a search of documents that all
        tasks share, has to heed it by itself.
        """
        return self._information

    @property
    def state(self) -> State:
        """What tools keep for the length of the episode; empty at its beginning.

        JSON values only, so that an episode can be gone on with from any of its moments.
        """
        return self._state

    @property
    def level(self) -> str | None:
        """The isolation at which code of this or the last episode ran; None if none did."""
        return self._level

    @property
    def files(self) -> dict[str, bytes]:
        """What the task puts into the working directory, path to content."""
        if self._task is None:
            return {}
        return {path: text.encode() for path, text in self._task.files.items()}

    def begin(self, task: Task, information: Information = "full") -> None:
        """Start an episode on a task, and end the one before."""
        self.end()
        self._task = task
        self._information = information
        self._state = {}
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
                files = self.files
                if files:
                    session.write(files)
            except BaseException:
                session.close()
                raise
            self._session = session
        return self._session

    def snapshot(self) -> Place:
        """The workspace as it is now; whoever takes it closes it.

        Raises:
            EpisodeError: No episode has begun.
            SandboxError: The session cannot be branched.
        """
        session = None if self._session is None else self._session.branch()
        return Place(self.task, self._information, copy.deepcopy(self._state), session, self._level)

    def restore(self, place: Place) -> None:
        """Go on from a moment; the place stays as it is and can be gone on from again.

        Raises:
            SandboxError: The kept session cannot be branched.
        """
        session = None if place.session is None else place.session.branch()
        self.end()
        self._task = place.task
        self._information = place.information
        self._state = copy.deepcopy(place.state)
        self._session = session
        self._level = place.level

    def at_end(self, close: Callable[[], None]) -> None:
        """Have something closed when the episode ends, or is gone on with from another moment."""
        self._endings.append(close)

    def end(self) -> None:
        """End the episode's session and what else it holds open; again does nothing."""
        endings, self._endings = self._endings, []
        for close in endings:
            close()
        if self._session is not None:
            self._session.close()
            self._session = None


def without_files(task: Task) -> Task:
    """The task as it is where its information is withheld."""
    return replace(task, files={})
