"""Measuring accessible support: NumPy and SciPy on counts and log-probabilities.

Bring a table of attempts, or `TaskCounts`; ask for labels, flows, curves, estimates below what
draws can see, and verdicts. Every rule is written where it is computed: thresholds and bounds in
`bounds` and `anytime`, labels in `labels`, changes in `flow`, verdicts in `verdict`.
"""

from reachgym.support.anytime import (
    anytime_lower,
    anytime_upper,
    betting_lower,
    decided,
    markov_lower,
)
from reachgym.support.attempts import read_attempts, task_counts
from reachgym.support.bounds import (
    attempts_to_success,
    clopper_pearson,
    draws_to_exclude,
    lower_bound,
    p_in,
    p_out,
    upper_bound,
)
from reachgym.support.composition import Composite, CompositionTest, composition_test
from reachgym.support.consistency import (
    ConsistencyPoint,
    attempt_grid,
    consistency_curve,
    pass_hat_k,
    success_rate,
    task_mean,
)
from reachgym.support.counts import Draws, Estimate, TaskCounts
from reachgym.support.curves import CurvePoint, clustered_mean, pass_at_k_curve
from reachgym.support.diagnostics import Diagnostics, effective_sample_size, largest_share, pareto_k
from reachgym.support.estimators import Cover, cover_at, pass_at_k, surprisal_bits
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
from reachgym.support.free_energy import (
    Efficiency,
    FreeEnergy,
    binary_kl,
    certified_base_success,
    eta,
    free_energy,
    needed_kl,
    selection_cost,
    success_probability,
    tilting_frontier,
    trajectory_kl,
)
from reachgym.support.importance import (
    ImportanceEstimate,
    MedianSurprisal,
    Successes,
    importance_estimate,
    median_surprisal,
)
from reachgym.support.interaction import ArmCounts, Contrast, created_contrast, tools_by_information
from reachgym.support.labels import (
    Label,
    bound_source,
    further_draws,
    label,
    labels,
    task_labels,
    witnessable,
)
from reachgym.support.paired import (
    DecidedComparison,
    Decision,
    McNemar,
    PairedComparison,
    compare_all,
    compare_counts,
    compare_paired,
    holm_decisions,
)
from reachgym.support.permutation import sign_flip_p
from reachgym.support.references import InterfaceEffect, interface_effects
from reachgym.support.sequential import between, draws_without_success, fixed_plan, next_draws
from reachgym.support.splitting import LevelCount, Splitting, multilevel_splitting
from reachgym.support.verdict import Claim, Verdict, judge
from reachgym.support.wording import describe

__all__ = [
    "ALL_FAMILIES",
    "ArmCounts",
    "ArmEvidence",
    "Cell",
    "Change",
    "Claim",
    "Composite",
    "CompositionTest",
    "ConsistencyPoint",
    "Contrast",
    "Cover",
    "CurvePoint",
    "DecidedComparison",
    "Decision",
    "Diagnostics",
    "Draws",
    "Efficiency",
    "Estimate",
    "FreeEnergy",
    "ImportanceEstimate",
    "InterfaceEffect",
    "Label",
    "LevelCount",
    "McNemar",
    "MedianSurprisal",
    "PairedComparison",
    "Rules",
    "Splitting",
    "Successes",
    "SupportDynamics",
    "SupportFlow",
    "TaskCounts",
    "Verdict",
    "anytime_lower",
    "anytime_upper",
    "attempt_grid",
    "attempts_to_success",
    "betting_lower",
    "between",
    "binary_kl",
    "bound_source",
    "certified_base_success",
    "changes",
    "clopper_pearson",
    "clustered_mean",
    "compare_all",
    "compare_counts",
    "compare_paired",
    "composition_test",
    "consistency_curve",
    "cover_at",
    "created_contrast",
    "decided",
    "describe",
    "draws_to_exclude",
    "draws_without_success",
    "effective_sample_size",
    "eta",
    "fixed_plan",
    "free_energy",
    "further_draws",
    "holm_decisions",
    "importance_estimate",
    "interface_effects",
    "judge",
    "label",
    "labels",
    "largest_share",
    "lower_bound",
    "markov_lower",
    "median_surprisal",
    "multilevel_splitting",
    "needed_kl",
    "next_draws",
    "noise_floor",
    "p_in",
    "p_out",
    "pareto_k",
    "pass_at_k",
    "pass_at_k_curve",
    "pass_hat_k",
    "read_attempts",
    "selection_cost",
    "sign_flip_p",
    "success_probability",
    "success_rate",
    "support_dynamics",
    "support_flows",
    "surprisal_bits",
    "task_counts",
    "task_labels",
    "task_mean",
    "tilting_frontier",
    "tools_by_information",
    "trajectory_kl",
    "upper_bound",
    "witnessable",
]
