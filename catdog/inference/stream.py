"""From inputs to predictions: one for each input, in order, as soon as it is known."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from catdog.config import Decoding
from catdog.data import decode_for_people
from catdog.data.overlay import lay_over
from catdog.errors import PhotoError
from catdog.inference.arrivals import chunks
from catdog.inference.classifier import Classifier
from catdog.inference.inputs import Input
from catdog.inference.prediction import Prediction
from catdog.progress import OnProgress, unreported

_HEAT_MAPS = 16  # photos whose heat maps are computed together


def predictions(
    classifier: Classifier,
    inputs: Iterable[Input],
    *,
    threshold: float = 0.0,
    heat_maps: bool = False,
    allow_private: bool = False,
    report: OnProgress = unreported,
    idle: Callable[[], None] = lambda: None,
) -> Generator[Prediction, None, None]:
    """Predict for a stream of inputs. They are taken in a thread; what they raise is raised here.

    A photo from the web is in a temporary file, which is deleted when the next prediction is asked for.

    Args:
        threshold: the label is UNSURE where the largest probability is below this.
        heat_maps: lay a heat map over the picture of each prediction.
        allow_private: also download from this machine and from private networks.
        idle: called when all inputs that have arrived are done, and others may be a long time coming.

    Raises:
        CatdogError: the list of inputs cannot be read.
        CacheError: the cache cannot be read.
    """
    size = _HEAT_MAPS if heat_maps else 1
    with closing(chunks(inputs, allow_private=allow_private)) as arriving, classifier.writer() as writer:
        for chunk in arriving:
            paths = [photo.path for photo in chunk if photo.error is None]
            with closing(classifier.stream(paths, report=report, writer=writer)) as found:
                for start in range(0, len(chunk), size):
                    known = [
                        replace(next(found), source=photo, threshold=threshold)
                        if photo.error is None
                        else Prediction(photo, reason=photo.error)
                        for photo in chunk[start : start + size]
                    ]
                    if heat_maps:
                        writer.close()  # heat maps may start from the same features
                    heat = _heat(classifier, known) if heat_maps else {}
                    for prediction in known:
                        path = prediction.source.path
                        if prediction.reason is None:
                            picture = partial(_picture, path, heat.get(path), classifier.decoding)
                            prediction = replace(prediction, picture=picture)
                        yield prediction
                        if prediction.source.is_address and prediction.source.error is None:
                            path.unlink()
            idle()


def _heat(classifier: Classifier, known: Sequence[Prediction]) -> dict[Path, np.ndarray]:
    """A heat map of each photo's most probable class; none of photos that can no longer be read.

    Of a value: of what makes it larger.
    """
    place = {label: index for index, label in enumerate(classifier.classes)}
    best = {
        prediction.source.path: place.get(next(iter(prediction.probabilities), ""), 0)
        for prediction in known
        if prediction.reason is None
    }
    try:
        return dict(zip(best, classifier.heat_maps(list(best), list(best.values())), strict=True))
    except PhotoError:
        if len(known) == 1:
            return {}
        return {path: heat for photo in known for path, heat in _heat(classifier, [photo]).items()}


def _picture(path: Path, heat: np.ndarray | None, decoding: Decoding, side: int) -> np.ndarray:
    pixels = decode_for_people(path, side=side)
    return pixels if heat is None else lay_over(pixels, heat, decoding)
