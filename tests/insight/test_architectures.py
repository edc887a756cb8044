"""The tables of the lecture's networks: against the figures of their papers and of other programs."""

import pytest

from catdog.insight.architectures import Convolution, Pool, architectures, cost
from catdog.model.architecture import describe, vgg16

NETWORKS = {network.name: network for network in architectures()}


@pytest.mark.parametrize(
    ("name", "depth", "parameters", "multiply_adds"),
    [
        ("AlexNet", 8, 60_965_224, 0.72e9),  # Caffe's model, 61 M; "60 million parameters" in the paper
        ("GoogLeNet", 22, 6_998_552, 1.5e9),  # Caffe's model; "22 layers", "1.5 billion multiply-adds"
        ("ResNet-50", 50, 25_557_032, 3.8e9),  # torchvision's model; "3.8 billion FLOPs" in the paper
    ],
)
def test_the_tables_are_those_of_the_papers(
    name: str, depth: int, parameters: int, multiply_adds: float
) -> None:
    found = NETWORKS[name].cost
    assert (found.shape, found.depth, found.parameters) == ((1, 1, 1000), depth, parameters)
    assert found.multiply_adds == pytest.approx(multiply_adds, rel=0.06)


def test_vgg16_is_the_one_that_catdog_uses() -> None:
    facts, found = describe(vgg16()), NETWORKS["VGG16"].cost
    assert found.depth == 16
    assert found.parameters == sum(layer.parameters for layer in facts)
    assert found.multiply_adds == sum(layer.multiply_adds for layer in facts)


def test_a_window_that_is_partly_outside() -> None:
    assert cost([Pool(3, 2)], (112, 112, 1)).shape == (55, 55, 1)
    assert cost([Pool(3, 2, rounds_up=True)], (112, 112, 1)).shape == (56, 56, 1)
    assert cost([Convolution(4, 3, groups=2, normalized=True)], (5, 5, 2)).parameters == 9 * 4 + 8
