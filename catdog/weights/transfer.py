"""One file over HTTP, from a busy server and over an unreliable network too.

Its digest is checked elsewhere. Imported only for a download: requests is slow to import. requests reads the
variables HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE; SSL_CERT_FILE is added here.
"""

import os
import time
from http.client import responses as PHRASES
from pathlib import Path

import requests
from requests import exceptions

from catdog.errors import CatdogError
from catdog.progress import OnProgress, Progress
from catdog.text import Message, message, reason

BACK_OFF = 0.5  # seconds before the next try; doubled by each try that brings no new bytes
LONGEST_PAUSE = 20.0  # seconds between two tries, whatever the server asks for
TIMEOUT = (10.0, 30.0)  # seconds: for a connection, for the next bytes

_TRIES = 5  # in a row that bring no new bytes
_TRIES_TO_CONNECT = 2
_CHUNK = 1 << 16  # bytes
_TEMPORARY = {429, 500, 502, 503, 504}  # statuses of a server that may soon answer


class _TemporaryError(CatdogError):
    """An error that may not occur again at the next try."""

    def __init__(self, reason: Message, *, tries: int = _TRIES, pause: float | None = None):
        super().__init__(reason)
        self.tries = tries  # in a row, until it is final
        self.pause = pause  # seconds that the server asks for


class Transfer:
    """One file, received into `part` with as many requests as needed."""

    def __init__(self, part: Path, size: int | None, report: OnProgress):
        self.held = part.stat().st_size if part.exists() else 0  # bytes received
        self.resumed = self.held > 0  # whether they came with more than one response
        self._part, self._size, self._report = part, size, report

    def bring(self, url: str) -> None:
        """Send requests until the file is complete, or too many in a row brought no new bytes.

        Raises:
            CatdogError: the server does not send it; the message is the reason.
            OSError: it cannot be written.
        """
        furthest, fruitless = self.held, 0
        with requests.Session() as session:
            # The two variables that requests reads win over this.
            session.verify = os.environ.get("SSL_CERT_FILE") or True
            while True:
                try:
                    self._request(session, url)
                    break
                except _TemporaryError as error:
                    fruitless = 0 if self.held > furthest else fruitless + 1
                    furthest = max(furthest, self.held)
                    if fruitless >= error.tries:
                        raise self._failure(error) from error
                    pause = BACK_OFF * 2**fruitless if error.pause is None else error.pause
                    time.sleep(min(pause, LONGEST_PAUSE))

    def _failure(self, error: _TemporaryError) -> CatdogError:
        if not self.held:
            return CatdogError("{reason}; try again later", reason=error)
        return CatdogError(
            "{reason}; try again later, {received:,} bytes are saved", reason=error, received=self.held
        )

    def _request(self, session: requests.Session, url: str) -> None:
        with _response(session, url, self.held) as response:
            content_range = response.headers.get("Content-Range", "")
            if response.status_code == 200:
                self.held = 0
            elif response.status_code != 206 or not content_range.startswith(f"bytes {self.held}-"):
                self._part.unlink(missing_ok=True)
                self.held = 0
                raise _TemporaryError(message("the server does not send the rest of the file"))
            self.resumed = self.held > 0
            self._write(response)

    def _write(self, response: requests.Response) -> None:
        length = response.headers.get("Content-Length", "")
        total = self.held + int(length) if length.isdecimal() else self._size or 0
        with self._part.open("ab" if self.held else "wb") as file:
            self._report(Progress("download", self.held, total))
            try:
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
                    self.held += len(chunk)
                    self._report(Progress("download", self.held, total))
            except requests.RequestException as error:
                cut = message("the connection was cut ({reason})", reason=_root(error))
                raise _TemporaryError(cut) from error
            file.flush()
            os.fsync(file.fileno())
        if self.held < total:
            sizes = {"received": self.held, "total": total}
            cut = message("the connection was cut after {received:,} of {total:,} bytes", **sizes)
            raise _TemporaryError(cut)


def _response(session: requests.Session, url: str, held: int) -> requests.Response:
    """The response to a request for all after the first `held` bytes: status 200, 206 or 416, or an error."""
    headers = {"Accept-Encoding": "identity"}  # a part of a compressed file would be of no use
    if held:
        headers["Range"] = f"bytes={held}-"
    try:
        response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except exceptions.SSLError as error:
        raise CatdogError(
            "the server's certificate is not trusted ({reason}): name a bundle with its issuer in "
            "REQUESTS_CA_BUNDLE or SSL_CERT_FILE",
            reason=_root(error),
        ) from error
    except (exceptions.ConnectionError, exceptions.Timeout) as error:
        unreachable = message("the server cannot be reached ({reason})", reason=_root(error))
        raise _TemporaryError(unreachable, tries=_TRIES_TO_CONNECT) from error
    except OSError as error:  # all other errors of requests, and a bundle that does not exist
        raise CatdogError(Message(str(error))) from error
    if response.status_code not in (200, 206, 416):
        response.close()
        raise _refusal(response)
    return response


def _refusal(response: requests.Response) -> CatdogError:
    status = f"{response.status_code} {PHRASES.get(response.status_code, '')}".rstrip()
    refusal = message("the server answers {status}", status=status)
    if response.status_code not in _TEMPORARY:
        return CatdogError(refusal)
    seconds = response.headers.get("Retry-After", "")
    return _TemporaryError(refusal, pause=float(seconds) if seconds.isdecimal() else None)


def _root(error: BaseException) -> Message:
    """What the first exception of a chain says."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return reason(error)
