"""The peers whose python-tool episodes are timed: what is installed, and how each plays them.

Every script defines `play(count)`, which plays so many episodes, at most `FLIGHT` of them at a
time, in the peer's own terms, and raises where a tool's output is not what its code prints: a tool
that fails and is scored all the same must not count. None has a model in it; the turns are fixed.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox_peer_tools import Peer

# Episodes under way at once, with every contender.
FLIGHT = 4
_TURNS = f"""
FLIGHT = {FLIGHT}
CODES = ["print(6 * 7)", "print(sum(range(10)))"]
PRINTED = ["42", "45"]
ANSWER = "45"
def held(printed, wanted):
    if printed != wanted:
        raise RuntimeError(f"expected {{wanted}} from the tool, got {{printed!r}}")
"""
_GEM = """
import gem
from gem.tools.python_code_tool import PythonCodeTool
from gem.tools.tool_env_wrapper import ToolEnvWrapper
class Sum(gem.Env):
    def __init__(self, **kwargs):
        super().__init__()
    def reset(self, seed=None):
        return "What is the sum?", {{}}
    def step(self, action):
        return "", float(action == ANSWER), True, False, {{}}
gem.register("bench/Sum", Sum)
wrap = lambda env: ToolEnvWrapper(env, [PythonCodeTool(sandbox_type="{sandbox}")])
envs = gem.make_vec(["bench/Sum"] * FLIGHT, wrappers=[wrap], async_mode=True)
def play(count):
    for _ in range(0, count, FLIGHT):
        envs.reset()
        for code, wanted in zip(CODES, PRINTED):
            seen = envs.step([f"<python>{{code}}</python>"] * FLIGHT)[0]
            for text in seen:
                held(text, "Code execution result: " + wanted + "\\n\\n")
        assert all(envs.step([ANSWER] * FLIGHT)[1])
"""
_SKYRL = """
from concurrent.futures import ThreadPoolExecutor
from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput
from skyrl_gym.tools import PythonCodeExecutorToolGroup
class Sum(BaseTextEnv):
    def __init__(self):
        super().__init__()
        self.init_tool_groups([PythonCodeExecutorToolGroup()])
    def step(self, action):
        self.turns += 1
        if not action.startswith("<python>"):
            return BaseTextEnvStepOutput(
                observations=[], reward=float(action == ANSWER), done=True, metadata={})
        code = action.removeprefix("<python>").removesuffix("</python>")
        text = self._execute_tool("PythonCodeExecutorToolGroup", "python", [code])
        return BaseTextEnvStepOutput(
            observations=[{"role": "user", "content": text}], reward=0.0, done=False, metadata={})
def episode(_):
    env = Sum()
    env.init([{"role": "user", "content": "What is the sum?"}])
    for code, wanted in zip(CODES, PRINTED):
        held(env.step(f"<python>{code}</python>")["observations"][0]["content"], wanted)
    assert env.step(ANSWER)["reward"] == 1.0
    env.close()
pool = ThreadPoolExecutor(FLIGHT)
def play(count):
    list(pool.map(episode, range(count)))
"""
_OPENENV_SERVER = """
import sys, uvicorn
from openenv.core.env_server.http_server import create_fastapi_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, Observation, State
from openenv.core.tools.local_python_executor import PyExecutor
class Turn(Action):
    code: str = ""
    answer: str = ""
class Seen(Observation):
    stdout: str = ""
class Sum(Environment):
    SUPPORTS_CONCURRENT_SESSIONS = True
    def reset(self, seed=None, episode_id=None, **kwargs):
        self.tool = PyExecutor()
        return Seen(stdout="What is the sum?")
    def step(self, action, timeout_s=None, **kwargs):
        if action.answer:
            return Seen(done=True, reward=float(action.answer == "45"))
        return Seen(stdout=self.tool.run(action.code).stdout)
    @property
    def state(self):
        return State()
app = create_fastapi_app(Sum, Turn, Seen, max_concurrent_envs=int(sys.argv[2]))
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""
_OPENENV = f"""
import asyncio, atexit, socket, subprocess, sys, time
from openenv.core.generic_client import GenericEnvClient
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
source = {_OPENENV_SERVER!r}
server = subprocess.Popen([sys.executable, "-c", source, str(port), str(FLIGHT)])
atexit.register(server.kill)
while True:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        break
    except OSError:
        if server.poll() is not None:
            raise
        time.sleep(0.05)
async def session(count):
    async with GenericEnvClient(base_url=f"http://127.0.0.1:{{port}}") as env:
        for _ in range(count):
            await env.reset()
            for code, wanted in zip(CODES, PRINTED):
                held((await env.step({{"code": code}})).observation["stdout"], wanted + "\\n")
            assert (await env.step({{"answer": ANSWER}})).reward == 1.0
async def sessions(count):
    await asyncio.gather(*(session(count // FLIGHT) for _ in range(FLIGHT)))
def play(count):
    asyncio.run(sessions(count))
"""
_INSPECT = """
import tempfile
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import exact
from inspect_ai.solver import generate, use_tools
from inspect_ai.tool import python
logs = tempfile.TemporaryDirectory()
def turn(messages, tools, choice, config):
    done = sum(message.role == "assistant" for message in messages)
    if done == len(CODES):
        said = ModelOutput.from_content("mockllm", ANSWER)
    else:
        said = ModelOutput.for_tool_call("mockllm", "python", {"code": CODES[done]})
    # Else it counts tokens, with a vocabulary that it downloads.
    said.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return said
def play(count):
    task = Task(
        dataset=[Sample(input="What is the sum?", target=ANSWER) for _ in range(count)],
        solver=[use_tools(python()), generate()], scorer=exact(), sandbox="local")
    model = get_model("mockllm/model", custom_outputs=turn, memoize=False)
    log = eval(task, model=model, display="none", log_dir=logs.name,
               max_samples=FLIGHT, max_subprocesses=FLIGHT)[0]
    assert log.status == "success" and len(log.samples) == count, log.error
    for sample in log.samples:
        printed = [m.text for m in sample.messages if m.role == "tool"]
        assert len(printed) == len(PRINTED)
        for text, wanted in zip(printed, PRINTED):
            held(text, wanted + "\\n")
        assert sample.scores["exact"].value == "C"
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """A peer, and how its episodes are played.

    Attributes:
        peer: What is installed; its `make` defines `play(count)`.
        concurrency: What plays several episodes at once.
        episodes: How many of them one round takes; a multiple of `FLIGHT`.
        goal: How many times as fast this project is to be.
        bwrap: Whether its tool starts Bubblewrap.
    """

    peer: Peer
    concurrency: str
    episodes: int
    goal: float
    bwrap: bool = False


def _gem(name: str, isolation: str, sandbox: str) -> Peer:
    return Peer(name, ("gem-llm==0.1.0",), isolation, _TURNS + _GEM.format(sandbox=sandbox))


CONTENDERS = (
    Contender(
        _gem("GEM 0.1.0", "none: a child process, some words refused", "none"),
        "its AsyncVectorEnv: threads",
        40,
        4.0,
    ),
    Contender(
        _gem("GEM 0.1.0, bwrap", "Bubblewrap: namespaces, no limits, no seccomp", "bwrap"),
        "its AsyncVectorEnv: threads",
        40,
        4.0,
        bwrap=True,
    ),
    Contender(
        Peer("SkyRL-Gym 0.4.0", ("skyrl-gym==0.4.0",), "none: a child process", _TURNS + _SKYRL),
        "threads",
        40,
        4.0,
    ),
    Contender(
        Peer(
            "OpenEnv 0.3.0",
            ("openenv-core==0.3.0", "smolagents==1.26.0"),
            "none: interprets a part of Python in the server's process",
            _TURNS + _OPENENV,
        ),
        "one WebSocket session each",
        80,
        4.0,
    ),
    Contender(
        Peer(
            "Inspect 0.3.285",
            ("inspect-ai==0.3.285",),
            "none (`local`): a child process in a temporary folder",
            _TURNS + _INSPECT,
        ),
        "max_samples",
        8,
        50.0,
    ),
)
