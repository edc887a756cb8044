"""From inputs to predictions: one for each input, as soon as it is known."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from catdog import hosts
from catdog.config import Decoding
from catdog.data import decode_for_people
from catdog.data.overlay import lay_over
from catdog.errors import PhotoError
from catdog.features.writer import ShardWriter
from catdog.inference.arrivals import chunks
from catdog.inference.classifier import Classifier
from catdog.inference.divided import Dealt, collected
from catdog.inference.inputs import Input
from catdog.inference.prediction import Prediction, in_order
from catdog.progress import OnProgress, unreported
from catdog.text import Message

_HEAT_MAPS = 16  # photos whose heat maps are computed together


def predictions(
    classifier: Classifier,
    inputs: Iterable[Input],
    *,
    ordered: bool = True,
    threshold: float = 0.0,
    heat_maps: bool = False,
    allow_private: bool = False,
    report: OnProgress = unreported,
    idle: Callable[[], None] = lambda: None,
) -> Generator[Prediction, None, None]:
    """Predict for a stream of inputs. They are taken in a thread; what they raise is raised here.

    A photo from the web is in a temporary file, which is deleted when the next prediction is asked for.

    In several processes (`catdog.hosts`) all call it with the same inputs, and each predicts for its part.
    Process 0 gets all predictions and the others none; without `ordered` each gets its own. Predictions of
    other processes have no picture.

    Args:
        ordered: in the order of the inputs.
        threshold: the label is UNSURE where the largest probability is below this.
        heat_maps: lay a heat map over the picture of each prediction.
        allow_private: also download from this machine and from private networks.
        idle: called when all inputs that have arrived are done, and others may be a long time coming.

    Raises:
        CatdogError: the list of inputs cannot be read, or another process has another list.
        CacheError: the cache cannot be read.
    """
    group, dealt = hosts.group(), Dealt(inputs, hosts.group())
    if group.processes > 1:
        group.require_same(classifier.facts() | {"order": ordered, "threshold": threshold})
    options = {"threshold": threshold, "heat_maps": heat_maps, "allow_private": allow_private}
    with closing(_own(classifier, dealt, ordered=ordered, report=report, idle=idle, **options)) as own:
        yield from collected(group, own) if ordered else own
    dealt.require_same()


def _own(
    classifier: Classifier,
    inputs: Iterable[Input],
    *,
    ordered: bool,
    threshold: float,
    heat_maps: bool,
    allow_private: bool,
    report: OnProgress,
    idle: Callable[[], None],
) -> Generator[Prediction, None, None]:
    """See `predictions`: those of this process."""
    size = _HEAT_MAPS if heat_maps else 1
    with closing(chunks(inputs, allow_private=allow_private)) as arriving, classifier.writer() as writer:
        for chunk in arriving:
            with closing(_of_chunk(classifier, chunk, report=report, writer=writer)) as found:
                pairs = in_order(found) if ordered else found
                while some := list(islice(pairs, size)):
                    known = [
                        replace(classifier.prediction(chunk[number], values), threshold=threshold)
                        for number, values in some
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


def _of_chunk(
    classifier: Classifier, chunk: Sequence[Input], *, report: OnProgress, writer: ShardWriter
) -> Generator[tuple[int, Message | np.ndarray], None, None]:
    """See `Classifier.arriving`: what is known of each input, with its index."""
    there = [number for number, photo in enumerate(chunk) if photo.error is None]
    for number, photo in enumerate(chunk):
        if photo.error is not None:
            yield number, photo.error
    paths = [chunk[number].path for number in there]
    with closing(classifier.arriving(paths, report=report, writer=writer)) as found:
        for row, values in found:
            yield there[row], values


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
