"""Is the jaxlib that got installed one that computes right?

jaxlib 0.10.2 does not, on CPU, and says nothing: where a matrix is multiplied with each row of an
array and the products are reduced, in one jitted function, rows behind the first 128 KiB of a
column come out wrong (https://github.com/jax-ml/jax/issues/39103). 0.10.0 and 0.10.1 do it for some
forms, and are kept from it by a flag that `catdog.devices` sets.

All values here are small whole numbers: every order of summation gives the same float, and the
comparison with float64 in numpy is exact.
"""

import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from packaging.requirements import Requirement

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
ROWS = (1, 1_000, 16_384, 16_385, 32_768, 32_769, 40_000, 65_537)


def squares(y_nk: jax.Array) -> jax.Array:
    return jnp.sum(y_nk**2, axis=-1)


def total(y_nk: jax.Array) -> jax.Array:
    return jnp.sum(y_nk, axis=-1)


def largest(y_nk: jax.Array) -> jax.Array:
    return jnp.max(y_nk, axis=-1)


Reduction = Callable[[jax.Array], jax.Array]

IN_NUMPY: dict[Reduction, Callable[[np.ndarray], np.ndarray]] = {
    squares: lambda y_nk: np.sum(y_nk**2, axis=-1),
    total: lambda y_nk: np.sum(y_nk, axis=-1),
    largest: lambda y_nk: np.max(y_nk, axis=-1),
}


def rows_at_once(x_nk: jax.Array, matrix_kk: jax.Array, reduction: Reduction) -> jax.Array:
    """As a dense layer and its loss do it."""
    return reduction(x_nk @ matrix_kk)


def row_by_row(x_nk: jax.Array, matrix_kk: jax.Array, reduction: Reduction) -> jax.Array:
    """As the issue does it."""
    return jax.vmap(lambda x_k: reduction(matrix_kk @ x_k))(x_nk)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [2, 3, 8])
@pytest.mark.parametrize("reduction", IN_NUMPY)
@pytest.mark.parametrize("product", [rows_at_once, row_by_row])
def test_a_jitted_product_and_reduction_is_right_in_every_row(
    product: Callable[..., jax.Array], reduction: Reduction, columns: int, dtype: type
) -> None:
    product_then_reduction = jax.jit(product, static_argnames="reduction")
    random = np.random.default_rng(39103)
    matrix_kk = random.integers(-3, 4, (columns, columns)).astype(dtype)
    with jax.enable_x64(dtype is np.float64), jax.default_device(jax.devices("cpu")[0]):
        for rows in ROWS:
            x_nk = random.integers(-3, 4, (rows, columns)).astype(dtype)
            factor_kk = matrix_kk if product is rows_at_once else matrix_kk.T
            y_nk = x_nk.astype(np.float64) @ factor_kk.astype(np.float64)
            found = product_then_reduction(x_nk, matrix_kk, reduction=reduction)
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, IN_NUMPY[reduction](y_nk), f"{rows} rows")


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
        assert version("jaxlib") in wanted.specifier
