"""The table of layers against the paper's own numbers, and the freeze boundary."""

import subprocess
import sys

import pytest

from catdog.config import Head
from catdog.errors import OptionError
from catdog.model.architecture import (
    CONVOLUTIONS,
    IMAGENET_TOP,
    body,
    boundary,
    describe,
    freeze,
    head,
    split_at,
    stages,
    vgg16,
)
from catdog.model.layers import Conv, Dense, Dropout, Flatten, GlobalAveragePool, MaxPool, Rescale


def test_the_network_of_the_paper_has_its_known_size() -> None:
    facts = describe(vgg16())
    convolutions = facts[: len(CONVOLUTIONS)]
    assert sum(fact.parameters for fact in facts) == 138_357_544
    assert sum(fact.parameters for fact in convolutions) == 14_714_688
    assert sum(fact.multiply_adds for fact in facts) == 15_470_264_320
    assert sum(fact.multiply_adds for fact in convolutions) == 15_346_630_656
    assert facts[-1].output_shape == (1000,)
    assert vgg16() == CONVOLUTIONS + IMAGENET_TOP


def test_the_receptive_field_grows_to_the_whole_photo() -> None:
    field = {fact.layer.name: fact.receptive_field for fact in describe(vgg16())}
    assert field["block1_conv1"] == 3
    assert field["block1_conv2"] == 5
    assert field["block1_pool"] == 6
    assert field["block5_conv3"] == 196
    assert field["block5_pool"] == 212
    assert field["flatten"] == field["fc1"] == field["dropout1"] == field["predictions"] == 224


def test_the_side_halves_with_every_pool() -> None:
    shape = {fact.layer.name: fact.output_shape for fact in describe(CONVOLUTIONS)}
    assert [shape[f"block{number}_pool"] for number in range(1, 6)] == [
        (112, 112, 64),
        (56, 56, 128),
        (28, 28, 256),
        (14, 14, 512),
        (7, 7, 512),
    ]


def test_every_kind_of_layer_has_words_of_its_own() -> None:
    layers = vgg16() + head(Head("linear"), 2)
    # Channels and units tell convolutions apart; the words in front of the first number do not.
    kinds = {type(fact.layer): fact.kind for fact in describe(vgg16())}
    kinds |= {
        type(fact.layer): fact.kind for fact in describe(head(Head("linear"), 2), input_shape=(7, 7, 512))
    }
    assert kinds.keys() == {type(layer) for layer in layers}
    assert len(set(kinds.values())) == len(kinds)


def test_a_linear_head_counts_only_what_is_trained() -> None:
    facts = describe(head(Head("linear"), 37), input_shape=(7, 7, 512))
    assert [fact.parameters for fact in facts] == [0, 0, 512 * 37 + 37]
    assert facts[-1].output_shape == (37,)


@pytest.mark.parametrize(
    ("size", "layer"), [(300, "fc1"), (31, "block5_pool")], ids=["too large", "too small"]
)
def test_a_photo_of_the_wrong_size_is_refused_by_the_first_layer_that_it_does_not_fit(
    size: int, layer: str
) -> None:
    with pytest.raises(OptionError, match=rf"^the layer {layer} cannot take an input of shape \("):
        describe(vgg16(), input_shape=(size, size, 3))


@pytest.mark.parametrize(
    ("stage", "first"),
    [
        ("all", "block1_conv1"),
        ("block1", "block1_conv1"),
        ("block2", "block2_conv1"),
        ("block3", "block3_conv1"),
        ("block4", "block4_conv1"),
        ("block5", "block5_conv1"),
        ("flatten", "flatten"),
        ("fc1", "fc1"),
        ("fc2", "dropout1"),
        ("predictions", "dropout2"),
    ],
)
def test_the_boundary_lies_before_the_first_layer_of_a_stage(stage: str, first: str) -> None:
    layers = vgg16()
    index = boundary(layers, stage)
    prefix, suffix = split_at(layers, stage)
    assert layers[index].name == first
    assert (prefix, suffix) == (layers[:index], layers[index:])
    assert not any(isinstance(layer, Dropout) and layer is prefix[-1] for layer in prefix)


def test_a_new_head_is_one_stage() -> None:
    layers = CONVOLUTIONS + head(Head(kind="fc", fc_units=(256,)), 2)
    assert split_at(layers, "head")[0] == CONVOLUTIONS
    assert stages(layers) == ("block1", "block2", "block3", "block4", "block5", "head")


def test_an_unknown_stage_is_answered_with_those_there_are() -> None:
    with pytest.raises(OptionError) as caught:
        boundary(CONVOLUTIONS + head(Head("linear"), 2), "fc1")
    assert str(caught.value) == (
        "there is no stage 'fc1': expected one of block1, block2, block3, block4, block5, head, all"
    )


def test_all_stages_are_listed_in_order() -> None:
    assert stages(vgg16())[5:] == ("flatten", "fc1", "fc2", "predictions")


def test_a_linear_head() -> None:
    assert head(Head(kind="linear"), 3, features=(9, 9, 256)) == (
        GlobalAveragePool("avg_pool", "head"),
        Rescale("rescale", "head"),
        Dense("predictions", "head", 256, 3, "none"),
    )


def test_an_fc_head() -> None:
    config = Head(kind="fc", fc_units=(100, 50), dropout=0.25, output="binary")
    assert head(config, 2, features=(2, 3, 4)) == (
        Flatten("flatten", "head"),
        Rescale("rescale", "head"),
        Dense("fc1", "head", 24, 100, "relu"),
        Dropout("dropout1", "head", 0.25),
        Dense("fc2", "head", 100, 50, "relu"),
        Dropout("dropout2", "head", 0.25),
        Dense("predictions", "head", 50, 1, "none"),
    )


@pytest.mark.parametrize(
    ("config", "classes", "message"),
    [
        (Head("linear"), 1, "expected at least 2 classes, found 1"),
        (Head("linear", output="binary"), 3, "a binary output needs exactly 2 classes, found 3"),
        (Head(kind="fc"), 2, "an fc head needs the units of at least one hidden layer"),
        (Head("linear", (8,)), 2, "a linear head has no hidden layers"),
        (Head(kind="fc", fc_units=(8, 0)), 2, "expected at least 1 unit in each layer, found 0"),
        (Head(kind="fc", fc_units=(8,), dropout=1.0), 2, "expected a dropout from 0 to below 1"),
    ],
)
def test_a_head_that_cannot_be_is_refused(config: Head, classes: int, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        head(config, classes)


def test_the_table_is_made_of_plain_records() -> None:
    assert {type(layer) for layer in CONVOLUTIONS} == {Conv, MaxPool}
    assert len({layer.name for layer in vgg16()}) == len(vgg16())
    assert hash(vgg16()) == hash(vgg16(1000)) != hash(vgg16(2))


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [("model.architecture", {"jax", "flax", "numpy"}), ("weights.source", {"jax", "flax"})],
)
def test_options_can_be_checked_before_jax_is_imported(module: str, unwanted: set[str]) -> None:
    check = f"import sys, catdog.{module}; print(*({unwanted!r} & sys.modules.keys()))"
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


@pytest.mark.parametrize(
    ("dropout", "unfreeze", "last_once", "frozen", "first_thawed"),
    [
        (0.5, "head", "block5_pool", ("flatten", "fc1", "dropout1", "fc2"), None),
        (0.0, "head", "fc2", (), None),
        (0.5, "fc2", "fc1", (), "dropout1"),
        (0.5, "fc1", "block5_pool", ("flatten",), "fc1"),
        (0.0, "fc1", "block5_pool", ("flatten",), "fc1"),
        (0.5, "flatten", "block5_pool", (), "flatten"),
        (0.5, "block5", "block4_pool", (), "block5_conv1"),
        (0.5, "all", None, (), "block1_conv1"),
    ],
)
def test_what_runs_once_a_photo_under_fc1_and_fc2(
    dropout: float, unfreeze: str, last_once: str | None, frozen: tuple[str, ...], first_thawed: str | None
) -> None:
    new = Head("imagenet", dropout=dropout)
    once, still, thawed = freeze(new, unfreeze)
    assert (*once, *still, *thawed) == body(new)
    assert (once[-1].name if once else None) == last_once
    assert tuple(layer.name for layer in still) == frozen
    assert (thawed[0].name if thawed else None) == first_thawed
