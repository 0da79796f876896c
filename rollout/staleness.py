"""How far behind the published weights an attempt may have begun."""

from __future__ import annotations

import pyarrow as pa

from reachgym.envs.errors import ConfigError, InputError
from reachgym.rollout.codec import keys_of
from reachgym.rollout.trajectory import AttemptKey


class Staleness:
    """A bound on how many versions the first turn of a trajectory may be behind.

    0 is strictly on-policy: every first turn was sampled with the weights that were published last.
    Attempts that failed before their first turn have no version and are never stale.
    """

    def __init__(self, bound: int | None) -> None:
        """Set the bound; None is none.

        Raises:
            ConfigError: It is negative.
        """
        if bound is not None and bound < 0:
            raise ConfigError(f"expected max_staleness of 0 or more, or None; got {bound}")
        self.bound = bound

    def check_next(self, version: int, last: int) -> None:
        """Refuse a version that would make old weights look new.

        Raises:
            InputError: There is a bound, and the version is not above the last.
        """
        if self.bound is not None and version <= last:
            raise InputError(
                f"with max_staleness every version must be above the one before; got {version} "
                f"after {last}"
            )

    def is_stale(self, first_turn: int, published: int) -> bool:
        """Whether a trajectory of that version may no longer be handed out."""
        return self.bound is not None and published - first_turn > self.bound

    def split(self, rows: pa.Table, published: int) -> tuple[pa.Table, list[AttemptKey]]:
        """Rows that may be handed out, and the keys of those that are too old.

        Args:
            rows: Finished attempts, with the columns of `codec.SCHEMA`.
            published: The version that was published last.
        """
        if self.bound is None or not rows.num_rows:
            return rows, []
        versions = rows["policy_version"].to_pylist()
        turns = rows["turn_count"].to_pylist()
        stale = [
            bool(count) and self.is_stale(version, published)
            for version, count in zip(versions, turns, strict=True)
        ]
        if not any(stale):
            return rows, []
        old = rows.filter(pa.array(stale, pa.bool_()))
        return rows.filter(pa.array([not is_old for is_old in stale], pa.bool_())), list(
            keys_of(old)
        )
