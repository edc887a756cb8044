"""`catdog evaluate`: the HTML report, plots, test-time augmentation, calibration, several runs."""

import io
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from shutil import copy, copytree

import numpy as np
import pytest
from PIL import Image

from catdog.cli import run
from catdog.runs import Run
from tests.browser import browse
from tests.cli.conftest import SAMPLE, Cli, files_below
from tests.pictures import draw_pictures

SCRIPT = "<script>alert(1)</script>.png"
CLASSES = ("a<b>&c", "$x^2$ 고양이")


class Page(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run, its classes and photos called what breaks pages that do not escape."""
    root = tmp_path_factory.mktemp("hostile")
    for split, count in (("train", 8), ("valid", 4)):
        draw_pictures(root / "data" / split, {"circles": count, "squares": count}, seed=count)
        for shape, name in zip(("circles", "squares"), CLASSES, strict=True):
            (root / "data" / split / shape).rename(root / "data" / split / name)
    first = sorted((root / "data" / "valid" / CLASSES[0]).iterdir())[0]
    copy(first, first.with_name("quote\" and 'quote' & more.png"))
    first.rename(first.with_name("<img src=x onerror=alert(2)>.png"))
    (root / "data" / "valid" / CLASSES[0] / "empty.png").write_bytes(b"")
    arguments = ["--runs-dir", str(root / "runs"), "--name", "x", "--epochs", "3", "--size", "96"]
    assert run(["train", str(root / "data"), *arguments]) == 0
    return Run(root / "runs" / "x")


@pytest.fixture(scope="module")
def page_file(hostile: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "report.html"
    before = files_below(hostile.folder.parent.parent / "data")
    assert run(["evaluate", str(hostile.folder), "--report", str(file), "--tta"]) == 0
    assert files_below(hostile.folder.parent.parent / "data") == before
    return file


def test_the_page_is_one_file_that_runs_nothing(page_file: Path) -> None:
    page = Page(page_file.read_text())
    assert {"script", "link", "iframe", "object", "form"}.isdisjoint(tag for tag, _ in page.tags)
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)
    pictures = page.all("img")
    assert len(pictures) >= 8
    assert all((img["src"] or "").startswith("data:image/jpeg;base64,") for img in pictures)
    (policy,) = [meta for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert (policy["content"] or "").startswith("default-src 'none'; img-src data:;")


def test_the_page_has_everything(page_file: Path, hostile: Run) -> None:
    text = Page(page_file.read_text()).text
    for words in (
        *("accuracy", "negative log-likelihood", "ROC AUC", "calibration error", "precision", "recall", "F1"),
        *("Temperature scaling", "largest loss", "least certain", "Model card", "mean over views"),
        *(*CLASSES, "<img src=x onerror=alert(2)>.png", "empty.png", "the file is empty"),
        *(hostile.config.prefix_digest, hostile.config.data_digest, "versions for the training"),
        f"catdog evaluate {hostile.folder} --report {page_file} --tta",
        "catdog train",
    ):
        assert words in text, words
    assert "learning rate" not in text and "batch size" not in text  # lbfgs has neither
    assert not re.search(rf"/data/valid/{re.escape(CLASSES[1])}/", text)
    assert f"valid/{CLASSES[1]}/" in text  # paths are relative to the data set


def test_the_page_is_accessible(page_file: Path) -> None:
    page = Page(page_file.read_text())
    assert page.all("html")[0]["lang"] == "en"
    assert all(img.get("alt") for img in page.all("img"))
    drawings = page.all("svg")
    assert len(drawings) == 5
    assert all(svg["role"] == "img" and svg.get("aria-label") for svg in drawings)
    assert all(th.get("scope") in ("row", "col") for th in page.all("th"))
    assert page.all("main")
    assert [tag for tag, _ in page.tags if tag in ("h1", "h2")][:2] == ["h1", "h2"]


def test_a_browser_loads_nothing_and_reports_no_errors(page_file: Path, tmp_path: Path) -> None:
    document, loaded, messages = browse(page_file, tmp_path)
    assert (loaded, messages) == ([], [])
    assert "onerror=alert(2)&gt;" in document
    assert "</html>" in document


def test_the_browser_check_can_fail(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text("<img src='http://127.0.0.1:9/x.png'><script>console.error('no')</script>")
    _, loaded, messages = browse(page, tmp_path)
    assert loaded == ["http://127.0.0.1:9/x.png"]
    assert messages


@pytest.mark.slow
def test_inspects_page_is_as_safe(hostile: Run, cli: Cli, tmp_path: Path) -> None:
    data = copytree(hostile.folder.parent.parent / "data", tmp_path / "data")
    odd = data / "train" / CLASSES[0] / SCRIPT.replace("/", "")
    copy(sorted((data / "train" / CLASSES[1]).iterdir())[0], odd)
    assert cli("inspect", data, "--report", "page.html").status == 0
    page = Page((tmp_path / "page.html").read_text())
    assert not page.all("script")
    assert odd.name in page.text
    assert "conflicting labels" in page.text
    _, loaded, messages = browse(tmp_path / "page.html", tmp_path)
    assert (loaded, messages) == ([], [])


def test_plots_are_pictures(cli: Cli, hostile: Run, tmp_path: Path) -> None:
    assert cli("evaluate", hostile.folder, "--plots", "plots").status == 0
    plots = {path.stem: Image.open(path) for path in (tmp_path / "plots").iterdir()}
    assert plots.keys() == {"accuracy", "confusion", "loss", "reliability", "roc"}
    for plot in plots.values():
        pixels = np.asarray(plot.convert("L"))
        assert plot.format == "PNG"
        assert min(plot.size) > 500
        assert 0.01 < (pixels < 128).mean() < 0.5  # ink on white


@pytest.mark.slow
def test_many_classes_whatever_they_are_called(cli: Cli, tmp_path: Path) -> None:
    names = ["_hidden", "\ue000 고양이", "a name that is too long for an axis of a plot", *"bcdefghij"]
    for number, name in enumerate(names):
        for split, count in (("train", 2), ("valid", 1)):
            draw_pictures(tmp_path / "made" / split / str(number), {"stripes": count}, seed=number)
            (tmp_path / "data" / split).mkdir(parents=True, exist_ok=True)
            (tmp_path / "made" / split / str(number) / "stripes").rename(tmp_path / "data" / split / name)
    train = ("--epochs", 1, "--lr", 1e-9, "--optimizer", "gd")
    assert cli("train", "data", *train).status == 0
    result = cli("evaluate", "--report", "page.html", "--plots", "plots", "--json")
    assert (result.status, "Glyph" in result.err) == (0, False)
    report = json.loads(result.out)
    wrong = 12 - report["right"]
    assert wrong > 0
    page = Page((tmp_path / "page.html").read_text())
    assert all(name in page.text for name in names)
    assert "Most frequent confusions" in page.text
    curves = page.text[page.text.index("ROC curves") :]
    assert re.search(r"\d\.\d{4} _hidden", curves)
    text = cli("evaluate", "--worst", 0).out
    assert re.search(r"^true class +predicted class +photos$", text, re.M)
    assert len(re.findall(r" [1-9]\d*$", text.partition("predicted class")[2], re.M)) == min(wrong, 10)


@pytest.mark.slow
def test_places_that_cannot_be_written(cli: Cli, trained: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for option in (("--report", "file/page.html"), ("--plots", "file/plots")):
        result = cli("evaluate", trained.folder, *option)
        assert result.status == 1
        assert "expected to write" in result.err
    assert (tmp_path / "file").read_text() == "mine"


def test_temperature_is_in_the_run_and_predict_uses_it(cli: Cli, trained: Run) -> None:
    temperature = trained.read_model()[1].temperature
    assert temperature
    report = json.loads(cli("evaluate", trained.folder, "--json").out)
    assert report["calibration"]["temperature"] == temperature
    assert report["calibration"]["held_out"]
    raw = json.loads(cli("evaluate", trained.folder, "--json", "--no-calibrate").out)
    assert (raw["calibration"]["temperature"], raw["calibration"]["after"]) == (None, None)
    assert raw["calibration"]["before"] == report["calibration"]["before"]
    assert raw["loss"] == report["loss"] == pytest.approx(raw["calibration"]["before"]["nll"], rel=1e-4)
    photo = sorted((SAMPLE / "photos").glob("*.jpg"))[0]
    options = ("--model", trained.folder, "--format", "jsonl")
    scaled, plain = (
        json.loads(cli("predict", photo, *options, *more).out) for more in ((), ("--no-calibrate",))
    )
    assert (scaled["calibrated"], plain["calibrated"]) == (True, False)
    odds = [math.log(row["probabilities"]["cats"] / row["probabilities"]["dogs"]) for row in (scaled, plain)]
    assert odds[1] == pytest.approx(odds[0] * temperature, rel=1e-3)


def test_only_photos_that_made_the_temperature_are_held_out(cli: Cli, trained: Run) -> None:
    for split, held_out in (("train", False), ("valid", True), ("all", True)):
        report = json.loads(cli("evaluate", trained.folder, "--split", split, "--worst", 999, "--json").out)
        after = report["calibration"]["after"]
        assert report["calibration"]["held_out"] == held_out
        shown = np.mean([photo["loss"] for photo in report["worst"]])  # at the run's own temperature
        assert after["nll"] == pytest.approx(shown, rel=0.2 if held_out else 1e-4)


@pytest.mark.slow
def test_an_exported_file_is_calibrated_too(cli: Cli, trained: Run) -> None:
    assert cli("export", trained.folder, "scaled.safetensors").status == 0
    assert cli("export", trained.folder, "plain.safetensors", "--no-calibrate").status == 0
    photos = sorted((SAMPLE / "photos").glob("*.jpg"))

    def rows(*options: object) -> list[dict]:
        return [
            json.loads(line)
            for line in cli("predict", *photos, "--format", "jsonl", *options).out.splitlines()
        ]

    for file, options in (("scaled.safetensors", ()), ("plain.safetensors", ("--no-calibrate",))):
        for own, theirs in zip(rows("--model", trained.folder, *options), rows("--model", file), strict=True):
            assert theirs["calibrated"] == own["calibrated"]
            assert theirs["probabilities"] == pytest.approx(own["probabilities"], abs=1e-5)


@pytest.mark.slow
def test_test_time_augmentation(cli: Cli, trained: Run) -> None:
    plain = json.loads(cli("evaluate", trained.folder, "--json").out)
    averaged = json.loads(cli("evaluate", trained.folder, "--json", "--tta").out)
    assert plain["tta"] is None
    gain = averaged["tta"]
    assert (gain["right"], gain["loss"]) == (plain["right"], pytest.approx(plain["loss"]))
    assert gain["right_averaged"] == averaged["right"]
    assert gain["loss_averaged"] == pytest.approx(averaged["loss"])
    assert averaged["loss"] != plain["loss"]
    assert "test-time augmentation: " in cli("evaluate", trained.folder, "--tta").out

    def predicted(*options: str) -> dict[str, float]:
        arguments = (
            SAMPLE / "photos" / "pug_139.jpg",
            "--model",
            trained.folder,
            "--format",
            "jsonl",
            *options,
        )
        return json.loads(cli("predict", *arguments).out)["probabilities"]

    assert predicted("--tta") != predicted("--no-tta")
    assert predicted("--no-tta") == predicted()


@pytest.fixture
def other(trained: Run, tmp_path: Path) -> Run:
    """A run on the same photos, much worse."""
    arguments = ("--quality", "fast", "--epochs", "1", "--optimizer", "gd", "--lr", "1e-7", "--name", "other")
    assert run(["train", str(SAMPLE), *arguments, "--runs-dir", str(tmp_path / "runs")]) == 0
    return Run(tmp_path / "runs" / "other")


def test_runs_are_compared_on_the_same_photos(cli: Cli, trained: Run, other: Run) -> None:
    result = cli("evaluate", trained.folder, other.folder, "--data", SAMPLE, "--json")
    assert result.status == 0
    facts = json.loads(result.out)
    assert [model["count"] for model in facts["runs"]] == [60, 60]
    (pair,) = facts["comparisons"]
    assert (pair["first"], pair["second"]) == (str(trained.folder), str(other.folder))
    assert pair["both_right"] + pair["only_first"] == facts["runs"][0]["right"]
    assert pair["both_right"] + pair["only_second"] == facts["runs"][1]["right"]
    assert sum(pair[name] for name in ("both_right", "only_first", "only_second", "both_wrong")) == 60
    text = cli("evaluate", trained.folder, other.folder).out
    assert "McNemar" in text
    assert re.search(r"only first correct", text)
    assert re.search(r" significant$", text, re.M) or "not significant" in text


def test_runs_that_cannot_be_compared(cli: Cli, trained: Run, hostile: Run, tmp_path: Path) -> None:
    different = cli("evaluate", trained.folder, hostile.folder, "--data", SAMPLE)
    assert different.status == 1
    assert "expected models with the same classes" in different.err
    (tmp_path / "elsewhere").mkdir()
    for arguments in (
        (trained.folder, trained.folder),
        (SAMPLE, "elsewhere"),
        (SAMPLE, "--data", SAMPLE),
        (trained.folder, "--model", trained.folder),
        (trained.folder, hostile.folder, "--report", "x.html"),
    ):
        assert cli("evaluate", *arguments).status == 2


@pytest.mark.slow
def test_page_without_a_history_or_a_temperature(cli: Cli, trained: Run, tmp_path: Path) -> None:
    """As runs from before there was a temperature are."""
    folder = copytree(trained.folder, tmp_path / "old")
    (folder / "history.jsonl").unlink()
    tensors, saved = trained.read_model()
    header = {key: value for key, value in saved.to_json().items() if key != "temperature"}
    Run(folder).write_model(tensors, type(saved).from_json(header))
    assert cli("evaluate", folder, "--report", "page.html").status == 0
    page = Page((tmp_path / "page.html").read_text())
    assert "No temperature scaling is used here." in page.text
    assert len(page.all("svg")) == 3
    row = json.loads(cli("predict", SAMPLE / "photos", "--model", folder, "--format", "json").out)[0]
    assert row["calibrated"] is False


def test_thumbnails_are_small(page_file: Path) -> None:
    import base64

    for img in Page(page_file.read_text()).all("img"):
        picture = Image.open(io.BytesIO(base64.b64decode((img["src"] or "").partition(",")[2])))
        assert max(picture.size) <= 320
