"""`catdog inspect PHOTO --report`: one photo inside one network, as one page of HTML that computes.

The page's script is in the folder `photo`, its numbers are in `photo_arrays`.
"""

import gettext
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from catdog.config import Output
from catdog.data import Photo, probe
from catdog.inference.classifier import Classifier
from catdog.inference.prediction import Prediction
from catdog.insight.anatomy import Anatomy, Maps, dissect
from catdog.insight.head import PooledHead, pooled_head
from catdog.insight.own_images import SIZE, STEPS, OwnImages, own_images
from catdog.insight.patches import Searched, find_cached, search
from catdog.insight.three_outputs import three_outputs
from catdog.insight.unit_images import unit_images
from catdog.model.architecture import CONVOLUTIONS, LayerFacts, body, describe, head, vgg16
from catdog.model.layers import Dense, Dropout, Layer, MaxPool
from catdog.model.preprocess import constants_of
from catdog.progress import OnProgress
from catdog.reports.html import jpeg_address, picture, shown, thumbnail
from catdog.reports.photo_arrays import KERNELS, page_arrays
from catdog.reports.script_page import write_script_page
from catdog.text import message, quantity
from catdog.workspace import Workspace

SCRIPTS = (
    *"network maps view paint prediction layers receipt crops seeks sums head convolution".split(),
    *"example code start".split(),
)
_VALUE = "value"  # stands for the classes where there are none
_TOP = 5  # classes of each model
_SEEN = 8  # units of a layer with an image and patches, the strongest on the photo
_CHOICES = 20  # classes that the head's section offers, the most probable


def write_report(
    photo: Path,
    classifier: Classifier,
    predictions: Mapping[str, Prediction],
    file: Path,
    *,
    workspace: Workspace,
    own: Sequence[Photo] = (),
    progress: OnProgress | None = None,
    translations: gettext.NullTranslations,
) -> None:
    """Compute all maps of the photo and write the page.

    Args:
        classifier: the model that is looked into.
        predictions: of the photo, by the names of the models; the first is the classifier's.
        own: the photos that the classifier was trained on.
        progress: is called as images of what classes and trained units look for are computed, which takes
            minutes; None computes none.

    Raises:
        PhotoError: the photo has become unreadable.
        WeightsError: the pretrained weights cannot be read.
        OptionError: the file cannot be written.
    """
    write_script_page(
        file,
        "photo",
        SCRIPTS,
        _facts(photo, classifier, predictions, own, progress, workspace),
        title=message("Inside the network: {photo}", photo=shown(photo.name)),
        translations=translations,
    )


def _facts(
    photo: Path,
    classifier: Classifier,
    predictions: Mapping[str, Prediction],
    own: Sequence[Photo],
    progress: OnProgress | None,
    workspace: Workspace,
) -> dict[str, Any]:
    """All that the page shows, beside its sentences."""
    model = next(iter(predictions))
    plain = classifier.predict([photo]).plain_logits
    results = classifier.values(plain) if classifier.scale else classifier.probabilities(plain)[0]
    classes = classifier.classes or (_VALUE,)
    predicted = int(np.argmax(results))
    anatomy, pooled = dissect(classifier, photo), pooled_head(classifier)
    (heat,) = classifier.heat_maps([photo], [predicted])
    made = page_arrays(anatomy, pooled, heat)
    order = np.argsort(-results, kind="stable")[:_CHOICES].tolist()
    synthetic = own_images(classifier, order, made.units, progress) if progress else None
    cached = find_cached(own, classifier, workspace)
    last = anatomy.layer("block5_pool").values
    three = three_outputs(photo, last, predicted, cached, classifier)
    seen = {name: units[:_SEEN] for name, units in made.units.items()}
    channels, scale, offset = constants_of(classifier.preprocessing)
    header = probe(photo)
    return {
        "photo": shown(photo.name),
        "picture": picture(thumbnail(photo)),
        "fileSize": f"{header.width}×{header.height}",
        "model": shown(Path(model).name),
        "resize": classifier.decoding.resize,
        "preprocessing": {
            "channels": channels,
            "scale": scale.tolist(),
            "offset": offset.tolist(),
            "mean": np.round(-offset.astype(float) / scale, 3).tolist(),
        },
        "predictions": [
            {"model": shown(Path(name).name), "classes": _top(found), "value": _value(found)}
            for name, found in predictions.items()
        ],
        "classes": [shown(name) for name in classes],
        "results": results.tolist(),
        "predicted": predicted,
        "shownClasses": order,
        "views": classifier.views,
        "calibrated": classifier.calibrated,
        "layers": [
            _layer(maps) | {"units": made.units[maps.name], "places": made.places.get(maps.name, [])}
            for maps in anatomy.layers
        ],
        "kernels": KERNELS,
        "images": _images(classifier, made.units),
        "three": three,
        "own": synthetic and _own(synthetic),
        "patches": [_searched(each) for each in search(cached, classifier, seen)],
        "head": pooled and _head(pooled),
        "code": _code(anatomy, classifier),
        "samples": made.samples,
        "arrays": made.arrays,
    }


def _top(prediction: Prediction) -> list[dict[str, Any]]:
    return [each | {"label": shown(each["label"])} for each in prediction.top(_TOP)]


def _value(prediction: Prediction) -> str | None:
    return None if prediction.value is None else quantity(prediction.value, prediction.unit)


def _head(head: PooledHead) -> dict[str, Any]:
    facts = {name: getattr(head, name) for name in ("kind", "output", "scale", "temperature", "floor")}
    return facts | (head.value.to_json() if head.value else {})


def _layer(maps: Maps) -> dict[str, Any]:
    return {
        "name": maps.name,
        "pool": isinstance(maps.facts.layer, MaxPool),
        "shape": maps.facts.output_shape,
        "parameters": maps.facts.parameters,
        "work": maps.facts.multiply_adds,
        "field": maps.facts.receptive_field,
        "step": maps.step,
        "moved": maps.moved,
    }


def _images(classifier: Classifier, units: Mapping[str, list[int]]) -> dict[str, Any]:
    """Of each layer, the images of those units that are strongest on the photo, among those that have one."""
    pretrained, trained = classifier.pretrained(), {layer.stage for layer in classifier.prefix.thawed}
    found = {}
    for name, images in unit_images(pretrained).items():
        there = [unit for unit in units[name] if unit in images][:_SEEN]
        addresses = {unit: jpeg_address(images[unit]) for unit in there}
        found[name] = {"before": name.partition("_")[0] in trained, "units": addresses}
    return found


def _own(images: OwnImages) -> dict[str, Any]:
    sets = {name: getattr(images, name) for name in ("classes", "before", "after")}
    return {"layer": images.layer, "size": SIZE, "steps": STEPS} | {
        name: {number: picture(pixels) for number, pixels in found.items()} for name, found in sets.items()
    }


def _searched(found: Searched) -> dict[str, Any]:
    units = {
        unit: [
            vars(patch) | {"pixels": picture(patch.pixels), "photo": shown(patch.photo.name)}
            for patch in patches
        ]
        for unit, patches in found.patches.items()
    }
    return {"layer": found.layer, "photos": found.photos, "before": found.before, "units": units}


def _code(anatomy: Anatomy, classifier: Classifier) -> list[dict[str, Any]]:
    """The lines of the lecture's program, and what each is here."""
    lines = []
    for _, stage in groupby(anatomy.layers, key=lambda maps: maps.facts.layer.stage):
        block = list(stage)
        facts = [maps.facts for maps in block]
        name = f"ConvBlock({len(block) - 1}, {facts[-1].output_shape[-1]})"
        lines.append(_line(name, facts, milliseconds=1000 * sum(maps.seconds for maps in block)))
    kept = body(classifier.head)
    for fact in describe(vgg16())[len(CONVOLUTIONS) :]:
        absent = fact.layer.name not in [layer.name for layer in kept]
        note = message("in the original network only") if absent else None
        lines.append(_line(_in_keras(fact.layer), [fact], note=note))
    features = describe(kept, input_shape=anatomy.pixels.shape)[-1].output_shape
    new = describe(head(classifier.head, len(classifier.classes), features=features), input_shape=features)
    frozen, last = message("the layers before stay as they are"), message("the new head of this model")
    lines += [
        _line("model.pop()", note=message("takes the layer of 1000 classes away")),
        _line("for layer in model.layers: layer.trainable = False", note=frozen),
        _line(_last_in_keras(new[-1].output_shape[-1], classifier.output), new, note=last),
    ]
    return lines


def _line(line: str, facts: Sequence[LayerFacts] = (), **told: object) -> dict[str, Any]:
    return {
        "line": line,
        "shape": facts[-1].output_shape if facts else (),
        "parameters": sum(fact.parameters for fact in facts) or None,
        "work": sum(fact.multiply_adds for fact in facts) or None,
        "milliseconds": None,
        "note": None,
        **told,
    }


def _in_keras(layer: Layer) -> str:
    """The line of the lecture that adds a layer."""
    match layer:
        case Dense(activation="relu"):
            return f"Dense({layer.units_out}, activation='relu')"
        case Dense():
            return _last_in_keras(layer.units_out, "category")
        case Dropout():
            return f"Dropout({layer.rate:g})"
        case _:
            return "Flatten()"


def _last_in_keras(units: int, output: Output) -> str:
    if output == "value":
        return f"Dense({units})"
    return f"Dense({units}, activation='{'softmax' if output == 'category' else 'sigmoid'}')"
