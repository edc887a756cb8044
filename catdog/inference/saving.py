"""Photos in folders: copies or links in one folder per predicted class, or pictures with captions."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from catdog import durable
from catdog.data.caption import captioned
from catdog.data.files import open_regular
from catdog.data.overlay import to_jpeg
from catdog.errors import PhotoError
from catdog.inference.destination import Destination, Newcomer
from catdog.inference.prediction import Prediction

_SIDE = 1024  # pixels that the longer side of a picture has at most


class Saver(Destination):
    """Writes the picture of each prediction into `folder` as a JPEG, with a caption below it.

    `captions` gives those of a prediction, the best first; the first whose letters a font has is written.
    """

    def __init__(self, folder: Path, captions: Callable[[Prediction], Sequence[str]]):
        super().__init__(folder, "--save")
        self._captions = captions

    def __call__(self, prediction: Prediction) -> bool:
        """See `Destination.put`."""
        assert prediction.picture
        pixels = captioned(prediction.picture(_SIDE), *self._captions(prediction))
        picture = to_jpeg(pixels, quality=90)
        name = f"{Path(prediction.source.file_name).stem}.jpg"
        return self.put(name, Newcomer(None, picture), lambda target: durable.write_bytes(target, picture))


class Sorter(Destination):
    """Puts a copy of each photo into `folder`/label/; `link`: symbolic links to their absolute paths.

    Originals are only read. Those from the web are always copied.
    """

    def __init__(self, folder: Path, *, link: bool = False):
        super().__init__(folder, "--sort-into")
        self._link = link

    def __call__(self, prediction: Prediction) -> bool:
        """See `Destination.put`."""
        source, place = prediction.source, _folder_name(prediction.label or "")
        photo, link = source.path, self._link and not source.is_address
        newcomer = Newcomer(photo, None if link else photo)

        def write(target: Path) -> None:
            if link:
                if not os.path.isfile(photo):
                    raise PhotoError("a photo in an archive cannot be linked to: leave out --link")
                return target.symlink_to(photo.absolute())
            with open_regular(photo) as original, durable.replacing_path(target) as temporary:
                with temporary.open("wb") as copy:
                    shutil.copyfileobj(original, copy)
                if os.path.isfile(photo):
                    shutil.copystat(photo, temporary)  # the original's times

        return self.put(source.file_name, newcomer, write, below=place)


def _folder_name(label: str) -> str:
    """A class may be called `a/b` or `..` in somebody's weights: its name as that of one folder."""
    name = label.replace("/", "_").replace("\\", "_").replace("\0", "_")
    return f"_{name}" if name.strip(".") == "" else name
