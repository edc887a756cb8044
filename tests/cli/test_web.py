"""Photos from a server on this machine: limits, redirects, private networks, servers that misbehave."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from catdog.errors import PhotoError
from catdog.inference import connection
from catdog.inference.public import is_public
from catdog.inference.web import fetch_photo, is_address
from tests.cli.conftest import SAMPLE, Cli

PHOTO = (SAMPLE / "photos" / "Abyssinian_14.jpg").read_bytes()


class _Handler(BaseHTTPRequestHandler):
    seen: list[tuple[str, str]] = []

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["Host"]))
        place = self.path.partition("?")[0]
        if place.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif place == "/loop":
            self.send_response(301)
            self.send_header("Location", "/loop")
            self.end_headers()
        elif place == "/photo.jpg":
            self._send(PHOTO)
        elif place == "/endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(bytes(1 << 16))
        elif place == "/slow":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.1)
        elif place == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", str(len(PHOTO)))
            self.end_headers()
            self.wfile.write(PHOTO[:1000])
        elif place == "/packed":
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(b"\x1f\x8b no photo")
        else:
            self.send_error(404)

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # the client has read enough
            pass

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def _serving() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with _serving() as address:
        yield address


def _reason(address: str, **limits: float) -> str:
    with pytest.raises(PhotoError) as caught:
        fetch_photo(address, allow_private=True, **limits)  # pyright: ignore[reportArgumentType]
    return str(caught.value)


def test_a_photo_and_its_redirects(server: str) -> None:
    assert fetch_photo(f"{server}/photo.jpg?size=large", allow_private=True) == PHOTO
    path, host = _Handler.seen[-1]
    assert path == "/photo.jpg?size=large"
    assert server == f"http://{host}"
    assert fetch_photo(f"{server}/to//photo.jpg", allow_private=True) == PHOTO
    assert fetch_photo(f"{server}/to/{server}/photo.jpg", allow_private=True) == PHOTO
    assert fetch_photo(f"{server}/photo.jpg?크기=큰 것", allow_private=True) == PHOTO
    assert _Handler.seen[-1][0] == "/photo.jpg?%ED%81%AC%EA%B8%B0=%ED%81%B0%20%EA%B2%83"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"]
)
def test_a_private_network_is_not_read(host: str) -> None:
    before = len(_Handler.seen)
    with pytest.raises(PhotoError, match="private network; --allow-private-urls"):
        fetch_photo(f"http://{host}:1/photo.jpg", allow_private=False)
    assert len(_Handler.seen) == before


def test_a_redirect_into_a_private_network_is_not_followed(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first server counts as public; the one that it redirects to does not.
    monkeypatch.setattr(connection, "is_public", lambda address: address == "127.0.0.1" or is_public(address))
    before = len(_Handler.seen)
    with pytest.raises(PhotoError, match="127.0.0.2 is in a private network"):
        fetch_photo(f"{server}/to/http://127.0.0.2:1/photo.jpg", allow_private=False)
    assert len(_Handler.seen) == before + 1


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/photo.jpg", "data:image/png;base64,AAAA"]
)
def test_a_redirect_to_another_scheme_is_not_followed(server: str, target: str) -> None:
    assert _reason(f"{server}/to/{target}").startswith("not an http or https address")


def test_limits(server: str) -> None:
    assert _reason(f"{server}/endless", max_bytes=1 << 20) == "the file is larger than 1 MiB"
    began = time.monotonic()
    assert _reason(f"{server}/slow", seconds=0.5) == "the server takes too long"
    assert time.monotonic() - began < 5
    assert _reason(f"{server}/loop") == "more than 5 redirects"


def test_servers_that_do_not_give_a_photo(server: str) -> None:
    assert _reason(f"{server}/nothing") == "the server answers 404 Not Found"
    assert _reason(f"{server}/cut") == "the connection ended before the end of the file"
    assert _reason("http://no.such.host.invalid/photo.jpg") == "there is no server no.such.host.invalid"
    assert _reason("http://127.0.0.1:1/photo.jpg") == "the address cannot be read: Connection refused"
    assert _reason("http://127.0.0.1:99999/photo.jpg").startswith("the address cannot be read")
    assert fetch_photo(f"{server}/packed", allow_private=True).startswith(b"\x1f\x8b")


def test_what_is_an_address() -> None:
    assert is_address("HTTPS://example.org/a.jpg")
    assert not is_address("http.jpg")
    assert not is_address("ftp://example.org/a.jpg")


def test_predict_reads_addresses_in_the_order_of_the_inputs(server: str, cli: Cli, tmp_path: Path) -> None:
    dog = SAMPLE / "photos" / "pug_139.jpg"
    inputs = [f"{server}/photo.jpg", dog, f"{server}/nothing", f"{server}/packed"]
    result = cli("predict", *inputs, "--allow-private-urls")
    assert result.status == 1
    assert [line.rpartition(" ")[0] for line in result.out.splitlines()][:2] == [
        f"{server}/photo.jpg: cats",
        f"{dog}: dogs",
    ]
    assert f"{server}/nothing: the server answers 404 Not Found\n" in result.out
    assert f"{server}/packed: not an image that Pillow can read\n" in result.out
    refused = cli("predict", f"{server}/photo.jpg")
    assert refused.status == 1
    assert "--allow-private-urls" in refused.out
    assert list(tmp_path.iterdir()) == []
