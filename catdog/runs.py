"""The run folder: what one training leaves behind. Written, read and checked here, without JAX.

    config.json        options, versions, digests of photos and weights
    model.safetensors  the suffix of the best epoch; a `ModelSpec` in its header
    history.jsonl      one line an epoch
    split.json         which photo (content digest) was on which side
    skipped.jsonl      what could not be read, and why
    resume/state.safetensors   parameters, optimizer state, step and epoch after the last epoch
    resume/lock        locked by the training at work; the lock ends with its process, the file stays

Every file is replaced whole, so a killed training leaves the last good state.
"""

import json
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from catdog import durable
from catdog.config import JsonRecord, ModelSpec, TrainOptions
from catdog.errors import OptionError, RunError

# safetensors writes several metadata keys in a random order; one key keeps the file's bytes repeatable.
METADATA_KEY = "catdog"
_SHOWN = 40  # letters of a run's name that its folder shows while it is made


@dataclass(frozen=True)
class RunConfig(JsonRecord):
    """config.json: what makes the run repeatable."""

    options: TrainOptions
    classes: tuple[str, ...]
    data_digest: str  # of every photo's content, class and side
    prefix_digest: str  # of the frozen prefix's weights
    preprocessing: str
    versions: dict[str, str]  # catdog, Python, JAX, Flax, Optax, NumPy, Pillow
    device: str
    created: str  # ISO 8601, UTC
    command: str = ""  # that started it, as typed, and those that went on with it, a line each


@dataclass(frozen=True)
class EpochRecord(JsonRecord):
    """One line of history.jsonl. Losses in nats a photo, accuracies as shares."""

    epoch: int
    seconds: float
    loss: float
    acc: float
    val_loss: float
    val_acc: float


@dataclass(frozen=True)
class SkippedRecord(JsonRecord):
    """One line of skipped.jsonl."""

    path: str
    reason: str


class Run:
    """One run folder on disk."""

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def model_path(self) -> Path:
        """Where the best epoch's parameters are."""
        return self.folder / "model.safetensors"

    @property
    def _state_path(self) -> Path:
        return self.folder / "resume" / "state.safetensors"

    @cached_property
    def config(self) -> RunConfig:
        """config.json.

        Raises:
            RunError: it is missing or does not hold what it should.
        """
        path = self.folder / "config.json"
        try:
            return RunConfig.from_json(json.loads(path.read_bytes()))
        except (OSError, ValueError, AttributeError, OptionError) as error:
            raise RunError(
                "expected a run's options in {path}: {reason}", path=path, reason=_reason(error)
            ) from error

    def write_config(self, config: RunConfig) -> None:
        """Replace config.json."""
        with _writing(self.folder):
            durable.write_json(self.folder / "config.json", config.to_json())
        self.__dict__["config"] = config

    def history(self) -> list[EpochRecord]:
        """The epochs so far; empty before the first has ended."""
        return [EpochRecord.from_json(line) for line in self._read_lines("history.jsonl")]

    def write_history(self, records: list[EpochRecord]) -> None:
        """Replace history.jsonl."""
        self._write_lines("history.jsonl", records)

    def skipped(self) -> list[SkippedRecord]:
        """The photos that could not be read."""
        return [SkippedRecord.from_json(line) for line in self._read_lines("skipped.jsonl")]

    def write_skipped(self, records: list[SkippedRecord]) -> None:
        """Replace skipped.jsonl."""
        self._write_lines("skipped.jsonl", records)

    def split(self) -> dict[str, set[str]]:
        """Side (`train`, `valid`) → content digests of the photos there."""
        path = self.folder / "split.json"
        try:
            return {side: set(digests) for side, digests in json.loads(path.read_bytes()).items()}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise RunError(
                "expected the sides of the photos in {path}: {reason}", path=path, reason=_reason(error)
            ) from error

    def write_split(self, sides: dict[str, list[str]]) -> None:
        """Replace split.json by side → content digests."""
        with _writing(self.folder):
            durable.write_json(self.folder / "split.json", sides)

    def write_model(self, tensors: dict[str, np.ndarray], saved: ModelSpec) -> None:
        """Replace model.safetensors. The same arguments give the same bytes."""
        _write_tensors(self.model_path, tensors, saved.to_json())

    def read_model(self) -> tuple[dict[str, np.ndarray], ModelSpec]:
        """The tensors of model.safetensors by name, and its header.

        Raises:
            RunError: it is missing or damaged.
        """
        if not self.model_path.exists():
            raise RunError(
                "expected a trained model in {folder}, found none: its training has not finished an epoch. "
                "Go on with: catdog train --resume {folder}",
                folder=self.folder,
            )
        tensors, header = _read_tensors(self.model_path)
        try:
            return tensors, ModelSpec.from_json(header)
        except OptionError as error:
            raise RunError(
                "the header of {model_path} does not fit: {reason}", model_path=self.model_path, reason=error
            ) from error

    def write_state(self, tensors: dict[str, np.ndarray], progress: dict[str, Any]) -> None:
        """Replace the state that `--resume` starts from."""
        with _writing(self.folder):
            self._state_path.parent.mkdir(exist_ok=True)
        _write_tensors(self._state_path, tensors, progress)

    def epochs_done(self) -> int:
        """Epochs that are wholly on disk: a kill may have come between a line of the history and the rest."""
        if not self._state_path.exists():
            return 0
        return int(_read_header(self._state_path).get("epoch", 0))

    def read_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """What `write_state` wrote, or None where no epoch has ended."""
        return _read_tensors(self._state_path) if self._state_path.exists() else None

    @contextmanager
    def held(self) -> Iterator[None]:
        """No other process trains this run within the block. The system ends the lock with the process.

        What is read of the run inside the block is what the last holder wrote.

        Raises:
            RunError: another training holds it, or the folder cannot be written.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / "resume" / "lock")
        with _writing(self.folder):
            self._state_path.parent.mkdir(exist_ok=True)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                raise RunError(
                    "expected {folder} for this training alone, found another training at work in it. Wait until "
                    "that has ended or stop it, then try again; or start a new run with another --name.",
                    folder=self.folder,
                ) from None
        try:
            self.__dict__.pop("config", None)
            yield
        finally:
            lock.release()

    def discard_if_untrained(self) -> None:
        """Delete the folder if no epoch has ended in it: there is nothing to keep."""
        if not self._state_path.exists() and not self.model_path.exists():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write_lines(self, name: str, records: Sequence[JsonRecord]) -> None:
        with _writing(self.folder):
            durable.write_json_lines(self.folder / name, [record.to_json() for record in records])

    def _read_lines(self, name: str) -> list[Any]:
        path = self.folder / name
        try:
            return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise RunError(
                "expected one JSON object a line in {path}: {reason}", path=path, reason=_reason(error)
            ) from error


def create_run(runs_dir: Path, name: str | None, config: RunConfig) -> Run:
    """A new run folder that holds its config.json from the first moment it is visible.

    Args:
        name: the folder's name; None takes that of the data folder, numbered if it is taken.

    Raises:
        RunError: the name is taken or is no name, or `runs_dir` cannot be written.
    """
    chosen = name or _free_name(runs_dir, Path(config.options.data).name)
    if Path(chosen).name != chosen or chosen.startswith("."):
        raise RunError(
            "expected a plain folder name for the run, found {chosen!r}. Give another --name; --runs-dir "
            "says where runs are kept.",
            chosen=chosen,
        )
    target = runs_dir / chosen
    if target.exists():
        raise RunError(
            "{target} exists already. Give another --name, or go on with: catdog train --resume {target}",
            target=target,
        )
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        staging = runs_dir / f".{chosen[:_SHOWN]}.{secrets.token_hex(8)}"
        staging.mkdir()  # not mkdtemp, which makes it private: the umask says who may read a run
    except OSError as error:
        raise RunError(
            "expected to make the run folder {target}: {reason}. Name another place with --runs-dir.",
            target=target,
            reason=_reason(error),
        ) from error
    try:
        Run(staging).write_config(config)
        staging.rename(target)
    except OSError as error:
        if target.exists():  # another training was faster: take the next number, or say so
            return create_run(runs_dir, name, config)
        raise RunError(
            "expected to make the run folder {target}: {reason}.", target=target, reason=_reason(error)
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Run(target)


def open_run(path: Path) -> Run:
    """The run at `path`: its folder, or a file in it.

    Raises:
        RunError: there is none, or its config.json is damaged.
    """
    folder = path.parent if path.is_file() else path
    if not (folder / "config.json").is_file():
        raise RunError(
            f"expected a run folder at {path} (with config.json and model.safetensors), found "
            f"{'none there' if folder.exists() else 'nothing'}. `catdog train DATA` makes one under runs/."
        )
    run = Run(folder)
    _ = run.config
    return run


def is_run(path: Path) -> bool:
    """Whether a run folder is at `path`, or the file is one of its two that make it one."""
    if path.name in ("model.safetensors", "config.json") or (path / "model.safetensors").is_file():
        return True
    try:  # other programs leave a config.json beside photos too
        config = json.loads((path / "config.json").read_bytes())
    except ValueError:
        return True  # perhaps a run's, damaged: who opens it says so
    except OSError:
        return False
    return isinstance(config, dict) and "prefix_digest" in config


def runs_below(folder: Path) -> list[Run]:
    """The runs directly below a folder, by name."""
    folders = (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [Run(path) for path in sorted(folders) if is_run(path)]


def newest_run(runs_dir: Path) -> Run:
    """The run below `runs_dir` whose model was written last.

    Raises:
        RunError: there is none with a model.
    """
    models = [path for path in runs_dir.glob("*/model.safetensors") if path.is_file()]
    if not models:
        raise RunError(
            "expected a trained run under {runs_dir}, found none. Train one with `catdog train DATA`, or "
            "name one with --model.",
            runs_dir=runs_dir,
        )
    return open_run(max(models, key=lambda path: path.stat().st_mtime_ns).parent)


def shipped_run() -> Run:
    """The run that comes with the package: cats against dogs. Not to be written to."""
    return Run(Path(__file__).parent / "pretrained" / "cats_and_dogs")


def has_runs(runs_dir: Path) -> bool:
    """Whether some run below `runs_dir` has a model."""
    return any(path.is_file() for path in runs_dir.glob("*/model.safetensors"))


def _free_name(runs_dir: Path, wish: str) -> str:
    base = re.sub(r"[^\w-]+", "-", wish).strip("-") or "run"
    number = 1
    while (runs_dir / (name := base if number == 1 else f"{base}-{number}")).exists():
        number += 1
    return name


def _write_tensors(path: Path, tensors: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    metadata = {METADATA_KEY: json.dumps(header, sort_keys=True)}  # ASCII: a file's name need not be UTF-8
    with _writing(path.parent), durable.replacing_path(path) as temporary:
        safetensors.numpy.save_file(tensors, temporary, metadata)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turns what the system says against a write into a RunError."""
    try:
        yield
    except OSError as error:
        raise RunError(
            "expected to write in {folder}: {reason}. Make room or allow it; what was written before is "
            "kept, and `catdog train --resume` goes on from there.",
            folder=folder,
            reason=_reason(error),
        ) from error


def _read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    header = _read_header(path)
    with safetensors.safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, header


def _read_header(path: Path) -> dict[str, Any]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return json.loads((file.metadata() or {})[METADATA_KEY])
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise RunError(
            "expected a file that catdog wrote at {path}: {reason}", path=path, reason=_reason(error)
        ) from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
