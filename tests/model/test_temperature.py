"""Temperature scaling: a known temperature is found, the minimum is SciPy's, extreme logits do no harm."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from catdog.model import temperature as model_temperature
from catdog.model.temperature import COLDEST, HOTTEST, enough, fit_temperature


def drawn_logits(
    temperature: float, count: int, classes: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are too sure by this factor, and labels drawn as the honest ones say."""
    random = np.random.default_rng(seed)
    honest = 3 * random.normal(size=(count, classes))
    labels = np.array([random.choice(classes, p=row) for row in softmax(honest, axis=1)])
    return (temperature * honest).astype(np.float32), labels


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("classes", [2, 10])
def test_finds_how_much_too_sure_answers_are(temperature: float, classes: int) -> None:
    logits, labels = drawn_logits(temperature, 8000, classes)
    assert fit_temperature(logits, labels, "category") == pytest.approx(temperature, rel=0.05)


def test_some_of_many_photos_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = drawn_logits(2.5, 8000, 2)
    monkeypatch.setattr(model_temperature, "_MOST_LOGITS", 4000)
    photos = enough(np.arange(8000), 2)
    assert photos.tolist() == list(range(0, 8000, 4))
    found = fit_temperature(logits, labels, "category")
    assert found == fit_temperature(logits[photos], labels[photos], "category") == pytest.approx(2.5, rel=0.1)


@pytest.mark.parametrize(("count", "classes"), [(100, 10), (370, 37), (1000, 100)])
def test_many_classes_make_nothing_hotter(count: int, classes: int) -> None:
    drawn = [drawn_logits(1.0, count, classes, seed) for seed in range(9)]
    found = [fit_temperature(logits, labels, "category") for logits, labels in drawn]
    assert np.median(found) == pytest.approx(1, abs=0.08)  # half a photo of each class makes it 1.2


@pytest.mark.parametrize(("count", "classes"), [(20, 2), (60, 5), (1000, 3)])
def test_is_the_minimum_that_scipy_finds(count: int, classes: int) -> None:
    logits, labels = drawn_logits(3.0, count, classes, seed=count)
    targets = np.full((count, classes), 1 / classes / (count + 1))
    targets[np.arange(count), labels] += count / (count + 1)

    def penalised(log_temperature: float) -> float:
        losses = -(targets * log_softmax(logits / np.exp(log_temperature), axis=1)).sum()
        return losses + log_temperature**2 / (2 * 0.25**2)

    found = minimize_scalar(penalised, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded").x
    assert np.log(fit_temperature(logits, labels, "category")) == pytest.approx(found, abs=1e-4)


def test_one_sigmoid_is_two_classes() -> None:
    logits, labels = drawn_logits(2.0, 500, 2)
    binary = logits[:, 1:] - logits[:, :1]
    assert fit_temperature(binary, labels, "binary") == pytest.approx(
        fit_temperature(logits, labels, "category"), rel=1e-4
    )


@pytest.mark.parametrize("count", [4, 100, 10_000])
def test_photos_that_are_all_right_leave_doubt(count: int) -> None:
    """Without the priors the temperature would be 0 here, and every probability 0 or 1."""
    logits = np.tile(np.array([[4.0, 0.0]], np.float32), (count, 1))
    temperature = fit_temperature(logits, np.zeros(count, np.int64), "category")
    assert 0.2 < temperature < 2
    assert softmax(logits[0] / temperature).max() < 1 - 0.1 / (count + 1)


def test_hopeless_and_constant_answers_have_a_temperature() -> None:
    logits, _ = drawn_logits(5.0, 200, 3)
    wrong = fit_temperature(logits, logits.argmin(axis=1), "category")
    assert 1 < wrong <= HOTTEST
    constant = fit_temperature(np.zeros((10, 3), np.float32), np.zeros(10, np.int64), "category")
    assert constant == pytest.approx(1, abs=1e-4)
    large = fit_temperature(np.array([[3e4, -3e4], [-3e4, 3e4]], np.float32), np.array([0, 0]), "category")
    assert COLDEST <= large <= HOTTEST
