"""Names of stages, which are also their folders."""

from __future__ import annotations


def base_stage(base: str, seed: int) -> str:
    """Where a base is made."""
    return f"base/{base}/seed-{seed}"


def gate_stage(gate: str, seed: int) -> str:
    """Where a base is looked at before use."""
    return f"gate/{gate}/seed-{seed}"


def arm_stage(policy: str, seed: int) -> str:
    """Where an arm is trained."""
    return f"arm/{policy}/seed-{seed}"


def measure_stage(policy: str, interface: str, seed: int) -> str:
    """Where a policy is measured through one interface."""
    return f"measure/{policy}/{interface}/seed-{seed}"


def evaluation_stage(evaluation: str, policy: str, seed: int) -> str:
    """Where a policy is looked at in another way."""
    return f"evaluate/{evaluation}/{policy}/seed-{seed}"


def scores_stage(base: str, seed: int) -> str:
    """Where the episodes of a base and its arms are scored."""
    return f"scores/{base}/seed-{seed}"
