"""The suffix on the features of many photos: made, features condensed once, logits computed."""

import math
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from catdog import devices, large
from catdog.config import Head
from catdog.features.features import Features
from catdog.features.prefix import Prefix, shape_behind
from catdog.model import winograd
from catdog.model.architecture import body
from catdog.model.architecture import head as architecture_head
from catdog.model.convolution import convolve3x3
from catdog.model.layers import Rescale
from catdog.model.suffix import Suffix, Tensors

# The largest activation of a batch, in bytes, at most.
_BATCH_BYTES = 64 * 2**20


def make_suffix(prefix: Prefix, head: Head, classes: int, *, size: int) -> Suffix:
    """The pretrained layers behind those that run once per photo, and the new head.

    Args:
        size: photos have `size` × `size` pixels.

    Raises:
        OptionError: the head's options do not go together.
    """
    new = architecture_head(head, classes, features=shape_behind(body(head), size))
    pretrained = (*prefix.frozen, *prefix.thawed)
    # For a head without hidden layers bfloat16 would save nothing.
    is_large = pretrained or head.kind == "fc"
    return Suffix(
        (*pretrained, *new),
        head.output,
        loss=head.loss,
        preprocessing=prefix.preprocessing,
        dtype=devices.compute_dtype() if is_large else "float32",
        convolve=winograd.convolve_batch if jax.default_backend() == "cpu" else convolve3x3,
        frozen=prefix.frozen_tensors,
    )


def condense(
    suffix: Suffix, frozen: Tensors, parts: Sequence[Features], *, rows: int | None = None
) -> Features:
    """The output of the suffix's condensed layers, in memory, for one part after the other.

    Where there are no such layers, the parts themselves. Otherwise they may be photos of different sizes.

    For the linear head: (7, 7, 512) float16 on disk → (512,) float32, 1/25 of the bytes.

    Args:
        rows: photos of one batch; see `logits`.
    """
    if not suffix.condensed:
        return parts[0] if len(parts) == 1 else Features.joined(parts)
    condensed: np.ndarray | None = None
    done = 0
    for part in parts:
        for batch, count in _batches(part, part.nbytes // max(len(part), 1), rows):
            found = devices.to_host(suffix.condense(frozen, batch))[:count]
            if condensed is None:  # allocated once, so that a million photos are not in memory twice
                condensed = np.empty((sum(map(len, parts)), *found.shape[1:]), found.dtype)
            condensed[done : done + count] = found
            done += count
    assert condensed is not None  # there is at least one photo
    return Features.in_memory(condensed)


def logits(
    suffix: Suffix,
    params: Tensors,
    constants: Tensors,
    condensed: Features,
    *,
    rows: int | None = None,
    until: int | None = None,
) -> np.ndarray:
    """Logits of all photos, (n, k) float32, dropout off; see `catdog.large`.

    Args:
        until: stop before this layer and return its input.
        rows: photos of one batch. With another number of rows, a product may be summed in another order and
            differ in the last digits. None chooses a number that is fast.
    """
    photo_bytes = suffix.photo_bytes(condensed.shape)
    params, constants = _placed(params, constants)
    every: np.ndarray | None = None
    done = 0
    for batch, count in _batches(condensed, photo_bytes, rows):
        found = devices.to_host(suffix.compiled_logits(params, constants, batch, until))[:count]
        if every is None:
            every = large.empty((len(condensed), *found.shape[1:]))
        every[done : done + count] = found
        done += count
        large.forget(every)
    assert every is not None  # there is at least one photo
    return every


def mean_of_views(logits_nk: np.ndarray, photos: int) -> np.ndarray:
    """(photos, k): mean logits, of rows with all photos, then all second views, ..."""
    if len(logits_nk) == photos:
        return logits_nk
    return logits_nk.reshape(-1, photos, logits_nk.shape[1]).mean(axis=0, dtype=np.float32)


def fit_rescale(suffix: Suffix, params: Tensors, constants: Tensors, condensed: Features) -> Tensors:
    """`constants` with each Rescale set to the standard deviation of its input over all these photos."""
    for position, layer in enumerate(suffix.layers):
        if isinstance(layer, Rescale):
            placed = _placed(params, constants)
            parts = [
                np.stack([*map(devices.to_host, suffix.moments(*placed, batch, position))], dtype=np.float64)[
                    :, :count
                ]
                for batch, count in _batches(condensed, suffix.photo_bytes(condensed.shape))
            ]
            mean, square = np.concatenate(parts, axis=1).mean(axis=1)
            deviation = math.sqrt(max(square - mean**2, 0.0))
            constants = constants | {f"{layer.name}/scale": jnp.float32(deviation or 1.0)}
    return constants


def padded_size(photos: int) -> int:
    """The next power of two: programs are compiled for few numbers of photos."""
    return 1 << max(photos - 1, 0).bit_length()


def _batches(
    features: Features, photo_bytes: int, rows: int | None = None
) -> Iterator[tuple[jax.Array, int]]:
    """(batch on the devices, how many of its rows count): all of the same shape, the last one padded."""
    mesh = devices.data_mesh()
    size = rows or max(1, min(padded_size(len(features)), _BATCH_BYTES // photo_bytes))
    size = -(-size // mesh.size) * mesh.size
    for start in range(0, len(features), size):
        photos = np.arange(start, start + size)
        count = min(size, len(features) - start)
        yield devices.put_rows(mesh, np.minimum(photos, len(features) - 1), features.gather), count


def _placed(params: Tensors, constants: Tensors) -> tuple[Tensors, Tensors]:
    """Where several processes compute together, on the devices of all of them."""
    return (
        devices.replicate(devices.data_mesh(), (params, constants))
        if devices.is_spread()
        else (params, constants)
    )
