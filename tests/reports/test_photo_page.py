"""The page of a photo in Chromium: its numbers are those of JAX, keys move it, nothing is fetched."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catdog import devices
from catdog.config import Decoding, Head, Scale
from catdog.data import Photo, decode_for_people
from catdog.features.prefix import Prefix
from catdog.inference.classifier import Classifier
from catdog.insight import own_images
from catdog.insight.anatomy import dissect
from catdog.insight.patches import find_cached, search
from catdog.insight.unit_images import unit_images
from catdog.progress import Progress
from catdog.reports import photo_page
from catdog.reports.html import ENGLISH
from catdog.reports.photo_page import write_report
from catdog.runs import shipped_run
from catdog.weights.source import find_weights
from catdog.workspace import Workspace
from tests.browser import Browser, assert_it_fits, assert_korean_is_whole, browser, nameless, reached_by_tab
from tests.conftest import ROOT

PHOTO = ROOT / "sample_data" / "photos" / "pug_139.jpg"
LARGEST = 8_000_000  # bytes of a page


@pytest.fixture(scope="module")
def workspace(cache_dir: Path) -> Workspace:
    return devices.opened(Workspace.below(cache_dir, keep=True))


@pytest.fixture(scope="module")
def made(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page of a real photo and the head in the package, at 224 pixels, and what Python knows of both."""
    tensors, spec = shipped_run().read_model()
    spec = replace(spec, decoding=replace(spec.decoding, size=224))
    source = find_weights("builtin", workspace=workspace)
    prefix = Prefix(source, spec.head, unfreeze="head", workspace=workspace)
    classifier = Classifier(source, prefix, tensors, spec, workspace=workspace)
    file = tmp_path_factory.mktemp("page") / "page.html"
    folders = (PHOTO.parents[1] / "train" / name for name in ("cats", "dogs"))
    paths = [path for folder in folders for path in sorted(folder.glob("*.jpg"))[:5]]
    own = [Photo(path, path.parent.name) for path in paths]
    classifier.predict(paths)
    _write(PHOTO, classifier, file, workspace, own=own)
    anatomy = dissect(classifier, PHOTO)
    return SimpleNamespace(file=file, classifier=classifier, anatomy=anatomy, own=own)


@pytest.fixture(scope="module")
def page(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The page, open."""
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        opened.open(made.file.as_uri())
        yield opened


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser for other pages."""
    with browser(tmp_path_factory.mktemp("elsewhere")) as opened:
        yield opened


@pytest.fixture
def fresh(page: Browser) -> Iterator[Browser]:
    """The page as it opens. Afterwards: it has fetched nothing, and its console is empty."""
    page.messages.clear()
    page.value(
        "go({off: '', lang: 'en', padding: 1, kernel: 'edges', row: 112, column: 112, cell: 12, label: 1})"
    )
    page.value("go({layer: 'block5_conv3', ...strongestOf(layerNamed('block5_conv3'), -1)})")
    yield page
    assert page.messages == []
    assert all(address.startswith("file:") and "page.html" in address for address in page.requests)


def _write(photo: Path, classifier: Classifier, file: Path, workspace: Workspace, **more: Any) -> None:
    (prediction,) = classifier.stream([photo])
    assert prediction.reason is None
    options = {"workspace": workspace, "translations": ENGLISH} | more
    write_report(photo, classifier, {"runs/model": prediction}, file, **options)


def test_the_page_is_one_small_file_with_a_strict_policy(made: Any) -> None:
    text = made.file.read_text("utf-8")
    assert len(text.encode()) < LARGEST
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none';")
    assert re.search(r"script-src 'sha256-[^']*'$", policy)
    assert "http://" not in text and "https://" not in text


def test_it_computes_what_jax_computes(fresh: Browser) -> None:
    deviations = fresh.value("({...document.body.dataset})")
    assert float(deviations["convolution"]) < 1e-6
    assert float(deviations["receipts"]) < 1e-3  # as the page says
    assert int(deviations["receiptsCount"]) >= 30
    assert float(deviations["head"]) < 1e-6


@pytest.mark.parametrize(
    "layer", ["block1_conv1", "block1_conv2", "block1_pool", "block2_conv2", "block3_conv1"]
)
def test_a_receipt_adds_up_at_any_place_of_the_first_layers(fresh: Browser, made: Any, layer: str) -> None:
    maps = made.anatomy.layer(layer)
    height, width, units = maps.values.shape
    random = np.random.default_rng(3)
    units = maps.strongest_units()[:8] if layer == "block3_conv1" else range(units)
    for y, x in [(0, 0), (height - 1, width - 1), *random.integers(0, height, (4, 2)).tolist()]:
        unit = int(random.choice(list(units)))
        receipt = fresh.value(f"receiptOf(layerNamed('{layer}'), {unit}, {y}, {x})")
        assert abs(receipt["value"] - maps.values[y, x, unit]) < 1e-3 * receipt["size"] + 1e-6
        if "products" in receipt:
            total = sum(each["product"] for each in receipt["products"]) + receipt["bias"]
            assert max(0, total) == pytest.approx(receipt["value"], abs=1e-6 * receipt["size"])
            assert len(receipt["products"]) == 9 * made.anatomy.before(layer).shape[-1]


@pytest.mark.slow
def test_every_layer_has_receipts_for_its_strongest_units(fresh: Browser, made: Any) -> None:
    for maps in made.anatomy.layers:
        for unit in maps.strongest_units()[:8]:
            (peak,) = maps.peaks(unit, 1)
            receipt = fresh.value(f"receiptOf(layerNamed('{maps.name}'), {unit}, {peak.y}, {peak.x}) ?? null")
            assert receipt, (maps.name, unit)
            assert abs(receipt["value"] - peak.value) < 1e-3 * receipt["size"], (maps.name, unit)


def test_a_place_without_a_receipt_says_which_have_one(fresh: Browser) -> None:
    fresh.value("go({layer: 'block4_conv1', unit: layerNamed('block4_conv1').units[300], y: 3, x: 3})")
    assert "with a green square" in fresh.value("at('receipt').textContent")
    fresh.value("go({layer: 'block5_conv1', unit: layerNamed('block5_conv1').units[300], y: 3, x: 3})")
    assert "The weights of this unit" in fresh.value("at('receipt').textContent")


def test_keys_walk_through_units_layers_and_places(fresh: Browser, made: Any) -> None:
    units = made.anatomy.layer("block5_conv3").strongest_units()
    fresh.value("at('grid').focus()")
    fresh.press("ArrowRight", "ArrowRight", "ArrowLeft")
    assert fresh.fragment()["unit"] == str(units[1])
    fresh.press("ArrowUp")
    assert fresh.fragment()["layer"] == "block5_conv2"
    assert fresh.fragment()["unit"] == str(made.anatomy.layer("block5_conv2").strongest_units()[0])
    before = fresh.fragment()
    fresh.value("at('large').focus()")
    fresh.press("ArrowDown" if int(before["y"]) < 13 else "ArrowUp")
    assert abs(int(fresh.fragment()["y"]) - int(before["y"])) == 1
    fresh.value("at('strip').children[5].focus()")
    fresh.press("Enter")
    assert fresh.fragment()["layer"] == "block2_pool"
    assert fresh.value("document.activeElement.getAttribute('aria-label')") == "block2_pool"
    fresh.value("go({layer: 'block2_conv2'}); at('receipt').querySelector('button').focus()")
    fresh.press("Enter")
    assert fresh.fragment()["layer"] == "block2_conv1"
    assert fresh.value("document.activeElement.closest('#receipt') !== null")
    fresh.value(
        "go({layer: 'block4_conv1', ...strongestOf(layerNamed('block4_conv1'), -1)}); at('large').focus()"
    )
    assert f"y {fresh.fragment()['y']}" in fresh.value("at('large').getAttribute('aria-label')")


def test_clicks_choose_a_layer_a_unit_a_place_and_an_input(fresh: Browser, made: Any) -> None:
    fresh.click("#strip button:nth-child(8)")
    assert fresh.fragment()["layer"] == "block3_conv2"
    units = made.anatomy.layer("block3_conv2").strongest_units()
    fresh.click(f"#unit{units[3]}")
    assert fresh.fragment()["unit"] == str(units[3])
    fresh.click("#receipt button")
    assert fresh.fragment()["layer"] == "block3_conv1"
    fresh.click("#large", right=0.99, down=0.01)
    assert (fresh.fragment()["y"], fresh.fragment()["x"]) == ("0", "55")


def test_an_address_is_a_view(fresh: Browser, made: Any) -> None:
    fresh.value("location.hash = '#layer=block3_conv2&unit=17&y=5&x=9&lang=ko'")
    fresh.value("new Promise((done) => setTimeout(done, 200))")
    assert fresh.value("[state.layer, state.unit, state.y, state.x]") == ["block3_conv2", 17, 5, 9]
    assert fresh.value("document.documentElement.lang") == "ko"
    for nonsense in ("unit=99999&y=-3&x=1e9&off=c9999.p9999&kernel=64", "unit=1.5&kernel=-5", "kernel=nan"):
        fresh.value(f"location.hash = '#layer=nonsense&{nonsense}'")
        fresh.value("new Promise((done) => setTimeout(done, 200))")
        assert fresh.value("Number.isInteger(state.unit) && state.unit < 512")
        assert fresh.value("state.kernel") == "edges"
    assert fresh.messages == []


def test_the_lines_of_the_lecture(fresh: Browser, made: Any) -> None:
    lines = {line["line"]: line for line in fresh.value("page.code")}
    assert lines["ConvBlock(3, 256)"]["parameters"] == 1_475_328
    assert lines["ConvBlock(2, 64)"]["work"] == 224 * 224 * 9 * (3 * 64 + 64 * 64)
    assert lines["Dense(2, activation='softmax')"]["parameters"] == 2 * 512 + 2
    assert lines["Dense(4096, activation='relu')"]["note"]["en"] == "in the original network only"
    assert sum(line["milliseconds"] or 0 for line in lines.values()) > 1
    lecture = SimpleNamespace(
        head=Head("imagenet"), classes=("cats", "dogs"), decoding=Decoding(224), output="category"
    )
    lines = {line["line"]: line for line in photo_page._code(made.anatomy, lecture)}  # pyright: ignore
    assert lines["Dense(2, activation='softmax')"]["parameters"] == 2 * 4096 + 2
    assert lines["Dense(4096, activation='relu')"]["note"] is None
    assert str(lines["Dense(1000, activation='softmax')"]["note"]) == "in the original network only"


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("value", "Dense(1)"),
        ("labels", "Dense(3, activation='sigmoid')"),
        ("binary", "Dense(1, activation='sigmoid')"),
    ],
)
def test_the_last_line_of_other_outputs(made: Any, output: Any, line: str) -> None:
    names = {"value": (), "labels": ("a", "b", "c"), "binary": ("cats", "dogs")}[output]
    model = SimpleNamespace(
        head=Head("gem", output=output), classes=names, decoding=Decoding(224), output=output
    )
    assert photo_page._code(made.anatomy, model)[-1]["line"] == line  # pyright: ignore


def test_the_head_adds_up_over_channels_and_over_places(fresh: Browser, made: Any) -> None:
    logits = made.classifier.predict([PHOTO]).logits[0]
    assert _sums(fresh, 1) == pytest.approx([logits[1] - logits[0]] * 2, rel=1e-3)


def test_what_is_switched_off_is_computed_again(fresh: Browser, made: Any) -> None:
    maps = made.anatomy.layer("block5_pool").values.copy()
    fresh.value("go({off: 'c38.p24.p25'})")
    maps[..., 38] = 0
    maps.reshape(49, 512)[[24, 25]] = 0
    expected = _results(made.classifier, maps)
    assert fresh.value(_SWITCHED) == pytest.approx(expected, rel=1e-3, abs=1e-8)
    assert "With everything on" in fresh.value("at('after').textContent")
    fresh.value("go({place: 0}); at('places').focus()")
    fresh.press("ArrowRight", "ArrowUp", " ")
    assert fresh.fragment()["off"] == "c38.p24.p25.p1"
    fresh.click("#reset")
    assert fresh.fragment()["off"] == ""
    fresh.click("#channels input")
    assert re.fullmatch(r"c\d+", fresh.fragment()["off"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "output"),
    [
        ("concat", "category"),
        ("linear", "category"),
        ("gem", "binary"),
        ("linear", "value"),
        ("gem", "labels"),
    ],
)
def test_each_head_is_computed_again(
    workspace: Workspace, elsewhere: Browser, tmp_path: Path, kind: Any, output: Any
) -> None:
    classifier = _random_head(workspace, Head(kind, output=output))
    _write(PHOTO, classifier, tmp_path / "page.html", workspace)
    elsewhere.messages.clear()
    elsewhere.open((tmp_path / "page.html").as_uri())
    logits = classifier.predict([PHOTO]).logits[0]
    margins = {
        "category": lambda: logits[1] - np.delete(logits, 1).max(),
        "binary": lambda: logits[0],
        "labels": lambda: logits[1],
        "value": lambda: 2 * logits[0] + 10,
    }
    label = 0 if output == "value" else 1
    assert _sums(elsewhere, label) == pytest.approx([margins[output]()] * 2, rel=2e-3, abs=2e-3)
    assert elsewhere.value("at('class').parentElement.hidden") == (output == "value")
    maps = dissect(classifier, PHOTO).layer("block5_pool").values.copy()
    maps[..., 7] = maps[1, 2] = 0
    elsewhere.value("go({off: 'c7.p5'})")
    assert elsewhere.value(_SWITCHED) == pytest.approx(_results(classifier, maps), rel=3e-3, abs=1e-5)
    assert elsewhere.messages == []


@pytest.mark.slow
def test_a_head_with_hidden_layers_says_so(workspace: Workspace, elsewhere: Browser, tmp_path: Path) -> None:
    classifier = _random_head(workspace, Head("fc", (4,), 0.0))
    _write(PHOTO, classifier, tmp_path / "page.html", workspace)
    elsewhere.messages.clear()
    elsewhere.open((tmp_path / "page.html").as_uri())
    assert elsewhere.value("at('no-head').hidden === false && at('head').hidden && !at('heat').hidden")
    assert elsewhere.messages == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "photo"),
    [
        ("50 megapixels.jpg", Image.linear_gradient("L").resize((10_000, 5_000))),
        ("<script>alert(1)</script>.png", Image.effect_noise((60, 40), 90)),
        ("one pixel.png", Image.new("RGB", (1, 1), "red")),
        ("black.png", Image.new("L", (90, 30), 0)),
    ],
)
def test_hostile_names_and_odd_photos(
    workspace: Workspace, elsewhere: Browser, tmp_path: Path, name: str, photo: Image.Image
) -> None:
    path = tmp_path / name.replace("/", "∕")
    photo.save(path)
    _write(path, _random_head(workspace, Head("gem")), tmp_path / "page.html", workspace)
    elsewhere.messages.clear()
    elsewhere.open((tmp_path / "page.html").as_uri())
    assert path.name in elsewhere.value("document.querySelector('h1').textContent")
    assert elsewhere.messages == []


@pytest.mark.slow
def test_the_page_of_a_large_input_is_small_too(
    workspace: Workspace, elsewhere: Browser, tmp_path: Path
) -> None:
    """Noise is the worst case: nothing in it can be compressed."""
    noise = np.random.default_rng(0).integers(0, 256, (768, 768, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    classifier = _random_head(workspace, Head("gem"), size=768)
    page = tmp_path / "page.html"
    _write(tmp_path / "noise.png", classifier, page, workspace, own=[Photo(tmp_path / "noise.png", "a")])
    assert page.stat().st_size < LARGEST
    elsewhere.messages.clear()
    elsewhere.open(page.as_uri())
    assert int(elsewhere.value("document.body.dataset.receiptsCount")) >= 10  # where the map is in the page
    for layer in ("block2_conv2", "block3_pool", "block5_conv3"):
        elsewhere.value(f"goToLayer('{layer}')")
        assert layer in elsewhere.value("at('large').getAttribute('aria-label')")
    assert elsewhere.messages == []


def test_the_lectures_kernel_on_a_small_example(fresh: Browser) -> None:
    numbers = np.array(fresh.value("EXAMPLE"))
    kernel = np.full((3, 3), -1)
    kernel[1, 1] = 8
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(numbers, 1), (3, 3))
    expected = (windows * kernel).sum(axis=(2, 3))
    assert sorted({0, 180, -180, 320} & set(expected.ravel().tolist())) == [-180, 0, 180, 320]
    shown = fresh.value("[...at('example-result').children].map((cell) => Number(cell.textContent))")
    assert shown == expected.ravel().tolist()
    fresh.value("at('example').focus()")
    fresh.press("ArrowDown", "ArrowLeft")
    assert fresh.fragment()["cell"] == "16"
    around = " + ".join(["20"] * 8)
    assert f"8 × 60 - ({around}) = 320; after ReLU 320" in fresh.value("at('example-text').textContent")
    fresh.press("ArrowLeft", "ArrowLeft")
    assert fresh.fragment()["cell"] == "15"
    fresh.click("#example-result :nth-child(8)")
    assert "= -180; after ReLU 0" in fresh.value("at('example').getAttribute('aria-label')")


def test_what_the_units_look_for(fresh: Browser, made: Any, workspace: Workspace) -> None:
    for layer, side in [("block1_conv1", 32), ("block3_conv2", 64), ("block5_conv3", 128)]:
        fresh.value(f"go({{layer: '{layer}', ...strongestOf(layerNamed('{layer}'), -1)}})")
        images = unit_images(made.classifier.pretrained())[layer]
        units = [unit for unit in made.anatomy.layer(layer).strongest_units() if unit in images][:8]
        assert fresh.value("[...at('seeks').children].map(({ value }) => Number(value))") == units
        loaded = "Promise.all([...at('seeks').querySelectorAll('img')].map((img) => img.decode()"
        assert fresh.value(f"{loaded}.then(() => img.naturalWidth)))") == [side] * len(units)
    fresh.click("#seeks button:nth-child(3)")
    assert fresh.fragment()["unit"] == str(units[2])
    assert fresh.value("at('seeks').children[2].getAttribute('aria-pressed')") == "true"
    fresh.value("go({layer: 'block4_pool'})")
    assert "images of the convolution before it" in fresh.value("at('seeks-text').textContent")
    assert fresh.value("at('seeks').children.length") == 0
    assert fresh.value("at('own-box').hidden")


def test_three_outputs_of_the_same_features(fresh: Browser, made: Any) -> None:
    rows = "[...at('three').querySelectorAll('tbody tr')]"
    cells = f"{rows}.map((row) => [...row.children].map((cell) => cell.textContent))"
    value, binary, category = fresh.value(cells)
    facts = fresh.value("page.three")
    assert (facts["fitted"], facts["held_out"]) == (8, 2)
    brightness = decode_for_people(PHOTO, side=64).mean()
    assert facts["brightness"] == pytest.approx(brightness)
    assert f"measured: {brightness:.3g} of 255" in value[1]
    assert binary[1] == f"dogs, yes or no: {facts['outputs'][1]['found']:.1%} yes"
    assert category[1] == f"the class dogs: {facts['outputs'][2]['found']:.1%}"
    yes, probability = (facts["outputs"][number]["found"] for number in (1, 2))
    assert yes == pytest.approx(probability, abs=0.1)  # of two classes, both say the same
    assert yes > 0.5


def test_patches_of_own_photos(fresh: Browser, made: Any, workspace: Workspace) -> None:
    unit = made.anatomy.layer("block5_pool").strongest_units()[1]
    cached = find_cached(made.own, made.classifier, workspace)
    (found,) = search(cached, made.classifier, {"block5_pool": [unit]})
    fresh.value(f"go({{layer: 'block5_conv3', ...strongestOf(layerNamed('block5_conv3'), {unit})}})")
    figures = "[...at('patches').querySelectorAll('figure')]"
    shown = fresh.value(f"{figures}.map((each) => each.querySelector('small').textContent)")
    assert shown == [patch.photo.name for patch in found.patches[unit]]
    values = fresh.value(f"{figures}.map((each) => parseFloat(each.textContent))")
    assert values == pytest.approx([patch.value for patch in found.patches[unit]], rel=1e-3)
    assert f"{len(made.own)} photos" in fresh.value("at('patches-text').textContent")
    weakest = made.anatomy.layer("block5_pool").strongest_units()[-1]
    fresh.value(f"go({{unit: {weakest}}})")
    assert "searched for the units" in fresh.value("at('patches-text').textContent")
    fresh.value("go({layer: 'block2_conv2', unit: 0})")
    assert "other features are not cached" in fresh.value("at('patches-text').textContent")


@pytest.mark.slow
def test_images_of_classes_and_of_trained_units(
    workspace: Workspace, elsewhere: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_images, "SIZE", 32)
    monkeypatch.setattr(own_images, "STEPS", 2)
    steps: list[Progress] = []
    classifier = _random_head(workspace, Head("gem"), unfreeze="block5")
    _write(PHOTO, classifier, tmp_path / "page.html", workspace, progress=steps.append)
    assert [(step.stage, step.done, step.total) for step in steps] == [
        ("images", done, 9) for done in (0, 2, 3, 5, 6, 8)
    ]
    elsewhere.messages.clear()
    elsewhere.open((tmp_path / "page.html").as_uri())
    captions = elsewhere.value("[...at('own').children].map((each) => each.textContent)")
    units = dissect(classifier, PHOTO).layer("block5_conv3").strongest_units()[:3]
    assert captions[:3] == ["a", "b", "c"]
    assert sorted(captions[3:]) == sorted(
        f"block5_conv3, unit {unit}: {when}" for unit in units for when in ("before the training", "after it")
    )
    assert "this layer was trained afterwards" in elsewhere.value("at('seeks-text').textContent")
    assert "No photos were searched" in elsewhere.value("at('patches-text').textContent")
    assert elsewhere.messages == []


def test_the_window_of_the_convolution(fresh: Browser, made: Any) -> None:
    red, green, blue = made.anatomy.pixels[111:114, 111:114].astype(float).reshape(9, 3).T
    grey = np.floor(0.299 * red + 0.587 * green + 0.114 * blue + 0.5)
    assert fresh.value("Number(at('nine-sum').textContent)") == 9 * grey[4] - grey.sum()
    fresh.value("at('window').focus()")
    fresh.press("ArrowRight", "ArrowUp")
    assert (fresh.fragment()["row"], fresh.fragment()["column"]) == ("111", "113")
    pool = made.anatomy.layer("block1_pool")
    (pooled,) = re.findall(r"x 56: ([-\d.e]+)\.", fresh.value("at('pooling-text').textContent"))
    assert float(pooled) == pytest.approx(pool.values[55, 56, pool.strongest_units()[0]], rel=1e-3)
    fresh.value(
        "document.querySelectorAll('#products input').forEach((field, i) => {"
        "field.value = [1, 2, 3, 4, 50, 6, 7, 8, 9][i]; field.dispatchEvent(new Event('input')); })"
    )
    assert fresh.value("Number(at('nine-sum').textContent)") == 8 * 50 - 40
    fresh.value("go({row: 0, column: 0})")
    assert "5 of them are outside" in fresh.value("at('products-text').textContent")
    fresh.click("#padding")
    assert "222×222" in fresh.value("at('result-text').textContent")
    assert fresh.fragment()["padding"] == "0"
    assert fresh.value("[state.row, state.column]") == [1, 1]
    fresh.value("go({kernel: '17', padding: 1, row: 50, column: 60})")
    expected = made.anatomy.layer("block1_conv1").values[50, 60, 17]
    (value,) = re.findall(r"after ReLU ([-\d.e]+)\.", fresh.value("at('products-text').textContent"))
    assert float(value) == pytest.approx(expected, rel=1e-3)
    assert fresh.value("document.querySelectorAll('.nine > span').length") == 27


def test_a_sentence_is_hidden_until_it_has_its_numbers(fresh: Browser) -> None:
    seen = "[...document.querySelectorAll('[data-text]')].map((each) => getComputedStyle(each).visibility)"
    assert set(fresh.value(seen)) == {"visible"}
    assert "{" not in fresh.value("document.querySelector('main').innerText")
    fresh.value("delete document.body.dataset.drawn")
    assert set(fresh.value(seen)) == {"hidden"}


def test_korean(fresh: Browser) -> None:
    fresh.click("#languages button[lang=ko]")
    assert_korean_is_whole(fresh)
    texts = fresh.value("page.text")
    assert [key for key in texts["en"] if texts["en"][key] == texts["ko"][key]] == ["{colour}, y {y}, x {x}"]


def test_a_screen_reader_finds_a_name_for_everything_that_takes_the_focus(fresh: Browser) -> None:
    assert nameless(fresh) == []
    assert fresh.value("document.querySelectorAll('#grid [aria-selected=true]').length") == 1


def test_keys_alone_reach_every_part(fresh: Browser) -> None:
    assert reached_by_tab(fresh, 120) >= {
        "languages",
        "strip",
        "grid",
        "large",
        "class",
        "places",
        "example",
        "seeks",
        "kernel",
        "padding",
        "window",
    }


@pytest.mark.parametrize(
    ("width", "scheme"), [(1300, "light"), (420, "light"), (1300, "dark"), (420, "dark")]
)
def test_it_fits_and_is_not_blank(fresh: Browser, width: int, scheme: str) -> None:
    assert_it_fits(fresh, width, scheme)


def test_it_prints(fresh: Browser) -> None:
    assert len(fresh.call("Page.printToPDF")["data"]) > 100_000


_SWITCHED = "resultsOf(logitsOf(pooledOf(switchedOff()).inputs))"


def _sums(page: Browser, label: int) -> list[float]:
    """The margin of a class over its strongest rival, as the sum over channels and as that over places."""
    return page.value(
        f"""(() => {{
            const off = switchedOff(), pooled = pooledOf(off);
            const sum = (values) => values.reduce((a, b) => a + b, 0);
            const margin = marginOf({label}, logitsOf(pooled.inputs));
            const places = placeSums(off, pooled, margin.weights);
            return [sum(channelSums(pooled.inputs, margin.weights)) + margin.bias,
                sum(places.sums) + places.elsewhere + margin.bias];
        }})()"""
    )


def _results(classifier: Classifier, maps_hwc: np.ndarray) -> list[float]:
    """Probabilities, or the value, of maps of block5_pool, by the classifier's own suffix."""
    logits = classifier._logits(maps_hwc[None])
    return (classifier.values(logits) if classifier.scale else classifier.probabilities(logits)[0]).tolist()


def _random_head(workspace: Workspace, head: Head, *, size: int = 96, unfreeze: str = "head") -> Classifier:
    """The builtin convolutions, for photos of so many pixels, below a head with random weights."""
    random = np.random.default_rng(0)
    classes = {"binary": ("a", "b"), "value": ()}.get(head.output, ("a", "b", "c"))
    source = find_weights("builtin", workspace=workspace)
    units = 1 if head.output in ("binary", "value") else len(classes)
    inputs = head.fc_units[-1] if head.fc_units else 1024 if head.kind == "concat" else 512
    tensors = {
        "predictions/kernel": random.normal(size=(inputs, units)).astype(np.float32),
        "predictions/bias": random.normal(size=units).astype(np.float32),
        "rescale/scale": np.float32(0.1 if head.kind == "gem" else 30),
    }
    if head.fc_units:
        tensors["fc1/kernel"] = random.normal(size=(3 * 3 * 512, inputs)).astype(np.float32) / 100
        tensors["fc1/bias"] = np.zeros(inputs, np.float32)
    prefix = Prefix(source, head, unfreeze=unfreeze, workspace=workspace)
    tensors |= {name: tensor * 1.1 for name, tensor in prefix.thawed_tensors.items()}
    _, spec = shipped_run().read_model()
    spec = replace(spec, classes=classes, head=head, decoding=replace(spec.decoding, size=size))
    if head.output == "value":
        spec = replace(spec, temperature=None, scale=Scale(10.0, 2.0, "cm"))
    if head.output == "labels":
        spec = replace(spec, thresholds=(0.5,) * len(classes))
    return Classifier(source, prefix, tensors, spec, workspace=workspace)
