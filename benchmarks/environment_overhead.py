"""What an environment itself costs: turns a second with an instant agent and a tool that is a line.

    python benchmarks/environment_overhead.py

An episode is two calls of a tool that writes a text in capitals, each result asserted, and an
answer: three turns. Each peer's environment is a small one on its own interface, with its own
tool class, and plays in a process of its own on one core; texts that a peer parses by itself are
parsed, as our messages' arguments are validated. reasoning-gym has no environment of its own: the
row is GEM's wrapper of it, whose episodes are one turn of which drawing and scoring are most.
Rounds of all contenders take turns; ratios are medians over rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rollout_peer_scripts import Contender
from rollout_peers import Process
from sandbox_peer_tools import Peer, install

from reachgym.envs import Budget, ListTaskset, Message, Task, ToolCall, ToolEnv, tool
from reachgym.envs.suites.lookup import make_lookup

GOAL_TURNS_S = 5_000
TURNS = 3
EPISODES = 2_000

_GEM = """
import re
import gem
from gem.tools.base_tool import BaseTool
from gem.tools.tool_env_wrapper import ToolEnvWrapper
class Shout(BaseTool):
    tool_type = "shout"
    def instruction_string(self):
        return "Write <shout>a text</shout> to have it in capitals."
    def execute_action(self, action):
        match = re.search(r"<shout>(.*?)</shout>", action, re.DOTALL)
        if match is None:
            return False, True, "", ""
        return True, False, match[1].upper(), match[0]
class Sum(gem.Env):
    def reset(self, seed=None):
        super().reset(seed)
        return "Shout.", {}
    def step(self, action):
        return "", float(action == "GH"), True, False, {}
env = ToolEnvWrapper(Sum(), [Shout()])
def play(count):
    for _ in range(count):
        env.reset()
        for text, wanted in (("ef", "EF"), ("gh", "GH")):
            if env.step(f"<shout>{text}</shout>")[0] != wanted:
                raise RuntimeError("wrong result")
        if env.step("GH")[1] != 1.0:
            raise RuntimeError("not solved")
"""
_SKYRL = """
import re
from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput
from skyrl_gym.tools.core import ToolGroup, tool
class Shouting(ToolGroup):
    def __init__(self):
        super().__init__(name="Shouting")
    @tool
    def shout(self, text: str) -> str:
        return text.upper()
class Sum(BaseTextEnv):
    def __init__(self):
        super().__init__()
        self.init_tool_groups([Shouting()])
    def step(self, action):
        self.turns += 1
        match = re.search(r"<shout>(.*?)</shout>", action, re.DOTALL)
        if match is None:
            return BaseTextEnvStepOutput(
                observations=[], reward=float(action == "GH"), done=True, metadata={})
        said = self._execute_tool("Shouting", "shout", [match[1]])
        return BaseTextEnvStepOutput(
            observations=[{"role": "user", "content": said}], reward=0.0, done=False, metadata={})
def play(count):
    for _ in range(count):
        env = Sum()
        env.init([{"role": "user", "content": "Shout."}])
        for text, wanted in (("ef", "EF"), ("gh", "GH")):
            if env.step(f"<shout>{text}</shout>")["observations"][0]["content"] != wanted:
                raise RuntimeError("wrong result")
        if env.step("GH")["reward"] != 1.0:
            raise RuntimeError("not solved")
        env.close()
"""
_REASONING = """
from gem.envs.reasoning_gym import ReasoningGymEnv
env = ReasoningGymEnv("basic_arithmetic", size=500, seed=1)
def play(count):
    for _ in range(count):
        env.reset()
        env.step("\\\\boxed{0}")
"""
PEERS = (
    (Peer("GEM 0.1.0", ("gem-llm==0.1.0",), "none", _GEM), TURNS),
    (Peer("SkyRL-Gym 0.4.0", ("skyrl-gym==0.4.0",), "none", _SKYRL), TURNS),
    (Peer("GEM 0.1.0", ("gem-llm==0.1.0",), "none", _REASONING), 1),
)
NAMES = ("GEM 0.1.0, tool wrapper", "SkyRL-Gym 0.4.0, tool group", "GEM's wrapper of reasoning-gym")


@dataclass(slots=True)
class Row:
    """A line of the table; `play` takes a number of episodes and says how many seconds it took."""

    name: str
    turns: int
    episodes: int
    play: Callable[[int], float]
    per_s: list[float] = field(default_factory=list)


@tool
def shout(text: str) -> str:
    """Write a text in capitals.

    Args:
        text: What to write.
    """
    return text.upper()


def _call(name: str, argument: str, text: str) -> Message:
    return Message("assistant", tool_calls=(ToolCall("c", name, {argument: text}),))


def shouting(count: int) -> float:
    env = ToolEnv(ListTaskset([Task("t", "Shout.", "GH")]), tools=[shout], budget=Budget(turns=8))
    started_s = time.perf_counter()
    for _ in range(count):
        env.reset()
        for text, wanted in (("ef", "EF"), ("gh", "GH")):
            replies, *_ = env.step(_call("shout", "text", text))
            if replies[0].content != wanted:
                raise SystemExit(f"expected {wanted}, got {replies[0].content}")
        if env.step(Message("assistant", "GH"))[1] != 1.0:
            raise SystemExit("expected the answer to pass")
    return time.perf_counter() - started_s


def looking_up(count: int) -> float:
    """Two hops of the lookup family: a real search index, milestones and evidence."""
    env = make_lookup(2, text="terse")
    tasks = [env.taskset.task("train", index) for index in range(100)]
    started_s = time.perf_counter()
    for number in range(count):
        task = tasks[number % len(tasks)]
        env.reset(options={"task": task})
        relations, _, name = task.prompt[2:].partition("/")
        for relation in relations:
            replies, *_ = env.step(_call("search", "query", f"{name}/{relation}"))
            name = replies[0].content
        if env.step(Message("assistant", name))[1] != 1.0:
            raise SystemExit("expected the answer to pass")
    return time.perf_counter() - started_s


def peers(venvs: Path, stack: contextlib.ExitStack) -> list[Row]:
    rows = []
    for name, (peer, turns) in zip(NAMES, PEERS, strict=True):
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="peer-")))
        try:
            process = Process(Contender(peer, "none", EPISODES, 1.0), install(peer, venvs), folder)
        except (subprocess.CalledProcessError, ChildProcessError) as error:
            print(f"not here: {name}: {error}")
            continue
        stack.callback(process.end)
        rows.append(Row(name, turns, EPISODES if turns > 1 else EPISODES // 4, process.play))
    return rows


def main() -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--venvs", type=Path, default=cache / "reachgym" / "peers")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        rows = [
            Row("reachgym, a tool of one line", TURNS, EPISODES, shouting),
            Row("reachgym, Lookup-v0 of two hops", TURNS, EPISODES, looking_up),
            *peers(given.venvs, stack),
        ]
        for row in rows:
            row.play(10)
        for _ in range(given.rounds):
            for row in rows:
                row.per_s.append(row.turns * row.episodes / row.play(row.episodes))
    print(f"goal: {GOAL_TURNS_S:,} turns a second of one core, and ahead of each peer\n")
    print("| environment | turns/s (min to max) | first row against it |\n|---|---|---|")
    for row in rows:
        ratio = statistics.median(a / b for a, b in zip(rows[0].per_s, row.per_s, strict=True))
        spread = f"{min(row.per_s):,.0f} to {max(row.per_s):,.0f}"
        print(f"| {row.name} | {statistics.median(row.per_s):,.0f} ({spread}) | {ratio:.2f} |")


if __name__ == "__main__":
    main()
