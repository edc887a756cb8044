"""Views of a photo: the same wherever they are computed, within the photo, as random as they should be."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catdog.config import RESIZES, Decoding, Resize
from catdog.data import decode, decoded
from catdog.data.decode import decode_whole
from catdog.data.views import relit, view_of
from catdog.features.key import FeatureKey
from tests.data.made_photos import encoded, grey16, noise, scene
from tests.features.test_store import KEY

DIGESTS = [hashlib.sha256(bytes([number])).hexdigest() for number in range(250)]


def test_a_view_is_the_same_wherever_it_is_computed() -> None:
    """Written down once: another machine, and a later version, must draw the same."""
    view = view_of(2, hashlib.sha256(b"").hexdigest())
    assert view.box == (0.0495452880859375, 0.110748291015625, 0.927490234375, 0.910797119140625)
    assert view.mirrored is False
    assert view.light == pytest.approx((1.1553148545, 1.0904637150, 0.8535856637), abs=1e-9)


def test_views_differ_by_digest_and_by_number() -> None:
    views = {view_of(number, digest) for number in range(2, 6) for digest in DIGESTS}
    assert len(views) == 4 * len(DIGESTS)


def test_crops_are_within_the_photo_and_of_all_allowed_sizes() -> None:
    views = [view_of(number, digest) for number in range(2, 10) for digest in DIGESTS]
    boxes = np.array([view.box for view in views])
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area, aspect = width * height, width / height
    assert area.min() == pytest.approx(0.35, abs=0.01)
    assert area.max() == pytest.approx(1.0, abs=0.01)
    assert area.mean() == pytest.approx(0.675, abs=0.02)
    assert aspect.min() == pytest.approx(3 / 4, abs=0.01)
    assert aspect.max() == pytest.approx(4 / 3, abs=0.01)
    assert np.log(aspect).mean() == pytest.approx(0, abs=0.02)
    assert np.mean([view.mirrored for view in views]) == pytest.approx(0.5, abs=0.05)
    middle = (boxes[:, :2] + boxes[:, 2:]).mean(axis=0) / 2
    assert middle == pytest.approx((0.5, 0.5), abs=0.02)
    light = np.array([view.light for view in views])
    assert light.min() >= 0.8
    assert light.max() <= 1.2


@pytest.mark.parametrize("resize", RESIZES)
def test_the_second_view_is_the_exact_mirror_image(resize: Resize) -> None:
    photo = encoded(noise(301, 120), "PNG")
    whole = decode(photo, Decoding(64, resize))
    assert (decode(photo, Decoding(64, resize, view=1)) == whole[:, ::-1]).all()


def test_a_crop_shows_its_part_of_the_photo_with_its_detail() -> None:
    image = noise(400, 300)
    photo = encoded(image, "PNG")
    view = view_of(3, hashlib.sha256(photo).hexdigest())
    expected = image.resize((96, 96), Image.Resampling.BILINEAR, box=view.within((0, 0, 400, 300)))
    assert view.light is not None
    pixels = relit(np.asarray(expected), view.light)
    assert (decode(photo, Decoding(96, view=3)) == (pixels[:, ::-1] if view.mirrored else pixels)).all()


def test_a_large_jpeg_decoded_small_shows_the_same_view() -> None:
    photo = encoded(scene(3000, 2000), "JPEG", quality=95)
    digest = hashlib.sha256(photo).hexdigest()
    for number in (2, 3, 4):
        view = view_of(number, digest)
        box = view.within((0, 0, 3000, 2000))
        with Image.open(io.BytesIO(photo)) as whole:
            crop = np.asarray(whole.resize((224, 224), Image.Resampling.BILINEAR, box=box))
        assert view.light is not None
        exact = relit(crop, view.light)[:, :: -1 if view.mirrored else 1].astype(int)
        assert abs(decode(photo, Decoding(view=number)).astype(int) - exact).mean() < 1


def test_light_is_brightness_contrast_and_saturation() -> None:
    before = 80 + np.asarray(noise(30, 30)) // 4
    assert (relit(before, (1, 1, 1)) == before).all()
    assert relit(before, (1.2, 1, 1)) == pytest.approx(before * 1.2, abs=0.51)
    flat = relit(before, (1, 0, 1))
    assert np.ptp(flat) == 0
    assert flat.mean() == pytest.approx((before @ [0.299, 0.587, 0.114]).mean(), abs=0.51)
    assert np.ptp(relit(before, (1, 1, 0)), axis=-1).max() == 0
    assert relit(before, (1, 1.1, 1)).std() > before.std()


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGB", (1, 1), (200, 10, 10)),
        Image.new("L", (40, 30), 77),
        Image.new("RGBA", (40, 30), (10, 200, 10, 128)),
        grey16(np.full((30, 40), 30_000)),
        noise(2000, 1),
        noise(1, 2000),
    ],
)
def test_every_kind_of_photo_has_views(image: Image.Image, number: int, resize: Resize) -> None:
    photo = encoded(image, "PNG")
    pixels = decode(photo, Decoding(48, resize, view=number))
    assert pixels.shape == (48, 48, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.max() > 0


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_the_part_is_one_of_the_upright_photo(orientation: int) -> None:
    """The view of a rotated file is that of its upright pixels; the digest differs, so the box is given."""
    from catdog.data.decode import _UPRIGHT, _resized, _upright

    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = noise(90, 60)
    photo = encoded(stored, "PNG", exif=exif)
    view = view_of(2, hashlib.sha256(photo).hexdigest())
    expected = _resized(stored.transpose(_UPRIGHT[orientation]), Decoding(48), view)
    seen = decode(photo, Decoding(48, view=2))
    assert (seen == (expected[:, ::-1] if view.mirrored else expected)).all()
    with Image.open(io.BytesIO(photo)) as opened:
        assert _upright(opened).size == ((90, 60) if orientation == 3 else (60, 90))


def test_a_name_and_a_folder_do_not_change_a_view(tmp_path: Path) -> None:
    photo, decoding = encoded(noise(120, 90), "PNG"), Decoding(32, view=2)
    paths = [tmp_path / "a.png", tmp_path / "deep" / "er" / "b.jpg"]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo)
    digest = hashlib.sha256(photo).hexdigest()
    expected = decode(photo, decoding)
    assert (decode(paths[0], decoding) == expected).all()
    assert (decode_whole(paths[1], decoding, expected=digest).pixels == expected).all()
    for digests in (None, dict.fromkeys(paths, digest)):
        for found in decoded(paths, decoding, workers=2, digests=digests):
            assert found.pixels is not None
            assert (found.pixels == expected).all()


def test_views_have_keys_of_their_own_and_those_of_whole_photos_stay() -> None:
    decoding = KEY.decoding
    names = [replace(KEY, decoding=replace(decoding, view=view)).folder_name() for view in range(5)]
    assert len(set(names)) == 5
    for view, mirrored in ((0, False), (1, True)):  # as the first caches, and the first runs, have it
        values = KEY.to_json() | {"decoding": {"size": 224, "resize": "squash", "mirrored": mirrored}}
        assert FeatureKey.from_json(values).folder_name() == names[view]
    assert names[0] == "e2d39641961e4fed0b4df23b"
