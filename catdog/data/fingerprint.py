"""A photo's identity: the SHA-256 of the file's bytes, whatever its name and place."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catdog.data.files import open_regular, system_reason
from catdog.data.processes import photo_map
from catdog.errors import PhotoError
from catdog.progress import OnProgress, Progress, unreported
from catdog.text import Message


@dataclass(frozen=True)
class Skipped:
    """A file that cannot be used, and the reason, for people."""

    path: Path
    reason: Message


@dataclass(frozen=True)
class Fingerprints:
    """Digests of the files that could be read, and the others: together, every path given."""

    digests: dict[Path, str]  # SHA-256 of the file's bytes, 64 lower-case hexadecimal digits
    skipped: tuple[Skipped, ...]


def fingerprint(paths: Sequence[Path], *, workers: int, report: OnProgress = unreported) -> Fingerprints:
    """Hash the content of every file, `workers` at a time.

    Files are read in blocks: memory does not grow with their size. Both parts of the result are in the order
    of `paths`. `report` is called in the caller's thread after each file. Unreadable files are skipped.
    """
    digests: dict[Path, str] = {}
    skipped: list[Skipped] = []
    outcomes = photo_map(_digest, paths, count=len(paths), workers=workers)
    for done, (path, outcome) in enumerate(zip(paths, outcomes, strict=True), start=1):
        if isinstance(outcome, str):
            digests[path] = outcome
        else:
            skipped.append(outcome)
        report(Progress("hash", done, len(paths)))
    return Fingerprints(digests, tuple(skipped))


def _digest(path: Path) -> str | Skipped:
    try:
        with open_regular(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except PhotoError as error:
        return Skipped(path, error.message)
    except OSError as error:  # the disk or the network failed while the file was read
        return Skipped(path, system_reason(error))
