"""The optimizers by name: a table of Optax calls, default learning rates, and sentences for people.

The order is that of the family tree: each entry improves on its `parent`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catdog.errors import OptionError

if TYPE_CHECKING:
    import jax
    import optax

    Rate = float | optax.Schedule


@dataclass(frozen=True)
class Optimizer:
    """One member of the family.

    Attributes:
        parent: the optimizer that it improves on; None for the root.
        learning_rate: default for `--lr`.
        sentence: what it does, for people.
        build: learning rate, or its schedule → the Optax transformation.
        whole_epoch: one step per epoch, on the gradient of all training photos.
    """

    name: str
    parent: str | None
    year: int
    learning_rate: float
    sentence: str
    build: "Callable[[Rate], optax.GradientTransformation]"
    whole_epoch: bool = False


# Optax is imported when an optimizer is built: `--help` and `inspect --optimizers` only read the table.
def _optax(name: str, **constants: float) -> "Callable[[Rate], optax.GradientTransformation]":
    def build(rate: "Rate") -> "optax.GradientTransformation":
        import optax

        return getattr(optax, name)(rate, **constants)

    return build


def _adam(rate: "Rate") -> "optax.GradientTransformation":
    """Adam as in Keras: ε is added to the root of the average before the bias correction.

    It is the last formula of section 2 of arXiv:1412.6980, with ε̂ = 1e-7. In Optax's formula, ε then shrinks
    with the steps. It matters where a gradient is tiny, as behind a dying ReLU.
    """
    import jax.numpy as jnp
    import optax

    def epsilon(step: "jax.Array") -> "jax.Array":
        return 1e-7 / jnp.sqrt(1 - jnp.float32(0.999) ** (step + 1))

    return optax.inject_hyperparams(optax.adam)(learning_rate=rate, eps=epsilon)


def _adamw(rate: "Rate") -> "optax.GradientTransformation":
    import jax
    import optax

    def kernels(params: "optax.Params") -> "optax.Params":
        return jax.tree.map(lambda leaf: leaf.ndim > 1, params)

    return optax.adamw(rate, weight_decay=0.01, mask=kernels)


def _muon(rate: "Rate") -> "optax.GradientTransformation":
    import jax
    import optax.contrib

    def matrix_axes(params: "optax.Params") -> "optax.Params":
        # A convolution's kernel is the matrix (height · width · channels in) × channels out.
        def axes(leaf: jax.Array) -> optax.contrib.MuonDimensionNumbers | None:
            if leaf.ndim < 2:
                return None
            return optax.contrib.MuonDimensionNumbers(tuple(range(leaf.ndim - 1)), leaf.ndim - 1)

        return jax.tree.map(axes, params)

    return optax.contrib.muon(rate, muon_weight_dimension_numbers=matrix_axes)


OPTIMIZERS: dict[str, Optimizer] = {
    optimizer.name: optimizer
    for optimizer in (
        Optimizer(
            "gd",
            None,
            1847,
            0.5,
            "Gradient descent: one step per epoch, along the gradient of all training photos.",
            _optax("sgd"),
            whole_epoch=True,
        ),
        Optimizer(
            "lbfgs",
            "gd",
            1989,
            1.0,
            "Gradient descent with the curvature from its past steps; for one layer on frozen features.",
            _optax("sgd"),
            whole_epoch=True,
        ),
        Optimizer(
            "sgd",
            "gd",
            1951,
            0.05,
            "Stochastic gradient descent: one step per batch, along the gradient of its photos.",
            _optax("sgd"),
        ),
        Optimizer(
            "momentum",
            "sgd",
            1964,
            0.01,
            "SGD that adds most of the previous step to each step.",
            _optax("sgd", momentum=0.9),
        ),
        Optimizer(
            "nag",
            "momentum",
            1983,
            0.01,
            "Nesterov's accelerated gradient: momentum with the gradient after the momentum step.",
            _optax("sgd", momentum=0.9, nesterov=True),
        ),
        Optimizer(
            "adagrad",
            "sgd",
            2011,
            0.01,
            "SGD with a step size for each weight: smaller where its past gradients were large.",
            _optax("adagrad"),
        ),
        Optimizer(
            "rmsprop",
            "adagrad",
            2012,
            0.001,
            "Adagrad that forgets old gradients, so that steps do not shrink for ever.",
            _optax("rmsprop"),
        ),
        Optimizer(
            "adadelta",
            "adagrad",
            2012,
            1.0,
            "Adagrad that forgets old gradients, with a step size that follows from past steps.",
            _optax("adadelta"),
        ),
        Optimizer(
            "adam",
            "rmsprop",
            2014,
            0.001,
            "RMSProp with momentum: moving averages of the gradient and of its square.",
            _adam,
        ),
        Optimizer("nadam", "adam", 2016, 0.001, "Adam with Nesterov's momentum.", _optax("nadam")),
        Optimizer(
            "adamw",
            "adam",
            2017,
            0.001,
            "Adam with weight decay of kernels that does not depend on the gradient.",
            _adamw,
        ),
        Optimizer(
            "lamb",
            "adamw",
            2019,
            0.001,
            "AdamW with steps in proportion to the weights of each layer, for very large batches.",
            _optax("lamb"),
        ),
        Optimizer(
            "muon",
            "momentum",
            2024,
            0.001,
            "Momentum with orthogonal steps for weight matrices: all directions have the same size.",
            _muon,
        ),
    )
}


def find_optimizer(name: str) -> Optimizer:
    """The optimizer of that name.

    Raises:
        OptionError: there is none.
    """
    if name not in OPTIMIZERS:
        raise OptionError(
            "expected an optimizer among {optimizers}; found {name!r}",
            optimizers=", ".join(OPTIMIZERS),
            name=name,
        )
    return OPTIMIZERS[name]
