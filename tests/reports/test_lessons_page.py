"""The lessons' page in Chromium: its numbers are those of JAX and Optax, keys move it, nothing is fetched."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from catdog.insight.lessons import gradients, overfitting, race, run, splits, stack
from catdog.insight.lessons.findings import figures, findings
from catdog.insight.lessons.plane import Plane
from catdog.model.architecture import CONVOLUTIONS
from catdog.reports import lessons_page
from catdog.reports.html import ENGLISH
from catdog.training.optimizers import OPTIMIZERS
from tests.browser import Browser, assert_it_fits, assert_korean_is_whole, browser, nameless, reached_by_tab
from tests.conftest import ROOT
from tests.insight.lessons import material

LARGEST = 8_000_000  # bytes of a page
FEW = ("gd", "lbfgs", "momentum", "adam")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """All lessons, with few seeds, rates and optimizers, of real photos and small features, as a page."""
    paths = sorted((ROOT / "sample_data" / "valid").rglob("*.jpg"))
    photos = [path for pair in zip(paths[:30], paths[30:], strict=True) for path in pair]
    file = tmp_path_factory.mktemp("page") / "page.html"
    steps = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "gather", lambda *_: replace(material(photos), classes=("<script>", "dogs")))
        patch.setattr(race, "OPTIMIZERS", {name: OPTIMIZERS[name] for name in FEW})
        patch.setattr(race, "RATES", (0.001, 0.1, 10.0))
        for module, name, value in (
            (gradients, "CONVOLUTIONS", CONVOLUTIONS[:10]),  # deeper ones take long to compile
            (gradients, "LAYERS", gradients.LAYERS[:7]),
            (gradients, "PHOTOS", 2),
            (gradients, "SIZE", 32),
            (gradients, "SEEDS", 2),
            (stack, "DEPTH", 5),
            (overfitting, "SEEDS", 2),
            (splits, "SPLITS", 12),
        ):
            patch.setattr(module, name, value)
        lessons = run.teach(Path("photos"), None, steps.append)  # pyright: ignore
        lessons_page.write_lessons(lessons, file, translations=ENGLISH)
    return SimpleNamespace(file=file, lessons=lessons, steps=steps)


@pytest.fixture(scope="module")
def page(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The page, open."""
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        opened.open(made.file.as_uri())
        yield opened


@pytest.fixture
def fresh(page: Browser) -> Iterator[Browser]:
    """The page as it opens. Afterwards: it has fetched nothing, and its console is empty."""
    page.messages.clear()
    page.value(
        "go({lang: 'en', rate: 'right', axis: 'epochs', shown: 'gd.momentum', rule: 'momentum', size: 2,"
        "across: 20, up: 80, steps: 0})"
    )
    yield page
    assert page.messages == []
    assert all(address.startswith("file:") and "page.html" in address for address in page.requests)


@pytest.mark.slow
def test_all_experiments_are_done_and_told(made: Any) -> None:
    done = [step.done for step in made.steps]
    assert done == sorted(done) and done[-1] == 100
    lessons = made.lessons
    assert list(lessons.seconds) == [
        "features",
        "gradients",
        "stacks",
        "race",
        "overfitting",
        "learning",
        "splits",
    ]
    facts = figures(lessons)
    assert set(facts["findings"]) == set(findings(lessons))
    assert not [sentence for sentence in facts["findings"].values() if re.search(r"[{}]|nan", sentence)]


def test_sigmoid_makes_gradients_vanish(made: Any) -> None:
    of_stack = {(each.activation, each.start): each for each in made.lessons.stacks}
    for each in of_stack.values():
        assert each.losses.shape == (stack.SEEDS, stack.STEPS // stack.EVERY + 1)
        assert each.rate in stack.RATES
    of_layer = {(each.activation, each.start): each.sizes for each in made.lessons.gradients}
    for gradient in ({key: each.gradients for key, each in of_stack.items()}, of_layer):
        sigmoid, relu = gradient["sigmoid", "glorot"], gradient["relu", "he"]
        assert (sigmoid[:, 0] / sigmoid[:, -1]).max() < 0.01 < (relu[:, 0] / relu[:, -1]).min()


def test_dropout_starts_from_the_same_weights(made: Any) -> None:
    found = made.lessons.overfitting
    assert found.without.train[:, 0] == pytest.approx(found.dropped.train[:, 0])
    assert found.without.train[:, -1].mean() < found.dropped.train[:, -1].mean() < found.without.train[0, 0]


def test_the_page_is_one_small_file_with_a_strict_policy(made: Any) -> None:
    text = made.file.read_text("utf-8")
    assert len(text.encode()) < LARGEST
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none';")
    assert re.search(r"script-src 'sha256-[^']*'$", policy)
    assert "https://" not in text and "http://" not in text.replace("http://www.w3.org/2000/svg", "")


def test_the_surface_is_the_one_of_jax(fresh: Browser, made: Any) -> None:
    assert float(fresh.value("document.body.dataset.surface")) < 1e-9
    plane = made.lessons.plane
    for place in np.random.default_rng(1).uniform(plane.lows, plane.highs, (5, 2)):
        found = fresh.value(f"lossAt({place.tolist()})")
        loss, gradient = jax.value_and_grad(_loss)(jnp.asarray(place), plane)
        assert found["loss"] == pytest.approx(float(loss), rel=1e-4)
        assert found["gradient"] == pytest.approx(gradient.tolist(), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize(
    "rule", ["gd", "momentum", "nag", "adagrad", "rmsprop", "adadelta", "adam", "nadam", "adamw"]
)
def test_a_ball_rolls_as_optax_says(fresh: Browser, made: Any, rule: str) -> None:
    rate, start, steps = {"adadelta": 3.0}.get(rule, 0.02), [0.3, -0.4], 25
    trail = fresh.value(f"rolled('{rule}', {rate}, {start}, {steps})")
    optimizer = OPTIMIZERS[rule].build(rate)
    place = jnp.asarray([start])  # a matrix: adamw decays no vectors
    state, expected = optimizer.init(place), [start]
    for _ in range(steps):
        gradient = jax.grad(lambda place: _loss(place[0], made.lessons.plane))(place)
        updates, state = optimizer.update(gradient, state, place)
        place = optax.apply_updates(place, updates)
        expected.append(np.asarray(place)[0].tolist())
    assert np.array(trail) == pytest.approx(np.array(expected), rel=2e-3, abs=2e-4)
    assert np.abs(np.array(trail[-1]) - start).max() > 0.01


def test_keys_and_clicks_drop_and_roll_the_ball(fresh: Browser) -> None:
    fresh.value("at('surface').focus()")
    fresh.press("ArrowRight", "ArrowDown", " ", " ")
    assert {name: fresh.fragment()[name] for name in ("across", "up", "steps")} == {
        "across": "25",
        "up": "75",
        "steps": "2",
    }
    before = fresh.value("at('ball-text').textContent")
    assert "momentum, after 2 steps" in before
    fresh.press("Enter")
    _wait(fresh, "state.steps === 102")
    assert "after 102 steps" in fresh.value("at('ball-text').textContent")
    assert "after 102 steps" in fresh.value("at('surface').getAttribute('aria-label')")
    fresh.click("#again")
    assert fresh.fragment()["steps"] == "0"
    fresh.click("#step")
    assert fresh.fragment()["steps"] == "1"
    fresh.value("at('rule').value = 'adam'; at('rule').dispatchEvent(new Event('change'))")
    fresh.value("at('size').focus()")
    fresh.press("ArrowRight")
    assert {name: fresh.fragment()[name] for name in ("rule", "size", "steps")} == {
        "rule": "adam",
        "size": "3",
        "steps": "0",
    }
    fresh.click("#surface", right=0.3, down=0.6)
    assert (fresh.fragment()["across"], fresh.fragment()["up"]) == ("30", "40")
    _wait(fresh, "state.steps === 100")


def test_the_race_shows_what_is_chosen(fresh: Browser, made: Any) -> None:
    lines = "[...document.querySelectorAll('#race polyline title')].map((each) => each.textContent)"
    lowest = "the lowest loss that there is"
    assert fresh.value(lines) == ["gd", "momentum", lowest]
    fresh.click("#shown button[data-value=lbfgs]")
    assert fresh.fragment()["shown"] == "gd.lbfgs.momentum"
    assert fresh.value("document.activeElement.dataset.value") == "lbfgs"
    fresh.press("Enter", "Tab")
    fresh.click("#rate button[data-value=large]")
    assert fresh.value(lines)[-1] == lowest
    assert fresh.value("at('rate').querySelector('[aria-pressed=true]').dataset.value") == "large"
    fresh.click("#axis button[data-value=seconds]")
    assert fresh.fragment()["axis"] == "seconds"
    rows = fresh.value(
        "[...document.querySelectorAll('#race-table tbody tr')].map((row) =>"
        "[...row.children].map((cell) => cell.textContent))"
    )
    for row, racer in zip(rows, made.lessons.race.racers, strict=True):
        assert row[0] == racer.optimizer.name
        assert float(row[4]) == pytest.approx(racer.runs["right"].losses[-1], rel=0.01)


def test_an_address_is_a_view(fresh: Browser) -> None:
    fresh.value("location.hash = '#rate=small&shown=adam&rule=nag&across=200&up=-3&steps=7&lang=ko'")
    _wait(fresh, "state.lang === 'ko'")
    assert fresh.value("[state.rate, state.shown, state.rule, state.across, state.up, state.steps]") == [
        "small",
        "adam",
        "nag",
        100,
        80,
        7,
    ]
    fresh.value("location.hash = '#rate=nonsense&shown=nobody&rule=toString&size=99'")
    _wait(fresh, "state.shown === ''")
    assert fresh.value("[state.rate, state.rule, state.size]") == ["right", "momentum", 10]


def test_it_tells_what_was_found(fresh: Browser, made: Any) -> None:
    for name, sentence in findings(made.lessons).items():
        assert fresh.value(f"document.querySelector('[data-found={name}]').textContent") == str(sentence)
    cards = fresh.value("[...document.querySelectorAll('.card strong')].map((each) => each.textContent)")
    assert cards == [photo.path.name for photo in made.lessons.learning.photos]
    assert "<script>" in fresh.value("at('material').textContent")
    assert fresh.value("document.querySelectorAll('#architectures tbody tr').length") == 4


def test_korean(fresh: Browser) -> None:
    fresh.click("#languages button[lang=ko]")
    assert_korean_is_whole(fresh)
    texts = fresh.value("page.text")
    same = [key for key in texts["en"] if texts["en"][key] == texts["ko"][key]]
    assert sorted(same) == ["Glorot", "He", "ReLU"]


def test_a_screen_reader_finds_a_name_for_everything(fresh: Browser) -> None:
    assert nameless(fresh) == []


def test_keys_alone_reach_every_part(fresh: Browser) -> None:
    assert reached_by_tab(fresh, 40) >= {
        "languages",
        "rate",
        "axis",
        "shown",
        "surface",
        "rule",
        "size",
        "roll",
        "step",
        "again",
    }


@pytest.mark.parametrize(("width", "scheme"), [(1300, "dark"), (420, "light")])
def test_it_fits_and_is_not_blank(fresh: Browser, width: int, scheme: str) -> None:
    assert_it_fits(fresh, width, scheme)


def test_it_prints(fresh: Browser) -> None:
    assert len(fresh.call("Page.printToPDF")["data"]) > 50_000


def _loss(place: jax.Array, plane: Plane) -> jax.Array:
    """On the plane, by JAX."""
    logits = place[0] * plane.first + place[1] * plane.second
    of_first, of_both, of_second = plane.penalty
    penalty = of_first * place[0] ** 2 / 2 + of_both * place[0] * place[1] + of_second * place[1] ** 2 / 2
    losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(plane.labels))
    return losses.mean() + penalty


def _wait(page: Browser, condition: str) -> None:
    waiting = f"""new Promise((done) => {{
        const end = Date.now() + 20000;
        const look = () => ({condition}) || Date.now() > end ? done({condition}) : setTimeout(look, 20);
        look();
    }})"""
    assert page.value(waiting), condition
