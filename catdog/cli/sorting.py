"""`catdog predict --sort-into DIR`: photos, copied or linked into one folder a class."""

import os
import shutil
from collections.abc import Callable
from filecmp import cmp
from itertools import count
from pathlib import Path

from catdog import durable
from catdog.cli.destination import failed, longest_name, numbered, ready, shortened


def sorter(folder: Path, *, link: bool) -> Callable[[Path, str, str], bool]:
    """A function that puts a photo into `folder`/label/, under a name, and says whether it was not there.

    Nothing is overwritten: where another file has the name, the photo gets the next free one, `cat-2.jpg`;
    where the same photo is there already, it stays, so that the command can be repeated. Originals are only
    read. The function raises PhotoError where this photo cannot be written, OptionError where none can.

    Args:
        link: make symbolic links to the absolute paths of the photos, not copies.
    """

    def put(photo: Path, label: str, name: str) -> bool:
        ready(folder, "--sort-into")
        longest = longest_name(folder)
        place = folder / shortened(_folder_name(label), longest)
        try:
            place.mkdir(exist_ok=True)
            for number in count(1):
                target = place / numbered(name, number, longest)
                if not os.path.lexists(target):
                    _link(photo, target) if link else _copy(photo, target)
                    return True
                if _is_there(photo, target, link=link):
                    return False
            raise AssertionError("count never ends")
        except OSError as error:
            raise failed(error, place, "--sort-into") from error

    return put


def _is_there(photo: Path, target: Path, *, link: bool) -> bool:
    """Whether `target` is this photo: a link to it, or a copy."""
    if link or target.is_symlink():
        return target.is_symlink() and os.path.realpath(target) == os.path.realpath(photo)
    return target.is_file() and cmp(photo, target, shallow=False)


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
