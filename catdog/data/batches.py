"""Many photos, decoded or probed in threads, in the order they were given."""

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from catdog.config import Decoding
from catdog.data.decode import decode, decode_whole, probe
from catdog.data.fingerprint import Skipped
from catdog.data.parallel import AHEAD, ordered_map
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
    """Decode each photo, in `workers` threads, and yield them in the order of `paths`.

    At most `ahead` decoded photos wait for the consumer. An unreadable photo is yielded with its reason:
    nothing is dropped, so indices have no gaps. Closing the generator early ends the threads.

    Args:
        digests: the expected SHA-256, hex, of each file's content; a file whose content has changed counts as
            unreadable. None takes files as they are.
    """

    def decode_one(numbered: tuple[int, Path]) -> Decoded:
        index, path = numbered
        try:
            if digests is None:
                return Decoded(index, decode(path, decoding), None)
            return Decoded(index, decode_whole(path, decoding, expected=digests[path]).pixels, None)
        except PhotoError as error:
            return Decoded(index, None, error.message)

    return ordered_map(decode_one, enumerate(paths), workers=workers, ahead=ahead)


def probe_all(paths: Iterable[Path], *, workers: int) -> tuple[Skipped, ...]:
    """The files among `paths` without the header of an image, in order. Decodes no pixels."""
    return tuple(filter(None, ordered_map(_probed, paths, workers=workers)))


def _probed(path: Path) -> Skipped | None:
    try:
        probe(path)
    except PhotoError as error:
        return Skipped(path, error.message)
