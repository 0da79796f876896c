"""What every part of `results.json` is made of: records, intervals, and the words in them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

LabelName: TypeAlias = Literal["in_reach", "out_of_reach", "undecided"]
ChangeName: TypeAlias = Literal["created", "elicited", "kept", "lost", "unreached", "undecided"]
VerdictName: TypeAlias = Literal["creation", "elicitation", "shrinkage", "inconclusive"]


class Record(BaseModel):
    """A row of the results; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(Record):
    """A point estimate with its interval; `n` says on how many draws or tasks it stands."""

    estimate: float
    low: float = Field(description="lower end")
    high: float = Field(description="upper end")
    n: int = Field(description="draws of a probability, else tasks or, over all families, families")
