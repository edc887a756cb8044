"""The shipped weights behind a freeze boundary, as most tests want them."""

from catdog.config import Head
from catdog.features.prefix import Prefix
from catdog.weights.source import find_weights


def builtin_prefix(unfreeze: str = "head") -> Prefix:
    """The convolutions before the stage `unfreeze`."""
    return Prefix(find_weights("builtin"), Head(), unfreeze=unfreeze)
