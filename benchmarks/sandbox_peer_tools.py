"""The peers whose Python tools are compared: what is installed, and how each runs code."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DEADLINE_S = 5.0


@dataclass(frozen=True)
class Peer:
    """A package with a tool that runs Python.

    Attributes:
        name: As it calls itself, with its version.
        packages: What is installed, with all they ask for.
        isolation: What it uses, as its source says.
        make: Python that defines `run(code)` in the peer's own terms.
        without: Installed before, without what it asks for.
        deadline_s: Its own deadline for one call.
    """

    name: str
    packages: tuple[str, ...]
    isolation: str
    make: str
    without: tuple[str, ...] = ()
    deadline_s: float = DEADLINE_S


PEERS = (
    Peer(
        "SkyRL-Gym 0.4.0",
        ("skyrl-gym==0.4.0",),
        "none: a child process",
        "import skyrl_gym.tools.python as tool\n"
        f"tools = tool.PythonCodeExecutorToolGroup(timeout={DEADLINE_S})\n"
        "run = tools.get_tool('python')\n",
    ),
    Peer(
        "GEM 0.1.0",
        ("gem-llm==0.1.0",),
        "none, by default: a child process, some words refused",
        "from gem.tools.python_code_tool import PythonCodeTool\n"
        f"tool = PythonCodeTool(timeout={DEADLINE_S})\n"
        "def run(code): return tool.execute_action(f'<python>{code}</python>')[2]\n",
    ),
    Peer(
        "Inspect 0.3.285, local",
        ("inspect-ai==0.3.285",),
        "none: a child process, in a temporary folder",
        "import asyncio\n"
        "from inspect_ai.util._sandbox.local import LocalSandboxEnvironment\n"
        "loop, local = asyncio.new_event_loop(), LocalSandboxEnvironment()\n"
        "def run(code):\n"
        f"    call = local.exec(['python3', '-c', code], timeout={DEADLINE_S:.0f})\n"
        "    result = loop.run_until_complete(call)\n"
        "    return result.stdout + result.stderr\n",
    ),
    Peer(
        "OpenEnv 0.3.0, smolagents 1.26.0",
        ("smolagents==1.26.0", "fastapi", "fastmcp", "requests", "uvicorn", "websockets"),
        "none: interprets a part of Python in the tool's own process, few imports",
        "from openenv.core.tools.local_python_executor import PyExecutor\n"
        "tool = PyExecutor()\n"
        "def run(code):\n"
        "    result = tool.run(code)\n"
        "    return result.stdout + result.stderr\n",
        without=("openenv-core==0.3.0",),
        # Its tool passes no deadline on, so that of smolagents holds.
        deadline_s=30.0,
    ),
)


def install(peer: Peer, venvs: Path) -> Path:
    """The peer's own virtual environment, of an interpreter that an unprivileged user may run."""
    folder = venvs / peer.name.replace(",", "").replace(" ", "-").lower()
    if folder.exists():
        return folder
    interpreter = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    if interpreter is None:
        raise SystemExit("expected a system-wide Python of this version, for an unprivileged user")
    venvs.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run([interpreter, "-m", "venv", "--without-pip", str(folder)], check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install"]
        if peer.without:
            subprocess.run([*pip, "--quiet", "--no-deps", *peer.without], check=True)
        subprocess.run([*pip, "--quiet", *peer.packages], check=True)
    except BaseException:
        # Half an environment must not be taken for a whole one the next time.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder
