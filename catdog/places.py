"""Where things are kept between commands."""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "CATDOG_CACHE_DIR"


@dataclass(frozen=True)
class Places:
    """The folders below the cache.

    Attributes:
        cache: what may be deleted at any time.
        weights: downloads, which stay even where nothing else is kept.
    """

    cache: Path
    weights: Path

    @classmethod
    def below(cls, cache: Path) -> "Places":
        """All of them in one folder."""
        return cls(cache, cache / "weights")

    @property
    def features(self) -> Path:
        """The feature cache."""
        return self.cache / "features"

    @property
    def checked(self) -> Path:
        """Which weights files were found sound."""
        return self.cache / "checked"


def default_cache_dir() -> Path:
    """The user's cache folder, for when nothing else is said."""
    return platformdirs.user_cache_path("catdog", appauthor=False)


def cache_dir_of_environment() -> Path:
    """The folder that CATDOG_CACHE_DIR names, or the default."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else default_cache_dir()
