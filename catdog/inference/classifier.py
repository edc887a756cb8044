"""A trained run, an exported file, or the original network: photo files in, probabilities or values out.

The same prefix, feature cache and suffix as in training; only the boundary between them differs.
"""

import hashlib
import json
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from catdog import __version__, devices, large
from catdog.config import Decoding, ModelSpec, Output
from catdog.data import Skipped
from catdog.data.views import averaged
from catdog.errors import RunError
from catdog.features.exchange import from_owners, united
from catdog.features.features import Features
from catdog.features.forward import condense, logits, make_suffix
from catdog.features.pooling import stores_of
from catdog.features.prefix import Prefix
from catdog.features.room import room_for
from catdog.features.store import FeatureStore
from catdog.features.stream import Known, Unreadable, stream
from catdog.features.writer import ShardWriter
from catdog.hosts import ALONE, Group
from catdog.inference.grad_cam import Arrays, HeatMaps
from catdog.inference.inputs import Input
from catdog.inference.prediction import Prediction, Predictions, in_order
from catdog.model import outputs
from catdog.model.architecture import CONVOLUTIONS
from catdog.model.scale import in_unit
from catdog.model.tensors import expected_shapes
from catdog.progress import OnProgress, part_of, unreported
from catdog.runs import Run
from catdog.text import Message
from catdog.weights.source import WeightSource, find_weights, read_tensors
from catdog.weights.source import digest as digest_of
from catdog.workspace import Workspace

# Photos that go through the suffix together; fewer where the suffix has fc1 and fc2, which cost much more.
_ROWS, _ROWS_PRETRAINED = 16, 4
_WRITTEN = 4096  # photos whose logits are in memory although a file holds them


def foundation(
    run: Run, saved: ModelSpec, *, workspace: Workspace, report: OnProgress = unreported
) -> tuple[WeightSource, Prefix]:
    """The pretrained weights of a run, and its frozen layers.

    Raises:
        RunError: the weights are not those it was trained on.
        WeightsError: they cannot be read.
    """
    photos_as = saved.preprocessing
    source = find_weights(saved.weights, preprocessing=photos_as, workspace=workspace, report=report)
    prefix = Prefix(source, saved.head, unfreeze=saved.unfreeze, workspace=workspace)
    if prefix.digest != saved.prefix_digest:
        raise RunError(
            "{model_path} was trained on weights with digest {expected}, found {found} in {weights!r}. "
            "Restore those weights, or train a new run.",
            model_path=run.model_path,
            expected=saved.prefix_digest[:12],
            found=prefix.digest[:12],
            weights=saved.weights,
        )
    return source, prefix


class _Logits(NamedTuple):
    """Of n different contents."""

    photos: list[list[int]]  # indices among the paths, for each content
    digests: list[str]
    logits: np.ndarray  # (n, views, units) float32


class Classifier:
    """A model that is ready to predict: a run's, an exported file's, or the original network.

    A prediction is that of the photo, or of the mean logits of several views (test-time augmentation).

    Args:
        source: the weights that `prefix` is made of.
        tensors: the model's other tensors.
        spec: describes the model; without a temperature the logits are not scaled.
        tta: whether to average over views; None is as in training.
    """

    def __init__(
        self,
        source: WeightSource,
        prefix: Prefix,
        tensors: Arrays,
        spec: ModelSpec,
        *,
        workspace: Workspace,
        tta: bool | None = None,
    ):
        self._decodings = averaged(spec.decodings, tta=tta)
        self.is_usual = self._decodings == spec.decodings  # predictions are made as in training
        self.views = len(self._decodings)
        self.classes = spec.classes  # their names, in the order of the outputs
        self.decoding = spec.decoding  # how a photo becomes the input
        self.head = spec.head
        self.preprocessing = source.preprocessing
        self.output: Output = spec.head.output  # softmax over the classes, one sigmoid or several, or a value
        self.scale = spec.scale  # of a value
        self.thresholds = spec.thresholds  # of the probability of each of several labels
        self.temperature = spec.temperature or 1.0  # what the logits are divided by
        self.is_scaled = spec.temperature is not None  # whether that is a temperature that was fitted
        self.calibrated = spec.calibrated or self.is_scaled  # the probabilities, here or in the weights
        self._source, self._spec, self._tensors = source, spec, tensors
        self._workspace, self.prefix = workspace, prefix  # `prefix` makes the features that are cached
        self._suffix = make_suffix(prefix, spec.head, len(spec.classes), size=spec.decoding.size)
        self._units = expected_shapes(self._suffix.layers[-1:])["predictions/bias"][0]
        # Always the same number, so that a photo's digits do not depend on the photos beside it.
        self._rows = _ROWS_PRETRAINED if prefix.frozen or prefix.thawed else _ROWS
        self._params, constants = self._suffix.from_tensors(tensors)
        self._constants = constants | prefix.frozen_arrays
        # Reused, since their indexes have been read; each is in use by one thread at a time.
        self._stores: dict[Decoding, list[list[FeatureStore]]] = {}

    def predict(
        self,
        paths: Sequence[Path],
        *,
        digests: dict[Path, str] | None = None,
        report: OnProgress = unreported,
        group: Group = ALONE,
    ) -> Predictions:
        """Predict for photo files; those that cannot be read are listed, not raised.

        Args:
            digests: content digests, by path, where they are known already.
            group: the processes that divide the work, by `digests`, which each has for the same contents.
                Process 0 gets all predictions, the others have only their own.

        Raises:
            CacheError: the cache cannot be read.
        """
        found: dict[int, str] = {}  # photo → digest
        reasons: dict[int, Message] = {}
        # Of a million photos and a thousand classes these are 4 GB.
        folder, written = self._workspace.cache, 0
        logits_nvk = large.empty((len(paths), self.views, self._units), folder)
        own = [photo for photo, path in enumerate(paths) if digests is None or group.owns(digests[path])]
        asked = [paths[photo] for photo in own]
        with closing(self._logits_of(asked, digests=digests, report=report)) as known:
            for some in known:
                photos = [[own[row] for row in same] for same in some.photos]
                if isinstance(some, Unreadable):
                    reasons |= _by_photo(photos, some.reasons)
                    continue
                found |= _by_photo(photos, some.digests)
                for photo, logits_vk in _by_photo(photos, some.logits).items():
                    logits_nvk[photo] = logits_vk
                written += len(photos)
                if written > _WRITTEN:
                    large.forget(logits_nvk)
                    written = 0
        if group.processes > 1 and digests is not None:
            reasons = _gather([digests[path] for path in paths], logits_nvk, reasons, group)
            if group.process == 0:
                found = {i: digests[path] for i, path in enumerate(paths) if i not in reasons}
        photos = np.array(sorted(found), np.int64)
        logits_nvk = logits_nvk if len(photos) == len(paths) else large.take(logits_nvk, photos, folder)
        averaged = logits_nvk[:, 0]
        if self.views > 1:
            averaged = large.empty(averaged.shape, folder)
            for rows in large.blocks(logits_nvk, averaged):
                averaged[rows] = logits_nvk[rows].mean(axis=1)
        return Predictions(
            photos=photos,
            digests=tuple(found[i] for i in photos.tolist()),
            logits=averaged,
            plain_logits=logits_nvk[:, 0],
            skipped=tuple(Skipped(paths[i], reasons[i]) for i in sorted(reasons)),
        )

    def facts(self) -> dict[str, object]:
        """What has to be the same in all processes that divide the photos, by what it is called."""
        tensors = digest_of(self._tensors)
        described = json.dumps([self._spec.to_json(), self.views, self.prefix.digest, tensors])
        return {
            "version of catdog": __version__,
            "number of devices": devices.local_mesh().size,
            "model (digest)": hashlib.sha256(described.encode()).hexdigest(),
        }

    def stream(
        self, paths: Sequence[Path], *, report: OnProgress = unreported
    ) -> Generator[Prediction, None, None]:
        """One prediction for each photo file, in the order of `paths`, as soon as it is known.

        Raises:
            CacheError: the cache cannot be read.
        """
        with closing(self.arriving(paths, report=report)) as found:
            for photo, values in in_order(found):
                yield self.prediction(Input(paths[photo]), values)

    def arriving(
        self, paths: Sequence[Path], *, report: OnProgress = unreported, writer: ShardWriter | None = None
    ) -> Generator[tuple[int, Message | np.ndarray], None, None]:
        """What `prediction` takes, for the index of each path, as soon as it is known.

        `writer` caches the features, and is closed by the caller; None caches them at the end.

        Raises:
            CacheError: the cache cannot be read.
        """
        with closing(self._logits_of(paths, report=report, writer=writer)) as groups:
            for group in groups:
                if isinstance(group, Unreadable):
                    yield from _by_photo(group.photos, group.reasons).items()
                else:
                    yield from _by_photo(group.photos, self._found(group.logits.mean(axis=1))).items()

    def writer(self) -> ShardWriter:
        """Caches the features of many streams (of photos as they are), in shards as large as those of one."""
        return ShardWriter(FeatureStore(self._workspace.features, self.prefix.key(self.decoding)))

    def _logits_of(
        self,
        paths: Sequence[Path],
        *,
        digests: dict[Path, str] | None = None,
        report: OnProgress,
        writer: ShardWriter | None = None,
    ) -> Generator[_Logits | Unreadable, None, None]:
        """Logits of all views of each photo, as soon as those of the last view are known."""
        left = list(range(len(paths)))
        known: dict[int, tuple[str, np.ndarray]] = {}  # photo → digest, logits of the views so far
        for view, decoding in enumerate(self._decodings):
            before, known = known, {}
            told = part_of(report, view * len(left), len(left), self.views * len(left), views=self.views)
            asked, options = [paths[photo] for photo in left], {"digests": digests, "writer": writer}
            with closing(self._features(asked, decoding, report=told, **options)) as groups:
                for group in groups:
                    photos = [[left[row] for row in same] for same in group.photos]
                    if isinstance(group, Unreadable):
                        yield Unreadable(photos, group.reasons)
                        continue
                    logits = self._logits(group.features)[:, None]
                    if before:
                        earlier = np.stack([before[same[0]][1] for same in photos])
                        logits = np.concatenate([earlier, logits], axis=1)
                    if view + 1 == self.views:
                        yield _Logits(photos, group.digests, logits)
                    else:
                        known |= _by_photo(photos, zip(group.digests, logits, strict=True))
            left, writer = sorted(known), None
            digests = {paths[photo]: digest for photo, (digest, _) in known.items()}

    def _features(
        self, paths: Sequence[Path], decoding: Decoding, **options: Any
    ) -> Generator[Known | Unreadable, None, None]:
        """See `stream` in `catdog.features` for the options."""
        idle = self._stores.setdefault(decoding, [])
        try:
            stores = idle.pop()
        except IndexError:
            stores = stores_of(self._workspace.features, self.prefix, decoding)
        options |= {"stores": stores, "workspace": self._workspace, "room": self._room}
        try:
            with closing(stream(paths, self.prefix, decoding, **options)) as groups:
                yield from groups
        finally:
            idle.append(stores)

    @cached_property
    def _room(self) -> float:
        """The photos whose maps, of all views, fit into the cache."""
        return room_for(self._workspace.features, self.prefix, self._decodings)

    def prediction(self, source: Input, found: Message | np.ndarray) -> Prediction:
        """Of probabilities, (classes,), of a value, (1,), or of the reason why there are none."""
        if isinstance(found, Message):
            return Prediction(source, reason=found)
        if self.scale:
            return Prediction(source, value=float(found[0]), unit=self.scale.unit)
        order = np.argsort(-found, kind="stable")
        ranked = {self.classes[i]: float(found[i]) for i in order}
        if self.output != "labels":
            return Prediction(source, ranked)
        labels = tuple(self.classes[i] for i in order if found[i] >= self.thresholds[i])
        return Prediction(source, ranked, labels=labels)

    def _logits(self, features: np.ndarray) -> np.ndarray:
        """(n, units) of features (n, *shape)."""
        condensed = condense(self._suffix, self._constants, [Features.in_memory(features)], rows=self._rows)
        return logits(self._suffix, self._params, self._constants, condensed, rows=self._rows)

    def _found(self, logits_nk: np.ndarray) -> np.ndarray:
        """What `prediction` takes, (n, classes) or (n, 1)."""
        return self.values(logits_nk)[:, None] if self.scale else self.probabilities(logits_nk)

    def values(self, logits_n1: np.ndarray) -> np.ndarray:
        """(n,) float64, in the unit of the values, of the logits of a `value` output."""
        assert self.scale
        return in_unit(logits_n1, self.scale)

    def probabilities(
        self, logits_nk: np.ndarray, *, temperature: float | np.ndarray | None = None
    ) -> np.ndarray:
        """(n, classes) float32 of logits, at the model's temperature or another, or one for each photo."""
        found = large.empty((len(logits_nk), len(self.classes)), self._workspace.cache)
        for rows in large.blocks(logits_nk, found):
            of_each = isinstance(temperature, np.ndarray)
            divisor = temperature[rows, None] if of_each else temperature or self.temperature
            scaled = logits_nk[rows] / divisor
            padded = np.pad(scaled, ((0, -len(scaled) % _ROWS), (0, 0)))
            parts = [
                np.asarray(outputs.probabilities(jnp.asarray(part, jnp.float32), self.output))
                for part in padded.reshape(-1, _ROWS, padded.shape[1])
            ]
            found[rows] = np.concatenate(parts)[: len(scaled)]
        return found

    def losses(self, logits_nk: np.ndarray, labels_n: np.ndarray) -> np.ndarray:
        """The loss of each photo as trained, (n,), given its true class."""

        def of_block(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
            return np.asarray(self._suffix.losses(jnp.asarray(logits), jnp.asarray(labels)))

        return large.by_block(of_block, logits_nk, labels_n)

    def tensors(self) -> Arrays:
        """Kernels and biases of the convolutions, and the model's own tensors, by name.

        Raises:
            WeightsError: the weights are no longer there.
        """
        return self.pretrained() | dict(self._tensors)

    def pretrained(self) -> dict[str, np.ndarray]:
        """Kernels and biases of the convolutions before the training, by name.

        Raises:
            WeightsError: the weights are no longer there.
        """
        return read_tensors(self._source, CONVOLUTIONS, memo_dir=self._workspace.checked)

    @cached_property
    def heat_maps(self) -> HeatMaps:
        """Computes where on a photo a class is found; a WeightsError if the weights are no longer there."""
        unfreeze, workspace = self.prefix.unfreeze, self._workspace
        return HeatMaps(self._source, self._spec, self._tensors, unfreeze=unfreeze, workspace=workspace)


def _gather(
    digests: Sequence[str], logits_nvk: np.ndarray, reasons: dict[int, Message], group: Group
) -> dict[int, Message]:
    """Fill in the logits of the photos of other processes, in process 0; in all, why photos have none."""
    photos_of: dict[str, list[int]] = {}
    for photo, digest in enumerate(digests):
        photos_of.setdefault(digest, []).append(photo)
    failed = united(group, {digests[photo]: reason for photo, reason in reasons.items()})
    rows = logits_nvk.reshape(len(logits_nvk), -1).view(np.uint8)

    def read(names: Sequence[str]) -> np.ndarray:
        return rows[[photos_of[digest][0] for digest in names]]

    wanted = sorted(photos_of.keys() - failed.keys())
    devices.connect()
    for block, found in from_owners(group, wanted, read, rows.shape[1]):
        if group.process == 0:
            for digest, row in zip(block, found, strict=True):
                rows[photos_of[digest]] = row
            large.forget(logits_nvk)
    return {photo: failed[digest] for photo, digest in enumerate(digests) if digest in failed}


def _by_photo(photos: Sequence[Sequence[int]], values: Iterable[Any]) -> dict[int, Any]:
    """The value of each list of photos, for each photo in it."""
    return {photo: value for same, value in zip(photos, values, strict=True) for photo in same}
