"""The layout of an epoch: every photo in one place, in order, all chunks of one shape."""

import numpy as np
import pytest

from catdog.training.batches import chunks_of


@pytest.mark.parametrize("most", [1, 2, 3, 4, 100])
@pytest.mark.parametrize("padded_size", [8, 12])
@pytest.mark.parametrize("photos", [1, 7, 8, 9, 37, 40])
def test_every_photo_has_one_place_in_order(photos: int, padded_size: int, most: int) -> None:
    order = np.random.default_rng(0).permutation(photos)
    chunks = list(chunks_of(order, batch_size=8, padded_size=padded_size, chunks=most))
    assert {rows.shape for rows, _ in chunks} == {mask.shape for _, mask in chunks} == {chunks[0][0].shape}
    assert len(chunks) <= most
    rows, mask = (np.concatenate(arrays) for arrays in zip(*chunks, strict=True))
    assert rows[mask].tolist() == order.tolist()
    assert not rows[~mask].any()
    assert mask.sum(axis=1).tolist()[: photos // 8] == [8] * (photos // 8)  # batches are full, but the last
    assert not mask[:, 8:].any()
    assert all(mask.any() for _, mask in chunks)


def test_a_small_example() -> None:
    (first_rows, first_mask), (last_rows, last_mask) = chunks_of(
        np.array([3, 1, 4, 2, 0]), batch_size=2, padded_size=3, chunks=2
    )
    assert first_rows.tolist() == [[3, 1, 0], [4, 2, 0]]
    assert first_mask.tolist() == [[True, True, False]] * 2
    assert last_rows.tolist() == [[0, 0, 0]] * 2
    assert last_mask.tolist() == [[True, False, False], [False] * 3]
