"""Which attempts a store holds, in some twenty bytes each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from reachgym.rollout.codec import keys_of
from reachgym.rollout.trajectory import AttemptKey

_DIGEST_BYTES = 16
# New digests wait in a set until so many came, or so large a share of those that are sorted.
_LEAST_MERGED = 2**16
_MERGED_SHARE = 0.125


class KeyIndex:
    """The attempts that are done, and where the last failure of each of the others is.

    Keys are known by 128-bit digests: among ten million the odds that two are alike are 1 to
    10**24.
    """

    def __init__(self) -> None:
        self._sorted: npt.NDArray[np.bytes_] = np.empty(0, f"S{_DIGEST_BYTES}")
        self._recent: set[bytes] = set()
        self.failed: dict[bytes, int] = {}
        """Row in the side set of the last failure of every attempt that is not done."""

    def __contains__(self, digest: bytes) -> bool:
        if digest in self._recent:
            return True
        place = int(np.searchsorted(self._sorted, np.bytes_(digest)))
        # What comes out of such an array has lost the zeros at its end.
        return place < len(self._sorted) and (
            bytes(self._sorted[place]).ljust(_DIGEST_BYTES, b"\0") == digest
        )

    def add_done(self, digests: Iterable[bytes]) -> None:
        """Take note of attempts that are done."""
        for digest in digests:
            self._recent.add(digest)
            self.failed.pop(digest, None)
        if len(self._recent) > max(_LEAST_MERGED, _MERGED_SHARE * len(self._sorted)):
            recent = np.sort(np.array(list(self._recent), self._sorted.dtype))
            # Four times as fast as sorting the two together.
            places = np.searchsorted(self._sorted, recent)
            self._sorted = np.insert(self._sorted, places, recent)
            self._recent = set()

    def add_failed(self, digests: Iterable[bytes], first_row: int) -> None:
        """Take note of failures, from this row of the side set on; done attempts stay done."""
        for row, digest in enumerate(digests, first_row):
            if digest not in self:
                self.failed[digest] = row


def digest_of(key: AttemptKey) -> bytes:
    """Sixteen bytes that stand for a key."""
    text = f"{key.task_hash}\0{key.seed}\0{key.version}\0{key.policy}"
    # Keys are stored without lone surrogates.
    return blake2b(text.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).digest()


def digests_of(table: pa.Table) -> Iterator[bytes]:
    """The same of every row of a table."""
    return map(digest_of, keys_of(table))
