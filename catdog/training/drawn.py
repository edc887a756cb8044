"""Views that are drawn anew in each epoch, where the freeze boundary is at the pixels.

What a view shows is decided on the host, in some microseconds a photo; its pixels are made on the devices,
from the photo at the size of the network's input. No view is cached.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from catdog.data.views import LUMA, view_in_epoch

_NUMBERS = 7  # of a view: left, top, right, bottom; brightness, contrast, saturation


@dataclass(frozen=True)
class DrawnViews:
    """Which view of each training photo an epoch shows.

    Attributes:
        seed: of the training.
        digests: of the photos' contents, hex. A view depends on nothing else than these and the epoch.
    """

    seed: int
    digests: Sequence[str]

    def in_epoch(self, epoch: int, photos: np.ndarray) -> np.ndarray:
        """Views of `photos`, any shape of indices, as `draw` takes them: (*photos.shape, 7) float32."""
        found = np.empty((photos.size, _NUMBERS), np.float32)
        for row, photo in enumerate(photos.flat):
            view = view_in_epoch(self.seed, epoch, self.digests[int(photo)])
            left, top, right, bottom = view.box
            if view.mirrored:
                left, right = right, left
            found[row] = (left, top, right, bottom, *(view.light or (1, 1, 1)))
        return found.reshape(*photos.shape, _NUMBERS)


def draw(photos_bhwc: jax.Array, views_bv: jax.Array) -> jax.Array:
    """The views of square photos, (b, h, w, 3) uint8, as Pillow crops and resizes them; inside `jax.jit`.

    Args:
        photos_bhwc: uint8, RGB.
        views_bv: (b, 7) float32; the part of the photo that is shown, from left to right and from top to
            bottom, as fractions of its sides: where left is greater than right, it is mirrored. Then the
            factors of brightness, contrast and saturation.
    """
    size = photos_bhwc.shape[1]
    left, top, right, bottom, *light = jnp.moveaxis(views_bv, 1, 0)
    columns, rows = _bilinear(left, right, size), _bilinear(top, bottom, size)
    # A GPU would round to 10 bits.
    exact = jax.lax.Precision.HIGHEST
    wide = jnp.einsum("bxw,bhwc->bhxc", columns, photos_bhwc.astype(jnp.float32), precision=exact)
    cropped = jnp.einsum("byh,bhxc->byxc", rows, wide, precision=exact)
    brightness, contrast, saturation = (factor[:, None, None, None] for factor in light)
    grey = jnp.sum(cropped * (LUMA.astype(np.float32) / 1000), axis=-1, keepdims=True)
    mean = jnp.mean(grey, axis=(1, 2), keepdims=True)
    coloured = grey + (cropped - grey) * saturation
    lit = (mean + (coloured - mean) * contrast) * brightness
    return jnp.clip(jnp.round(lit), 0, 255).astype(jnp.uint8)


def _bilinear(start_b: jax.Array, end_b: jax.Array, size: int) -> jax.Array:
    """(b, size, size): how much of each pixel is in each pixel of the part from `start_b` to `end_b`.

    The part is enlarged, so two neighbours count. A pixel beyond the edge counts for nothing.
    """
    steps = (jnp.arange(size) + 0.5) * (end_b - start_b)[:, None]
    centres = start_b[:, None] * size + steps - 0.5
    weights = jnp.maximum(0, 1 - jnp.abs(jnp.arange(size) - centres[:, :, None]))
    return weights / jnp.sum(weights, axis=2, keepdims=True)
