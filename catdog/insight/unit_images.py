"""The images in the package that show what units of VGG16 look for; docs/unit_images.py makes them."""

import json
from collections.abc import Mapping
from importlib import resources
from zipfile import ZipFile

import numpy as np

from catdog.insight.anatomy import float32
from catdog.model.architecture import CONVOLUTIONS
from catdog.model.layers import Conv
from catdog.weights.source import digest

FILE = "vgg16_unit_images.zip"  # `LAYER/UNIT.jpg`, and `about.json` with the digest of each layer's weights
ABOUT = "about.json"


def layer_digest(layer: str, tensors: Mapping[str, np.ndarray]) -> str:
    """Of a convolution's kernel and bias as float32."""
    names = [f"{layer}/{part}" for part in ("kernel", "bias")]
    return digest(float32({name: tensors[name] for name in names}))


def unit_images(tensors: Mapping[str, np.ndarray]) -> dict[str, dict[int, bytes]]:
    """Layer → unit → JPEG; of the layers whose weights, and all before them, are those of the images."""
    found: dict[str, dict[int, bytes]] = {}
    with (resources.files("catdog") / "pretrained" / FILE).open("rb") as file, ZipFile(file) as images:
        made_for = json.loads(images.read(ABOUT))["layers"]
        names = [name.split("/") for name in images.namelist() if name != ABOUT]
        for layer in CONVOLUTIONS:
            if not isinstance(layer, Conv):
                continue
            if layer_digest(layer.name, tensors) != made_for[layer.name]:
                break
            files = [file for folder, file in names if folder == layer.name]
            found[layer.name] = {
                int(file.removesuffix(".jpg")): images.read(f"{layer.name}/{file}") for file in files
            }
    return found
