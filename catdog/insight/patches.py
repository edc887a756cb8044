"""The patches of a model's own photos for which a unit has its largest values, from features that are cached.

Cached is the output of one layer of each photo. Later layers, which were trained, are computed from it for
some photos; earlier layers are not searched.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from catdog.archives import is_folder
from catdog.config import Decoding
from catdog.data import Photo, decode, fingerprint, scan
from catdog.data.walk import walk
from catdog.errors import DataError
from catdog.features.features import Features
from catdog.features.prefix import pad_batch
from catdog.features.store import FeatureStore
from catdog.inference.classifier import Classifier
from catdog.insight.anatomy import Tensors, applied, field_of, float32
from catdog.model.architecture import CONVOLUTIONS, LayerFacts, describe
from catdog.model.preprocess import preprocess
from catdog.runs import Run
from catdog.workspace import Workspace

SEARCHED = ("block4_pool", "block5_pool")  # each keeps the largest values of the convolution before it
PATCHES = 6  # of a unit, each from another photo
_PHOTOS = 2000  # that are searched at most
_WORK = 4e11  # multiply-adds for layers that are not cached, at most
_ROWS = 8  # photos that are computed together
_OUTSIDE = 0  # black, where a field leaves the photo
_SIDE = 120  # pixels; larger patches are shown at half the size


@dataclass(frozen=True)
class Patch:
    """What a unit sees of a photo where its value is largest."""

    photo: Path
    value: float
    y: int  # row in the map
    x: int  # column
    pixels: np.ndarray  # (edge, edge, 3) uint8: the receptive field of that place


@dataclass(frozen=True)
class Searched:
    """The strongest patches for units of one layer."""

    layer: str  # a name of `SEARCHED`
    photos: int  # that were searched
    before: bool  # with the pretrained weights, where the layer was trained afterwards
    patches: Mapping[int, Sequence[Patch]]  # unit → the largest value first


@dataclass(frozen=True)
class Cached:
    """A model's own photos whose features are cached."""

    photos: tuple[Photo, ...]
    features: Features | None  # of these photos, in this order; None where there are none
    layers: int  # features are the output of so many layers; 0 where they are no maps, or none are cached


def photos_of(model: Run | Path | None) -> tuple[Photo, ...]:
    """The photos that a run was trained on, those that are still in its folder; of another model none."""
    folder = Path(model.config.options.data) if isinstance(model, Run) else Path()
    try:
        if not (folder.is_absolute() and is_folder(folder)):
            return ()
    except DataError:  # an archive that is damaged by now
        return ()
    try:
        return tuple(photo for photos in scan(folder).splits.values() for photo in photos)
    except DataError:  # their labels are in a file
        return tuple(Photo(path, None) for path in walk(folder).photos)


def find_cached(photos: Sequence[Photo], classifier: Classifier, workspace: Workspace) -> Cached:
    """Those of the photos whose features are cached, each content once; at most `_PHOTOS` are looked up.

    Raises:
        CacheError: the cache cannot be read.
    """
    some = {photo.path: photo for photo in photos[:: -(-len(photos) // _PHOTOS) or 1]}
    digests = fingerprint(list(some), workspace=workspace).digests
    photo_of = {digest: some[path] for path, digest in digests.items()}
    store = FeatureStore(workspace.features, classifier.prefix.key(classifier.decoding))
    store.hold(list(photo_of))
    known = sorted(photo_of.keys() - set(store.missing(list(photo_of))))
    if not known or len(store.key.shape) != 3:
        return Cached((), None, 0)
    kept = tuple(photo_of[digest] for digest in known)
    return Cached(kept, store.features(known), len(classifier.prefix.layers))


def search(cached: Cached, classifier: Classifier, units: Mapping[str, Sequence[int]]) -> list[Searched]:
    """Search the photos whose features are cached; a layer is left out where they do not tell.

    Args:
        units: those of each layer of `SEARCHED`.

    Raises:
        CacheError: the features have disappeared from the cache.
        PhotoError: a photo has disappeared meanwhile.
        WeightsError: the weights of the classifier are no longer there.
    """
    size, found = classifier.decoding.size, []
    facts = describe(CONVOLUTIONS, input_shape=(size, size, 3))
    for last, fact in enumerate(facts):
        if fact.layer.name not in SEARCHED or last + 1 < cached.layers or cached.features is None:
            continue
        later = facts[cached.layers : last + 1]
        work = 2 * sum(each.multiply_adds for each in later)  # before and after
        used = min(len(cached.photos), max(1, int(_WORK / work))) if work else len(cached.photos)
        for before in (False, True) if later else (False,):
            tensors = float32(classifier.pretrained() if before else classifier.tensors()) if later else {}
            maps = _maps(cached.features.select(range(used)), later, tensors, classifier.preprocessing)
            places = _places(maps, units[fact.layer.name])
            paths = [photo.path for photo in cached.photos]
            chosen = _patches(places, paths, fact, classifier.decoding)
            found.append(Searched(fact.layer.name, used, before, chosen))
    return found


def _maps(
    features: Features, later: Sequence[LayerFacts], tensors: Tensors, preprocessing: str
) -> Iterator[np.ndarray]:
    """The maps of the photos, some at a time, (n, h, w, units)."""
    for start in range(0, len(features), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(features)))
        x_bhwc = features.gather(rows)
        if later:
            y_bhwc = jnp.asarray(pad_batch(list(x_bhwc), _ROWS))
            pixels = y_bhwc.dtype == jnp.uint8
            y_bhwc = preprocess(y_bhwc, preprocessing) if pixels else y_bhwc.astype(jnp.float32)
            for fact in later:
                y_bhwc = applied(fact.layer, tensors, y_bhwc)
            x_bhwc = np.asarray(y_bhwc)[: len(rows)]
        yield x_bhwc


def _places(maps: Iterator[np.ndarray], units: Sequence[int]) -> dict[int, list[tuple[int, float, int, int]]]:
    """Unit → photo, value, row and column of its largest values, one in a photo."""
    values_nhwu = np.concatenate([part_bhwc[..., list(units)].astype(np.float32) for part_bhwc in maps])
    flat = values_nhwu.reshape(len(values_nhwu), -1, len(units))
    largest, places = flat.max(axis=1), flat.argmax(axis=1)
    found = {}
    for number, unit in enumerate(units):
        order = np.argsort(-largest[:, number], kind="stable")[:PATCHES].tolist()
        found[unit] = [
            (photo, float(largest[photo, number]), *divmod(int(places[photo, number]), values_nhwu.shape[2]))
            for photo in order
            if largest[photo, number] > 0
        ]
    return found


def _patches(
    found: Mapping[int, Sequence[tuple[int, float, int, int]]],
    photos: Sequence[Path],
    facts: LayerFacts,
    decoding: Decoding,
) -> dict[int, list[Patch]]:
    """What the units see at those places; each photo is decoded once."""
    wanted = {photo for places in found.values() for photo, *_ in places}
    pixels = {photo: decode(photos[photo], decoding) for photo in wanted}
    return {
        unit: [
            Patch(photos[photo], value, y, x, _patch(pixels[photo], *field_of(facts, y, x)))
            for photo, value, y, x in places
        ]
        for unit, places in found.items()
    }


def _patch(pixels: np.ndarray, top: int, left: int, edge: int) -> np.ndarray:
    padded = np.pad(pixels, ((edge, edge), (edge, edge), (0, 0)), constant_values=_OUTSIDE)
    patch = padded[top + edge : top + 2 * edge, left + edge : left + 2 * edge]
    if edge <= _SIDE:
        return patch
    half = edge // 2
    return patch[: 2 * half, : 2 * half].reshape(half, 2, half, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
