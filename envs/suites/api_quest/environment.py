"""The environment of ApiQuest: its tools, verdict and milestones, and what it says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from urllib.parse import parse_qsl, unquote, urlsplit

from reachgym.envs.milestones import Milestone, no_milestones
from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.suites.api_quest.api import quest_in
from reachgym.envs.suites.api_quest.oracle import guess, oracle
from reachgym.envs.suites.api_quest.respond import EARNED, STAGES, Flags, respond
from reachgym.envs.suites.api_quest.server import Door, close_door, open_door, send
from reachgym.envs.suites.api_quest.tasks import ApiQuestTaskset, documentation
from reachgym.envs.suites.family import FamilyInfo
from reachgym.envs.suites.interface import (
    Text,
    parse_interface,
    require_in_range,
    require_seed,
    require_text,
)
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.arguments import quote
from reachgym.envs.tools.base import Tool, WorkspaceTool
from reachgym.envs.tools.http import HttpReply, HttpRequest, http_tool
from reachgym.envs.tools.search import search_tool
from reachgym.envs.types import JSON, Budget, Task, Verdict
from reachgym.envs.verifier import Attempt
from reachgym.envs.workspace import Workspace

DIFFICULTIES = range(1, 5)
TOOLS = ("search", "http")

_BUDGET = Budget(turns=24)
_STATE = "api"


class _Doors:
    """One environment's way into the server, opened at an episode's first request."""

    def __init__(self) -> None:
        self._door: Door | None = None

    def send(self, workspace: Workspace, request: HttpRequest) -> HttpReply:
        """Send a request of the workspace's episode."""
        if self._door is None:
            self._door = open_door(partial(_answer, workspace))
            workspace.at_end(self._close)
        return send(self._door, request)

    def _close(self) -> None:
        if self._door is not None:
            close_door(self._door)
            self._door = None


def _answer(workspace: Workspace, method: str, target: str, body: bytes) -> tuple[int, JSON]:
    """What the API answers in a workspace, whose state it changes."""
    parts = urlsplit(target)
    fields: dict[str, JSON] = dict(parse_qsl(parts.query, keep_blank_values=True))
    try:
        given = json.loads(body) if body else None
    except (ValueError, RecursionError):
        return 400, {"error": "bad request"}
    flags = _flags(workspace)
    quest = quest_in(workspace.task)
    status, told, after = respond(quest, flags, method, unquote(parts.path), fields, given)
    workspace.state[_STATE] = after
    return status, told


def _flags(workspace: Workspace) -> Flags:
    """The stages that the API has reached in the episode."""
    flags = workspace.state.get(_STATE, {})
    return flags if isinstance(flags, dict) else {}


def _shown(reply: HttpReply) -> str:
    return f"HTTP {reply.status}\n{reply.body}"


def _shown_tersely(reply: HttpReply) -> str:
    """The values of a reply's fields; the status before them unless it is a success."""
    told = json.loads(reply.body)
    words = [str(value) for key, value in told.items() if key != "error"]
    status = [] if reply.status < 300 and words else [str(reply.status)]
    return " ".join([*status, *words])


def _tools(world_seed: int, level: int, text: Text) -> Mapping[str, Tool | WorkspaceTool]:
    def search(workspace: Workspace) -> Tool:
        del workspace
        return search_tool(documentation(world_seed, level, text))

    def http(workspace: Workspace) -> Tool:
        show = _shown_tersely if text == "terse" else _shown
        return http_tool(_Doors().send, show)(workspace)

    return {"search": search, "http": http}


def judge_told(attempt: Attempt) -> Verdict:
    """Passed when the answer is the secret and the API gave it in this episode.

    A right answer without, or where the API is another task's, is a guess, with reward 0.
    """
    verdict = judge_answer(attempt)
    if not verdict.passed or _has(EARNED, attempt):
        return verdict
    return Verdict(
        0.0,
        False,
        f"{attempt.task.gold} is right, but the API did not give it in this episode: a guess.",
        guess=True,
    )


def judge_answer(attempt: Attempt) -> Verdict:
    """Passed when the answer is the secret; for agents that cannot call the API."""
    gold = attempt.task.gold
    if attempt.answer is None:
        return Verdict(0.0, False, f"No answer before the budget ended; {gold} was asked for.")
    if attempt.answer.strip() != gold:
        return Verdict(0.0, False, f"The answer is {quote(attempt.answer)}; {gold} was asked for.")
    return Verdict(1.0, True, f"{gold} is right.")


def milestones(task: Task) -> Sequence[Milestone]:
    """The stages that the task's API passes before it gives the secret."""
    stages = STAGES[quest_in(task).level]
    return [Milestone(stage, partial(_has, stage)) for stage in stages]


def _has(stage: str, attempt: Attempt) -> bool:
    return attempt.workspace.information == "full" and stage in _flags(attempt.workspace)


def make_api_quest(
    difficulty: int = 1,
    world_seed: int = 0,
    text: str = "chat",
    interface: Mapping[str, JSON] | None = None,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/ApiQuest-v0`.

    Args:
        difficulty: Documented endpoints, 1 to 4, all of which are needed.
        world_seed: Which APIs there are.
        text: `"chat"`, sentences for chat models, or `"terse"`, the small world's few characters.
        interface: Tools and information, by default search and http with full information.
        sandbox: Where code is run, as `parse_sandbox` reads it; no tool of this family runs any.
        render_mode: As Gymnasium has it; `"ansi"` or None.

    Raises:
        ConfigError: An argument is out of range.
    """
    require_in_range("difficulty", difficulty, DIFFICULTIES[0], DIFFICULTIES[-1])
    require_seed(world_seed)
    form = require_text(text)
    offered = parse_interface(interface, known=TOOLS, default=TOOLS)
    called = "http" in offered.tools
    return ToolEnv(
        ApiQuestTaskset(world_seed, difficulty, form),
        tools=offered.chosen(_tools(world_seed, difficulty, form)),
        verifier=judge_told if called else judge_answer,
        information=offered.information,
        milestones=milestones if called else no_milestones,
        budget=_BUDGET,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )


FAMILY = FamilyInfo(
    id="reachgym/ApiQuest-v0",
    name="api_quest",
    description="Read the documentation of a made-up HTTP API, then call it in the right order.",
    levels={
        1: "one GET with a parameter",
        2: "obtain a token, then GET with it",
        3: "create, modify, then read",
        4: "create, modify against a conflict, then read page by page",
    },
    tools=TOOLS,
    oracle=oracle,
    guess=guess,
    about=(
        "A world has HTTP APIs whose paths, parameters and fields are made-up words, documented "
        "one endpoint a document. The agent searches the documentation and calls the API, which "
        "runs on loopback and keeps its state for the episode; right calls in the right order make "
        "it give a secret.\n\n"
        "**Chance.** The secret is five letters drawn by hash from world, level, topic and "
        "subject: more than 23 bits, and no document holds it.\n\n"
        "**Splits and worlds.** A hash of the subject says whose split it is, in every world; the "
        "splits do not end. Another world seed gives other APIs and other secrets.\n\n"
        "**Evidence.** The API must have given the secret in the episode; a right answer without "
        "that counts as a guess, with reward 0. Where information is shuffled, the API is that of "
        "another task and no evidence.\n\n"
        "**Milestones.** What the API keeps of its own state: token obtained, created, conflict "
        "met, conflict resolved, modified, page obtained, as far as the level has them. It gives "
        "the secret only after all of them, in this order."
    ),
)
