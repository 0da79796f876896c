"""`reachgym export` and `reachgym import`: trajectories in the formats of other trainers."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from reachgym.envs.errors import ConfigError
from reachgym.rollout.formats.rows import SKYRL, VERL
from reachgym.rollout.formats.transfer import Choice, Format, export, import_file

_TRUTH = {Format.SKYRL: SKYRL.truth, Format.VERL: VERL.truth}


def run_export(source: Path, form: str, out: Path, choice: Choice, console: Console) -> None:
    """Write attempts to a file, and say what it holds.

    Raises:
        InputError: As `transfer.export`, or there is no such format.
    """
    chosen = _format(form)
    moved = export(source, chosen, out, choice)
    if chosen in _TRUTH:
        _say(console, f"{out}: {moved.count} tasks; the gold answers are in {_TRUTH[chosen]}")
    else:
        _say(console, f"{out}: {moved.count} attempts")
    if moved.left_out:
        _say(
            console,
            f"{moved.left_out} were left out: failed, without a turn, or with a call that "
            f"{chosen} cannot hold",
        )


def run_import(path: Path, form: str, out: Path, console: Console) -> None:
    """Make a store or a task file of a file, and say what it holds.

    Raises:
        InputError: As `transfer.import_file`, or there is no such format.
    """
    chosen = _format(form)
    moved = import_file(path, chosen, out)
    _say(console, f"{out}: {moved.count} {'tasks' if chosen in _TRUTH else 'attempts'}")
    if moved.left_out:
        _say(console, f"{moved.left_out} were left out: they repeat attempts of earlier lines")


def _format(name: str) -> Format:
    for form in Format:
        if form == name:
            return form
    raise ConfigError(f"--format expects one of {', '.join(Format)}; got '{name}'")


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
