"""What the tests of weights share with those of the model."""

from tests.model.conftest import random, small_table

__all__ = ["random", "small_table"]
