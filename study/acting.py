"""From an agent's configuration, or its name on the command line, to what workers build it with."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reachgym.agents.endpoint.agent import EndpointFactory
from reachgym.agents.endpoint.dialects import Server
from reachgym.agents.endpoint.settings import EndpointSettings
from reachgym.agents.protocol import Agent
from reachgym.agents.scripted import oracle_agent, random_agent
from reachgym.envs.errors import ConfigError
from reachgym.envs.types import JSON
from reachgym.study.config.bench import (
    AgentConfig,
    CheckpointConfig,
    CustomConfig,
    DecodingConfig,
    EndpointConfig,
    OracleConfig,
    RandomConfig,
)
from reachgym.study.policies import DTYPES, CheckpointFactory

if TYPE_CHECKING:
    from reachgym.agents.sampling import Decoding

_CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class NamedAgent:
    """An agent as the command line names it.

    Attributes:
        name: `oracle`, `random`, a checkpoint's folder, `module:Class`, or with an endpoint a
            model's name there.
        endpoint: Where models answer; None if none is asked.
        server: What answers there.
        api_key_env: The environment variable that holds the endpoint's key.
        dtype: Of a checkpoint's weights.
    """

    name: str
    endpoint: str | None
    server: str
    api_key_env: str
    dtype: str

    def content(self) -> dict[str, JSON]:
        """The same as a configuration would say it.

        Raises:
            ConfigError: There is no such server, or no such type of weights.
        """
        _check("--server", self.server, tuple(Server))
        _check("--dtype", self.dtype, DTYPES)
        if self.name in ("oracle", "random"):
            return {"kind": self.name}
        is_folder = Path(self.name).is_dir()
        if self.endpoint is not None and not is_folder:
            return {
                "kind": "endpoint",
                "url": self.endpoint,
                "model": self.name,
                "server": self.server,
                "api_key_env": self.api_key_env,
            }
        if not is_folder and _CLASS.fullmatch(self.name):
            return {"kind": "custom", "path": self.name}
        return {"kind": "checkpoint", "path": self.name, "dtype": self.dtype}


@dataclass(frozen=True, slots=True)
class CustomFactory:
    """Builds an agent of the user's own class, in the worker's process.

    Attributes:
        path: `module:Class`.
        args: Keyword arguments of the class.
        folder: Where modules are looked for besides: the folder of whoever started the run.
    """

    path: str
    args: dict[str, JSON]
    folder: str

    def __call__(self) -> Agent:
        """Import the class and make one.

        Raises:
            ConfigError: There is no such class, see `found`, or it could not be made.
        """
        found = self.found()
        try:
            agent: Agent = found(**self.args)
        # The class is the user's: it may raise whatever it likes.
        except Exception as error:
            raise ConfigError(
                f"the agent {self.path} could not be made with the arguments {self.args} "
                f"({type(error).__name__}: {error}); mend it, or give others under `args`"
            ) from error
        return agent

    def found(self) -> Callable[..., Any]:
        """The class.

        Raises:
            ConfigError: There is none, it has no `act`, or it does not take these arguments.
        """
        module_name, _, name = self.path.partition(":")
        if self.folder not in sys.path:
            sys.path.insert(0, self.folder)
        try:
            module = importlib.import_module(module_name)
        # The module is the user's: it may raise whatever it likes.
        except Exception as error:
            raise ConfigError(
                f"the agent {self.path} could not be imported ({type(error).__name__}: {error}); "
                "mend it, run from the folder that holds it, install it, or send it to workers as "
                "their working_dir"
            ) from error
        found = vars(module).get(name)
        if not isinstance(found, type) or not hasattr(found, "act"):
            raise ConfigError(
                f"expected a class {name} with a method `act` in {module_name}, got "
                f"{found!r}; see `reachgym.agents.protocol.Agent`"
            )
        try:
            inspect.signature(found).bind(**self.args)
        except TypeError as error:
            raise ConfigError(
                f"{self.path} cannot be made of the arguments {self.args} ({error}); give others "
                "under `args`"
            ) from None
        return found


def factory_of(agent: AgentConfig, env_id: str, slots: int, gpus: float) -> Callable[[], Agent]:
    """What every worker calls to build the agent.

    Args:
        agent: Who is to act.
        env_id: Where; oracles and guessers are an environment's own.
        slots: Episodes in flight in a worker.
        gpus: GPUs of a worker; a checkpoint is on one if there is any.

    Raises:
        InputError: There is no such oracle, guesser or class, or an endpoint cannot be asked so.
    """
    match agent:
        case OracleConfig():
            oracle_agent(env_id)
            return partial(oracle_agent, env_id)
        case RandomConfig():
            random_agent(env_id)
            return partial(random_agent, env_id)
        case CheckpointConfig():
            return CheckpointFactory(
                agent.path.resolve(),
                slots,
                "cuda" if gpus else "cpu",
                agent.dtype,
                agent.decoding.temperature,
                agent.decoding.top_p,
                agent.decoding.top_k,
            )
        case EndpointConfig():
            return EndpointFactory(_settings(agent, slots))
        case CustomConfig():
            factory = CustomFactory(agent.path, agent.args, str(Path.cwd()))
            factory.found()
            return factory


def is_of_one_environment(agent: AgentConfig) -> bool:
    """Whether an agent can act in one environment only, and is made for each."""
    return isinstance(agent, OracleConfig | RandomConfig)


def _check(flag: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise ConfigError(f"{flag} expects one of {', '.join(known)}; got '{given}'")


def _settings(agent: EndpointConfig, slots: int) -> EndpointSettings:
    return EndpointSettings(
        agent.url,
        agent.model,
        agent.server,
        api_key_env=agent.api_key_env,
        decoding=_decoding(agent.decoding),
        concurrency=slots,
    )


def _decoding(config: DecodingConfig | None) -> Decoding | None:
    if config is None:
        return None
    from reachgym.agents.sampling import Decoding

    return Decoding(config.temperature, config.top_p, config.top_k)
