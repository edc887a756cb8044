"""A photo's identity: the SHA-256 of the file's bytes, whatever its name and place."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from catdog.archives import Reader
from catdog.data.files import open_regular, system_reason
from catdog.data.processes import photo_map
from catdog.data.remembered import is_settled, memory_of, status_of
from catdog.errors import PhotoError
from catdog.progress import OnProgress, Progress, unreported
from catdog.text import Message
from catdog.workspace import Workspace


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


def fingerprint(
    paths: Sequence[Path], *, workspace: Workspace, report: OnProgress = unreported
) -> Fingerprints:
    """Hash the content of every file, many at a time, unless the workspace remembers it.

    Files are read in blocks: memory does not grow with their size. Both parts of the result are in the order
    of `paths`. `report` is called in the caller's thread after each file. Unreadable files are skipped.
    """
    digests: dict[Path, str] = {}
    skipped: list[Skipped] = []
    memory = memory_of(workspace.digests) if workspace.digests else None
    known: list[str | None] = [None] * len(paths)
    if memory and not workspace.rehash:
        known = memory.find(paths, workers=workspace.workers)
    unknown = [path for path, digest in zip(paths, known, strict=True) if digest is None]
    outcomes = photo_map(_hashed, unknown, count=len(unknown), workers=workspace.workers)
    for done, (path, digest) in enumerate(zip(paths, known, strict=True), start=1):
        if digest is None:
            outcome = next(outcomes)
            if isinstance(outcome, Skipped):
                skipped.append(outcome)
            else:
                digest = outcome.digest
                if memory and outcome.status:
                    memory.add(outcome.status, digest)
        if digest:
            digests[path] = digest
        report(Progress("hash", done, len(paths)))
    if memory:
        memory.save()
    return Fingerprints(digests, tuple(skipped))


class _Hashed(NamedTuple):
    digest: str
    status: bytes | None  # of the file, see `status_of`; None where its digest should not be remembered


def _hashed(path: Path) -> _Hashed | Skipped:
    try:
        with open_regular(path) as stream:
            member = stream.raw if isinstance(stream.raw, Reader) else None
            found = os.fstat(member.descriptor if member else stream.fileno())
            name = member.name if member else path.name
            status = status_of(found, name) if is_settled(found) else None
            return _Hashed(hashlib.file_digest(stream, "sha256").hexdigest(), status)
    except PhotoError as error:
        return Skipped(path, error.message)
    except OSError as error:  # the disk or the network failed while the file was read
        return Skipped(path, system_reason(error))
