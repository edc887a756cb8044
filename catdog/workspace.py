"""The folders of the cache, how much of the disk they may use, and how many threads work."""

import errno
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
    """The cache of features."""

    root: Path | None  # the folder; None holds features in memory while a command needs them
    limit: int | None = None  # bytes on disk for all features together; None is a tenth of the disk
    warn: Callable[[Message], None] = _warn  # told if features are lost and must be computed again later
    writable: bool = True  # whether anything can be written there; features there are read in any case

    def bytes_allowed(self) -> int:
        """The limit, in bytes."""
        if self.limit is not None or self.root is None:
            return self.limit or 0
        return int(shutil.disk_usage(_existing(self.root)).total * _FRACTION_OF_DISK)

    def bytes_free(self) -> int:
        """Free bytes on the disk for this user; 0 if nothing can be written."""
        return shutil.disk_usage(_existing(self.root)).free if self.root and self.writable else 0


@dataclass(frozen=True)
class Workspace:
    """The folders and threads of one command. Without arguments nothing is cached."""

    cache: Path | None = None  # a folder that may be deleted at any time; None caches nothing
    weights: Path | None = None  # of downloads, saved even if nothing is cached; None refuses to download
    features: FeatureCache = FeatureCache(None)
    workers: int = 1  # threads that read and decode photos and, on a CPU, compute features
    rehash: bool = False  # files are hashed again whose digests are remembered

    @classmethod
    def below(
        cls,
        cache: Path,
        *,
        keep: bool = True,
        limit: int | None = None,
        warn: Callable[[Message], None] = _warn,
        workers: int = 1,
        rehash: bool = False,
    ) -> "Workspace":
        """All folders in one; without `keep` only downloads are written to it.

        Raises:
            OptionError: the system accepts no such name.
        """
        try:
            cache.stat()
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
                raise OptionError(
                    "the cache folder {folder} cannot be used: {reason}. Name another one with --cache-dir "
                    "or CATDOG_CACHE_DIR",
                    folder=cache,
                    reason=error,
                ) from error
        features = FeatureCache(cache / "features" if keep else None, limit, warn)
        return cls(cache if keep else None, cache / "weights", features, workers, rehash)

    @property
    def checked(self) -> Path | None:
        """The folder of the list of weights files whose digest was checked."""
        return self.cache and self.cache / "checked"

    @property
    def digests(self) -> Path | None:
        """The folder of remembered digests of photos."""
        return self.cache and self.cache / "digests"


def default_cache_dir() -> Path:
    """The user's cache folder."""
    return platformdirs.user_cache_path("catdog", appauthor=False)


def cache_dir_of_environment() -> Path:
    """The folder that CATDOG_CACHE_DIR names, or the default."""
    return Path(os.environ.get(CACHE_VARIABLE) or default_cache_dir())


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
    """The path, or the first folder above it that exists."""
    return next((folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir()), path)
