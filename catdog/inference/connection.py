"""A connection to a server of the web that ends at a given moment, whatever the server does.

The name is looked up once. All that it resolves to is checked, and one of these very addresses is connected
to: a name that resolves to something else a moment later changes nothing.

A socket's timeout is for one wait: a server that sends a byte now and then is never late. So each wait here,
of looking up, connecting, TLS, sending and receiving, gets only what is left of the whole.
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
    """A moment after which nothing is waited for any more."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then.

        Raises:
            TimeoutError: there are none.
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
        TimeoutError: the deadline has passed; also in the block, whatever is waited for there.
        OSError: no address can be connected to, or the certificate is not trusted.
    """
    addresses = _resolved(host, port, deadline)
    if not allow_private and not all(is_public(str(where[0])) for _, _, _, _, where in addresses):
        raise PhotoError("{host} is in a private network: --allow-private-urls lets it be read", host=host)
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
    """What the name stands for.

    The system's look-up cannot be interrupted: a thread waits for it, and is left to itself if that takes too
    long. It ends when the system gives up.
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
    """A socket that is connected to the first address that answers. Each gets its share of the time."""
    failed: OSError = OSError("no address")
    for number, (family, kind, protocol, _, where) in enumerate(addresses):
        share = deadline.left() / (len(addresses) - number)
        try:
            opened = socket.socket(family, kind, protocol)
        except OSError as error:  # this machine has no IPv6
            failed = error
            continue
        try:
            opened.settimeout(share)
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
        del failed  # its traceback has this frame


class _Connection(HTTPConnection):
    """What HTTP says, over a socket that is there already and that somebody else closes."""

    def __init__(self, host: str, port: int, opened: socket.socket, deadline: Deadline) -> None:
        super().__init__(host, port)
        self._opened, self._deadline = opened, deadline

    def connect(self) -> None:
        self.sock = _Timed(self._opened, self._deadline)


class _Timed:
    """As much of a socket as `http.client` uses."""

    def __init__(self, opened: socket.socket, deadline: Deadline) -> None:
        self._opened, self._deadline = opened, deadline

    def sendall(self, content: bytes) -> None:
        self._opened.settimeout(self._deadline.left())  # for all of it
        self._opened.sendall(content)

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(_Received(self._opened, self._deadline))

    def close(self) -> None:
        """Nothing: a response may still be read, see `connected`."""


class _Received(io.RawIOBase):
    """What a socket receives, as a file."""

    def __init__(self, opened: socket.socket, deadline: Deadline) -> None:
        self._opened, self._deadline = opened, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._opened.settimeout(self._deadline.left())
        return self._opened.recv_into(buffer)
