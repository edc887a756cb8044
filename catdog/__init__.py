"""catdog fine-tunes ImageNet's VGG16 on a folder of photos and classifies with it.

    import catdog

    model = catdog.load("runs/screws")
    for photo in model.predict(["a.jpg", "b.jpg"]):
        print(photo.path, photo.label, photo.probability, photo.error)

Importing the package costs nothing: JAX is imported by what computes.
"""

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catdog.api import Model

__all__ = ["__version__", "load"]
__version__ = "0.1.0"


def load(
    model: "str | PathLike[str] | None" = None,
    *,
    calibrate: bool = True,
    cache_dir: "str | PathLike[str] | None" = None,
    workers: int | None = None,
) -> "Model":
    """A model that is ready to predict; see `catdog.api.Model`.

    Args:
        model: a run, by its path or by its name under ./runs, or a file that `catdog export RUN
            FILE.safetensors` wrote. None is the model in the package, cats and dogs.
        calibrate: use the temperature of a run, where it has one.
        cache_dir: where features and compiled programs are kept. None is the folder that CATDOG_CACHE_DIR
            names, or the user's cache folder.
        workers: threads that read photos; None is the number of cores.

    Raises:
        RunError: there is no such run, it has no model yet, or its weights have changed.
        WeightsError: pretrained weights or an exported file cannot be read.
        CacheError: the cache cannot be made.
    """
    from catdog import devices

    devices.set_flags()  # some are read as soon as jaxlib is imported
    from catdog.api import load as load_model

    return load_model(model, calibrate=calibrate, cache_dir=cache_dir, workers=workers)
