"""The options that decide a result, as frozen dataclasses that are saved as JSON.

Only what can change a number belongs here, not the folder of the cache or the number of threads.
"""

import dataclasses
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, get_args, get_origin

from catdog.errors import OptionError

Resize = Literal["squash", "crop", "pad"]
Output = Literal["category", "binary", "labels", "value"]
Loss = Literal["mse", "huber"]
ClassWeights = Literal["none", "balanced"]
Schedule = Literal["constant", "cosine", "one-cycle"]
Quality = Literal["fast", "good", "best"]
HeadKind = Literal["gem", "concat", "linear", "fc", "imagenet"]
PhotosAs = Literal["caffe", "torch"]

RESIZES: tuple[str, ...] = get_args(Resize)
OUTPUTS: tuple[str, ...] = get_args(Output)
LOSSES: tuple[str, ...] = get_args(Loss)
PREPROCESSINGS: tuple[str, ...] = get_args(PhotosAs)
CLASS_WEIGHTS: tuple[str, ...] = get_args(ClassWeights)
SCHEDULES: tuple[str, ...] = get_args(Schedule)
QUALITIES: tuple[str, ...] = get_args(Quality)
HEADS: tuple[str, ...] = get_args(HeadKind)


def has_classes(output: Output) -> bool:
    """Whether each photo has exactly one class."""
    return output in ("category", "binary")


@dataclass(frozen=True)
class JsonRecord:
    """Gives a frozen dataclass `to_json` and a strict `from_json`."""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; tuples become lists."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            OptionError: a field is missing, unknown, or of the wrong type.
        """
        hints = typing.get_type_hints(cls)
        fields = {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(values.keys() - fields.keys())
        missing = sorted(
            name
            for name, field in fields.items()
            if name not in values
            and field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        )
        if unknown:
            raise OptionError(
                "unknown fields: {names}. Another version of catdog may have written them.",
                names=", ".join(unknown),
            )
        if missing:
            raise OptionError(
                "missing fields: {names}. Another version of catdog may have written the others.",
                names=", ".join(missing),
            )
        return cls(**{name: _checked(name, value, hints[name]) for name, value in values.items()})


def _checked(name: str, value: Any, hint: Any) -> Any:
    """`value` as the type `hint`, or an OptionError that names the field."""
    origin = get_origin(hint)
    if origin is Literal:
        fits = value in get_args(hint)
    elif origin is dict:
        fits = isinstance(value, dict)
    elif origin is tuple:
        fits = isinstance(value, list | tuple)
        if fits:
            inner = get_args(hint)[0]
            return tuple(_checked(name, item, inner) for item in value)
    elif origin in (types.UnionType, typing.Union):
        if value is None and type(None) in get_args(hint):
            return None
        inner = next(part for part in get_args(hint) if part is not type(None))
        return _checked(name, value, inner)
    elif isinstance(hint, type) and issubclass(hint, JsonRecord):
        fits = isinstance(value, dict)
        if fits:
            return hint.from_json(value)
    elif hint is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        value = float(value) if fits else value
    else:
        fits = isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    if not fits:
        raise OptionError(
            "expected {type} in the field {field!r}, found {value!r}", type=hint, field=name, value=value
        )
    return value


@dataclass(frozen=True)
class Decoding(JsonRecord):
    """How a photo file becomes the (size, size, 3) uint8 RGB array that goes into the network."""

    size: int = 224  # pixels, both sides
    resize: Resize = "squash"  # squash the whole photo; or centre crop; or pad with black
    view: int = 0  # 0 the photo as it is, 1 its mirror image; others see `catdog.data.views`

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """See `JsonRecord`; at first there was a field `mirrored` instead of `view`."""
        view = {"view": int(values["mirrored"])} if "mirrored" in values else {}
        return super().from_json({name: values[name] for name in values if name != "mirrored"} | view)


def decodings_of(decoding: Decoding, *, other_sizes: Sequence[int], views: int) -> tuple[Decoding, ...]:
    """How a photo is seen: as it is, then at other sizes, then in so many views."""
    others = [replace(decoding, size=size) for size in other_sizes]
    return (decoding, *others, *(replace(decoding, view=view) for view in range(1, views + 1)))


@dataclass(frozen=True)
class Head(JsonRecord):
    """The new layers on top of the pretrained ones."""

    kind: HeadKind = "concat"
    fc_units: tuple[int, ...] = ()  # units of each hidden layer, for `fc` only
    dropout: float = 0.5  # probability that a hidden unit is dropped, for `fc` and `imagenet` only
    output: Output = "category"
    loss: Loss | None = None  # of a `value` output: mean squared error or Huber loss


@dataclass(frozen=True)
class Scale(JsonRecord):
    """What turns the logit of a `value` output into a value: logit · deviation + mean."""

    mean: float  # of the training photos' values
    deviation: float  # standard deviation of them
    unit: str = ""  # of the values, such as cm; for people


@dataclass(frozen=True)
class ModelSpec(JsonRecord):
    """The header of a model's file: all that is needed to predict, beside the tensors."""

    classes: tuple[str, ...]  # of a `labels` output the labels, of a `value` output none
    preprocessing: str  # the name of a `Preprocessing`
    head: Head
    decoding: Decoding
    calibrated: bool = False  # whether a temperature is in the last layer already, as in an exported file
    temperature: float | None = None  # divides the logits, for calibrated probabilities
    views: int = 0  # of each training photo, beside it; predictions are means over these views
    other_sizes: tuple[int, ...] = ()  # pixels, of each photo beside that of `decoding`; likewise
    scale: Scale | None = None  # of a `value` output
    thresholds: tuple[float, ...] = ()  # of a `labels` output, of each label's probability
    # Only of a run, which needs the pretrained weights too:
    unfreeze: str = "head"  # the first stage that was trained
    weights: str = ""  # as in `TrainOptions`; empty if the file holds all weights
    prefix_digest: str = ""  # of the frozen prefix's weights, hex
    epoch: int = 0  # of these parameters, see `EpochRecord`

    @property
    def decodings(self) -> tuple[Decoding, ...]:
        """How the training has seen each photo; predictions are means over them."""
        return decodings_of(self.decoding, other_sizes=self.other_sizes, views=self.views)


@dataclass(frozen=True)
class TrainOptions(JsonRecord):
    """All that decides the result of a training, beside the photos and the weights themselves."""

    data: str  # the folder of photos, absolute
    epochs: int
    batch_size: int  # photos per optimizer step; 0 until it is found what fits
    optimizer: str
    learning_rate: float
    head: Head
    unfreeze: str  # the first stage that trains
    weights: str  # `builtin`, the name of a download, or a file
    valid_fraction: float  # fraction of validation photos, if DATA has no split of its own
    seed: int
    decoding: Decoding
    strict: bool  # an unreadable photo is an error
    l2: float | None = None  # penalty of the optimizer lbfgs; None is chosen by cross-validation
    folds: int | None = 0  # of a cross-validation over all photos; 0 validates by a split; None is undecided
    class_weights: ClassWeights = "none"
    views: int = 0  # of each training photo, beside it
    other_sizes: tuple[int, ...] = ()  # pixels, of each photo beside that of `decoding`
    labels: str = ""  # the CSV file with the values or labels; relative to `data` if it is inside
    unit: str = ""  # of a `value` output
    preprocessing: PhotosAs | None = None  # of the weights, if their file does not name it
    # Of fine-tuning from a fitted head: the highest learning rate of each stage. Empty is `learning_rate` for
    # all, from a new head.
    stage_rates: dict[str, float] = field(default_factory=dict)
    schedule: Schedule = "constant"  # of the learning rates, over all steps
    label_smoothing: float = 0.0  # of each true label, so much goes to all classes alike
    mixup: float = 0.0  # parameters of the Beta distribution; 0 mixes no photos
    patience: int | None = None  # epochs without a lower validation loss that end the training
    # Each epoch shows a new view of each photo (`catdog.training.drawn`); `views` are for predictions alone.
    draws_views: bool = False

    @property
    def decodings(self) -> tuple[Decoding, ...]:
        """See `ModelSpec`."""
        return decodings_of(self.decoding, other_sizes=self.other_sizes, views=self.views)
