"""Checks of an environment for what training and measuring on it rely on."""

from reachgym.envs.checking.checker import CHECKS, check_env, check_gold
from reachgym.envs.checking.finding import Finding

__all__ = ["CHECKS", "Finding", "check_env", "check_gold"]
