"""What a person chooses for a training, and the `TrainOptions` that follow from it. Needs no jax."""

from dataclasses import dataclass
from pathlib import Path

from catdog import config
from catdog.config import Decoding, Head, TrainOptions
from catdog.errors import OptionError
from catdog.model.architecture import freeze
from catdog.text import relative_path
from catdog.training.optimizers import find_optimizer
from catdog.training.rates import OF_OWN_RATE, stage_rates
from catdog.weights.source import BUILTIN, NAMES, WeightSource

# Chosen on 1,600 + 400 photos of dogs and cats with several seeds: tests/benchmarks/README.md.
DEFAULT_FC_UNITS = (64,)
DEFAULT_DROPOUT = 0.5
DEFAULT_BATCH_SIZE = 64
DEFAULT_VALID_FRACTION = 0.2
DEFAULT_FOLDS = 5
EPOCHS, LBFGS_EPOCHS, FINE_TUNING_EPOCHS = 20, 8, 6
MOST_VIEWS = 32
SMALL = 1000  # photos; for fewer, without a validation split, cross-validation says more than one split

PRETRAINED_SIZE = 224  # pixels, both sides: VGG16 was trained on such photos, and fc1 takes no others
SIZES = range(96, 769, 32)
SIZES_OF_FC = (PRETRAINED_SIZE,)  # for the heads fc and imagenet
# docs/accuracy.md has what each gives.
SIZES_OF: dict[str, tuple[int, ...]] = {"fast": (224,), "good": (320,), "best": (448, 320, 224)}


@dataclass(frozen=True)
class NewRun:
    """A training to start. `catdog.train` documents the options; a wrong value raises an OptionError."""

    data: Path
    name: str | None = None  # of the run folder; None takes that of `data`, numbered if it is taken
    runs_dir: Path = Path("runs")
    epochs: int | None = None  # None is EPOCHS, of lbfgs LBFGS_EPOCHS, in fine-tuning FINE_TUNING_EPOCHS
    batch_size: int | None = DEFAULT_BATCH_SIZE  # None: on an accelerator what fits, on a CPU the default
    optimizer: str | None = None  # None: lbfgs for a last layer and no `lr`, adamw in fine-tuning, else adam
    lr: float | None = None  # of the head; None is the optimizer's own, in fine-tuning 0.03 of it
    schedule: config.Schedule | None = None  # None is cosine in fine-tuning, else constant
    label_smoothing: float = 0.0
    mixup: float = 0.0
    patience: int | None = None
    head: config.HeadKind | None = None  # None takes `imagenet` for weights with fc1 and fc2, else `gem`
    fc_units: tuple[int, ...] | None = None  # None takes DEFAULT_FC_UNITS
    dropout: float | None = None  # None takes DEFAULT_DROPOUT
    output: config.Output = "category"
    labels: Path | None = None  # CSV file with classes, values or labels; None takes them from the folder
    loss: config.Loss | None = None  # of `value`; None is mse
    unit: str = ""  # of `value`
    unfreeze: str = "head"
    weights: str = BUILTIN
    preprocessing: config.PhotosAs | None = None  # None takes that of the weights
    resize: config.Resize = "squash"
    quality: config.Quality = "good"
    size: int | tuple[int, ...] | None = None  # pixels, both sides, or several; None takes that of `quality`
    time_limit: float | None = None  # seconds; takes the best of SIZES_OF that is fast enough
    l2: float | None = None  # None is chosen by cross-validation
    folds: int | None = None  # None is DEFAULT_FOLDS for fewer than SMALL photos without a split, else 0
    class_weights: config.ClassWeights = "none"
    views: int = 0
    valid_fraction: float | None = None  # None takes DEFAULT_VALID_FRACTION
    seed: int = 0
    strict: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (
            ("head", (None, *config.HEADS)),
            ("output", config.OUTPUTS),
            ("loss", (None, *config.LOSSES)),
            ("resize", config.RESIZES),
            ("preprocessing", (None, *config.PREPROCESSINGS)),
            ("quality", config.QUALITIES),
            ("class_weights", config.CLASS_WEIGHTS),
            ("schedule", (None, *config.SCHEDULES)),
        ):
            if (value := getattr(self, name)) not in allowed:
                raise OptionError(
                    "expected {name} to be one of {allowed}; found {value!r}",
                    name=name,
                    allowed=", ".join(filter(None, allowed)),
                    value=value,
                )
        for bounds, value, is_allowed in (
            ("epochs >= 1", self.epochs, self.epochs is None or self.epochs >= 1),
            ("batch_size >= 1", self.batch_size, self.batch_size is None or self.batch_size >= 1),
            ("lr > 0", self.lr, self.lr is None or self.lr > 0),
            ("0 <= label_smoothing < 1", self.label_smoothing, 0 <= self.label_smoothing < 1),
            ("mixup >= 0", self.mixup, self.mixup >= 0),
            ("patience >= 1", self.patience, self.patience is None or self.patience >= 1),
            ("0 < valid_fraction < 1", self.valid_fraction, 0 < self._valid_fraction < 1),
            ("time_limit > 0", self.time_limit, self.time_limit is None or self.time_limit > 0),
            ("l2 >= 0", self.l2, self.l2 is None or self.l2 >= 0),
            ("folds of 0, or of 2 and more", self.folds, self.folds in (None, 0) or self.folds > 1),
            ("sizes from 96 to 768 that 32 divides", self.size, all(size in SIZES for size in self._sizes)),
            ("different sizes", self.size, len(set(self._sizes)) == len(self._sizes)),
            ("views >= 0", self.views, self.views >= 0),
            ("0 <= seed < 2**32", self.seed, 0 <= self.seed < 2**32),
        ):
            if not is_allowed:
                raise OptionError("expected {bounds}, found {value}", bounds=bounds, value=value)
        if self.views > MOST_VIEWS:
            raise OptionError(
                "expected at most {most} views, found {views}: each takes as much time as the photo itself, "
                "in training and in every prediction",
                most=MOST_VIEWS,
                views=self.views,
            )
        if self.optimizer:
            find_optimizer(self.optimizer)

    @property
    def _sizes(self) -> tuple[int, ...]:
        """Those that were asked for."""
        if isinstance(self.size, tuple):
            return self.size
        return () if self.size is None else (self.size,)

    @property
    def _valid_fraction(self) -> float:
        return DEFAULT_VALID_FRACTION if self.valid_fraction is None else self.valid_fraction

    def complete(self, source: WeightSource) -> TrainOptions:
        """All options, nothing left open, with these weights.

        Raises:
            OptionError: options do not go together.
        """
        if self.output != "value" and (self.loss or self.unit):
            raise OptionError(
                "--loss and --unit belong to --output value, found {output}", output=self.output
            )
        if self.class_weights != "none" and not config.has_classes(self.output):
            raise OptionError("--class-weights is about classes: leave it out with --output value and labels")
        kind = self.head or ("imagenet" if source.has_fc else "gem")
        hidden = kind in ("fc", "imagenet")
        if self.fc_units and kind != "fc":
            raise OptionError(
                "--fc-units belongs to --head fc; the {head} head has no hidden layers of its own", head=kind
            )
        if self.dropout is not None and not hidden:
            raise OptionError(
                "--dropout belongs to --head fc or imagenet; the {head} head has no hidden layers", head=kind
            )
        if hidden and any(size not in SIZES_OF_FC for size in self._sizes):
            raise OptionError(
                "the {head} head takes photos of 224 pixels: leave out --size, or choose the head gem, "
                "concat or linear",
                head=kind,
            )
        can_be_fitted = not hidden and self.unfreeze == "head"
        if len(self._sizes) > 1 and not can_be_fitted:
            raise OptionError(
                "several sizes need frozen features and the head gem, concat or linear: name one --size, or "
                "leave out --head and --unfreeze"
            )
        # Fine-tuning starts from a fitted head. See `catdog.training.recipe`.
        fine_tunes = not hidden and self.unfreeze != "head"
        usual = "adamw" if fine_tunes else "lbfgs" if can_be_fitted and self.lr is None else "adam"
        optimizer = self.optimizer or usual
        if optimizer == "lbfgs":
            if not can_be_fitted:
                raise OptionError(
                    "the optimizer lbfgs trains one layer on frozen features: choose the head gem, concat or "
                    "linear without --unfreeze, or another --optimizer"
                )
            if self.lr is not None:
                raise OptionError("the optimizer lbfgs finds its own step sizes: leave out --lr")
            if self.schedule or self.label_smoothing or self.mixup or self.patience:
                raise OptionError(
                    "--schedule, --label-smoothing, --mixup and --patience need another optimizer than "
                    "lbfgs, such as --optimizer adam"
                )
        elif self.folds or (self.l2 is not None and not fine_tunes):
            raise OptionError(
                "--folds and --l2 need the optimizer lbfgs, found {optimizer}: leave them out, or use the "
                "head gem, concat or linear without --unfreeze, --optimizer and --lr",
                optimizer=optimizer,
            )
        if self.label_smoothing and self.output in ("value", "labels"):
            raise OptionError("--label-smoothing needs --output category or binary: leave it out")
        if self.time_limit and (self.size or not can_be_fitted):
            raise OptionError(
                "--time-limit chooses the size of the photos for frozen features: leave it out, or leave out "
                "--size and --unfreeze and use the head gem, concat or linear"
            )
        undecided = optimizer == "lbfgs" and self.folds is None and self.valid_fraction is None
        sizes = self._sizes or (SIZES_OF[self.quality] if can_be_fitted else (PRETRAINED_SIZE,))
        loss = (self.loss or "mse") if self.output == "value" else None
        units = (self.fc_units or DEFAULT_FC_UNITS) if kind == "fc" else ()
        dropout = DEFAULT_DROPOUT if self.dropout is None else self.dropout
        head = Head(kind, units, dropout, self.output, loss)
        once_a_photo, *_ = freeze(head, self.unfreeze)
        epochs = FINE_TUNING_EPOCHS if fine_tunes else LBFGS_EPOCHS if optimizer == "lbfgs" else EPOCHS
        rate = self.lr or find_optimizer(optimizer).learning_rate * (OF_OWN_RATE if fine_tunes else 1)
        return TrainOptions(
            data=str(self.data.absolute()),
            epochs=self.epochs or epochs,
            batch_size=self.batch_size or 0,
            optimizer=optimizer,
            learning_rate=rate,
            head=head,
            unfreeze=self.unfreeze,
            weights=self.weights if self.weights in NAMES else str(source.path.absolute()),
            valid_fraction=self._valid_fraction,
            seed=self.seed,
            decoding=Decoding(sizes[0], self.resize),
            strict=self.strict,
            preprocessing=self.preprocessing,
            l2=self.l2,
            folds=self.folds or (None if undecided else 0),
            class_weights=self.class_weights,
            views=self.views,
            other_sizes=sizes[1:],
            labels=str(relative_path(self.labels.absolute(), self.data.absolute())) if self.labels else "",
            unit=self.unit,
            stage_rates=stage_rates(self.unfreeze, rate) if fine_tunes else {},
            schedule=self.schedule or ("cosine" if fine_tunes else "constant"),
            label_smoothing=self.label_smoothing,
            mixup=self.mixup,
            patience=self.patience,
            draws_views=self.views > 0 and not once_a_photo,
        )


@dataclass(frozen=True)
class Resume:
    """A training to continue with its own options, except these."""

    run: Path  # its folder
    data: Path | None = None  # the folder of the same photos, where it has moved
    epochs: int | None = None  # more of them extend a run that has finished
