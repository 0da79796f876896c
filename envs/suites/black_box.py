"""BlackBox: probe a hidden polynomial over a prime field, then predict its value elsewhere."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from math import comb, factorial

from reachgym.envs.errors import ToolError
from reachgym.envs.milestones import Milestone, no_milestones
from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.suites.black_box_tasks import (
    INPUTS,
    PRIME,
    PROBES_PER_UNKNOWN,
    BlackBoxTaskset,
    asked_in,
    hidden_in,
    value_at,
)
from reachgym.envs.suites.family import FamilyInfo
from reachgym.envs.suites.interface import (
    parse_interface,
    require_in_range,
    require_seed,
    require_text,
)
from reachgym.envs.suites.oracle import answer, call_tool, prompt_of, tool_outputs
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.arguments import quote
from reachgym.envs.tools.base import WorkspaceTool, tool
from reachgym.envs.tools.python import python_tool
from reachgym.envs.types import JSON, Budget, Message, Task, Verdict
from reachgym.envs.verifier import Attempt
from reachgym.envs.workspace import Workspace

DIFFICULTIES = range(1, 5)

_BUDGET = Budget(turns=16)
_NUMBER = re.compile(r"[0-9]{1,6}")


@tool
def probe(workspace: Workspace, x: str) -> str:
    """Probe the black box. You get its output for one input.

    Args:
        x: The input, a whole number in digits, such as "17".
    """
    asked, coefficients = hidden_in(workspace.task)
    probed = _probed(workspace)
    if _NUMBER.fullmatch(x.strip()) is None:
        raise ToolError(f"expected a whole number from 0 to {INPUTS[-1]}, got {quote(x)}")
    number = int(x)
    if number == asked:
        raise ToolError(f"{asked} may not be probed, it is asked for; probe other inputs")
    limit = PROBES_PER_UNKNOWN * len(coefficients)
    if len(probed) >= limit:
        raise ToolError(f"no probe is left, all {limit} are used; answer from what they returned")
    workspace.state["probed"] = [*probed, number]
    return str(value_at(coefficients, number))


def _probed(workspace: Workspace) -> list[JSON]:
    """The inputs whose outputs were given, in order, repeated ones included."""
    probed = workspace.state.get("probed", [])
    return probed if isinstance(probed, list) else []


_TOOLS: Mapping[str, WorkspaceTool] = {"probe": probe, "python": python_tool}
TOOLS = tuple(_TOOLS)


def judge_probed(attempt: Attempt) -> Verdict:
    """Passed when the answer is right and probes of this episode determine it.

    A right answer after fewer different inputs than the function has unknowns, or after probes of
    another task's function, is a guess, with reward 0.
    """
    verdict = judge_answer(attempt)
    if not verdict.passed:
        return verdict
    answered, needed = _answered(attempt), len(hidden_in(attempt.task)[1])
    if answered >= needed:
        return verdict
    return Verdict(
        0.0,
        False,
        f"{attempt.task.gold} is right, but it takes the outputs of {needed} different inputs to "
        f"know it and {answered} were probed of this task's function: a guess.",
        guess=True,
    )


def judge_answer(attempt: Attempt) -> Verdict:
    """Passed when the answer is the value asked for; for agents that are offered no probe."""
    gold = attempt.task.gold
    if attempt.answer is None:
        return Verdict(0.0, False, f"No answer before the budget ended; {gold} was asked for.")
    if attempt.answer.strip() != gold:
        return Verdict(0.0, False, f"The answer is {quote(attempt.answer)}; {gold} was asked for.")
    return Verdict(1.0, True, f"{gold} is right.")


def milestones(task: Task) -> Sequence[Milestone]:
    """One for every unknown: that many different inputs were probed."""
    return [
        Milestone(f"output {number} of {len(unknowns)} known", partial(_has_answered, number))
        for unknowns in [hidden_in(task)[1]]
        for number in range(1, len(unknowns) + 1)
    ]


def _has_answered(number: int, attempt: Attempt) -> bool:
    return _answered(attempt) >= number


def _answered(attempt: Attempt) -> int:
    """How many different inputs of the task's own function were probed."""
    if attempt.workspace.information != "full":
        return 0
    return len({x for x in _probed(attempt.workspace) if isinstance(x, int)})


def make_black_box(
    difficulty: int = 2,
    world_seed: int = 0,
    text: str = "chat",
    interface: Mapping[str, JSON] | None = None,
    sandbox: Mapping[str, JSON] | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment of `reachgym/BlackBox-v0`.

    Args:
        difficulty: Unknowns of the function, 1 to 4.
        world_seed: Which functions are hidden.
        text: `"chat"`, sentences for chat models, or `"terse"`, the small world's few characters.
        interface: Tools and information, by default probe and python with full information.
        sandbox: Where code is run, as `parse_sandbox` reads it.
        render_mode: As Gymnasium has it; `"ansi"` or None.

    Raises:
        ConfigError: An argument is out of range.
    """
    require_in_range("difficulty", difficulty, DIFFICULTIES[0], DIFFICULTIES[-1])
    require_seed(world_seed)
    form = require_text(text)
    offered = parse_interface(interface, known=TOOLS, default=TOOLS)
    probed = "probe" in offered.tools
    return ToolEnv(
        BlackBoxTaskset(world_seed, difficulty, form),
        tools=offered.chosen(_TOOLS),
        verifier=judge_probed if probed else judge_answer,
        information=offered.information,
        milestones=milestones if probed else no_milestones,
        budget=_BUDGET,
        sandbox=sandbox_for(sandbox),
        render_mode=render_mode,
    )


def oracle(messages: Sequence[Message]) -> Message:
    """The next turn of an agent that probes 0, 1, ... and has Python extrapolate.

    Where Python is not offered it extrapolates in its head. One unknown is the output itself.
    """
    asked, level = asked_in(prompt_of(messages))
    outputs = tool_outputs(messages)
    if len(outputs) < level:
        return call_tool(messages, "probe", {"x": str(len(outputs))})
    values, computed = outputs[:level], outputs[level:]
    if level == 1 or not all(value.isdecimal() for value in values):
        return answer(values[0])
    differences = _differences([int(value) for value in values])
    if not computed:
        return call_tool(messages, "python", {"code": _extrapolation(differences, asked)})
    if computed[0].isdecimal():
        return answer(computed[0])
    return answer(str(sum(d * comb(asked, i) for i, d in enumerate(differences)) % PRIME))


def _differences(values: list[int]) -> list[int]:
    """The forward differences at 0 of values at 0, 1, ...; as many as there are values."""
    differences = []
    while values:
        differences.append(values[0])
        values = [after - before for before, after in pairwise(values)]
    return differences


def _extrapolation(differences: Sequence[int], x: int) -> str:
    """Python for Newton's forward formula at `x`; every division in it leaves no remainder."""
    terms = []
    for degree, difference in enumerate(differences):
        factors = [f"{difference:+d}", *(str(x - i) for i in range(degree))]
        terms.append("*".join(factors) + (f"//{factorial(degree)}" if degree > 1 else ""))
    return f"({''.join(terms).removeprefix('+')})%{PRIME}"


def guess(prompt: str, rng: random.Random) -> str:
    """A uniform draw from all values."""
    del prompt
    return str(rng.randrange(PRIME))


FAMILY = FamilyInfo(
    id="reachgym/BlackBox-v0",
    name="black_box",
    description="Probe a hidden function, then predict its output where it cannot be probed.",
    levels={
        1: "a constant: one probe is necessary",
        2: "a line: two probes",
        3: "a quadratic: three probes",
        4: "a cubic: four probes",
    },
    tools=TOOLS,
    oracle=oracle,
    guess=guess,
    about=(
        f"A polynomial modulo the prime {PRIME} is hidden behind a tool that gives its value at "
        "any input but the one that is asked for. At level k it has k unknown coefficients and may "
        f"be probed {PROBES_PER_UNKNOWN}k times, so the level is the number of probes that are "
        "necessary. At level 1 every output is the answer, which a model that only copies can "
        "find; from level 2 on, the outputs must be combined, for which Python is offered.\n\n"
        "**Chance.** Coefficients are uniform, and any k inputs' outputs and the coefficients "
        "determine one another. So given fewer than k outputs, the one asked for is still uniform "
        f"over all {PRIME} values, more than 20 bits: this is Shamir's secret sharing. It holds "
        "for any policy, whatever it has seen of other tasks.\n\n"
        "**Splits and worlds.** A hash of the input asked for says whose split it is, in every "
        "world; the splits do not end. The function takes no part in that, or knowing the split "
        "would tell of it. Another world seed hides other functions.\n\n"
        "**Evidence.** As many different inputs as there are unknowns must have been probed in the "
        "episode; a right answer without that counts as a guess, with reward 0.\n\n"
        "**Milestones.** One for every unknown: the output of one more different input is known. "
        "By the argument above, each is necessary."
    ),
)
