"""`--weights timm` from the command line, with a server on 127.0.0.1 in place of the hub."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copyfileobj

import click
import pytest

from catdog import devices
from catdog.cli.options import workspace_options
from catdog.weights.download import DOWNLOADS
from catdog.workspace import Workspace
from tests.cli.conftest import Cli
from tests.weights_files import PHOTOS

pytestmark = pytest.mark.slow


@dataclass
class Server:
    """Where it listens, and the paths that were asked for."""

    address: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(whole_file: Path) -> Iterator[Server]:
    """Gives `whole_file` for every path."""
    record = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            record.asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(whole_file.stat().st_size))
            self.end_headers()
            with whole_file.open("rb") as file:
                copyfileobj(file, self.wfile)

        def log_message(self, format: str, *args: object) -> None:
            """Not on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        record.address = f"http://127.0.0.1:{listening.server_port}"
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield record
        listening.shutdown()


def test_weights_are_downloaded_once_and_found_again(
    server: Server, whole_file: Path, few: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with whole_file.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    monkeypatch.setitem(DOWNLOADS, "timm", replace(DOWNLOADS["timm"], digest=digest))
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("CATDOG_CACHE_DIR", str(Path("cache").absolute()))
    stored = Path("cache/weights/vgg16.tv_in1k.safetensors")
    try:
        first = cli("predict", PHOTOS[0], "--model", "imagenet", "--weights", "timm")
        assert first.status == 0, first.err
        assert "Downloading weights: 553.4 MB of 553.4 MB, " in first.err
        assert "MB/s" in first.err
        assert server.asked == [
            "/timm/vgg16.tv_in1k/resolve/b8d8aa2dd860af9233c8c67385a8097fd6c35d3f/model.safetensors"
        ]
        again = cli("predict", PHOTOS[0], "--model", "imagenet")
        assert (again.status, again.out) == (0, first.out)
        assert "Downloading" not in again.err
        trained = cli("train", few, "--weights", "timm", "--epochs", 1)
        assert trained.status == 0, trained.err
        assert cli("evaluate").status == 0
        assert len(server.asked) == 1
    finally:
        stored.unlink(missing_ok=True)


def test_downloads_are_stored_without_a_cache_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "configure", lambda folder: None)
    given: list[Workspace] = []
    command = click.command()(workspace_options(lambda workspace: given.append(devices.opened(workspace))))
    command.main(["--cache-dir", str(tmp_path), "--no-cache"], standalone_mode=False)
    (workspace,) = given
    assert workspace.weights == tmp_path / "weights"
    assert (workspace.cache, workspace.checked, workspace.features.root) == (None, None, None)
