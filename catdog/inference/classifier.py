"""A trained run, or the original network, as something that answers: photo files in, probabilities out.

The same prefix, feature cache and suffix as in training; only the boundary between them differs.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from catdog.config import Decoding, Head, ModelSpec, Output
from catdog.data import Skipped
from catdog.errors import RunError, WeightsError
from catdog.features.features import Features
from catdog.features.forward import condense, logits, make_suffix
from catdog.features.prefix import Prefix
from catdog.features.store import FeatureStore
from catdog.features.stream import Known, Unreadable, stream
from catdog.features.writer import ShardWriter
from catdog.inference.exported import read_exported
from catdog.inference.grad_cam import HeatMaps
from catdog.model import outputs
from catdog.model.architecture import IMAGENET_TOP
from catdog.progress import Progress
from catdog.runs import Run
from catdog.text import Message
from catdog.weights.imagenet import class_names
from catdog.weights.source import WeightSource, find_weights, read_tensors
from catdog.workspace import Workspace

_ROWS, _ROWS_PRETRAINED = 16, 4  # photos that go through the suffix at a time


@dataclass(frozen=True)
class Answers:
    """What a run says of photos.

    Attributes:
        photos: index of each answered photo in the input, ascending, (n,).
        digests: their content digests, hex.
        logits: (n, units) float32.
        probabilities: (n, classes) float32.
        skipped: the photos that could not be read.
    """

    photos: np.ndarray
    digests: tuple[str, ...]
    logits: np.ndarray
    probabilities: np.ndarray
    skipped: tuple[Skipped, ...]


class Outcome(NamedTuple):
    """What comes of one photo: an answer, or the reason why there is none.

    Attributes:
        reason: None where there is an answer; the others mean nothing where there is none.
        digest: the content's, hex.
        logits: (units,) float32.
        probabilities: (classes,) float32.
    """

    digest: str = ""
    logits: np.ndarray = np.empty(0, np.float32)
    probabilities: np.ndarray = np.empty(0, np.float32)
    reason: Message | None = None


def prefix_of(
    run: Run, saved: ModelSpec, *, workspace: Workspace, report: Callable[[Progress], None] = lambda _: None
) -> Prefix:
    """The pretrained layers that a run stands on.

    Raises:
        RunError: the weights are not those it was trained on.
        WeightsError: they cannot be read.
    """
    return _foundation(run, saved, workspace=workspace, report=report)[1]


def _foundation(
    run: Run, saved: ModelSpec, *, workspace: Workspace, report: Callable[[Progress], None]
) -> tuple[WeightSource, Prefix]:
    source = find_weights(
        saved.weights, preprocessing=saved.preprocessing, workspace=workspace, report=report
    )
    prefix = Prefix(source, saved.head, unfreeze=saved.unfreeze, workspace=workspace)
    if prefix.digest != saved.prefix_digest:
        raise RunError(
            "{model_path} was trained on weights with digest {prefix_digest}, found {digest} in "
            "{weights!r}. Bring back those weights, or train anew.",
            model_path=run.model_path,
            prefix_digest=saved.prefix_digest[:12],
            digest=prefix.digest[:12],
            weights=saved.weights,
        )
    return source, prefix


class Classifier:
    """A model that is ready to answer: a run's, an exported file's, or ImageNet's own.

    Attributes:
        classes: the names of what it tells apart.
        decoding: how it sees a photo.
        output: how it answers.
        temperature: what its logits are divided by for probabilities.
        is_scaled: whether that is a fitted temperature.
        calibrated: whether the probabilities are scaled, here or in the weights.

    Args:
        source: the weights that `prefix` is made of.
        tensors: what the model has beside them.
        spec: what it is; without a temperature the probabilities stay as they were trained.
    """

    def __init__(
        self,
        source: WeightSource,
        prefix: Prefix,
        tensors: Mapping[str, np.ndarray],
        spec: ModelSpec,
        *,
        workspace: Workspace,
    ):
        self.classes = spec.classes
        self.decoding = spec.decoding
        self.output: Output = spec.head.output
        self.temperature = spec.temperature or 1.0
        self.is_scaled = spec.temperature is not None
        self.calibrated = spec.calibrated or self.is_scaled
        self._source, self._spec, self._tensors = source, spec, tensors
        self._workspace = workspace
        self._prefix = prefix
        self._suffix = make_suffix(prefix, spec.head, len(spec.classes), size=spec.decoding.size)
        # Always as many, so that a photo has the same digits in whatever company. Few where each costs.
        self._rows = _ROWS_PRETRAINED if prefix.frozen or prefix.thawed else _ROWS
        self._params, constants = self._suffix.from_tensors(tensors)
        self._constants = constants | prefix.frozen_arrays
        # Kept, since their indexes have been read; each is in use by one thread at a time.
        self._stores: dict[Decoding, list[FeatureStore]] = {}

    @classmethod
    def of_run(
        cls,
        run: Run,
        *,
        workspace: Workspace,
        calibrate: bool = True,
        report: Callable[[Progress], None] = lambda _: None,
    ) -> "Classifier":
        """What a run learned.

        Args:
            calibrate: use the run's temperature, if it has one.
            report: called while weights are downloaded.

        Raises:
            RunError: the run has no model, or the weights are not those it was trained on.
            WeightsError: the pretrained weights cannot be read.
        """
        tensors, saved = run.read_model()
        source, prefix = _foundation(run, saved, workspace=workspace, report=report)
        return cls(
            source,
            prefix,
            tensors,
            saved if calibrate else replace(saved, temperature=None),
            workspace=workspace,
        )

    @classmethod
    def of_file(cls, path: Path, *, workspace: Workspace) -> "Classifier":
        """What `catdog export` wrote as a file of catdog's own: it needs nothing beside it.

        Raises:
            WeightsError: it cannot be read, or is no such file.
            RunError: its new layers are not those that it says it has.
        """
        spec, tensors = read_exported(path)
        source = find_weights(str(path.absolute()), preprocessing=spec.preprocessing)
        prefix = Prefix(source, spec.head, unfreeze="head")
        return cls(source, prefix, tensors, spec, workspace=workspace)

    @classmethod
    def of_imagenet(cls, source: WeightSource, *, workspace: Workspace) -> "Classifier":
        """The original network, with all its layers and its 1000 classes.

        Raises:
            WeightsError: the weights lack a layer, or cannot be read.
        """
        if not source.has_top:
            raise WeightsError(
                "the 1000 classes of ImageNet need fc1, fc2 and predictions, which the weights {name!r} "
                "lack: give others, such as --weights keras or --weights timm",
                name=source.name,
            )
        spec = ModelSpec(class_names(), source.preprocessing, Head("imagenet", dropout=0), Decoding())
        prefix = Prefix(source, spec.head, unfreeze="head", workspace=workspace)
        top = read_tensors(source, IMAGENET_TOP[-1:], memo_dir=workspace.checked)
        return cls(source, prefix, top, spec, workspace=workspace)

    def answer(
        self,
        paths: Sequence[Path],
        *,
        digests: dict[Path, str] | None = None,
        report: Callable[[Progress], None] = lambda _: None,
        mirrored: bool = False,
    ) -> Answers:
        """Probabilities for photo files; those that cannot be read are listed, not raised.

        See `stream` for the arguments.
        """
        known = list(self.stream(paths, digests=digests, report=report, mirrored=mirrored))
        photos = [photo for photo, one in enumerate(known) if one.reason is None]
        units = 1 if self.output == "binary" else len(self.classes)
        scores = [known[photo].logits for photo in photos]
        logits_nk = np.stack(scores) if scores else np.empty((0, units), np.float32)
        return Answers(
            photos=np.array(photos, np.int64),
            digests=tuple(known[photo].digest for photo in photos),
            logits=logits_nk,
            probabilities=self.probabilities(logits_nk),
            skipped=tuple(
                Skipped(path, one.reason) for path, one in zip(paths, known, strict=True) if one.reason
            ),
        )

    def stream(
        self,
        paths: Sequence[Path],
        *,
        digests: dict[Path, str] | None = None,
        report: Callable[[Progress], None] = lambda _: None,
        mirrored: bool = False,
        writer: ShardWriter | None = None,
    ) -> Generator[Outcome, None, None]:
        """What there is to say of each photo file, in the order of `paths`, as soon as it is known.

        Args:
            digests: content digests, by path, where they are known already.
            report: called as the work goes on.
            mirrored: answer for the photos' mirror images.
            writer: keeps the features, and is closed by the caller: see `writer`. None keeps them at the end.

        Raises:
            CacheError: the cache cannot be read.
        """
        decoding = replace(self.decoding, mirrored=mirrored)
        idle = self._stores.setdefault(decoding, [])
        try:
            store = idle.pop()
        except IndexError:
            store = FeatureStore(self._workspace.features, self._prefix.key(decoding))
        waiting: dict[int, Outcome] = {}  # for photos before them
        next_photo = 0
        groups = stream(
            paths,
            self._prefix,
            decoding,
            store=store,
            workers=self._workspace.workers,
            digests=digests,
            report=report,
            writer=writer,
        )
        try:
            with closing(groups):
                for known in groups:
                    for photos, outcome in zip(known.photos, self._outcomes(known), strict=True):
                        waiting |= dict.fromkeys(photos, outcome)
                    while (outcome := waiting.pop(next_photo, None)) is not None:
                        next_photo += 1
                        yield outcome
        finally:
            idle.append(store)

    def writer(self) -> ShardWriter:
        """Keeps the features of many streams, a few at a time, in shards as large as those of one."""
        return ShardWriter(FeatureStore(self._workspace.features, self._prefix.key(self.decoding)))

    def _outcomes(self, known: Known | Unreadable) -> list[Outcome]:
        if isinstance(known, Unreadable):
            return [Outcome(reason=reason) for reason in known.reasons]
        kept = Features.in_memory(known.features)
        features = condense(self._suffix, self._constants, kept, rows=self._rows)
        scores = logits(self._suffix, self._params, self._constants, features, rows=self._rows)
        shares = self.probabilities(scores)
        return [Outcome(*each) for each in zip(known.digests, scores, shares, strict=True)]

    def probabilities(self, logits_nk: np.ndarray, *, temperature: float | None = None) -> np.ndarray:
        """(n, classes) float32 of logits, at the model's temperature or another."""
        count = len(logits_nk)
        padded = np.pad(logits_nk / (temperature or self.temperature), ((0, -count % _ROWS), (0, 0)))
        parts = [
            np.asarray(outputs.probabilities(jnp.asarray(part, jnp.float32), self.output))
            for part in padded.reshape(-1, _ROWS, padded.shape[1])
        ]
        return np.concatenate(parts)[:count] if parts else np.empty((0, len(self.classes)), np.float32)

    def losses(self, logits_nk: np.ndarray, labels_n: np.ndarray) -> np.ndarray:
        """Cross-entropy of each photo as trained, (n,), nats, given its true class."""
        return np.asarray(self._suffix.losses(jnp.asarray(logits_nk), jnp.asarray(labels_n)))

    @cached_property
    def heat_maps(self) -> HeatMaps:
        """Where on a photo the model sees a class.

        Raises:
            WeightsError: the pretrained weights can no longer be read.
        """
        return HeatMaps(
            self._source,
            self._spec,
            self._tensors,
            unfreeze=self._prefix.unfreeze,
            workspace=self._workspace,
        )
