"""Inputs in chunks: growing with the caller's speed, and none held back for one that is late."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event

import pytest

from catdog.errors import DataError
from catdog.inference.arrivals import chunks
from catdog.inference.inputs import Input


def _photos(count: int) -> list[Input]:
    return [Input(Path(str(number))) for number in range(count)]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not close a chunk early."""
    monkeypatch.setattr("catdog.inference.arrivals._PAUSE", 30.0)
    monkeypatch.setattr("catdog.inference.arrivals._PATIENCE", 30.0)


@pytest.mark.usefixtures("patient")
def test_they_grow_by_the_time_they_take() -> None:
    photos = _photos(20_000)
    quick = [len(chunk) for chunk in chunks(photos, clock=lambda: 0.0)]
    assert quick[:5] == [8, 64, 512, 2048, 2048]
    assert max(quick) == 2048
    sizes: list[int] = []

    def now() -> float:
        return sum(1 + size / 20 for size in sizes)  # a start, and 20 photos a second

    for chunk in chunks(photos, clock=now):
        sizes.append(len(chunk))
    assert sizes[0] == 8
    assert set(sizes[8:-1]) <= set(range(375, 386))  # twenty seconds each
    assert [one for chunk in chunks(photos) for one in chunk] == photos


def test_what_is_late_holds_nothing_back() -> None:
    answered = Event()

    def inputs() -> Iterator[Input]:
        for one in _photos(3):
            yield one
            assert answered.wait(30)  # like somebody who waits for the answer before the next question
            answered.clear()

    for number, chunk in enumerate(chunks(inputs())):
        assert chunk == [Input(Path(str(number)))]
        answered.set()


def test_a_slow_server_does_not_hold_back_what_comes_before() -> None:
    seen = Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert seen.wait(30)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a photo")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/photo.jpg"
        first, last = _photos(2)
        given = [first, Input(Path(address), name=address, is_address=True), last]
        came = chunks(given, allow_private=True)
        assert list(next(came)) == [first]
        seen.set()
        rest = list(next(came))
        while len(rest) < 2:
            rest += next(came)
        assert [one.name for one in rest] == [address, None]
        assert rest[0].path.read_bytes() == b"a photo"
        assert rest[1] == last
        assert list(came) == []
        assert not rest[0].path.parent.exists()
        server.shutdown()


def test_what_the_inputs_raise_is_raised() -> None:
    def inputs() -> Iterator[Input]:
        yield from _photos(2)
        raise DataError("the folder has gone")

    seen: list[Input] = []
    with pytest.raises(DataError, match="has gone"):
        for chunk in chunks(inputs()):
            seen += chunk
    assert seen == _photos(2)


def test_closing_it_ends_its_thread() -> None:
    taken = 0

    def inputs() -> Iterator[Input]:
        nonlocal taken
        for one in _photos(100_000):
            taken += 1
            yield one

    came = chunks(inputs())
    assert len(next(came)) <= 8
    (thread,) = (one for one in threading.enumerate() if one.name == "catdog-inputs")
    came.close()
    thread.join(30)
    assert not thread.is_alive()
    assert taken < 1000
