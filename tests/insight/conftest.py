"""Classifiers for photos of 96 pixels that are looked into."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catdog import devices
from catdog.config import Decoding, Head, ModelSpec
from catdog.features.prefix import Prefix
from catdog.inference.classifier import Classifier
from catdog.weights.source import find_weights
from catdog.workspace import Workspace

HEAD = Head("gem")
SPEC = ModelSpec(("a", "b", "c"), "caffe", HEAD, Decoding(96))


@pytest.fixture(scope="session")
def workspace(cache_dir: Path) -> Workspace:
    """With the cache of the session."""
    return devices.opened(Workspace.below(cache_dir, keep=True))


@pytest.fixture(scope="session")
def classifier(workspace: Workspace) -> Classifier:
    """The builtin convolutions below a head of random weights."""
    random = np.random.default_rng(0)
    tensors = {
        "predictions/kernel": random.normal(size=(512, 3)).astype(np.float32),
        "predictions/bias": random.normal(size=3).astype(np.float32),
        "rescale/scale": np.float32(0.04),
    }
    source = find_weights("builtin")
    prefix = Prefix(source, HEAD, unfreeze="head", workspace=workspace)
    return Classifier(source, prefix, tensors, SPEC, workspace=workspace)


@pytest.fixture(scope="session")
def trained(workspace: Workspace, classifier: Classifier) -> Classifier:
    """The same with other weights in block5, as if it had been trained."""
    random, own = np.random.default_rng(2), dict(classifier.tensors())
    tensors = {name: tensor for name, tensor in own.items() if name.startswith(("predictions", "rescale"))}
    for name in ("block5_conv1", "block5_conv2", "block5_conv3"):
        for part in ("kernel", "bias"):
            original = own[f"{name}/{part}"].astype(np.float32)
            tensors[f"{name}/{part}"] = original * random.uniform(0.5, 1.5, original.shape).astype(np.float32)
    source = find_weights("builtin")
    prefix = Prefix(source, HEAD, unfreeze="block5", workspace=workspace)
    return Classifier(source, prefix, tensors, replace(SPEC, unfreeze="block5"), workspace=workspace)
