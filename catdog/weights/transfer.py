"""One file over HTTP, also over a network that cuts and from a server that is busy.

Whether the file is the right one is asked elsewhere. Imported only where something is downloaded: requests
is slow to import. It knows proxies and certificate bundles by HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE and
CURL_CA_BUNDLE; SSL_CERT_FILE is added here.
"""

import os
import time
from collections.abc import Callable, Iterator
from http.client import responses as PHRASES
from pathlib import Path

import requests
from requests import exceptions

Report = Callable[[int, int | None], None]  # bytes that are here, bytes of the whole file where that is known

BACK_OFF = 0.5  # seconds before going on after a cut; doubled by each try that brings nothing new
LONGEST_PAUSE = 20.0  # seconds between two tries, whatever the server asks for
TIMEOUT = (10.0, 30.0)  # seconds: until there is a connection, until the next bytes come

_TRIES = 5  # in a row that bring nothing new
_TRIES_TO_CONNECT = 2
_CHUNK = 1 << 16  # bytes
_PASSING = {429, 500, 502, 503, 504}  # statuses of a server that may soon be better


class TransferError(Exception):
    """A transfer that came to nothing; the message is the reason."""


class _Passing(TransferError):
    """One that another try may get over."""

    def __init__(self, reason: str, *, tries: int = _TRIES, pause: float | None = None):
        super().__init__(reason)
        self.tries = tries  # in a row, until it is one for good
        self.pause = pause  # seconds that the server wants to be left alone


class Transfer:
    """One file on its way into `part`, as many requests as it takes.

    Attributes:
        held: bytes of the file that are here.
        resumed: whether they came with more than one response.
    """

    def __init__(self, part: Path, size: int | None, report: Report):
        self.held = part.stat().st_size if part.exists() else 0
        self.resumed = False
        self._part = part
        self._size = size  # bytes
        self._report = report

    def bring(self, url: str, output_file: str, _pooch: object) -> None:
        """Download the whole file to `output_file`, which pooch has made.

        Raises:
            TransferError: the server does not give it.
            OSError: it cannot be written.
        """
        os.unlink(output_file)  # or it would stay if this process were killed
        with requests.Session() as session:
            # requests prefers the two variables that it knows to this.
            session.verify = os.environ.get("SSL_CERT_FILE") or True
            self._persist(session, url)
        os.replace(self._part, output_file)

    def _persist(self, session: requests.Session, url: str) -> None:
        """Ask until all is here, or until too many requests in a row brought nothing new."""
        furthest, fruitless = self.held, 0
        while True:
            try:
                return self._request(session, url)
            except _Passing as problem:
                fruitless = 0 if self.held > furthest else fruitless + 1
                furthest = max(furthest, self.held)
                if fruitless >= problem.tries:
                    kept = f", {self.held:,} bytes are kept" if self.held else ""
                    raise TransferError(f"{problem}; try again later{kept}") from problem
                pause = BACK_OFF * 2**fruitless if problem.pause is None else problem.pause
                time.sleep(min(pause, LONGEST_PAUSE))

    def _request(self, session: requests.Session, url: str) -> None:
        with _answer(session, url, self.held) as response:
            if response.status_code == 200:
                self.held = 0
            elif not _continues(response, self.held):
                self._part.unlink(missing_ok=True)
                self.held = 0
                raise _Passing("the server does not send the rest of the file")
            self.resumed = self.held > 0
            self._write(response)

    def _write(self, response: requests.Response) -> None:
        length = response.headers.get("Content-Length", "")
        total = self.held + int(length) if length.isdecimal() else self._size
        with self._part.open("ab" if self.held else "wb") as file:
            self._report(self.held, total)
            for chunk in _body(response):
                file.write(chunk)
                self.held += len(chunk)
                self._report(self.held, total)
            file.flush()
            os.fsync(file.fileno())
        if total is not None and self.held < total:
            raise _Passing(f"the connection was cut after {self.held:,} of {total:,} bytes")


def _answer(session: requests.Session, url: str, held: int) -> requests.Response:
    """The response to a request for what follows the first `held` bytes: status 200, 206 or 416.

    Raises:
        TransferError: the server cannot be reached, or has another status.
    """
    headers = {"Accept-Encoding": "identity"}  # a part of a compressed file would be of no use
    if held:
        headers["Range"] = f"bytes={held}-"
    try:
        response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except exceptions.SSLError as error:
        bundle = "name a bundle that has its issuer in REQUESTS_CA_BUNDLE or SSL_CERT_FILE"
        raise TransferError(f"the server's certificate is not trusted ({_root(error)}): {bundle}") from error
    except (exceptions.ConnectionError, exceptions.Timeout) as error:
        reason = f"the server cannot be reached ({_root(error)})"
        raise _Passing(reason, tries=_TRIES_TO_CONNECT) from error
    except OSError as error:  # all other errors of requests, and a bundle that is not there
        raise TransferError(str(error)) from error
    if response.status_code not in (200, 206, 416):
        response.close()
        raise _refusal(response)
    return response


def _refusal(response: requests.Response) -> TransferError:
    status = response.status_code
    reason = f"the server answers {status} {PHRASES.get(status, '')}".rstrip()
    if status not in _PASSING:
        return TransferError(reason)
    seconds = response.headers.get("Retry-After", "")
    return _Passing(reason, pause=float(seconds) if seconds.isdecimal() else None)


def _continues(response: requests.Response, held: int) -> bool:
    content_range = response.headers.get("Content-Range", "")
    return response.status_code == 206 and content_range.startswith(f"bytes {held}-")


def _body(response: requests.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_content(_CHUNK)
    except requests.RequestException as error:
        raise _Passing(f"the connection was cut ({_root(error)})") from error


def _root(error: BaseException) -> str:
    """What lies beneath a chain of exceptions, in the words of the system where it has some."""
    while (beneath := error.__cause__ or error.__context__) is not None:
        error = beneath
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
