"""`import catdog`: what the documented Python way gives, and its errors for bad input."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import catdog
from catdog.config import TrainOptions
from catdog.errors import OptionError, RunError
from catdog.runs import shipped_run
from tests.process import catdog as command
from tests.training.whole import train

SAMPLE = Path(__file__).parents[1] / "sample_data"
CATS = [SAMPLE / "photos" / name for name in ("Abyssinian_14.jpg", "Bombay_156.jpg", "Maine_Coon_143.jpg")]
DOG = SAMPLE / "photos" / "pug_139.jpg"


def test_the_model_in_the_package_knows_cats_from_dogs() -> None:
    model = catdog.load()
    assert model.classes == ("cats", "dogs")
    *cats, dog = model.predict([*CATS, str(DOG)])
    assert [cat.label for cat in cats] == ["cats"] * 3
    assert dog.label == "dogs"
    for prediction in (*cats, dog):
        probabilities = list(prediction.probabilities.values())
        assert prediction.error is None
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1)
        assert prediction.probability == max(probabilities)
    assert dog.path == str(DOG)


def test_predictions_come_in_order_with_reasons_for_unreadable_photos(tmp_path: Path) -> None:
    broken, missing = tmp_path / "broken.jpg", tmp_path / "missing.jpg"
    broken.write_bytes(b"no photo")
    model = catdog.load()
    first, second, third, fourth = model.predict([broken, DOG, missing, DOG])
    assert first.label is first.probability is None
    assert first.probabilities == {}
    assert first.error == "not an image that Pillow can read"
    assert third.error == "the file does not exist"
    assert second == fourth
    assert second.label == "dogs"
    assert repr(third) == f"Prediction(path={str(missing)!r}, probabilities={{}}, error={third.error!r})"
    assert repr(second).startswith(f"Prediction(path={str(DOG)!r}, probabilities={{'dogs': 0.9")
    assert model.predict([]) == []


def test_one_path_is_one_photo_and_paths_come_back_as_they_were_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(DOG.parent)
    model = catdog.load()
    for photo in (DOG.name, Path(DOG.name)):
        (prediction,) = model.predict(photo)
        assert (prediction.path, prediction.label) == (DOG.name, "dogs")
    given = [f"./{DOG.name}", f".//{DOG.name}", "./missing.jpg"]
    assert [prediction.path for prediction in model.predict(given)] == given
    with pytest.raises(OptionError, match="found an empty one"):
        model.predict([DOG.name, ""])


def test_a_cache_that_cannot_be_written_costs_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    with pytest.warns(RuntimeWarning, match="cannot be written") as warned:
        model = catdog.load(cache_dir=tmp_path / "file" / "cache")
        (prediction,) = model.predict(DOG)
    assert (prediction.label, len(warned)) == ("dogs", 1)


def test_the_limit_of_the_environment_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("CATDOG_CACHE_LIMIT", "120kB")  # two photos
    model = catdog.load(cache_dir=cache)
    for photo in (*CATS, DOG):
        assert model.predict(photo)[0].error is None
    kept = sum(path.stat().st_size for path in (cache / "features").rglob("*.npy"))
    assert 0 < kept <= 120_000
    monkeypatch.setenv("CATDOG_CACHE_LIMIT", "much")
    with pytest.raises(OptionError, match="CATDOG_CACHE_LIMIT: expected a size such as 20GB"):
        catdog.load(cache_dir=cache)


@pytest.mark.slow
def test_a_run_and_its_exported_file_predict_the_same(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(shapes, tmp_path)
    monkeypatch.chdir(tmp_path)
    photos = sorted((shapes / "valid").rglob("*.png"))[:4]
    of_run = catdog.load(run.folder, cache_dir=tmp_path / "cache", workers=1).predict(photos)
    assert catdog.load(run.folder.name, cache_dir=tmp_path / "cache").predict(photos) == of_run
    file = tmp_path / "model.safetensors"
    assert command("export", run.folder, file, cwd=tmp_path).returncode == 0
    of_file = catdog.load(file).predict(photos)
    for first, second in zip(of_run, of_file, strict=True):
        assert first.label == second.label
        assert first.probability == pytest.approx(second.probability, abs=1e-5)
    with pytest.raises(OptionError, match="calibration is part of its weights"):
        catdog.load(file, calibrate=False)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(RunError) as caught:
            catdog.load(path)
        assert f"expected a run or an exported file, found none at {path}" in str(caught.value)


def test_the_run_in_the_package_is_whole_and_names_no_machine() -> None:
    run = shipped_run()
    assert run.config.classes == ("cats", "dogs")
    options = TrainOptions.from_json(run.config.options.to_json())
    assert (options.head.kind, options.decoding.size, options.folds) == ("gem", 320, 5)
    assert options.data == "photos"
    best = run.history()[-1]
    splits = run.split()
    assert set(splits["train"]) == set(splits["valid"]) == run.held_out().keys()
    assert len(splits["train"]) == 2180
    card = (run.folder / "README.md").read_text()
    assert f"accuracy {best.val_acc:.4f}" in card
    assert f"loss {best.val_loss:.4f} nats" in card
    for path in run.folder.glob("*.json*"):
        assert '"/' not in path.read_text(), f"{path} holds an absolute path"


def test_the_import_is_free_and_the_documented_lines_run() -> None:
    lines = (catdog.__doc__ or "").split("\n\n", 3)
    assert "import catdog" in lines[1]
    program = f"""
import sys
import catdog
assert "jax" not in sys.modules
model = catdog.load()
for prediction in model.predict([{str(DOG)!r}]):
    print(prediction.label, prediction.error)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "dogs None\n"
    assert result.stderr == ""


@pytest.mark.slow
def test_threads_may_share_a_model() -> None:
    model = catdog.load()
    photos = sorted((SAMPLE / "train").rglob("*.jpg"))[:24]
    alone = {prediction.path: prediction.probabilities for prediction in model.predict(photos)}
    with ThreadPoolExecutor(8) as pool:
        asked = [[photos[(start + step) % len(photos)] for step in range(3)] for start in range(len(photos))]
        for predictions in pool.map(model.predict, asked):
            for prediction in predictions:
                assert prediction.probabilities == pytest.approx(alone[prediction.path], abs=1e-5)
