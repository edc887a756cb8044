"""catdog fine-tunes ImageNet's VGG16 on a folder of photos and classifies with it.

    import catdog

    model = catdog.load("runs/screws")
    for one in model.predict(["a.jpg", "b.jpg"]):
        print(one.path, one.label, one.probability, one.error)

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
    """A model that is ready to answer; see `catdog.api.Model`.

    Args:
        model: a run folder, or a file that `catdog export RUN FILE.safetensors` wrote. None is the model that
            comes with the package, cats against dogs.
        calibrate: scale the probabilities of a run by its temperature, if it has one.
        cache_dir: where features and compiled programs are kept. None is the folder that CATDOG_CACHE_DIR
            names, or the user's cache folder. Features take at most what CATDOG_CACHE_LIMIT says, or a tenth
            of the disk. Where nothing can be written, a RuntimeWarning says so, and nothing is kept.
        workers: threads that read photos; None is the number of cores.

    Raises:
        RunError: there is no such run, it has no model yet, or its weights have changed.
        WeightsError: pretrained weights or an exported file cannot be read.
        OptionError: CATDOG_CACHE_LIMIT is no size.
    """
    from catdog import devices

    devices.set_flags()  # some are read as soon as jaxlib is imported
    from catdog.api import load as load_model

    return load_model(model, calibrate=calibrate, cache_dir=cache_dir, workers=workers)
