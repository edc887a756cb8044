"""What a person chooses for a training, and the `TrainOptions` that follow from it. Needs no jax."""

from dataclasses import dataclass
from pathlib import Path

from catdog.config import (
    HEADS,
    OUTPUTS,
    PREPROCESSINGS,
    RESIZES,
    Decoding,
    Head,
    HeadKind,
    Output,
    PhotosAs,
    Resize,
    TrainOptions,
)
from catdog.errors import OptionError
from catdog.training.optimizers import find_optimizer
from catdog.weights.source import BUILTIN, NAMES, WeightSource

# Chosen on 1,600 + 400 photos of dogs and cats with several seeds: tests/benchmarks/README.md.
DEFAULT_FC_UNITS = (64,)
DEFAULT_DROPOUT = 0.5
DEFAULT_VALID_FRACTION = 0.2


@dataclass(frozen=True)
class NewRun:
    """A training to start. None stands for a default that depends on something else.

    Raises an OptionError for a value that is not allowed, and there is no optimizer of that name.

    Attributes:
        data: the folder of photos.
        name: of the run folder below `runs_dir`; None takes that of `data`, numbered if it is taken.
        epochs: training epochs.
        batch_size: photos of one optimizer step.
        optimizer: a name in `catdog.training.optimizers.OPTIMIZERS`.
        lr: learning rate; None takes the optimizer's own default.
        head: kind of the new layers; None takes `imagenet` for weights with fc1 and fc2, else `concat`.
        fc_units: units of each hidden layer of the head `fc`; None is one layer of 64.
        dropout: rate of the heads `fc` and `imagenet`; None is 0.5.
        output: `category` (softmax) or, for two classes, `binary` (sigmoid).
        unfreeze: the first stage that is trained: `head`, `fc2`, `fc1`, `block5` ... `block1`, or `all`.
        weights: `builtin`, `keras`, `timm`, or a file.
        preprocessing: what the weights expect, where their file does not say.
        resize: how a photo becomes a square.
        size: of that square, in pixels.
        valid_fraction: of the photos, for validation, where `data` has no split of its own; None is 0.2.
        seed: for initialization, shuffling and dropout.
        strict: an unreadable photo is an error.
    """

    data: Path
    name: str | None = None
    runs_dir: Path = Path("runs")
    epochs: int = 20
    batch_size: int = 64
    optimizer: str = "adam"
    lr: float | None = None
    head: HeadKind | None = None
    fc_units: tuple[int, ...] | None = None
    dropout: float | None = None
    output: Output = "category"
    unfreeze: str = "head"
    weights: str = BUILTIN
    preprocessing: PhotosAs | None = None
    resize: Resize = "squash"
    size: int = 224
    valid_fraction: float | None = None
    seed: int = 0
    strict: bool = False

    def __post_init__(self) -> None:
        for name, found, allowed in (
            ("head", self.head or HEADS[0], HEADS),
            ("output", self.output, OUTPUTS),
            ("resize", self.resize, RESIZES),
            ("preprocessing", self.preprocessing or PREPROCESSINGS[0], PREPROCESSINGS),
        ):
            if found not in allowed:
                raise OptionError(
                    "expected {name} to be one of {allowed}; found {found!r}",
                    name=name,
                    allowed=", ".join(allowed),
                    found=found,
                )
        for bounds, found, is_fine in (
            ("epochs >= 1", self.epochs, self.epochs >= 1),
            ("batch_size >= 1", self.batch_size, self.batch_size >= 1),
            ("lr > 0", self.lr, self.lr is None or self.lr > 0),
            (
                "0 < valid_fraction < 1",
                self.valid_fraction,
                self.valid_fraction is None or 0 < self.valid_fraction < 1,
            ),
            ("0 <= seed < 2**32", self.seed, 0 <= self.seed < 2**32),
        ):
            if not is_fine:
                raise OptionError("expected {bounds}, found {found}", bounds=bounds, found=found)

    def complete(self, source: WeightSource) -> TrainOptions:
        """All options, nothing left open, with these weights.

        Raises:
            OptionError: options do not go together.
        """
        kind = self.head or ("imagenet" if source.has_fc else "concat")
        if self.fc_units and kind != "fc":
            raise OptionError(
                "--fc-units belongs to --head fc; the {head} head has no hidden layers of its own", head=kind
            )
        if self.dropout is not None and kind not in ("fc", "imagenet"):
            raise OptionError(
                "--dropout belongs to --head fc or imagenet; the {head} head has no hidden layers", head=kind
            )
        units = (self.fc_units or DEFAULT_FC_UNITS) if kind == "fc" else ()
        dropout = DEFAULT_DROPOUT if self.dropout is None else self.dropout
        fraction = DEFAULT_VALID_FRACTION if self.valid_fraction is None else self.valid_fraction
        optimizer = find_optimizer(self.optimizer)
        return TrainOptions(
            data=str(self.data.absolute()),
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            learning_rate=optimizer.learning_rate if self.lr is None else self.lr,
            head=Head(kind, units, dropout, self.output),
            unfreeze=self.unfreeze,
            weights=self.weights if self.weights in NAMES else str(source.path.absolute()),
            valid_fraction=fraction,
            seed=self.seed,
            decoding=Decoding(self.size, self.resize),
            strict=self.strict,
            preprocessing=self.preprocessing,
        )


@dataclass(frozen=True)
class Resume:
    """A training to go on with: with its own options, but for these.

    Attributes:
        run: its folder.
        data: the folder of the same photos, where it has moved.
        epochs: more of them extend a run that has finished.
    """

    run: Path
    data: Path | None = None
    epochs: int | None = None
