"""What a cached tensor depends on, besides the content of the photo."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from catdog.config import Decoding, JsonRecord

STORE_VERSION = 1  # of the file format; raise it when the files change


@dataclass(frozen=True)
class FeatureKey(JsonRecord):
    """Keys are equal exactly where the same photo gives the same tensor."""

    prefix_digest: str  # of the weights before the freeze boundary
    unfreeze: str  # the first stage that is not in the prefix
    shape: tuple[int, ...]  # of one photo's tensor, (h, w, c) or (units,)
    dtype: str  # on disk: float16, float32 for vectors, or uint8 where the prefix is empty
    arithmetic: str  # dtype of the activations, and how convolutions are computed
    preprocessing: str
    decoding: Decoding
    decoding_version: int
    decoder: str  # the libraries that turn a file into pixels, with their versions
    store_version: int = STORE_VERSION
    pool: str = ""  # the pooling layer behind the prefix; empty for its own output

    @property
    def tensor_bytes(self) -> int:
        """Bytes of one photo's tensor."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def folder_name(self) -> str:
        """The name of the folder with these tensors: 24 hexadecimal digits."""
        values = self.to_json()
        view = values["decoding"].pop("view")
        values["decoding"]["mirrored"] = (
            view if view > 1 else view == 1
        )  # as in the first caches: they stay valid
        if not self.pool:
            del values["pool"]  # likewise
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]
