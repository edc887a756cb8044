"""Which photo is in which batch of an epoch, as arrays of indices. NumPy alone."""

from collections.abc import Iterator

import numpy as np


def chunks_of(
    order_n: np.ndarray, *, batch_size: int, padded_size: int, chunks: int, first: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut an epoch into batches, and the batches into chunks of the same shape.

    Every photo is in exactly one batch, in the given order. Photo 0, masked, fills the last batch, the last
    chunk, and the places from `batch_size` to `padded_size`.

    Args:
        order_n: the photos in the order of this epoch, (n,) integers.
        batch_size: photos of a batch.
        padded_size: places of a batch: `batch_size`, rounded up to what the devices divide between them.
        chunks: at most so many, as equal as possible.
        first: the batch to begin with; those before it are done. The shape of the chunks is the same.

    Yields:
        (rows, mask), each (batches, padded_size): which photo is in which place, and which places count.
    """
    steps = -(-len(order_n) // batch_size)
    size = -(-steps // min(chunks, steps))
    rows = np.zeros((first + -(-(steps - first) // size) * size, padded_size), order_n.dtype)
    mask = np.zeros(rows.shape, bool)
    step, place = np.divmod(np.arange(len(order_n)), batch_size)
    rows[step, place], mask[step, place] = order_n, True
    for start in range(first, len(rows), size):
        yield rows[start : start + size], mask[start : start + size]
