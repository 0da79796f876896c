"""Measuring accessible support: pure NumPy and SciPy on counts and log-probabilities.

Bring `TaskCounts`; ask for labels, flows, curves and verdicts. Every rule is written where it is
computed: thresholds and bounds in `bounds`, labels in `labels`, changes in `flow`, verdicts in
`verdict`.
"""

from reachgym.support.bootstrap import CurvePoint, pass_at_k_curve, share_band
from reachgym.support.bounds import (
    attempts_to_success,
    clopper_pearson,
    draws_to_exclude,
    lower_bound,
    p_in,
    p_out,
    upper_bound,
)
from reachgym.support.counts import Draws, Estimate, TaskCounts
from reachgym.support.estimators import pass_at_k, surprisal_bits
from reachgym.support.evidence import ALL_FAMILIES, ArmEvidence, Cell, Rules
from reachgym.support.flow import (
    Change,
    SupportDynamics,
    SupportFlow,
    changes,
    noise_floor,
    support_dynamics,
    support_flows,
)
from reachgym.support.labels import (
    Label,
    bound_source,
    further_draws,
    label,
    labels,
    task_labels,
    witnessable,
)
from reachgym.support.references import InterfaceEffect, interface_effects
from reachgym.support.verdict import Claim, Verdict, judge
from reachgym.support.wording import describe

__all__ = [
    "ALL_FAMILIES",
    "ArmEvidence",
    "Cell",
    "Change",
    "Claim",
    "CurvePoint",
    "Draws",
    "Estimate",
    "InterfaceEffect",
    "Label",
    "Rules",
    "SupportDynamics",
    "SupportFlow",
    "TaskCounts",
    "Verdict",
    "attempts_to_success",
    "bound_source",
    "changes",
    "clopper_pearson",
    "describe",
    "draws_to_exclude",
    "further_draws",
    "interface_effects",
    "judge",
    "label",
    "labels",
    "lower_bound",
    "noise_floor",
    "p_in",
    "p_out",
    "pass_at_k",
    "pass_at_k_curve",
    "share_band",
    "support_dynamics",
    "support_flows",
    "surprisal_bits",
    "task_labels",
    "upper_bound",
    "witnessable",
]
