"""The BlackBox family's tasks: hidden polynomials, and the prompts that ask for one value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count

from reachgym.envs.errors import TaskError
from reachgym.envs.seeding import derive_seed
from reachgym.envs.suites.interface import Text
from reachgym.envs.taskset import check_index, check_split, split_of
from reachgym.envs.types import Split, Task

# The smallest prime above 2**20, so that most values have the six digits of other families'.
PRIME = 2**20 + 7
# All below the prime: different inputs are different elements of the field.
INPUTS = range(10**6)
PROBES_PER_UNKNOWN = 2

# The inputs that a terse prompt suggests to probe are never asked for.
_ASKED = range(1000, len(INPUTS))
_TERMS = {"a": "a", "b": "b*x", "c": "c*x**2", "d": "d*x**3"}
_TERSE = re.compile(r"B:(?P<asked>\d+)/(?P<inputs>[\d,]+)")
_CHAT = re.compile(r"f\(x\) = (?P<formula>.*), modulo.*What is f\((?P<asked>\d+)\)", re.DOTALL)


class BlackBoxTaskset:
    """Hidden polynomials without end, each asked for at one input; a hash of that tells its split.

    At level k a polynomial has k coefficients, each uniform over the integers modulo `PRIME` and
    independent of all else. For any k different inputs, coefficients and outputs determine one
    another (interpolation); so k outputs are uniform over all k-tuples, and whoever knows fewer
    than k outputs at other inputs knows nothing of the one that is asked for (Shamir 1979, "How to
    share a secret"). Chance is `1 / PRIME`, after up to k - 1 probes as after none, for any policy.
    """

    def __init__(self, world_seed: int, level: int, text: Text = "chat") -> None:
        self.name = f"black_box-{level}"
        self._world_seed = world_seed
        self._level = level
        self._text = text

    def task(self, split: Split, index: int) -> Task:
        """The task at `index` of a split.

        Raises:
            TaskError: There is no such split or index.
        """
        check_index(self, split, index)
        place = (self.name, self._world_seed, split, int(index))
        inputs = (_ASKED[_below(len(_ASKED), *place, "asked", i)] for i in count())
        asked = next(x for x in inputs if split_of("black-box", x) == split)
        # The coefficients take no part in the choice of the split: they stay uniform in each.
        coefficients = [_below(PRIME, *place, "coefficient", i) for i in range(self._level)]
        return Task(
            id=f"{self.name}/{split}/{index}",
            prompt=prompt_for(self._level, asked, self._text),
            gold=str(value_at(coefficients, asked)),
            family=self.name,
            split=split,
            chance=1 / PRIME,
            metadata={
                "world_seed": self._world_seed,
                "asked": asked,
                "coefficients": list(coefficients),
            },
        )

    def size(self, split: Split) -> None:
        """None: a split does not end."""
        check_split(split)


def _below(bound: int, *place: str | int) -> int:
    """A number from 0 to `bound` - 1; uniform, as draws that do not fit are thrown away."""
    unused = 63 - bound.bit_length()
    draws = (derive_seed("black-box", *place, attempt) >> unused for attempt in count())
    return next(draw for draw in draws if draw < bound)


def value_at(coefficients: Sequence[int], x: int, prime: int = PRIME) -> int:
    """The polynomial with these coefficients, the constant one first, at `x` modulo a prime."""
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * x + coefficient) % prime
    return value


def prompt_for(level: int, asked: int, text: Text) -> str:
    """What the agent is told."""
    if text == "terse":
        # Inputs that are enough stand last, where the small model finds what it puts into a call.
        return f"B:{asked}/{','.join(map(str, range(level)))}"
    hidden = list(_TERMS)[:level]
    formula = " + ".join(_TERMS[name] for name in hidden)
    return (
        f"A black box computes f(x) = {formula}, modulo {PRIME}. Hidden from you: "
        f"{', '.join(hidden)}, each drawn uniformly from 0 to {PRIME - 1}.\n"
        f"The tool `probe` returns f(x) for a whole number x from 0 to {INPUTS[-1]}, but not for "
        f"x = {asked}. It can be used {PROBES_PER_UNKNOWN * level} times.\n"
        f"What is f({asked})? Answer with the number in digits and nothing else."
    )


def asked_in(prompt: str) -> tuple[int, int]:
    """The input asked for and the number of unknowns.

    Raises:
        TaskError: The prompt is no black box's.
    """
    if terse := _TERSE.match(prompt):
        return int(terse["asked"]), len(terse["inputs"].split(","))
    if chat := _CHAT.search(prompt):
        return int(chat["asked"]), len(chat["formula"].split(" + "))
    raise TaskError(f"expected a black box's prompt, got {prompt!r}")


def hidden_in(task: Task) -> tuple[int, list[int]]:
    """The input asked for, and the coefficients.

    Raises:
        TaskError: The task is no black box's.
    """
    asked, coefficients = task.metadata.get("asked"), task.metadata.get("coefficients")
    if not isinstance(asked, int) or not isinstance(coefficients, list):
        raise TaskError(
            f"task '{task.id}' is none of a black box: expected metadata 'asked' and "
            f"'coefficients', got {sorted(task.metadata)}; pose tasks of reachgym/BlackBox-v0"
        )
    return asked, [number for number in coefficients if isinstance(number, int)]
