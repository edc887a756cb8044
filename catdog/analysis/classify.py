"""A trained run as something that answers: photo files in, probabilities out.

The same prefix, feature cache and suffix as in training; only the boundary between them is the run's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from catdog.data import Skipped
from catdog.errors import RunError
from catdog.features.answer import condense, logits, make_suffix
from catdog.features.extract import extract
from catdog.features.prefix import Prefix
from catdog.features.progress import Progress
from catdog.model import outputs
from catdog.runs import Run


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


class Classifier:
    """A run's model, ready to answer.

    Attributes:
        classes: the names of what it tells apart.

    Raises:
        RunError: the run has no model, or the weights are not those it was trained on.
        WeightsError: the pretrained weights cannot be read.
    """

    def __init__(self, run: Run, *, cache_root: Path, memo_dir: Path | None, workers: int):
        tensors, saved = run.read_model()
        self.classes = saved.classes
        self.saved = saved
        self._prefix = Prefix(saved.weights, unfreeze=saved.unfreeze, memo_dir=memo_dir)
        if self._prefix.digest != saved.prefix_digest:
            raise RunError(
                f"{run.model_path} was trained on weights with digest {saved.prefix_digest[:12]}, found "
                f"{self._prefix.digest[:12]} in {saved.weights!r}. Bring back those weights, or train anew."
            )
        self._suffix = make_suffix(self._prefix, saved.head, len(saved.classes), size=saved.decoding.size)
        self._params, self._constants = self._suffix.from_tensors(tensors)
        self._cache_root = cache_root
        self._workers = workers

    def answer(
        self,
        paths: Sequence[Path],
        *,
        digests: dict[Path, str] | None = None,
        report: Callable[[Progress], None] = lambda _: None,
    ) -> Answers:
        """Probabilities for photo files; those that cannot be read are listed, not raised.

        Args:
            digests: content digests, by path, where they are known already.
        """
        found = extract(
            paths,
            self._prefix,
            self.saved.decoding,
            cache_root=self._cache_root,
            workers=self._workers,
            digests=digests,
            report=report,
        )
        if found.features is None:
            scores = np.empty((0, 1 if self.saved.head.output == "binary" else len(self.classes)))
        else:
            condensed = condense(self._suffix, found.features)
            scores = logits(self._suffix, self._params, self._constants, condensed)
        shares = outputs.probabilities(jnp.asarray(scores, jnp.float32), self.saved.head.output)
        return Answers(
            photos=np.array(found.photos, np.int64),
            digests=found.digests,
            logits=scores,
            probabilities=np.asarray(shares),
            skipped=found.skipped,
        )

    def losses(self, answers: Answers, labels: np.ndarray) -> np.ndarray:
        """Cross-entropy of each answered photo, (n,), nats, given its true class (n,)."""
        return np.asarray(self._suffix.losses(jnp.asarray(answers.logits), jnp.asarray(labels)))
