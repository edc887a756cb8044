"""A photo from the web, within limits, and from a private network only if that is asked for.

The name of the server is resolved once, what it resolves to is looked at, and that very address is connected
to: a name that resolves to something else a moment later changes nothing. The same for each redirect. Proxies
are not used.
"""

import ipaddress
import socket
import time
from http.client import responses as PHRASES
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from catdog import __version__
from catdog.errors import PhotoError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

MAX_BYTES = 64 * 2**20
SECONDS = 30.0  # for one photo, with all redirects

_SCHEMES = {"http": 80, "https": 443}
_REDIRECTS = 5
_BLOCK = 1 << 16


def is_address(given: str) -> bool:
    """Whether it is the address of a photo on the web, and not a path."""
    return given.lower().startswith(tuple(f"{scheme}://" for scheme in _SCHEMES))


def fetch_photo(
    address: str, *, allow_private: bool, max_bytes: int = MAX_BYTES, seconds: float = SECONDS
) -> bytes:
    """The bytes that a GET of an http or https address gives.

    Args:
        allow_private: also from this machine and from addresses that are not public.

    Raises:
        PhotoError: it is no such address, the server does not answer with a file, or a limit is passed.
    """
    import urllib3

    end = time.monotonic() + seconds
    try:
        for _ in range(_REDIRECTS + 1):
            with _get(address, allow_private, end) as response:
                if response.status in (301, 302, 303, 307, 308) and "Location" in response.headers:
                    address = urljoin(address, response.headers["Location"])
                    continue
                if response.status != 200:
                    phrase = PHRASES.get(response.status, "")
                    raise PhotoError(f"the server answers {response.status} {phrase}".rstrip())
                return _read(response, max_bytes, end)
        raise PhotoError(f"more than {_REDIRECTS} redirects")
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise PhotoError(f"the address cannot be read: {said}") from error


def _get(address: str, allow_private: bool, end: float) -> "BaseHTTPResponse":
    import urllib3

    parts = urlsplit(address)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise PhotoError(f"not an address of http or https: {address[:200]}")
    port = parts.port or _SCHEMES[parts.scheme]
    target = _resolved(parts.hostname, port, allow_private)
    timeout = urllib3.Timeout(total=_left(end))
    if parts.scheme == "https":
        pool = urllib3.HTTPSConnectionPool(
            target, port, timeout=timeout, server_hostname=parts.hostname, assert_hostname=parts.hostname
        )
    else:
        pool = urllib3.HTTPConnectionPool(target, port, timeout=timeout)
    return pool.urlopen(
        "GET",
        _request_target(parts),
        headers={
            "Host": parts.netloc.rpartition("@")[2],
            "User-Agent": f"catdog/{__version__}",
            "Accept": "image/*",
            "Accept-Encoding": "identity",  # what is not packed cannot burst
        },
        redirect=False,
        retries=False,
        preload_content=False,
        decode_content=False,
    )


def _request_target(parts: SplitResult) -> str:
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _resolved(host: str, port: int, allow_private: bool) -> str:
    """The IP address to connect to."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise PhotoError(f"there is no server {host}") from error
    addresses = [str(one[4][0]).partition("%")[0] for one in found]
    if not allow_private and not all(map(_is_public, addresses)):
        raise PhotoError(f"{host} is in a private network: --allow-private-urls lets it be read")
    return addresses[0]


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_global and not ip.is_multicast


def _read(response: "BaseHTTPResponse", max_bytes: int, end: float) -> bytes:
    parts, total = [], 0
    while part := response.read1(_BLOCK, decode_content=False):
        total += len(part)
        if total > max_bytes:
            raise PhotoError(f"the file has more than {max_bytes // 2**20} MiB")
        parts.append(part)
        _left(end)
    expected = response.headers.get("Content-Length")
    if expected is not None and expected.isdecimal() and total < int(expected):
        raise PhotoError("the connection ended before the file did")
    return b"".join(parts)


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise PhotoError("the server takes too long")
    return left
