"""Is the jaxlib that got installed one that computes right?

jaxlib 0.10.2 does not, on CPU, and says nothing: where a small product of a matrix with every row
is followed by a reduction in one jitted function, rows from 128 KiB of one column on come out
wrong (https://github.com/jax-ml/jax/issues/39103). All values here are small whole numbers, so
every order of summation gives the same float, and the comparison is exact.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
import pytest
from packaging.requirements import Requirement

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
REDUCTIONS: dict[str, tuple[Callable, Callable]] = {
    "squares": (lambda y: jnp.sum(y**2), lambda y_nk: np.sum(y_nk**2, axis=1)),
    "sum": (jnp.sum, lambda y_nk: np.sum(y_nk, axis=1)),
    "max": (jnp.max, lambda y_nk: np.max(y_nk, axis=1)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("columns", [2, 3, 8])
def test_a_jitted_product_and_reduction_is_right_in_every_row(
    dtype: type, reduction: str, columns: int
) -> None:
    reduce, reduce_rows = REDUCTIONS[reduction]

    @jax.jit
    def product_then_reduction(matrix_kk: jax.Array, x_nk: jax.Array) -> jax.Array:
        return jax.vmap(lambda x_k: reduce(matrix_kk @ x_k))(x_nk)

    random = np.random.default_rng(39103)
    matrix_kk = random.integers(-3, 4, (columns, columns)).astype(dtype)
    with jax.enable_x64(dtype is np.float64), jax.default_device(jax.devices("cpu")[0]):
        for rows in (1, 1_000, 16_384, 16_385, 32_768, 32_769, 40_000, 65_537):
            x_nk = random.integers(-3, 4, (rows, columns)).astype(dtype)
            expected = reduce_rows(x_nk.astype(np.float64) @ matrix_kk.T.astype(np.float64))
            found = product_then_reduction(matrix_kk, x_nk)
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, expected, err_msg=f"{rows} rows")


def test_the_requirement_leaves_out_the_version_that_computes_wrong() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    requirements = [
        Requirement(line)
        for lines in (project["dependencies"], *project["optional-dependencies"].values())
        for line in lines
    ]
    of_jax = [wanted for wanted in requirements if wanted.name in ("jax", "jaxlib")]
    assert {wanted.name for wanted in of_jax} == {"jax", "jaxlib"}
    for wanted in of_jax:
        assert "0.10.2" not in wanted.specifier
        assert jaxlib.__version__ in wanted.specifier
