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
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from threading import Thread
from typing import Any, TypeVar

from catdog.errors import PhotoError
from catdog.inference.public import is_public

_Found = list[tuple[Any, ...]]  # as socket.getaddrinfo gives it
Result = TypeVar("Result")
Left = Callable[[], float]  # gives the seconds until a deadline; raises a TimeoutError if none are left


def deadline(seconds: float) -> Left:
    """A deadline that begins now."""
    end = time.monotonic() + seconds

    def left() -> float:
        if (seconds := end - time.monotonic()) <= 0:
            raise TimeoutError
        return seconds

    return left


@contextmanager
def connected(
    host: str, port: int, left: Left, *, tls: bool, allow_private: bool
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
    addresses = _resolved(host, port, left)
    if not allow_private and not all(is_public(str(where[0])) for _, _, _, _, where in addresses):
        raise PhotoError("{host} is in a private network; --allow-private-urls allows that", host=host)
    with ExitStack() as stack:
        opened = stack.enter_context(_open_socket(addresses, left))
        if tls:
            context = ssl.create_default_context()
            secure = context.wrap_socket(opened, server_hostname=host, do_handshake_on_connect=False)
            opened = stack.enter_context(secure)
            secure.settimeout(left())  # for the whole of the handshake
            secure.do_handshake()
        connection = HTTPConnection(host, port)
        connection.sock = _Timed(opened, left)
        yield connection


def in_thread(name: str, function: Callable[[], Result]) -> Future[Result]:
    """Call a function in a thread of that name, which nobody waits for when the process ends."""
    coming: Future[Result] = Future()

    def call() -> None:
        try:
            coming.set_result(function())
        except BaseException as error:  # raised where it is waited for
            coming.set_exception(error)

    Thread(target=call, daemon=True, name=name).start()
    return coming


def _resolved(host: str, port: int, left: Left) -> _Found:
    """The addresses of a name.

    The system's look-up cannot be interrupted: a thread waits for it, and nobody waits for the thread beyond
    the deadline. It ends when the system gives up.
    """
    found = in_thread("catdog-look-up", partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    try:
        return found.result(left())
    except TimeoutError:
        raise
    except (OSError, UnicodeError) as error:
        raise PhotoError("there is no server {host}", host=host) from error


def _open_socket(addresses: _Found, left: Left) -> socket.socket:
    """A socket that is connected to the first address that accepts. They share the time that is left."""
    failed: OSError = OSError("no address")
    for number, (family, kind, protocol, _, where) in enumerate(addresses):
        seconds = left() / (len(addresses) - number)
        with ExitStack() as stack:
            try:
                opened = stack.enter_context(socket.socket(family, kind, protocol))  # fails without IPv6
                opened.settimeout(seconds)
                opened.connect(where)
                stack.pop_all()
                return opened
            except OSError as error:
                failed = error
    try:
        raise failed
    finally:
        del failed  # else its traceback and this frame refer to each other


class _Timed(io.RawIOBase):
    """What `http.client` uses of a socket, and the file of its bytes, with a deadline as their timeout."""

    def __init__(self, opened: socket.socket, left: Left) -> None:
        self._opened, self._left = opened, left

    def sendall(self, content: bytes) -> None:
        self._opened.settimeout(self._left())  # for all of it
        self._opened.sendall(content)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._opened.settimeout(self._left())
        return self._opened.recv_into(buffer)

    def close(self) -> None:
        """Does nothing: the response may still be read, see `connected`."""
