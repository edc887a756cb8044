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
from catdog.features.prefix import Prefix
from catdog.inference.classifier import Classifier
from catdog.insight.anatomy import dissect
from catdog.reports import photo_page
from catdog.reports.html import ENGLISH
from catdog.reports.photo_page import write_report
from catdog.reports.photo_text import SENTENCES
from catdog.runs import shipped_run
from catdog.weights.source import find_weights
from catdog.workspace import Workspace
from tests.browser import (
    Browser,
    assert_it_fits,
    assert_korean_is_whole,
    browser,
    nameless,
    reached_by_tab,
    unknown_and_unused_sentences,
)
from tests.conftest import ROOT

PHOTO = ROOT / "sample_data" / "photos" / "pug_139.jpg"
FOLDER = Path(photo_page.__file__).parent
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
    _write(PHOTO, classifier, file)
    return SimpleNamespace(file=file, classifier=classifier, anatomy=dissect(classifier, PHOTO))


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
    page.value("go({off: '', lang: 'en', padding: 1, kernel: 'edges', row: 112, column: 112, label: 1})")
    page.value("go({layer: 'block5_conv3', ...strongestOf(layerNamed('block5_conv3'), -1)})")
    yield page
    assert page.messages == []
    assert all(address.startswith("file:") and "page.html" in address for address in page.requests)


def _write(photo: Path, classifier: Classifier, file: Path) -> None:
    (prediction,) = classifier.stream([photo])
    assert prediction.reason is None
    write_report(photo, classifier, {"runs/model": prediction}, file, translations=ENGLISH)


def test_the_page_is_one_small_file_with_a_strict_policy(made: Any) -> None:
    text = made.file.read_text("utf-8")
    assert len(text.encode()) < LARGEST
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none';")
    assert re.search(r"script-src 'sha256-[^']*'$", policy)
    assert "http://" not in text and "https://" not in text


def test_every_sentence_is_used_and_every_used_sentence_exists() -> None:
    templates = [FOLDER / "templates" / name for name in ("photo.html", "script_page.html")]
    unknown, unused = unknown_and_unused_sentences(
        SENTENCES, templates, FOLDER / "photo", FOLDER / "photo_page.py"
    )
    assert (unknown, unused) == (set(), [])


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
    assert lines["Dense(4096, activation='relu')"]["note"] == "note_absent"
    assert sum(line["milliseconds"] or 0 for line in lines.values()) > 1
    lecture = SimpleNamespace(
        head=Head("imagenet"), classes=("cats", "dogs"), decoding=Decoding(224), output="category"
    )
    lines = {line["line"]: line for line in photo_page._code(made.anatomy, lecture)}  # pyright: ignore
    assert lines["Dense(2, activation='softmax')"]["parameters"] == 2 * 4096 + 2
    assert lines["Dense(4096, activation='relu')"]["note"] == ""
    assert lines["Dense(1000, activation='softmax')"]["note"] == "note_absent"


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
    _write(PHOTO, classifier, tmp_path / "page.html")
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
    _write(PHOTO, classifier, tmp_path / "page.html")
    elsewhere.messages.clear()
    elsewhere.open((tmp_path / "page.html").as_uri())
    assert elsewhere.value("at('no-head').hidden === false && at('head').hidden && !at('heat').hidden")
    assert elsewhere.messages == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "photo"),
    [
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
    _write(path, _random_head(workspace, Head("gem")), tmp_path / "page.html")
    elsewhere.messages.clear()
    elsewhere.open((tmp_path / "page.html").as_uri())
    assert path.name in elsewhere.value("document.querySelector('h1').textContent")
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


def test_korean(fresh: Browser) -> None:
    fresh.click("#languages button[lang=ko]")
    assert_korean_is_whole(fresh)
    texts = fresh.value("page.text")
    assert [key for key in texts["en"] if texts["en"][key] == texts["ko"][key]] == ["tap_pixel"]


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


def _random_head(workspace: Workspace, head: Head) -> Classifier:
    """The builtin convolutions, for photos of 96 pixels, below a head with random weights."""
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
    _, spec = shipped_run().read_model()
    spec = replace(spec, classes=classes, head=head, decoding=replace(spec.decoding, size=96))
    if head.output == "value":
        spec = replace(spec, temperature=None, scale=Scale(10.0, 2.0, "cm"))
    if head.output == "labels":
        spec = replace(spec, thresholds=(0.5,) * len(classes))
    return Classifier(
        source, Prefix(source, head, unfreeze="head", workspace=workspace), tensors, spec, workspace=workspace
    )
