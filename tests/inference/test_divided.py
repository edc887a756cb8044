"""Several processes predict for one list of inputs: threads with a dictionary in place of JAX's service."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, local
from typing import Any

import numpy as np
import pytest

import catdog
from catdog import devices, hosts
from catdog.data import fingerprint
from catdog.errors import OptionError
from catdog.hosts import Group
from catdog.inference.classifier import Classifier
from catdog.inference.divided import Dealt, collected, part_of_file
from catdog.inference.inputs import Input
from catdog.inference.prediction import Prediction
from catdog.inference.stream import predictions
from catdog.text import message, plural
from tests.inference.test_stream import CAT, DOG
from tests.process import Service
from tests.workspaces import two_workers


@pytest.fixture(scope="module")
def classifier(cache_dir: Path) -> Classifier:
    return catdog.load(cache_dir=cache_dir)._classifier


def _together(processes: int, call: Callable[[Group], Any]) -> list[Any]:
    """What each of several processes returns."""
    service = Service()
    with ThreadPoolExecutor(processes) as pool:
        return list(pool.map(lambda number: call(Group(number, processes, service)), range(processes)))


def _inputs(count: int) -> list[Input]:
    return [Input(Path(f"{number}.jpg")) for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 2500])
def test_process_0_has_all_predictions_in_order(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(hosts, "_PAUSE", 0.001)
    inputs = _inputs(count)

    def predict(group: Group) -> list[Prediction]:
        dealt = Dealt(inputs, group)
        found = list(collected(group, (Prediction(photo, {"b": 0.1 + 0.2, "a": 0.1}) for photo in dealt)))
        dealt.require_same()
        return found

    first, *others = _together(3, predict)
    assert [prediction.source for prediction in first] == inputs
    assert all(list(found.probabilities.items()) == [("b", 0.1 + 0.2), ("a", 0.1)] for found in first)
    assert others == [[], []]


def test_a_process_waits_where_process_0_does_not_take_what_it_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "_PAUSE", 0.001)
    service, most = Service(), 0

    def send(count: int) -> None:
        for number in range(count):
            Group.send(sender, number)

    sender, receiver = Group(1, 2, service), Group(0, 2, service)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(send, 50)
        for number in range(50):
            assert receiver.receive(1) == number
            most = max(most, len(service))
        done.result()
    assert most <= hosts._AHEAD
    assert not service


def test_every_kind_of_prediction_travels() -> None:
    address = Input(Path("x"), "2.5", None, "http://photo.invalid/x", True)
    reasons = (
        message("{path}: {reason}", path=Path("a/b"), reason=message("no photo")),
        plural("{count:,} of {them}", "{count:,} of {them}", 2000, them=(message("one"), message("two"))),
    )
    sent = [
        Prediction(address, value=2.5, unit="cm"),
        Prediction(Input(Path("y")), {"a": 0.5}, labels=()),
        Prediction(Input(Path("y")), {"a": 0.5}, labels=("a",), threshold=0.9),
        *(Prediction(Input(Path("z")), reason=reason) for reason in reasons),
    ]
    found, _ = _together(2, lambda group: list(collected(group, iter(sent if group.process else []))))
    assert found == sent
    assert [found.reason.fields for found in found[3:]] == [reason.fields for reason in reasons]


def test_processes_that_list_other_inputs_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def predict(group: Group) -> str:
        dealt = Dealt(_inputs(5 - group.process), group)
        list(collected(group, map(Prediction, dealt)))
        with pytest.raises(OptionError) as told:
            dealt.require_same()
        return str(told.value)

    sentence = "all processes need the same number of photos: process 0 has 5, process 1 has 4"
    assert _together(2, predict) == [sentence, sentence]


def test_each_process_has_a_file_of_its_own() -> None:
    assert part_of_file(Path("a/rows.jsonl"), hosts.ALONE) == Path("a/rows.jsonl")
    assert part_of_file(Path("a/rows.jsonl"), Group(1, 2)) == Path("a/rows-00001-of-00002.jsonl")


def test_the_logits_of_all_processes_are_those_of_one(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    paths = [DOG, broken, CAT, DOG]
    digests = fingerprint(paths, workspace=two_workers(tmp_path / "cache")).digests
    assert {int(digest[:12], 16) % 3 for digest in digests.values()} != {0}, "process 0 has all photos"
    expected = classifier.predict(paths, digests=digests)
    given, barrier, here = dict[int, np.ndarray](), Barrier(3), local()

    def from_all(own: np.ndarray) -> np.ndarray:
        given[here.process] = own
        barrier.wait(60)
        found = np.stack([given[number] for number in range(3)])
        barrier.wait(60)
        return found

    def predict(group: Group) -> Any:
        here.process = group.process
        return classifier.predict(paths, digests=digests, group=group)

    monkeypatch.setattr(devices, "from_all", from_all)
    found, *_ = _together(3, predict)
    np.testing.assert_array_equal(found.logits, expected.logits)
    np.testing.assert_array_equal(found.photos, expected.photos)
    assert (found.digests, found.skipped) == (expected.digests, expected.skipped)


def test_unordered_predictions_are_the_same(classifier: Classifier, tmp_path: Path) -> None:
    given = (Input(DOG), Input(tmp_path / "missing.jpg"), Input(CAT), Input(DOG, name="again"))
    ordered, unordered = (
        list(predictions(classifier, given, ordered=is_ordered)) for is_ordered in (True, False)
    )
    assert [prediction.source for prediction in ordered] == list(given)
    assert unordered[0].error == "the file does not exist"
    assert sorted(unordered, key=lambda found: given.index(found.source)) == ordered
