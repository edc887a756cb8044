"""`catdog predict --sort-into DIR`: photos, copied or linked into one folder a class."""

import shutil
from collections.abc import Callable
from pathlib import Path

from catdog import durable
from catdog.inference.destination import failed, longest_name, numbered, ready, shortened
from catdog.inference.free_names import CopyOf, LinkTo, Numbering


def sorter(folder: Path, numbering: Numbering, *, link: bool) -> Callable[[Path, str, str], bool]:
    """A function that puts a photo into `folder`/label/, under a name, and says whether it was not there.

    Nothing is overwritten: where another file has the name, the photo gets the next free one, `cat-2.jpg`;
    where the same photo is there already, it stays, so that the command can be repeated. Originals are only
    read. The function raises PhotoError where this photo cannot be written, OptionError where none can.

    Args:
        numbering: the same for all photos of a command.
        link: make symbolic links to the absolute paths of the photos, not copies.
    """

    def put(photo: Path, label: str, name: str) -> bool:
        ready(folder, "--sort-into")
        longest = longest_name(folder)
        place = folder / shortened(_folder_name(label), longest)
        try:
            place.mkdir(exist_ok=True)
            newcomer = LinkTo(photo) if link else CopyOf(photo)
            target = numbering.free(lambda number: place / numbered(name, number, longest), newcomer)
            if target is None:
                return False
            _link(photo, target) if link else _copy(photo, target)
            return True
        except OSError as error:
            raise failed(error, place, "--sort-into") from error

    return put


def _link(photo: Path, target: Path) -> None:
    target.symlink_to(photo.absolute())


def _copy(photo: Path, target: Path) -> None:
    """A copy with the original's times, whole or not at all."""
    with durable.replacing_path(target) as temporary:
        shutil.copyfile(photo, temporary)
        shutil.copystat(photo, temporary)


def _folder_name(label: str) -> str:
    """A class's name as one folder's: a class may be called `a/b` or `..` in somebody's weights."""
    name = label.replace("/", "_").replace("\\", "_").replace("\0", "_")
    return f"_{name}" if name.strip(".") == "" else name
