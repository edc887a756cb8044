"""The run folder: what one training leaves behind. Written, read and checked here, without JAX.

    config.json        options, versions, digests of photos and weights
    model.safetensors  the suffix of the best checkpoint (lowest validation loss); a `ModelSpec` in its header
    history.jsonl      one line per epoch
    split.json         the split of each photo, by content digest
    skipped.jsonl      unreadable photos, with the reason
    cross_validation.json      the L2 penalties that were tried, if one was chosen so
    held_out.safetensors       of --folds: the logits of each photo from a head that was not fitted to it
    resume/state.safetensors   parameters, optimizer state, step and epoch after the last epoch
    resume/lock        locked by a running training; the lock ends with its process, the file stays

Every file is replaced as a whole, so a killed training leaves the last complete state.
"""

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors
import safetensors.numpy
from safetensors import SafetensorError

from catdog import durable
from catdog.config import JsonRecord, ModelSpec
from catdog.errors import OptionError, RunError
from catdog.records import CrossValidation, EpochRecord, RunConfig, SkippedRecord

# safetensors writes several metadata keys in a random order; one key keeps the file's bytes repeatable.
METADATA_KEY = "catdog"
# What reading and checking a file of a run raises.
_UNREADABLE = (OSError, ValueError, LookupError, AttributeError, TypeError, OptionError, SafetensorError)
_LONGEST = 255  # bytes of a run's name; most file systems allow no more
_LONGEST_CHOSEN = 200  # bytes of a name that is taken from the data folder's: room for a number
_SHOWN = 40  # letters of a run's name that its folder shows while it is made

Record = TypeVar("Record", bound=JsonRecord)


class Run:
    """One run folder on disk. Its methods raise a RunError where a file is damaged, or cannot be written."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.model_path = folder / "model.safetensors"  # the best checkpoint
        self._state_path = folder / "resume" / "state.safetensors"
        self._held_out_path = folder / "held_out.safetensors"
        self._lock_path = folder / "resume" / "lock"
        self._lock: tuple[int, int] | None = None  # device and inode of the lock that this process holds

    @cached_property
    def config(self) -> RunConfig:
        """config.json."""
        return self._read("config.json", RunConfig.from_json)

    def write_config(self, config: RunConfig) -> None:
        """Replace config.json."""
        self._write("config.json", config.to_json())
        self.__dict__["config"] = config

    def history(self) -> list[EpochRecord]:
        """The finished epochs."""
        return self._read_lines("history.jsonl", EpochRecord)

    def best_epoch(self) -> EpochRecord | None:
        """The epoch of the checkpoint in model.safetensors; None before one has finished."""
        epoch = self.read_model()[1].epoch if self.model_path.exists() else None
        return next((record for record in self.history() if record.epoch == epoch), None)

    def write_history(self, records: list[EpochRecord]) -> None:
        """Replace history.jsonl."""
        self._write_lines("history.jsonl", records)

    def skipped(self) -> list[SkippedRecord]:
        """The unreadable photos."""
        return self._read_lines("skipped.jsonl", SkippedRecord)

    def write_skipped(self, records: list[SkippedRecord]) -> None:
        """Replace skipped.jsonl."""
        self._write_lines("skipped.jsonl", records)

    def split(self) -> dict[str, set[str]]:
        """Split (`train`, `valid`) → content digests of its photos, hex."""
        return self._read(
            "split.json", lambda splits: {name: set(splits[name]) for name in ("train", "valid")}
        )

    def write_split(self, splits: dict[str, list[str]]) -> None:
        """Replace split.json by split → content digests."""
        self._write("split.json", splits)

    def write_cross_validation(self, found: CrossValidation) -> None:
        """Replace cross_validation.json."""
        self._write("cross_validation.json", found.to_json())

    def cross_validation(self) -> CrossValidation | None:
        """cross_validation.json, or None where no penalty was chosen."""
        if not (self.folder / "cross_validation.json").exists():
            return None
        return self._read("cross_validation.json", CrossValidation.from_json)

    def write_held_out(self, digests: Sequence[str], logits_nk: np.ndarray) -> None:
        """Replace held_out.safetensors: logits (n, units) by content digest."""
        self._write_tensors(self._held_out_path, {"logits": logits_nk}, {"digests": list(digests)})

    @property
    def has_held_out(self) -> bool:
        """Whether it is a run with --folds, of which an epoch has finished."""
        return self._held_out_path.exists()

    def held_out(self) -> dict[str, np.ndarray]:
        """Content digest → logits (units,) of a head that was not fitted to the photo; only with --folds."""
        if not self.has_held_out:
            return {}
        tensors, header = _read_tensors(self._held_out_path)
        with _reading(self._held_out_path):
            return dict(zip(header["digests"], tensors["logits"], strict=True))

    def write_model(self, tensors: dict[str, np.ndarray], spec: ModelSpec) -> None:
        """Replace model.safetensors. The same arguments give the same bytes."""
        self._write_tensors(self.model_path, tensors, spec.to_json())

    def read_model(self) -> tuple[dict[str, np.ndarray], ModelSpec]:
        """The tensors of model.safetensors by name, and its header."""
        if not self.model_path.exists():
            raise RunError(
                "expected a trained model in {folder}, found none: no epoch has finished. "
                "Continue with: catdog train --resume {folder}",
                folder=self.folder,
            )
        tensors, header = _read_tensors(self.model_path)
        with _reading(self.model_path):
            return tensors, ModelSpec.from_json(header)

    def write_state(self, tensors: dict[str, np.ndarray], progress: dict[str, Any]) -> None:
        """Replace the state that `--resume` continues from."""
        self._write_tensors(self._state_path, tensors, progress)

    def epochs_done(self) -> int:
        """Epochs whose state is on disk: a killed training may have written one more line of the history."""
        if not self._state_path.exists():
            return 0
        return int(_read_header(self._state_path).get("epoch", 0))

    def stopped_early(self) -> bool:
        """Whether early stopping ended the training before its last epoch."""
        return self._state_path.exists() and bool(_read_header(self._state_path).get("stopped"))

    def read_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """What `write_state` wrote, or None before the first epoch has finished."""
        return _read_tensors(self._state_path) if self._state_path.exists() else None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the run: no other process trains it within the block. The lock ends with the process.

        Inside the block the run is read again from the disk, and written only while its folder is this one.

        Raises:
            RunError: another training has the lock, or the folder cannot be written.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self._lock_path)
        with self._writing():
            self._lock_path.parent.mkdir(exist_ok=True)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                raise RunError(
                    "another training is running in {folder}. Wait until it ends or stop it, then try again; "
                    "or start a new run with another --name.",
                    folder=self.folder,
                ) from None
            except NotImplementedError as error:  # a file system without locks
                raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP)) from error
        try:
            self.__dict__.pop("config", None)
            self._lock = _identity(self._lock_path)
            yield
        finally:
            self._lock = None
            lock.release()

    def discard_if_untrained(self) -> None:
        """Delete the folder if no epoch has finished in it, and it is not another one meanwhile."""
        is_same = _identity(self._lock_path) == self._lock
        if is_same and not self._state_path.exists() and not self.model_path.exists():
            shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turns what is wrong with the folder into a RunError."""
        try:
            if self._lock and _identity(self._lock_path) != self._lock:
                raise RunError(
                    "{folder} was deleted, moved or replaced during its training, so nothing more is saved. "
                    "If it was moved, continue there with: catdog train --resume RUN",
                    folder=self.folder,
                )
            yield
        except (OSError, SafetensorError) as error:  # the second also for a full disk
            raise RunError(
                "{folder} cannot be written: {reason}. Free some space or change its permissions; epochs "
                "that were saved are kept, and `catdog train --resume` continues from them.",
                folder=self.folder,
                reason=error,
            ) from error

    def _write_tensors(self, path: Path, tensors: dict[str, np.ndarray], header: dict[str, Any]) -> None:
        # ASCII: the name of a file need not be UTF-8
        metadata = {METADATA_KEY: json.dumps(header, sort_keys=True)}
        with self._writing():
            path.parent.mkdir(exist_ok=True)
            with durable.replacing_path(path) as temporary:
                safetensors.numpy.save_file(tensors, temporary, metadata)

    def _write(self, name: str, value: Any) -> None:
        with self._writing():
            durable.write_json(self.folder / name, value)

    def _write_lines(self, name: str, records: Sequence[JsonRecord]) -> None:
        with self._writing():
            durable.write_json_lines(self.folder / name, [record.to_json() for record in records])

    def _read(self, name: str, parse: Callable[[Any], Any]) -> Any:
        path = self.folder / name
        with _reading(path):
            return parse(json.loads(path.read_bytes()))

    def _read_lines(self, name: str, kind: type[Record]) -> list[Record]:
        path = self.folder / name
        if not path.exists():
            return []
        with _reading(path):
            return [kind.from_json(json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def create_run(runs_dir: Path, name: str | None, config: RunConfig) -> Run:
    """A new run folder; as soon as others can see it, config.json is in it.

    Args:
        name: the folder's name; None takes the data folder's, with a number if there is such a run already.

    Raises:
        RunError: the name exists already or is not a folder name, or `runs_dir` cannot be written.
    """
    chosen = name or _free_name(runs_dir, Path(config.options.data).name)
    target = new_folder(runs_dir, chosen)
    staging = runs_dir / f".{chosen[:_SHOWN]}.{secrets.token_hex(8)}"
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        staging.mkdir()  # not mkdtemp, which makes it private: the umask says who may read a run
        durable.write_json(staging / "config.json", config.to_json())
        staging.rename(target)
    except OSError as error:
        if target.exists():  # another training was faster: take the next number, or report it
            return create_run(runs_dir, name, config)
        raise RunError(
            "the run folder {folder} cannot be made: {reason}. Choose another folder with --runs-dir.",
            folder=target,
            reason=error,
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Run(target)


def new_folder(runs_dir: Path, name: str) -> Path:
    """Where a new run of that name goes.

    Raises:
        RunError: the name exists already or is not a folder name.
    """
    if Path(name).name != name or name.startswith(".") or len(os.fsencode(name)) > _LONGEST:
        raise RunError(
            "expected a plain folder name of at most {longest} bytes for the run, found {name!r}. Give "
            "another --name; --runs-dir is the folder of all runs.",
            longest=_LONGEST,
            name=name,
        )
    if (folder := runs_dir / name).exists():
        raise RunError(
            "{folder} exists already. Give another --name, or continue it with: "
            "catdog train --resume {folder}",
            folder=folder,
        )
    return folder


def open_run(path: Path) -> Run:
    """The run at `path`: its folder, or a file in it.

    Raises:
        RunError: there is none, or its config.json is damaged.
    """
    folder = path.parent if path.is_file() else path
    if not folder.exists():
        raise RunError(
            "expected a run folder, found nothing at {path}. `catdog train DATA` makes a run.", path=path
        )
    if not (folder / "config.json").is_file():
        raise RunError(
            "expected a run folder, found {path}, which has no config.json. `catdog train DATA` makes a run.",
            path=path,
        )
    run = Run(folder)
    _ = run.config
    return run


def is_run(path: Path) -> bool:
    """Whether `path` is a run folder, or its config.json or model.safetensors."""
    if path.name in ("model.safetensors", "config.json") or os.path.isfile(path / "model.safetensors"):
        return True
    try:  # other programs leave a config.json beside photos too
        config = json.loads((path / "config.json").read_bytes())
    except ValueError:
        return True  # perhaps a run's, damaged: opening it reports that
    except OSError:
        return False
    return isinstance(config, dict) and "prefix_digest" in config


def runs_below(folder: Path) -> list[Run]:
    """The runs directly below a folder, by name."""
    folders = (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [Run(path) for path in sorted(folders) if is_run(path)]


def newest_run(runs_dir: Path) -> Run | None:
    """The run below `runs_dir` whose model was written last; None if there is none with a model."""
    newest = max(_models(runs_dir), key=lambda path: path.stat().st_mtime_ns, default=None)
    return open_run(newest.parent) if newest else None


def shipped_run() -> Run:
    """The run in the package: cats and dogs. Not to be written to."""
    return Run(Path(__file__).parent / "pretrained" / "cats_and_dogs")


def has_runs(runs_dir: Path) -> bool:
    """Whether any run below `runs_dir` has a model."""
    return bool(_models(runs_dir))


def _models(runs_dir: Path) -> list[Path]:
    return [path for path in runs_dir.glob("*/model.safetensors") if path.is_file()]


def _free_name(runs_dir: Path, wish: str) -> str:
    base = re.sub(r"[^\w-]+", "-", wish).strip("-") or "run"
    base = base.encode()[:_LONGEST_CHOSEN].decode(errors="ignore")
    names = (base if number == 1 else f"{base}-{number}" for number in count(1))
    return next(name for name in names if not (runs_dir / name).exists())


def _identity(path: Path) -> tuple[int, int] | None:
    """The file's device and inode; None where it does not exist."""
    with suppress(FileNotFoundError):
        return (found := path.stat()).st_dev, found.st_ino


def _read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    header = _read_header(path)
    with _reading(path), safetensors.safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, header


def _read_header(path: Path) -> dict[str, Any]:
    with _reading(path), safetensors.safe_open(path, framework="numpy") as file:
        return json.loads((file.metadata() or {})[METADATA_KEY])


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what is wrong with a file into a RunError."""
    try:
        yield
    except _UNREADABLE as error:
        raise RunError(
            "{path} cannot be read as a file of a run: {reason}", path=path, reason=error
        ) from error
