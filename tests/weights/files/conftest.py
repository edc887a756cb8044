"""What the tests of the readers share."""

import pytest

from tests.weights.files.made_files import block1
from tests.weights_files import Tensors


@pytest.fixture
def tensors() -> Tensors:
    """Block 1, under our names and in our layout."""
    return block1()
