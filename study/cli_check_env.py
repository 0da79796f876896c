"""`reachgym check-env`: what an environment keeps of what training and measuring rely on."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console

from reachgym.envs.checking import CHECKS, Finding, check_env
from reachgym.envs.registration import EnvRef
from reachgym.study.cli_envs import parse_kwargs

_MOST_SHOWN = 5


def run_check_env(
    env_id: str, kwargs: Sequence[str], tasks: int, console: Console, *, as_json: bool
) -> bool:
    """Check an environment and tell what was found; whether it has no error.

    Raises:
        InputError: There is no such environment.
        TaskError: It has no tasks.
    """
    findings = check_env(EnvRef(env_id, parse_kwargs(kwargs)), tasks=tasks)
    if as_json:
        rows = [
            {"check": f.check, "error": f.error, "message": f.message, "mend": f.mend}
            for f in findings
        ]
        console.print_json(json.dumps({"env": env_id, "findings": rows}))
    else:
        for name in CHECKS:
            _tell(name, [finding for finding in findings if finding.check == name], console)
    return not any(finding.error for finding in findings)


def _tell(name: str, findings: Sequence[Finding], console: Console) -> None:
    failed = any(finding.error for finding in findings)
    state = "failed" if failed else "warning" if findings else "ok"
    console.print(f"{name:<12} {state}", markup=False, highlight=False)
    for finding in findings[:_MOST_SHOWN]:
        console.print(f"    {finding.message}", markup=False, highlight=False, soft_wrap=True)
    if len(findings) > _MOST_SHOWN:
        console.print(f"    and {len(findings) - _MOST_SHOWN} more", highlight=False)
    if findings:
        console.print(f"    To mend it: {findings[0].mend}.", highlight=False, soft_wrap=True)
