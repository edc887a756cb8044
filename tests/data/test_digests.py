"""Digests are found among many, also where their first bytes are the same."""

from hashlib import sha256

import numpy as np

from catdog.data.digests import DTYPE, DigestIndex, as_array


def test_finds_what_a_dictionary_finds() -> None:
    random = np.random.default_rng(0)
    known = [sha256(str(number).encode()).hexdigest() for number in random.integers(0, 3000, 2000)]
    first = {digest: place for place, digest in reversed(list(enumerate(known)))}
    wanted = [sha256(str(number).encode()).hexdigest() for number in range(3000)]
    found = DigestIndex(as_array(known)).find(as_array(wanted))
    assert found.tolist() == [first.get(digest, -1) for digest in wanted]


def test_equal_beginnings_are_told_apart() -> None:
    known = ["ab" * 8 + f"{number:048x}" for number in (5, 3, 9, 3)] + ["ff" * 32, "00" * 32]
    wanted = ["ab" * 8 + f"{number:048x}" for number in (9, 3, 4, 5)] + ["00" * 32, "ff" * 32, "ee" * 32]
    assert DigestIndex(as_array(known)).find(as_array(wanted)).tolist() == [2, 1, -1, 0, 5, 4, -1]


def test_an_empty_index_finds_nothing() -> None:
    index = DigestIndex(np.empty(0, DTYPE))
    assert index.find(as_array(["00" * 32])).tolist() == [-1]
    assert index.find(as_array([])).tolist() == []
