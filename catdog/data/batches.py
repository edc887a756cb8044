"""Many photos, decoded or probed many at a time, in the order they were given."""

from collections.abc import Collection, Generator, Iterable, Mapping, Sized
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from catdog.config import Decoding
from catdog.data.decode import decode, decode_whole, probe
from catdog.data.fingerprint import Skipped
from catdog.data.parallel import AHEAD
from catdog.data.processes import photo_map
from catdog.errors import PhotoError
from catdog.text import Message


@dataclass(frozen=True)
class Decoded:
    """One photo of many. Exactly one of `pixels` and `reason` is None."""

    index: int  # position among the paths that were given
    pixels: npt.NDArray[np.uint8] | None  # (size, size, 3) RGB
    reason: Message | None  # why the photo cannot be read


def decoded(
    paths: Iterable[Path],
    decoding: Decoding,
    *,
    workers: int,
    digests: Mapping[Path, str] | None = None,
    ahead: int = AHEAD,
) -> Generator[Decoded, None, None]:
    """Decode each photo, by `workers` at a time, and yield them in the order of `paths`.

    At most `ahead` decoded photos wait for the consumer. An unreadable photo is yielded with its reason:
    nothing is dropped, so indices have no gaps. Closing the generator early ends the work.

    Args:
        digests: the expected SHA-256, hex, of each file's content; a file whose content has changed counts as
            unreadable. None takes files as they are.
    """

    numbered = ((index, path, digests[path] if digests else None) for index, path in enumerate(paths))
    count = len(paths) if isinstance(paths, Sized) else 0
    return photo_map(partial(_decoded, decoding), numbered, count=count, workers=workers, ahead=ahead)


def _decoded(decoding: Decoding, photo: tuple[int, Path, str | None]) -> Decoded:
    index, path, expected = photo
    try:
        if expected is None:
            return Decoded(index, decode(path, decoding), None)
        return Decoded(index, decode_whole(path, decoding, expected=expected).pixels, None)
    except PhotoError as error:
        return Decoded(index, None, error.message)


def probe_all(paths: Collection[Path], *, workers: int) -> tuple[Skipped, ...]:
    """The files among `paths` without the header of an image, in order. Decodes no pixels."""
    return tuple(filter(None, photo_map(_probed, paths, count=len(paths), workers=workers)))


def _probed(path: Path) -> Skipped | None:
    try:
        probe(path)
    except PhotoError as error:
        return Skipped(path, error.message)
