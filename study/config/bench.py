"""The configuration of a bench: agents, environments and budgets, validated, from YAML or TOML."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from reachgym.agents.endpoint.dialects import Server
from reachgym.envs.registration import EnvRef
from reachgym.envs.types import Split
from reachgym.study.config.section import Section
from reachgym.study.config.study import BudgetConfig

_CLASS = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"


class PriceConfig(Section):
    """What a million tokens cost, in whatever currency; a cost is given where there is a price."""

    input: float = Field(ge=0, description="of a million tokens sent, history included")
    output: float = Field(ge=0, description="of a million tokens sampled")


class AgentSection(Section):
    """What every agent may be given."""

    price: PriceConfig | None = None


class OracleConfig(AgentSection):
    """The environment's own solution."""

    kind: Literal["oracle"]


class RandomConfig(AgentSection):
    """A guess from the form of the prompt, at once."""

    kind: Literal["random"]


class DecodingConfig(Section):
    """The distribution that turns are sampled from."""

    temperature: float = Field(1.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int | None = Field(None, gt=0)


class CheckpointConfig(AgentSection):
    """A causal language model in a folder, in the workers themselves."""

    kind: Literal["checkpoint"]
    path: Path
    dtype: Literal["float32", "bfloat16"] = "float32"
    decoding: DecodingConfig = DecodingConfig()

    @field_validator("path")
    @classmethod
    def _is_there(cls, path: Path) -> Path:
        if not (path / "config.json").is_file():
            raise ValueError(
                f"{path} has no config.json, so is no checkpoint; run `make quickstart` first if "
                "it is the quickstart's, or give another folder"
            )
        return path


class EndpointConfig(AgentSection):
    """A model behind an OpenAI-compatible server."""

    kind: Literal["endpoint"]
    url: str = Field(description="what /chat/completions is put behind")
    model: str
    server: Server = Server.OTHER
    api_key_env: str = Field("OPENAI_API_KEY", description="the variable that holds the key")
    decoding: DecodingConfig | None = Field(None, description="null is the server's own default")


class CustomConfig(AgentSection):
    """A class of one's own with `act`; see `reachgym.agents.protocol.Agent`."""

    kind: Literal["custom"]
    path: str = Field(pattern=_CLASS, description="module:Class")
    args: dict[str, JsonValue] = Field({}, description="keyword arguments of the class")


AgentConfig = Annotated[
    OracleConfig | RandomConfig | CheckpointConfig | EndpointConfig | CustomConfig,
    Field(discriminator="kind"),
]


class OneAgent(Section):
    """An agent alone."""

    agent: AgentConfig


class BenchBudget(BudgetConfig):
    """What an attempt may spend of each; null is unlimited."""

    turns: int | None = Field(None, gt=0)
    action_tokens: int | None = Field(None, gt=0)
    context_tokens: int | None = Field(None, gt=0)
    tool_calls: int | None = Field(None, ge=0)
    wall_s: float | None = Field(None, gt=0)


class EnvironmentConfig(Section):
    """An environment, and how it is asked; null is as the bench says."""

    env: str
    kwargs: dict[str, JsonValue] = Field({})
    tasks: int | None = Field(None, gt=0)
    split: Split | None = None
    budgets: dict[str, BenchBudget] | None = None

    def ref(self) -> EnvRef:
        """The environment as workers make it."""
        return EnvRef(self.env, self.kwargs)


class BenchResources(Section):
    """Where it runs, and what each worker gets."""

    address: str | None = Field(None, description="a Ray cluster; null starts Ray here")
    workers: int = Field(1, gt=0)
    slots: int = Field(64, gt=0, description="episodes in flight per worker")
    worker_gpus: float = Field(0.0, ge=0)
    worker_resources: dict[str, float] = Field({}, description="what else each needs of Ray")
    working_dir: Path | None = Field(None, description="what every worker can import from")


class BenchConfig(Section):
    """A whole bench: every agent at every task of every environment, within every budget."""

    title: str = "Bench"
    seed: int = Field(0, description="which attempts are made; equal for all agents")
    split: Split = "held_out"
    tasks: int = Field(32, gt=0, description="tasks of an environment")
    attempts: int = Field(1, gt=0, description="attempts of an agent at a task")
    alpha: float = Field(0.05, gt=0, lt=1, description="error of intervals and of comparisons")
    agents: dict[str, AgentConfig] = Field(min_length=1)
    environments: dict[str, EnvironmentConfig] = Field(min_length=1)
    budgets: dict[str, BenchBudget] = Field(
        {}, description="what an attempt may spend; none is the environment's own budget"
    )
    resources: BenchResources = BenchResources()

    @model_validator(mode="after")
    def _named(self) -> Self:
        named: dict[str, Iterable[str]] = {
            "agents": self.agents,
            "environments": self.environments,
            "budgets": self.budgets,
        }
        for key, asked in self.environments.items():
            named[f"environments.{key}.budgets"] = asked.budgets or {}
        for kind, names in named.items():
            for name in names:
                if not name.strip() or not name.isprintable():
                    raise ValueError(f"{kind}: expected names that can be printed, got {name!r}")
        return self
