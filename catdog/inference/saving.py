"""Copies of photos at the size of a screen, each with its prediction as a caption below it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from catdog import durable
from catdog.data.caption import captioned
from catdog.data.overlay import to_jpeg
from catdog.inference.destination import Destination
from catdog.inference.free_names import Content
from catdog.inference.prediction import Prediction

_SIDE = 1024  # pixels that the longer side has at most


class Saver(Destination):
    """Writes the picture of each prediction into `folder` as a JPEG.

    Args:
        captions: of a prediction, the best first. The first that some font has all letters of is written.
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
        return self.put(name, Content(picture), lambda target: durable.write_bytes(target, picture))
