"""Environment families, one module each; importing this registers them with Gymnasium."""

from __future__ import annotations

import importlib

import gymnasium

from reachgym.envs.errors import ConfigError
from reachgym.envs.suites.family import FamilyInfo

_ENTRY_POINTS = {
    "reachgym/Lookup-v0": "reachgym.envs.suites.lookup:make_lookup",
    "reachgym/Arithmetic-v0": "reachgym.envs.suites.arithmetic:make_arithmetic",
    "reachgym/Compose-v0": "reachgym.envs.suites.compose:make_compose",
    "reachgym/DataAnalysis-v0": "reachgym.envs.suites.data_analysis.environment:make_data_analysis",
    "reachgym/CodeSynthesis-v0": "reachgym.envs.suites.code_synthesis:make_code_synthesis",
    "reachgym/BlackBox-v0": "reachgym.envs.suites.black_box:make_black_box",
    "reachgym/CodeRepair-v0": "reachgym.envs.suites.code_repair.environment:make_code_repair",
    "reachgym/ApiQuest-v0": "reachgym.envs.suites.api_quest.environment:make_api_quest",
}

for _id, _entry_point in _ENTRY_POINTS.items():
    gymnasium.register(_id, entry_point=_entry_point, order_enforce=False)


def families() -> tuple[FamilyInfo, ...]:
    """The families that come with reachgym."""
    return tuple(_family(entry_point) for entry_point in _ENTRY_POINTS.values())


def family_of(env_id: str) -> FamilyInfo:
    """The family with a Gymnasium id.

    Raises:
        ConfigError: No family has it.
    """
    _, _, plain_id = env_id.rpartition(":")
    if plain_id in _ENTRY_POINTS:
        return _family(_ENTRY_POINTS[plain_id])
    known = ", ".join(_ENTRY_POINTS)
    raise ConfigError(
        f"scripted agents know {known}, and what was registered with an oracle; got '{env_id}'"
    )


def _family(entry_point: str) -> FamilyInfo:
    # Here and not above: registering must not build or import what only some will make.
    module = importlib.import_module(entry_point.partition(":")[0])
    family: FamilyInfo = module.FAMILY
    return family
