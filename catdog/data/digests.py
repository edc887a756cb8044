"""Content digests as arrays: many of them are found among a million in one step."""

from collections.abc import Sequence

import numpy as np

DTYPE = np.dtype("V32")  # SHA-256


def as_array(digests: Sequence[str]) -> np.ndarray:
    """Hexadecimal digests as (n,) V32."""
    return np.frombuffer(bytes.fromhex("".join(digests)), DTYPE)


class DigestIndex:
    """Finds the position of digests.

    Args:
        digests: (n,) V32. Of equal digests the first is found.
    """

    def __init__(self, digests: np.ndarray):
        self._words = _words(digests)
        # Digests are like random numbers: their first eight bytes are enough to sort by.
        self._order = np.argsort(self._words[:, 0], kind="stable")
        self._sorted = self._words[self._order, 0]

    def find(self, digests: np.ndarray) -> np.ndarray:
        """The position of each of (m,) V32, (m,) int64; -1 where there is none."""
        wanted = _words(digests)
        found = np.full(len(wanted), -1, np.int64)
        places = np.searchsorted(self._sorted, wanted[:, 0])
        looking = np.arange(len(wanted))
        while len(looking := looking[places[looking] < len(self._sorted)]):
            rows = self._order[places[looking]]
            same = (self._words[rows] == wanted[looking]).all(axis=1)
            found[looking[same]] = rows[same]
            # Other digests may begin with the same eight bytes: they are next.
            looking = looking[~same & (self._words[rows, 0] == wanted[looking, 0])]
            places[looking] += 1
        return found


def _words(digests: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(digests).view(np.uint64).reshape(-1, 4)
