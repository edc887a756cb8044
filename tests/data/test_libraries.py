"""Another decoder may give other pixels: features from before are not taken for its own."""

import PIL
import pytest

from catdog.config import Decoding
from catdog.data import decoder_version
from tests.prefixes import builtin_prefix


def test_it_names_pillow_and_what_decodes_jpeg() -> None:
    parts = dict(part.rsplit(" ", 1) for part in decoder_version().split(", "))
    assert parts["Pillow"] == PIL.__version__
    assert parts["jpg"] != "absent"
    assert parts["libjpeg_turbo"]


def test_features_of_another_decoder_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = builtin_prefix()
    names = {prefix.key(Decoding()).folder_name()}
    for library in ("jpg", "libjpeg_turbo"):
        with monkeypatch.context() as patch:
            patch.setattr(
                "catdog.data.opening.features.version",
                lambda name, changed=library: "0.1" if name == changed else "1",
            )
            decoder_version.cache_clear()
            names.add(prefix.key(Decoding()).folder_name())
    with monkeypatch.context() as patch:
        patch.setattr(PIL, "__version__", "0.1")
        decoder_version.cache_clear()
        names.add(prefix.key(Decoding()).folder_name())
    decoder_version.cache_clear()
    assert prefix.key(Decoding()).folder_name() in names
    assert len(names) == 4
