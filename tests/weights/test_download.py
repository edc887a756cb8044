"""Downloads from a server on 127.0.0.1 that fails in every way that servers and networks have."""

import hashlib
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import filelock
import pytest

from catdog.errors import WeightsError
from catdog.weights import transfer
from catdog.weights.download import DOWNLOADS, Download, fetch
from catdog.weights.integrity import MEMO_NAME

CONTENT = random.Random(7).randbytes(500_000)
WRONG = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
CUT = len(CONTENT) * 8 // 10
NAME = "weights.bin"
VARIABLES = [
    *("CATDOG_OFFLINE", "CATDOG_MIRROR", "HF_HUB_OFFLINE", "HF_ENDPOINT"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
]


@dataclass(frozen=True)
class Answer:
    """What the server does with one request. Without anything said, what a good server does."""

    status: int | None = None
    content: bytes = CONTENT
    cut: int | None = None  # bytes of the body after which it stops
    stalls: bool = False  # it stops without closing the connection, until `Server.go_on` is set
    knows_ranges: bool = True
    tells_length: bool = True
    headers: dict[str, str] = field(default_factory=dict)


class Server(ThreadingHTTPServer):
    """Gives the answers of `script` one after the other, and then good ones."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        self.script: list[Answer] = []
        self.paths: list[str] = []  # of the requests that came
        self.ranges: list[str | None] = []
        self.encodings: list[str | None] = []
        self.go_on = threading.Event()

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that has left."""


class Handler(BaseHTTPRequestHandler):
    """What `Server` does with a request."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.paths.append(self.path)
        server.ranges.append(self.headers["Range"])
        server.encodings.append(self.headers["Accept-Encoding"])
        answer = server.script.pop(0) if server.script else Answer()
        start = int((self.headers["Range"] or "bytes=0-")[6:-1]) if answer.knows_ranges else 0
        self._send_head(answer, start)
        self.wfile.write(answer.content[start:][: answer.cut])
        self.wfile.flush()
        if answer.stalls:
            server.go_on.wait(10)

    def _send_head(self, answer: Answer, start: int) -> None:
        size = len(answer.content)
        status = answer.status or (416 if start >= size else 206 if start else 200)
        headers = {"Content-Range": f"bytes {start}-{size - 1}/{size}"} if status == 206 else {}
        if answer.tells_length:
            headers["Content-Length"] = str(max(size - start, 0))
        self.send_response(status)
        for name, value in (headers | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds for which it would have waited between tries."""
    seconds: list[float] = []
    monkeypatch.setattr(transfer, "time", SimpleNamespace(sleep=seconds.append))
    return seconds


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.go_on.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def download(server: Server) -> Download:
    digest = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    return Download("test", f"{server.address}/a/{NAME}", NAME, digest, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "weights"  # neither exists yet


@pytest.fixture
def part(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder / f"{NAME}.part"


def failure(download: Download, folder: Path) -> str:
    """The message with which it fails, from which anybody can get the file by hand."""
    with pytest.raises(WeightsError) as caught:
        fetch(download, folder, memo_dir=None)
    message = str(caught.value)
    assert "\n" not in message
    for needed in (download.url, f"save it as {NAME} in the folder {folder}"):
        assert needed in message
    return message


def weights_in(folder: Path) -> set[str]:
    """Names in the folder, without the lock, which may stay or go."""
    return {path.name for path in folder.iterdir()} - {f"{NAME}.lock"}


# What is published


def test_what_is_downloaded() -> None:
    keras, timm = DOWNLOADS["keras"], DOWNLOADS["timm"]
    assert keras == Download(
        "keras",
        "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        "md5:64373286793e3c8b2b4e3219cbf3544b",
        553467096,
    )
    assert timm == Download(
        "timm",
        "https://huggingface.co/timm/vgg16.tv_in1k/resolve/b8d8aa2dd860af9233c8c67385a8097fd6c35d3f/model.safetensors",
        "vgg16.tv_in1k.safetensors",
        "sha256:57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8",
        None,
    )
    assert DOWNLOADS.keys() == {"keras", "timm"}


# A good day


def test_downloads_once_and_in_silence(
    server: Server, download: Download, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = folder / NAME
    for _ in range(2):
        assert fetch(download, folder, memo_dir=tmp_path) == path
        assert path.read_bytes() == CONTENT
    assert server.paths == [f"/a/{NAME}"]
    assert server.encodings == ["identity"]  # a part of a compressed file could not be gone on with
    assert weights_in(folder) == {NAME}
    assert json.loads((tmp_path / MEMO_NAME).read_bytes()).keys() == {str(path)}
    assert capfd.readouterr() == ("", "")


def test_an_md5(download: Download, folder: Path) -> None:
    download = replace(download, digest=f"md5:{hashlib.md5(CONTENT).hexdigest()}")
    assert fetch(download, folder, memo_dir=None).read_bytes() == CONTENT


def test_the_name_appears_when_all_is_there(download: Download, folder: Path) -> None:
    seen = []
    fetch(download, folder, memo_dir=None, report=lambda _: seen.append(weights_in(folder)))
    assert seen == [{f"{NAME}.part"}] * len(seen)


def test_reports_what_is_here(server: Server, download: Download, folder: Path) -> None:
    server.script = [Answer(cut=CUT)]
    reports = []
    fetch(download, folder, memo_dir=None, report=lambda now: reports.append((now.done, now.total)))
    assert reports[0] == (0, len(CONTENT))
    assert reports[-1] == (len(CONTENT), len(CONTENT))
    assert reports == sorted(reports)
    assert len(reports) > 5


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_reports_a_size_that_the_server_does_not_tell(
    size: int | None, server: Server, download: Download, folder: Path
) -> None:
    server.script = [Answer(tells_length=False)]
    totals = set()
    download = replace(download, size=size)
    fetch(download, folder, memo_dir=None, report=lambda now: totals.add(now.total))
    assert totals == {size or 0}


# By hand


def test_a_file_put_there_by_hand(server: Server, download: Download, folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(CONTENT)
    assert fetch(download, folder, memo_dir=tmp_path) == folder / NAME
    assert (tmp_path / MEMO_NAME).exists()
    assert not server.paths


def test_a_wrong_file_put_there_by_hand_is_left_alone(
    server: Server, download: Download, folder: Path
) -> None:
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(WRONG)
    with pytest.raises(WeightsError, match=f"{NAME} is damaged: expected the SHA-256 .*, found ") as caught:
        fetch(download, folder, memo_dir=None)
    advice = f"delete it to download it again, or save {download.url} as {NAME} in the folder {folder}"
    assert str(caught.value).endswith(advice)
    assert (folder / NAME).read_bytes() == WRONG
    assert not server.paths


# Cut off


@pytest.mark.parametrize("answer", [Answer(cut=CUT), Answer(cut=CUT, tells_length=False)])
def test_goes_on_after_a_cut(
    answer: Answer, server: Server, download: Download, folder: Path, pauses: list[float]
) -> None:
    server.script = [answer]
    path = fetch(replace(download, size=len(CONTENT)), folder, memo_dir=None)
    assert path.read_bytes() == CONTENT
    first, second = server.ranges
    assert first is None
    assert second is not None and 0 < int(second[6:-1]) <= CUT
    assert pauses == [transfer.BACK_OFF]


def test_goes_on_as_long_as_something_comes(server: Server, download: Download, folder: Path) -> None:
    server.script = [Answer(cut=transfer._CHUNK)] * 7
    assert fetch(download, folder, memo_dir=None).read_bytes() == CONTENT
    assert len(server.ranges) == 8


def test_goes_on_when_nothing_more_comes(
    server: Server, download: Download, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "TIMEOUT", (5.0, 0.2))
    server.script = [Answer(cut=CUT, stalls=True)]
    assert fetch(download, folder, memo_dir=None).read_bytes() == CONTENT
    assert len(server.ranges) == 2


def test_the_next_call_goes_on(server: Server, download: Download, folder: Path) -> None:
    server.script = [Answer(cut=CUT), *[Answer(cut=0)] * 5]
    assert "bytes are saved; you can" in failure(download, folder)
    assert weights_in(folder) == {f"{NAME}.part"}
    held = (folder / f"{NAME}.part").stat().st_size
    reports = []
    path = fetch(download, folder, memo_dir=None, report=lambda now: reports.append((now.done, now.total)))
    assert path.read_bytes() == CONTENT
    assert server.ranges[-1] == f"bytes={held}-"
    assert reports[0] == (held, len(CONTENT))


def test_goes_on_behind_a_redirect(server: Server, download: Download, part: Path) -> None:
    part.write_bytes(CONTENT[:1000])
    server.script = [Answer(302, content=b"", headers={"Location": f"{server.address}/b"})]
    assert fetch(download, part.parent, memo_dir=None).read_bytes() == CONTENT
    assert server.paths == [f"/a/{NAME}", "/b"]
    assert server.ranges == ["bytes=1000-"] * 2


def test_a_server_that_knows_no_ranges(server: Server, download: Download, folder: Path) -> None:
    server.script = [Answer(cut=CUT), Answer(knows_ranges=False)]
    assert fetch(download, folder, memo_dir=None).read_bytes() == CONTENT


def test_a_server_that_knows_no_ranges_and_cuts(
    server: Server, download: Download, folder: Path, pauses: list[float]
) -> None:
    cuts = (CUT, transfer._CHUNK, CUT, 0)
    server.script = [Answer(cut=cut, knows_ranges=False) for cut in cuts * 5]
    assert "the connection was cut" in failure(download, folder)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_a_part_that_is_the_whole(server: Server, download: Download, part: Path) -> None:
    """A kill came while its digest was computed."""
    part.write_bytes(CONTENT)
    whole = replace(download, size=len(CONTENT))
    assert fetch(whole, part.parent, memo_dir=None).read_bytes() == CONTENT
    assert not server.paths
    (part.parent / NAME).unlink()
    part.write_bytes(b"?" * len(CONTENT))
    assert fetch(whole, part.parent, memo_dir=None).read_bytes() == CONTENT
    assert server.ranges == [None]


def test_a_part_that_is_too_long(server: Server, download: Download, part: Path) -> None:
    part.write_bytes(CONTENT + b"more")
    assert fetch(download, part.parent, memo_dir=None).read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT) + 4}-", None]


def test_a_server_that_sends_another_range(server: Server, download: Download, part: Path) -> None:
    part.write_bytes(CONTENT[:1000])
    server.script = [Answer(headers={"Content-Range": f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}"})]
    assert fetch(download, part.parent, memo_dir=None).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


# Wrong bytes


def test_wrong_bytes_are_not_kept(
    server: Server, download: Download, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server.script = [Answer(content=WRONG)]
    expected = f"expected {download.digest}, found 500,000 bytes with another digest"
    assert expected in failure(download, folder)
    assert len(server.paths) == 1
    assert not weights_in(folder)
    assert capfd.readouterr() == ("", "")


def test_a_wrong_part_is_thrown_away(server: Server, download: Download, part: Path) -> None:
    part.write_bytes(b"?" * 1000)
    assert fetch(download, part.parent, memo_dir=None).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


def test_a_wrong_part_is_thrown_away_once(server: Server, download: Download, part: Path) -> None:
    part.write_bytes(CONTENT[:1000])
    server.script = [Answer(content=WRONG), Answer(content=WRONG, cut=CUT), Answer(content=WRONG)]
    assert "with another digest" in failure(download, part.parent)
    assert len(server.paths) == 3
    assert not weights_in(part.parent)


# What a server answers


@pytest.mark.parametrize("status", [403, 404, 204])
def test_a_refusal_is_final(
    status: int, server: Server, download: Download, folder: Path, pauses: list[float]
) -> None:
    server.script = [Answer(status, content=b"")]
    assert f"the server answers {status} " in failure(download, folder)
    assert not pauses


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_is_soon_better(
    status: int, server: Server, download: Download, folder: Path, pauses: list[float]
) -> None:
    server.script = [Answer(status)]
    assert fetch(download, folder, memo_dir=None).read_bytes() == CONTENT
    assert pauses == [1.0]


@pytest.mark.parametrize(
    ("wanted", "pause"), [("3", 3.0), ("3600", 20.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 1.0)]
)
def test_waits_as_long_as_the_server_asks(
    wanted: str, pause: float, server: Server, download: Download, folder: Path, pauses: list[float]
) -> None:
    server.script = [Answer(503, headers={"Retry-After": wanted})]
    fetch(download, folder, memo_dir=None)
    assert pauses == [pause]


def test_a_server_that_stays_bad(server: Server, download: Download, part: Path, pauses: list[float]) -> None:
    part.write_bytes(CONTENT[:1000])
    server.script = [Answer(503)] * 20
    message = failure(download, part.parent)
    assert "the server answers 503 Service Unavailable; try again later, 1,000 bytes are saved; " in message
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert part.read_bytes() == CONTENT[:1000]


# No way to it


def test_nobody_listens(download: Download, folder: Path, pauses: list[float]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    download = replace(download, url=f"http://127.0.0.1:{port}/{NAME}")
    assert "the server cannot be reached (Connection refused); try again later; " in failure(download, folder)
    assert pauses == [1.0]


def test_a_name_that_nobody_knows(
    download: Download, folder: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    download = replace(download, url=f"http://weights.invalid/{NAME}")
    assert "cannot be reached (Name or service not known)" in failure(download, folder)
    assert pauses == [1.0]


def test_a_server_that_is_silent(
    server: Server, download: Download, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "TIMEOUT", (5.0, 0.1))
    monkeypatch.setattr(Handler, "_send_head", lambda handler, *_: server.go_on.wait(10))
    assert "cannot be reached (timed out)" in failure(download, folder)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy(
    variable: str, server: Server, download: Download, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, server.address)
    download = replace(download, url=f"http://weights.invalid/{NAME}")
    assert fetch(download, folder, memo_dir=None).read_bytes() == CONTENT
    assert server.paths == [download.url]


def test_no_proxy(server: Server, download: Download, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert "cannot be reached" in failure(download, folder)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert fetch(download, folder, memo_dir=None).read_bytes() == CONTENT


# Certificates


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody has vouched for, and its key, in one file."""
    path = tmp_path_factory.mktemp("certificate") / "both.pem"
    if not (openssl := shutil.which("openssl")):
        pytest.skip("there is no openssl to make a certificate")
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names]
    subprocess.run([*command, "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture
def secure(server: Server, download: Download, certificate: Path) -> Download:
    """The same download from the same server, over HTTPS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.scheme = "https"
    return replace(download, url=f"{server.address}/{NAME}")


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_bundle_of_ones_own(
    variable: str, secure: Download, folder: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(certificate))
    assert fetch(secure, folder, memo_dir=None).read_bytes() == CONTENT


def test_an_unknown_certificate(secure: Download, folder: Path, pauses: list[float]) -> None:
    message = failure(secure, folder)
    assert "the server's certificate is not trusted (" in message
    assert "name a bundle with its issuer in REQUESTS_CA_BUNDLE or SSL_CERT_FILE" in message
    assert not pauses


def test_a_bundle_that_is_not_there(secure: Download, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "gone.pem"))
    assert f"invalid path: {folder / 'gone.pem'}" in failure(secure, folder)


# What the environment forbids, and where it points


@pytest.mark.parametrize("variable", ["CATDOG_OFFLINE", "HF_HUB_OFFLINE"])
@pytest.mark.parametrize("value", ["1", "TRUE", "yes", "On"])
def test_offline(
    variable: str,
    value: str,
    server: Server,
    download: Download,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, value)
    assert f"cannot be downloaded: {variable}={value} forbids it; " in failure(download, folder)
    assert not server.paths
    assert not folder.exists()
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(CONTENT)
    assert fetch(download, folder, memo_dir=None) == folder / NAME


@pytest.mark.parametrize("value", ["", "0", "false", "no"])
def test_not_offline(value: str, download: Download, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATDOG_OFFLINE", value)
    assert fetch(download, folder, memo_dir=None).exists()


@pytest.mark.parametrize("end", ["", "/"])
def test_a_mirror(
    end: str, server: Server, download: Download, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATDOG_MIRROR", f"{server.address}/mirror{end}")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    download = replace(DOWNLOADS["timm"], digest=download.digest)
    assert fetch(download, folder, memo_dir=None).read_bytes() == CONTENT
    assert server.paths == ["/mirror/vgg16.tv_in1k.safetensors"]


def test_a_mirror_that_lacks_it(
    server: Server, download: Download, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has both addresses, and keeps a secret."""
    server.script = [Answer(404)]
    monkeypatch.setenv("CATDOG_MIRROR", server.address.replace("//", "//somebody:secret@"))
    with pytest.raises(WeightsError) as caught:
        fetch(download, folder, memo_dir=None)
    message = str(caught.value)
    assert "secret" not in message
    assert message.startswith(f"{server.address}/{NAME} cannot be downloaded: the server answers 404")
    assert message.endswith(
        f"you can download {download.url} in another way and save it as {NAME} in the folder {folder}"
    )


def test_a_mirror_with_other_bytes(
    server: Server, download: Download, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = [Answer(content=WRONG)]
    monkeypatch.setenv("CATDOG_MIRROR", f"{server.address}/mirror")
    with pytest.raises(WeightsError, match="with another digest"):
        fetch(download, folder, memo_dir=None)


@pytest.mark.parametrize("mirror", ["nonsense", "ftp://127.0.0.1", "http://", "http://[", "http://.", "//"])
def test_a_mirror_that_is_no_address(
    mirror: str, server: Server, download: Download, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATDOG_MIRROR", mirror)
    with pytest.raises(WeightsError) as caught:
        fetch(download, folder, memo_dir=None)
    assert "digest" not in str(caught.value)
    assert not server.paths


def test_another_hub(
    server: Server, download: Download, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"{server.address}/hub/")
    timm = DOWNLOADS["timm"]
    fetch(replace(timm, digest=download.digest), folder, memo_dir=None)
    fetch(download, folder, memo_dir=None)
    assert server.paths == [timm.url.replace("https://huggingface.co", "/hub"), f"/a/{NAME}"]


# The folder


def test_a_read_only_folder_with_the_file(
    server: Server, download: Download, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write all the same, and so it is asked whether anybody tried to."""
    fetch(download, folder, memo_dir=None)
    before = sorted(folder.iterdir())
    monkeypatch.setattr(filelock, "FileLock", None)
    folder.chmod(0o555)
    try:
        assert fetch(download, folder, memo_dir=None) == folder / NAME
    finally:
        folder.chmod(0o755)
    assert sorted(folder.iterdir()) == before
    assert len(server.paths) == 1


def test_a_folder_that_cannot_be_made(server: Server, download: Download, tmp_path: Path) -> None:
    """A file in the place of its parent stops everybody, root too."""
    (tmp_path / "file").touch()
    message = failure(download, tmp_path / "file" / "weights")
    assert f"{tmp_path / 'file' / 'weights'} cannot be written (Not a directory); " in message
    assert "free some space, or choose another folder with --cache-dir or CATDOG_CACHE_DIR" in message
    assert not server.paths


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk(download: Download, part: Path) -> None:
    part.symlink_to("/dev/full")
    assert f"{part.parent} cannot be written (No space left on device); free some space" in failure(
        download, part.parent
    )


# Several processes

_PROGRAM = """
import signal, sys
from pathlib import Path
from catdog.weights.download import Download, fetch
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
print("ready", flush=True)
fetch(Download("test", *sys.argv[1:4], None), Path(sys.argv[4]), memo_dir=None)
"""

Start = Callable[[Download, Path], "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that downloads; it has all imports but those of the download behind it."""
    started = []

    def start(download: Download, folder: Path) -> "subprocess.Popen[bytes]":
        arguments = [download.url, download.file_name, download.digest, str(folder)]
        command = [sys.executable, "-W", "error", "-c", _PROGRAM, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_two_processes_download_once(server: Server, download: Download, folder: Path, start: Start) -> None:
    server.script = [Answer(cut=CUT, stalls=True)]
    processes = [start(download, folder) for _ in range(2)]
    wait_until(lambda: server.paths)
    time.sleep(0.5)  # enough for the other process to ask as well
    assert len(server.paths) == 1
    server.go_on.set()
    for process in processes:
        assert process.communicate(timeout=10) == (b"", b"")
        assert process.returncode == 0
    assert (folder / NAME).read_bytes() == CONTENT
    assert server.ranges[0] is None
    assert len(server.ranges) == 2  # the second goes on where the first was cut


def test_goes_on_where_a_killed_process_was(
    server: Server, download: Download, folder: Path, start: Start
) -> None:
    part = folder / f"{NAME}.part"
    server.script = [Answer(cut=transfer._CHUNK * 3, stalls=True)]
    process = start(download, folder)
    wait_until(lambda: part.exists() and part.stat().st_size == transfer._CHUNK * 3)
    process.kill()
    process.wait()
    assert weights_in(folder) == {part.name}
    assert fetch(download, folder, memo_dir=None).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={transfer._CHUNK * 3}-"]


def test_a_process_that_waits_can_be_interrupted(
    server: Server, download: Download, folder: Path, start: Start
) -> None:
    folder.mkdir(parents=True)
    with filelock.FileLock(folder / f"{NAME}.lock"):
        process = start(download, folder)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=5)[1].rstrip().endswith(b"KeyboardInterrupt")
    assert not server.paths
