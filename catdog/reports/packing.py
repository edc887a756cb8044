"""Arrays as a page inflates them: deflated bytes in base64; shared/arrays.js is the other half."""

import base64
import zlib
from typing import Any

import numpy as np

_TYPES = {"uint8": "u8", "float16": "f16", "float32": "f32"}


def packed(array: np.ndarray) -> dict[str, Any]:
    """An array as the page inflates it: its bytes by significance, little-endian, deflated, base64."""
    numbers = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    planes = numbers.reshape(-1).view(np.uint8).reshape(-1, numbers.itemsize).T
    data = base64.b64encode(zlib.compress(planes.tobytes(), 7)).decode("ascii")
    return {"type": _TYPES[array.dtype.name], "shape": list(array.shape), "data": data}


def half(values: np.ndarray) -> np.ndarray:
    """As float16, the largest numbers clipped."""
    largest = np.finfo(np.float16).max
    return np.clip(values, -largest, largest).astype(np.float16)
