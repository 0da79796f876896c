"""The connection to Ray: a cluster on this machine, or one that runs already."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import ray

from reachgym.envs.errors import ConfigError, InfrastructureError

# Several threads in each of several processes on the same cores slow all of them down many times.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# Without these Ray starts no dashboard, and says so nowhere.
_DASHBOARD_NEEDS = ("aiohttp", "aiohttp_cors", "opencensus", "prometheus_client")

_started_here = False


def connect(
    address: str | None = None,
    *,
    num_cpus: int | None = None,
    working_dir: Path | None = None,
    dashboard: bool = False,
) -> None:
    """Start Ray on this machine, quietly, or join the cluster at `address`.

    Args:
        address: A cluster's address, or "auto" for the one on this machine or, in a submitted
            job, the job's own; None starts one.
        num_cpus: How many CPUs a started one offers; ignored when joining.
        working_dir: A folder that every worker is given a copy of and can import from; what
            modules of one's own need to reach other machines. Under `ray job submit
            --working-dir` the job's folder reaches them by itself.
        dashboard: Start Ray's dashboard, too; a cluster that is joined has its own.

    Raises:
        ConfigError: The folder does not exist, or Ray's dashboard is not installed.
        InfrastructureError: There is no cluster at that address.
    """
    # The first error of a run is raised; Ray would print those of the other workers besides.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if working_dir is not None:
        options["runtime_env"] = {"working_dir": str(_folder(working_dir))}
    if address is None:
        if dashboard:
            _check_dashboard()
        ray.init(address="local", num_cpus=num_cpus, include_dashboard=dashboard, **options)
    else:
        _join(address, options)
    global _started_here  # noqa: PLW0603 - Ray's connection is the process's, too
    _started_here = address is None


def disconnect() -> None:
    """Leave the cluster; ends it, with all of its workers, if `connect` started it."""
    ray.shutdown()


def can_grow() -> bool:
    """Whether nodes may still join: not where `connect` started a cluster of this machine."""
    return not _started_here


@contextlib.contextmanager
def guarded_stdout() -> Iterator[TextIO]:
    """Keep stdout for the caller: what else prints meanwhile goes to stderr.

    Ray tells of nodes that die by printing, from a thread of its own and whatever its logging was
    told. A program whose output is read by another one writes to what this yields.
    """
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        yield out


def _join(address: str, options: dict[str, Any]) -> None:
    try:
        ray.init(address=address, **options)
    except ConnectionError as error:
        raise InfrastructureError(
            f"there is no Ray cluster at '{address}' ({error}); start one with "
            "`ray start --head`, or leave the address out to use this machine alone"
        ) from error


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise ConfigError(f"the working directory {path} is no folder; name one that exists")
    return path.resolve()


def _check_dashboard() -> None:
    missing = [name for name in _DASHBOARD_NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"Ray's dashboard needs packages that are not installed ({', '.join(missing)}); "
            "install them with `pip install 'ray[default]'`"
        )
