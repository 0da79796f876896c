"""How a study measures: sample budgets, draws, margins, and what it looks at besides."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reachgym.study.config.section import Section


class GateConfig(Section):
    """What every base must show on validation tasks: a success rate within [low, high]."""

    family: str
    interface: str
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    tasks: int = Field(32, gt=0)
    attempts: int = Field(32, gt=0)


class VariantConfig(Section):
    """Another way to let a policy act: what the base gets to show all that it can."""

    temperature: float = Field(1.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int | None = Field(None, gt=0)
    constrained: bool = Field(False, description="turns must be well-formed calls or answers")
    few_shot: list[str] = Field(
        [], description="families of which one solved training task each is shown beforehand"
    )


class EvaluationConfig(Section):
    """A further look at policies, by fixed draws at the held-out tasks."""

    label: str
    description: str
    of: Literal["base", "arms", "all"]
    interface: str
    attempts: int = Field(gt=0, description="attempts per held-out task")
    world_seed: int | None = Field(None, description="another world; null is the study's own")
    variant: VariantConfig = VariantConfig()


class DifferenceConfig(Section):
    """The created share of one arm less another's."""

    kind: Literal["difference"]
    label: str
    arm: str
    control: str

    def policies(self) -> tuple[str, ...]:
        """The arms in it."""
        return self.arm, self.control


class InteractionConfig(Section):
    """What tools and information create together beyond what each does alone, as four arms."""

    kind: Literal["interaction"]
    label: str
    both: str
    tools: str
    information: str
    neither: str

    def policies(self) -> tuple[str, ...]:
        """The arms in it."""
        return self.both, self.tools, self.information, self.neither


ContrastConfig = Annotated[DifferenceConfig | InteractionConfig, Field(discriminator="kind")]


class MeasurementConfig(Section):
    """How accessible support is measured on held-out tasks."""

    sample_budgets: list[Annotated[int, Field(gt=0)]] = Field([1, 16, 64, 256])
    headline: int = 64
    tasks: int = Field(12, gt=0, description="held-out tasks per family")
    interface: str = Field("tools", description="where base and arms are compared")
    bare_interface: str = Field("no_tools", description="the second reference: the base without")
    first_draws: int = Field(
        96, gt=0, description="attempts per task that estimates rest on; labels may need more"
    )
    scored_draws: int = Field(
        0,
        ge=0,
        description="of these, how many are scored under every policy; 0 leaves scoring out",
    )
    alpha: float = Field(0.05, gt=0, lt=0.5)
    minimum_share: float = Field(0.1, gt=0, lt=1, description="created share that counts")
    equivalence: float = Field(0.1, gt=0, lt=1, description="delta of the TOST on pass@B")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.headline not in self.sample_budgets:
            raise ValueError(f"headline {self.headline} is not one of sample_budgets")
        if self.first_draws < self.headline:
            raise ValueError(
                f"first_draws must be at least the headline budget of {self.headline}, or "
                f"pass@{self.headline} has no estimate"
            )
        if self.scored_draws > self.first_draws:
            raise ValueError(f"scored_draws must be at most first_draws, {self.first_draws}")
        if self.minimum_share < self.alpha:
            raise ValueError(
                f"minimum_share must be at least alpha ({self.alpha}): up to that share of labels "
                "may be wrong"
            )
        return self
