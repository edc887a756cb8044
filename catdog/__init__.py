"""catdog fine-tunes ImageNet's VGG16 on a folder of photos and classifies with it.

    import catdog

    run = catdog.train("dogscats", epochs=5)
    model = catdog.load(run)
    for prediction in model.predict(["a.jpg", "b.jpg"]):
        print(prediction.path, prediction.label, prediction.probability, prediction.error)

Importing the package costs nothing: `train` and `load` import JAX when they are first asked for.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catdog.api import load, train

__all__ = ["__version__", "load", "train"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name not in ("load", "train"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from catdog import devices

    devices.set_flags()  # some are read as soon as jaxlib is imported
    from catdog import api

    return getattr(api, name)
