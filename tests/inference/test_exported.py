"""Reading the spec and the new layers of an exported file, and files that are no such export."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from catdog.config import Decoding, Head, ModelSpec
from catdog.errors import WeightsError
from catdog.inference.exported import read_exported

SPEC = ModelSpec(("cats", "dogs"), "caffe", Head("linear"), Decoding(), calibrated=True)
TENSORS = {
    "head/rescale/scale": np.array(2, np.float32),
    "head/predictions/kernel": np.arange(1024, dtype=np.float32).reshape(512, 2),
    "head/predictions/bias": np.array([0.5, -0.5], np.float32),
    "block1_conv1/bias": np.zeros(64, np.float32),
}


def _write(path: Path, spec: ModelSpec = SPEC, **tensors: np.ndarray) -> Path:
    named = {f"head/predictions/{part}": tensor for part, tensor in tensors.items()}
    save_file(TENSORS | named, path, {"catdog": json.dumps(spec.to_json())})
    return path


def test_the_spec_and_the_new_layers_as_a_run_names_them(tmp_path: Path) -> None:
    spec, tensors = read_exported(_write(tmp_path / "model.safetensors"))
    assert spec == SPEC
    assert tensors.keys() == {"rescale/scale", "predictions/kernel", "predictions/bias"}
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, TENSORS[f"head/{name}"])


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"preprocessing": "caffe"},
        {"catdog": "no JSON"},
        {"catdog": "[]"},
        {"catdog": "[" * 100_000},
        {"catdog": json.dumps({"classes": ["cats"]})},
        {"catdog": json.dumps(replace(SPEC, decoding=Decoding(size=31)).to_json())},
        {"catdog": json.dumps(replace(SPEC, decoding=Decoding(size=1025)).to_json())},
    ],
    ids=["none", "another", "no JSON", "a list", "deep", "too few fields", "too small", "too large"],
)
def test_a_file_that_does_not_name_its_classes(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "model.safetensors"
    save_file(TENSORS, path, metadata)
    with pytest.raises(WeightsError) as caught:
        read_exported(path)
    assert str(caught.value) == (
        f"expected a run folder, or a .safetensors file that `catdog export` wrote, found {path}, which does "
        "not name its classes"
    )


@pytest.mark.parametrize(
    "tensors",
    [
        {"kernel": np.zeros((512, 3), np.float32)},
        {"bias": np.zeros(2, np.int32)},
        {"scale": np.zeros(2, np.float32)},
    ],
    ids=["another shape", "integers", "one too many"],
)
def test_new_layers_that_are_not_those_of_the_header(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    path = _write(tmp_path / "model.safetensors", SPEC, **tensors)
    with pytest.raises(WeightsError) as caught:
        read_exported(path)
    assert f"the new layers in {path} are not those that its header describes" in str(caught.value)


def test_more_classes_than_the_last_layer_has(tmp_path: Path) -> None:
    path = _write(tmp_path / "model.safetensors", replace(SPEC, classes=("cats", "dogs", "birds")))
    with pytest.raises(WeightsError, match="are not those that its header describes"):
        read_exported(path)
