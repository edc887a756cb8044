"""Where things are kept between commands, how much of the disk they may take, and how many threads work."""

import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from catdog.errors import OptionError
from catdog.text import Message, bytes_from_people

CACHE_VARIABLE = "CATDOG_CACHE_DIR"
LIMIT_VARIABLE = "CATDOG_CACHE_LIMIT"

_FRACTION_OF_DISK = 0.1


def _warn(sentence: Message) -> None:
    warnings.warn(str(sentence), RuntimeWarning, stacklevel=3)


@dataclass(frozen=True)
class FeatureCache:
    """Where features are kept.

    Attributes:
        root: the folder. None keeps them in memory, for as long as a command needs them.
        writable: whether anything can be written there. What is there is read all the same.
        limit: bytes that all of them together may take on disk; None is a tenth of the disk.
        warn: takes a sentence for the user, where something is lost that costs time later.
    """

    root: Path | None
    limit: int | None = None
    warn: Callable[[Message], None] = _warn
    writable: bool = True

    def bytes_allowed(self) -> int:
        """The limit, in bytes."""
        if self.limit is not None or self.root is None:
            return self.limit or 0
        return int(shutil.disk_usage(_existing(self.root)).total * _FRACTION_OF_DISK)

    def bytes_free(self) -> int:
        """What the disk has left for this user, in bytes; 0 where nothing can be written."""
        return shutil.disk_usage(_existing(self.root)).free if self.root and self.writable else 0


@dataclass(frozen=True)
class Workspace:
    """What one command works with: its folders and its threads. Without arguments, nothing is kept.

    Attributes:
        cache: what may be deleted at any time; None where a command is to leave nothing.
        weights: downloads, which stay even where nothing else is kept; None refuses to download.
        features: where features are cached.
        workers: threads that read and decode photos, and on a CPU that compute features.
    """

    cache: Path | None = None
    weights: Path | None = None
    features: FeatureCache = FeatureCache(None)
    workers: int = 1

    @classmethod
    def below(
        cls,
        cache: Path,
        *,
        keep: bool = True,
        limit: int | None = None,
        warn: Callable[[Message], None] = _warn,
        workers: int = 1,
    ) -> "Workspace":
        """All folders in one; without `keep` only downloads are written there."""
        features = FeatureCache(cache / "features" if keep else None, limit, warn)
        return cls(cache if keep else None, cache / "weights", features, workers)

    @property
    def checked(self) -> Path | None:
        """Which weights files were found sound."""
        return self.cache and self.cache / "checked"


def default_cache_dir() -> Path:
    """The user's cache folder, for when nothing else is said."""
    return platformdirs.user_cache_path("catdog", appauthor=False)


def cache_dir_of_environment() -> Path:
    """The folder that CATDOG_CACHE_DIR names, or the default."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else default_cache_dir()


def cache_limit_of_environment() -> int | None:
    """The bytes that CATDOG_CACHE_LIMIT names; None where it is not set.

    Raises:
        OptionError: it names no size.
    """
    named = os.environ.get(LIMIT_VARIABLE)
    try:
        return bytes_from_people(named) if named else None
    except ValueError as error:
        raise OptionError("{variable}: {reason}", variable=LIMIT_VARIABLE, reason=error) from None


def _existing(path: Path) -> Path:
    """The path, or the first folder above it that is there."""
    return next((folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir()), path)
