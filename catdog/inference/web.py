"""Downloads a photo from the web, within limits; from a private network only where that is allowed.

Proxies are not used: they would look up the server's name themselves.
"""

from http.client import HTTPException, HTTPResponse
from http.client import responses as PHRASES
from urllib.parse import quote, urljoin, urlsplit

from catdog import __version__
from catdog.errors import PhotoError
from catdog.inference.connection import Left, connected, deadline
from catdog.text import Message, reason

MAX_BYTES = 64 * 2**20
SECONDS = 30.0  # for one photo: name look-up, connecting, TLS, headers and body, of all redirects together

_SCHEMES = {"http": 80, "https": 443}
_REDIRECTS = 5
_BLOCK = 1 << 16
_PLAIN = "!#$%&'()*+,/:;=?@[]~"  # stays as it is in an address; the rest, such as Korean letters, is escaped


def is_address(given: str) -> bool:
    """Whether it is the address of a photo on the web, and not a path."""
    return given.lower().startswith(tuple(f"{scheme}://" for scheme in _SCHEMES))


def fetch_photo(
    address: str, *, allow_private: bool, max_bytes: int = MAX_BYTES, seconds: float = SECONDS
) -> bytes:
    """The file at an http or https address.

    Args:
        allow_private: also download from this machine and from private networks.
        seconds: for the whole download, however slowly the server sends.

    Raises:
        PhotoError: it is no such address, the server sends no file, or a limit is exceeded.
    """
    left = deadline(seconds)
    try:
        for _ in range(_REDIRECTS + 1):
            found = _get(address, allow_private, max_bytes, left)
            if isinstance(found, bytes):
                return found
            address = urljoin(address, found)
        raise PhotoError("more than {redirects} redirects", redirects=_REDIRECTS)
    except TimeoutError as error:
        raise PhotoError("the server takes too long") from error
    except (HTTPException, OSError, ValueError) as error:
        said = " ".join(str(reason(error)).split())[:200] or type(error).__name__
        raise PhotoError("the address cannot be read: {reason}", reason=Message(said)) from error


def _get(address: str, allow_private: bool, max_bytes: int, left: Left) -> bytes | str:
    """The file, or the address that the server redirects to."""
    parts = urlsplit(address)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise PhotoError("not an http or https address: {address}", address=address[:200])
    port = parts.port or _SCHEMES[parts.scheme]
    try:
        host = parts.hostname.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise PhotoError("there is no server {host}", host=parts.hostname) from error
    tls = parts.scheme == "https"
    path, query = (quote(part, safe=_PLAIN, errors="surrogateescape") for part in (parts.path, parts.query))
    target = f"{path or '/'}?{query}" if query else path or "/"
    name = f"[{host}]" if ":" in host else host
    headers = {
        "Host": name if parts.port is None else f"{name}:{parts.port}",
        "User-Agent": f"catdog/{__version__}",
        "Accept": "image/*",
        "Accept-Encoding": "identity",  # what is not compressed cannot grow beyond all limits
        "Connection": "close",
    }
    with connected(host, port, left, tls=tls, allow_private=allow_private) as connection:
        connection.request("GET", target, headers=headers)
        with connection.getresponse() as response:
            if response.status in (301, 302, 303, 307, 308) and "Location" in response.headers:
                # Python decodes bytes that are not ASCII as Latin-1; most servers send UTF-8.
                return response.headers["Location"].encode("latin-1").decode("utf-8", "surrogateescape")
            if response.status != 200:
                status = f"{response.status} {PHRASES.get(response.status, '')}".rstrip()
                raise PhotoError("the server answers {status}", status=status)
            return _read(response, max_bytes)


def _read(response: HTTPResponse, max_bytes: int) -> bytes:
    parts, total = [], 0
    while part := response.read1(_BLOCK):
        total += len(part)
        if total > max_bytes:
            raise PhotoError("the file is larger than {mebibytes} MiB", mebibytes=max_bytes // 2**20)
        parts.append(part)
    expected = response.headers.get("Content-Length")
    if expected is not None and expected.isdecimal() and total < int(expected):
        raise PhotoError("the connection ended before the end of the file")
    return b"".join(parts)
