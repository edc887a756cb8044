"""One deadline for a whole download: servers that are slow in every possible way, on this machine."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from catdog.errors import PhotoError
from catdog.inference import connection
from catdog.inference.public import is_public
from catdog.inference.web import fetch_photo

SECONDS = 0.5  # that a slow download may take here
ENOUGH = 10.0  # where the server sends the file
DRIP = 0.05  # seconds between two bytes: far less than any timeout of a socket
LATE = "the server takes too long"
CERTIFICATE = Path(__file__).parent / "server.pem"  # for photo.invalid, with its key; nobody trusts it

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

Behave = Callable[[socket.socket, threading.Event], None]


@contextmanager
def serving(behave: Behave) -> Iterator[int]:
    """A port on 127.0.0.1 whose every connection is handed to `behave`, with an event for when to stop."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def handle(peer: socket.socket) -> None:
        with peer, suppress(OSError):  # the client has closed the connection
            behave(peer, stop)

    def accept(listening: socket.socket) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                peer, _ = listening.accept()
                peer.settimeout(None)
                threads.append(threading.Thread(target=handle, args=(peer,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        threads.append(threading.Thread(target=accept, args=(listening,)))
        threads[0].start()
        try:
            yield listening.getsockname()[1]
        finally:
            stop.set()
            for thread in threads:
                thread.join(10)
                assert not thread.is_alive()


def request_of(peer: socket.socket) -> bytes:
    """What the client asks for, to the end of its headers."""
    asked = b""
    while not asked.endswith(b"\r\n\r\n"):
        if not (part := peer.recv(1 << 16)):
            raise ConnectionError
        asked += part
    return asked


def dripping(at_once: bytes, for_ever: bytes, *, listens: bool = True) -> Behave:
    """Sends the first, then the second again and again, a byte at a time."""

    def behave(peer: socket.socket, stop: threading.Event) -> None:
        if listens:
            request_of(peer)
        peer.sendall(at_once)
        while True:
            for number in range(len(for_ever)):
                peer.sendall(for_ever[number : number + 1])
                if stop.wait(DRIP):
                    return

    return behave


def is_late(address: str, **options: Any) -> None:
    """Download it: that ends at the deadline, and leaves no thread."""
    before = set(threading.enumerate())
    began = time.monotonic()
    with pytest.raises(PhotoError) as caught:
        fetch_photo(address, allow_private=True, seconds=SECONDS, **options)
    took = time.monotonic() - began
    assert str(caught.value) == LATE
    assert SECONDS - 0.1 < took < SECONDS + 2
    assert {thread for thread in threading.enumerate() if thread.name.startswith("catdog")} <= before


@pytest.mark.parametrize(
    "behave",
    [
        dripping(b"", b"HTTP/1.1 200 OK" + b" " * 1000),
        dripping(OK, b"X-Name: value\r\n"),
        dripping(OK + b"X-Name: ", b"value"),
        dripping(OK, b"Set-Cookie: a\r\n b\r\n"),
        dripping(b"HTTP/1.1 100 Continue\r\n", b"X-Name: value\r\n"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        dripping(CHUNKED, b"1\r\nx\r\n"),
        dripping(CHUNKED, b"0" * 1000),
        dripping(CHUNKED + b"1", b";extension"),
        dripping(CHUNKED + b"ffff\r\n", b"x"),
        dripping(CHUNKED + b"0\r\n", b"X-Trailer: value\r\n"),
        dripping(OK + b"Content-Length: 1000\r\n\r\n", b"x"),
        dripping(OK + b"\r\n", b"x"),
    ],
    ids=[
        "status line",
        "headers",
        "one header",
        "folded header",
        "headers of a 100",
        "many 100s",
        "small chunks",
        "chunk size",
        "chunk extension",
        "body of a chunk",
        "trailers",
        "body with a length",
        "body without a length",
    ],
)
def test_a_server_that_drips(behave: Behave) -> None:
    with serving(behave) as port:
        is_late(f"http://127.0.0.1:{port}/photo.jpg")


def test_a_server_that_sends_nothing() -> None:
    with serving(lambda peer, stop: (request_of(peer), stop.wait(30)) and None) as port:
        is_late(f"http://127.0.0.1:{port}/photo.jpg")


def test_redirects_that_each_take_a_while() -> None:
    def behave(peer: socket.socket, stop: threading.Event) -> None:
        request_of(peer)
        if not stop.wait(0.4 * SECONDS):
            peer.sendall(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")

    with serving(behave) as port:
        is_late(f"http://127.0.0.1:{port}/photo.jpg")


def test_a_body_of_a_redirect_is_not_waited_for() -> None:
    def behave(peer: socket.socket, stop: threading.Event) -> None:
        if b"GET /photo.jpg" in request_of(peer):
            peer.sendall(OK + b"Content-Length: 5\r\n\r\nphoto")
        else:
            peer.sendall(b"HTTP/1.1 302 Found\r\nLocation: /photo.jpg\r\nContent-Length: 9\r\n\r\n")
            stop.wait(30)

    with serving(behave) as port:
        address = f"http://127.0.0.1:{port}/elsewhere"
        assert fetch_photo(address, allow_private=True, seconds=ENOUGH) == b"photo"


@pytest.mark.parametrize(
    "behave",
    [
        lambda peer, stop: stop.wait(30) and None,
        # The head of a record of 16,384 bytes, which then come one by one.
        dripping(b"\x16\x03\x03\x40\x00", b"\x02\x00\x3f\xfc", listens=False),
        # Records of one byte each.
        dripping(b"\x16\x03\x03\x00\x01\x02", b"\x16\x03\x03\x00\x01\x00", listens=False),
    ],
    ids=["silence", "one record", "many records"],
)
def test_tls_that_drips(behave: Behave) -> None:
    with serving(behave) as port:
        is_late(f"https://127.0.0.1:{port}/photo.jpg")


def over_tls(behave: Behave) -> Behave:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)

    def wrapped(peer: socket.socket, stop: threading.Event) -> None:
        with context.wrap_socket(peer, server_side=True) as secure:
            behave(secure, stop)

    return wrapped


@pytest.mark.parametrize(
    "behave",
    [dripping(OK, b"X-Name: value\r\n"), dripping(CHUNKED, b"1\r\nx\r\n"), dripping(OK + b"\r\n", b"x")],
    ids=["headers", "chunks", "body"],
)
def test_what_drips_inside_tls(behave: Behave, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with serving(over_tls(behave)) as port:
        is_late(f"https://127.0.0.1:{port}/photo.jpg")


def test_a_name_whose_look_up_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        found.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    with pytest.raises(PhotoError, match=LATE):
        fetch_photo("http://photo.invalid/photo.jpg", allow_private=True, seconds=SECONDS)
    assert time.monotonic() - began < SECONDS + 2
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "catdog-look-up")
    assert thread.daemon  # the process does not wait for it
    found.set()
    thread.join(10)
    assert not thread.is_alive()


@contextmanager
def deaf() -> Iterator[tuple[str, int]]:
    """An address on this machine whose connections are neither accepted nor refused."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(64):  # until its queue is full
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.2)
            try:
                waiting.connect(listening.getsockname())
            except TimeoutError:
                yield listening.getsockname()
                return
        pytest.skip("this system's queues of connections have no limit")


def test_a_server_that_does_not_accept() -> None:
    with deaf() as (host, port):
        is_late(f"http://{host}:{port}/photo.jpg")


def _resolving(monkeypatch: pytest.MonkeyPatch, *addresses: list[tuple[str, int]]) -> list[str]:
    """Let names resolve to these addresses, a list for each look-up; returns the names looked up."""
    asked: list[str] = []

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        found = addresses[len(asked) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where) for where in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_all_addresses_of_a_name_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with deaf() as where:
        _resolving(monkeypatch, [where] * 5)
        is_late("http://photo.invalid/photo.jpg")


def _photo(peer: socket.socket, stop: threading.Event) -> None:
    asked = request_of(peer).decode()
    host = next(line for line in asked.splitlines() if line.startswith("Host: "))
    peer.sendall(OK + b"Content-Length: %d\r\n\r\n%b" % (len(host), host.encode()))


def test_where_an_address_does_not_accept_the_next_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with deaf() as where, serving(_photo) as port:
        _resolving(monkeypatch, [where, ("127.0.0.1", port)])
        found = fetch_photo("http://photo.invalid/photo.jpg", allow_private=True, seconds=4.0)
        assert found == b"Host: photo.invalid"


def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    # The name resolves to something private from the second look-up on. 127.0.0.1 counts as public here.
    monkeypatch.setattr(connection, "is_public", lambda where: where == "127.0.0.1" or is_public(where))

    def behave(peer: socket.socket, stop: threading.Event) -> None:
        if b"GET /again" in request_of(peer):
            peer.sendall(b"HTTP/1.1 302 Found\r\nLocation: /photo.jpg\r\n\r\n")
        else:
            peer.sendall(OK + b"\r\nphoto")

    with serving(behave) as port:
        checked, private = [("127.0.0.1", port)], [("127.0.0.2", port)]
        asked = _resolving(monkeypatch, checked, private, private)
        found = fetch_photo("http://photo.invalid/photo.jpg", allow_private=False, seconds=ENOUGH)
        assert (found, asked) == (b"photo", ["photo.invalid"])  # no second look-up
        asked = _resolving(monkeypatch, checked, private, private)
        with pytest.raises(PhotoError, match="photo.invalid is in a private network"):
            fetch_photo("http://photo.invalid/again", allow_private=False, seconds=ENOUGH)
        assert len(asked) == 2  # a look-up for each redirect, and its result counts
        asked = _resolving(monkeypatch, checked, checked)
        assert fetch_photo("http://photo.invalid/again", allow_private=False, seconds=ENOUGH) == b"photo"


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolving(monkeypatch, [("8.8.8.8", 80), ("10.0.0.1", 80)])
    with pytest.raises(PhotoError, match="private network"):
        fetch_photo("http://photo.invalid/photo.jpg", allow_private=False, seconds=ENOUGH)


def test_a_certificate_is_checked_against_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(over_tls(_photo)) as port:
        where = [("127.0.0.1", port)]
        _resolving(monkeypatch, where, where, where)
        with pytest.raises(PhotoError, match="certificate verify failed"):
            fetch_photo("https://photo.invalid/photo.jpg", allow_private=True, seconds=ENOUGH)
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        found = fetch_photo("https://photo.invalid/photo.jpg", allow_private=True, seconds=ENOUGH)
        assert found == b"Host: photo.invalid"
        with pytest.raises(PhotoError, match="Hostname mismatch"):
            fetch_photo("https://other.invalid/photo.jpg", allow_private=True, seconds=ENOUGH)
