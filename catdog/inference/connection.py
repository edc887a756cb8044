"""A connection to a web server that ends at a deadline, whatever the server does.

The name is looked up once. All its addresses are checked, and one of these is connected to: it does not
matter if the name resolves to something else a moment later.

A socket's timeout is for one wait: a server that sends a byte now and then is never late. So each wait here
(name look-up, connecting, TLS, sending, receiving) gets only the time that is left until the deadline.
"""

import io
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http.client import HTTPConnection
from threading import Thread
from typing import Any

from catdog.errors import PhotoError
from catdog.inference.public import is_public

_Found = list[tuple[Any, ...]]  # as socket.getaddrinfo gives it


class Deadline:
    """A moment after which waiting ends."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then.

        Raises:
            TimeoutError: none are left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


@contextmanager
def connected(
    host: str, port: int, *, tls: bool, allow_private: bool, deadline: Deadline
) -> Iterator[HTTPConnection]:
    """A connection to an HTTP server, closed at the end of the block.

    Args:
        host: a name or an IP address, in ASCII.
        tls: with the server's certificate checked against `host`.
        allow_private: also to this machine and to addresses that are not public.

    Raises:
        PhotoError: there is no such server, or it is in a private network.
        TimeoutError: the deadline has passed, here or anywhere in the block.
        OSError: no address can be connected to, or the certificate is not trusted.
    """
    addresses = _resolved(host, port, deadline)
    if not allow_private and not all(is_public(str(where[0])) for _, _, _, _, where in addresses):
        raise PhotoError("{host} is in a private network; --allow-private-urls allows that", host=host)
    with _open_socket(addresses, deadline) as plain:
        if not tls:
            yield _Connection(host, port, plain, deadline)
            return
        context = ssl.create_default_context()
        with context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False) as secure:
            secure.settimeout(deadline.left())  # for the whole of the handshake
            secure.do_handshake()
            yield _Connection(host, port, secure, deadline)


def _resolved(host: str, port: int, deadline: Deadline) -> _Found:
    """The addresses of a name.

    The system's look-up cannot be interrupted: a thread waits for it, and nobody waits for the thread beyond
    the deadline. It ends when the system gives up.
    """
    found: Future[_Found] = Future()

    def look_up() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except BaseException as error:  # raised where it is waited for
            found.set_exception(error)

    Thread(target=look_up, daemon=True, name="catdog-look-up").start()
    try:
        return found.result(deadline.left())
    except TimeoutError:
        raise
    except (OSError, UnicodeError) as error:
        raise PhotoError("there is no server {host}", host=host) from error


def _open_socket(addresses: _Found, deadline: Deadline) -> socket.socket:
    """A socket that is connected to the first address that accepts. They share the time that is left."""
    failed: OSError = OSError("no address")
    for number, (family, kind, protocol, _, where) in enumerate(addresses):
        seconds = deadline.left() / (len(addresses) - number)
        try:
            opened = socket.socket(family, kind, protocol)
        except OSError as error:  # this machine has no IPv6
            failed = error
            continue
        try:
            opened.settimeout(seconds)
            opened.connect(where)
            return opened
        except OSError as error:
            opened.close()
            failed = error
        except BaseException:
            opened.close()
            raise
    try:
        raise failed
    finally:
        del failed  # else its traceback and this frame refer to each other


class _Connection(HTTPConnection):
    """HTTP over a socket that is open already and that the caller closes."""

    def __init__(self, host: str, port: int, opened: socket.socket, deadline: Deadline) -> None:
        super().__init__(host, port)
        self._opened, self._deadline = opened, deadline

    def connect(self) -> None:
        self.sock = _Timed(self._opened, self._deadline)


class _Timed:
    """The part of a socket that `http.client` uses, with the deadline as its timeout."""

    def __init__(self, opened: socket.socket, deadline: Deadline) -> None:
        self._opened, self._deadline = opened, deadline

    def sendall(self, content: bytes) -> None:
        self._opened.settimeout(self._deadline.left())  # for all of it
        self._opened.sendall(content)

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(_Received(self._opened, self._deadline))

    def close(self) -> None:
        """Does nothing: the response may still be read, see `connected`."""


class _Received(io.RawIOBase):
    """The bytes that a socket receives, as a file."""

    def __init__(self, opened: socket.socket, deadline: Deadline) -> None:
        self._opened, self._deadline = opened, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._opened.settimeout(self._deadline.left())
        return self._opened.recv_into(buffer)
