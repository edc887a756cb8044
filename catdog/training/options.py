"""What a person chooses for a training, and the `TrainOptions` that follow from it. Needs no jax."""

from dataclasses import dataclass
from pathlib import Path

from catdog import config
from catdog.config import Decoding, Head, TrainOptions
from catdog.errors import OptionError
from catdog.training.optimizers import find_optimizer
from catdog.weights.source import BUILTIN, NAMES, WeightSource

# Chosen on 1,600 + 400 photos of dogs and cats with several seeds: tests/benchmarks/README.md.
DEFAULT_FC_UNITS = (64,)
DEFAULT_DROPOUT = 0.5
DEFAULT_VALID_FRACTION = 0.2


@dataclass(frozen=True)
class NewRun:
    """A training to start. `catdog.train` documents the options; a wrong value raises an OptionError."""

    data: Path
    name: str | None = None  # of the run folder; None takes that of `data`, numbered if it is taken
    runs_dir: Path = Path("runs")
    epochs: int = 20
    batch_size: int = 64
    optimizer: str = "adam"
    lr: float | None = None  # None takes the optimizer's own
    head: config.HeadKind | None = None  # None takes `imagenet` for weights with fc1 and fc2, else `concat`
    fc_units: tuple[int, ...] | None = None  # None takes DEFAULT_FC_UNITS
    dropout: float | None = None  # None takes DEFAULT_DROPOUT
    output: config.Output = "category"
    unfreeze: str = "head"
    weights: str = BUILTIN
    preprocessing: config.PhotosAs | None = None  # None takes that of the weights
    resize: config.Resize = "squash"
    size: int = 224  # pixels, both sides
    valid_fraction: float | None = None  # None takes DEFAULT_VALID_FRACTION
    seed: int = 0
    strict: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (
            ("head", (None, *config.HEADS)),
            ("output", config.OUTPUTS),
            ("resize", config.RESIZES),
            ("preprocessing", (None, *config.PREPROCESSINGS)),
        ):
            if (value := getattr(self, name)) not in allowed:
                raise OptionError(
                    "expected {name} to be one of {allowed}; found {value!r}",
                    name=name,
                    allowed=", ".join(filter(None, allowed)),
                    value=value,
                )
        for bounds, value, is_allowed in (
            ("epochs >= 1", self.epochs, self.epochs >= 1),
            ("batch_size >= 1", self.batch_size, self.batch_size >= 1),
            ("lr > 0", self.lr, self.lr is None or self.lr > 0),
            ("0 < valid_fraction < 1", self.valid_fraction, 0 < self._valid_fraction < 1),
            ("0 <= seed < 2**32", self.seed, 0 <= self.seed < 2**32),
        ):
            if not is_allowed:
                raise OptionError("expected {bounds}, found {value}", bounds=bounds, value=value)
        find_optimizer(self.optimizer)

    @property
    def _valid_fraction(self) -> float:
        return DEFAULT_VALID_FRACTION if self.valid_fraction is None else self.valid_fraction

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
        return TrainOptions(
            data=str(self.data.absolute()),
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            learning_rate=self.lr or find_optimizer(self.optimizer).learning_rate,
            head=Head(kind, units, dropout, self.output),
            unfreeze=self.unfreeze,
            weights=self.weights if self.weights in NAMES else str(source.path.absolute()),
            valid_fraction=self._valid_fraction,
            seed=self.seed,
            decoding=Decoding(self.size, self.resize),
            strict=self.strict,
            preprocessing=self.preprocessing,
        )


@dataclass(frozen=True)
class Resume:
    """A training to continue with its own options, except these."""

    run: Path  # its folder
    data: Path | None = None  # the folder of the same photos, where it has moved
    epochs: int | None = None  # more of them extend a run that has finished
