"""Photos, copied or linked into one folder per predicted class."""

import shutil
from functools import partial
from pathlib import Path

from catdog import durable
from catdog.inference.destination import Destination
from catdog.inference.free_names import CopyOf, LinkTo
from catdog.inference.prediction import Prediction


class Sorter(Destination):
    """Puts each photo into `folder`/label/. Originals are only read.

    Args:
        link: make symbolic links to the absolute paths of the photos; those from the web are copied.
    """

    def __init__(self, folder: Path, *, link: bool = False):
        super().__init__(folder, "--sort-into")
        self._link = link

    def __call__(self, prediction: Prediction) -> bool:
        """See `Destination.put`."""
        photo, place = prediction.source, _folder_name(prediction.label or "")
        if self._link and not photo.is_address:
            return self.put(photo.file_name, LinkTo(photo.path), partial(_link, photo.path), below=place)
        return self.put(photo.file_name, CopyOf(photo.path), partial(_copy, photo.path), below=place)


def _link(photo: Path, target: Path) -> None:
    target.symlink_to(photo.absolute())


def _copy(photo: Path, target: Path) -> None:
    """A copy with the original's times, whole or not at all."""
    with durable.replacing_path(target) as temporary:
        shutil.copyfile(photo, temporary)
        shutil.copystat(photo, temporary)


def _folder_name(label: str) -> str:
    """A class may be called `a/b` or `..` in somebody's weights: its name as that of one folder."""
    name = label.replace("/", "_").replace("\\", "_").replace("\0", "_")
    return f"_{name}" if name.strip(".") == "" else name
