"""Data sets by path, one module each; importing this registers their environments."""

from __future__ import annotations

import gymnasium

_ENTRY_POINTS = {
    "reachgym/GSM8K-v0": "reachgym.envs.datasets.mathematics:make_gsm8k",
    "reachgym/MATH-v0": "reachgym.envs.datasets.mathematics:make_math",
    "reachgym/HotpotQA-v0": "reachgym.envs.datasets.hotpotqa:make_hotpotqa",
    "reachgym/MBPP-v0": "reachgym.envs.datasets.programs:make_mbpp",
    "reachgym/HumanEval-v0": "reachgym.envs.datasets.programs:make_humaneval",
    "reachgym/APPS-v0": "reachgym.envs.datasets.programs:make_apps",
    "reachgym/Rows-v0": "reachgym.envs.datasets.trainer_rows:make_rows",
    "reachgym/ReasoningGym-v0": "reachgym.envs.datasets.reasoning_gym:make_reasoning_gym",
}

IDS = tuple(_ENTRY_POINTS)

for _id, _entry_point in _ENTRY_POINTS.items():
    gymnasium.register(_id, entry_point=_entry_point, order_enforce=False)
