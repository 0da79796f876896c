"""Wrappers around tool environments, for those who step them by themselves."""

from reachgym.envs.wrappers.controls import InformationWrapper, ToolSubset
from reachgym.envs.wrappers.limits import Limits
from reachgym.envs.wrappers.recording import RecordEpisodes
from reachgym.envs.wrappers.text import TextWrapper, parse_text

__all__ = [
    "InformationWrapper",
    "Limits",
    "RecordEpisodes",
    "TextWrapper",
    "ToolSubset",
    "parse_text",
]
