"""Pretrained weights that are too large to ship: downloaded when they are first wanted, then kept.

pooch checks the digest, and gives a file its name only if it is right. Around that: where a file comes from,
one download for two processes that want it at once, and a message from which it can be fetched by hand. How
its bytes come over the network is in `transfer`; what they mean is not known here.

The environment has its say: CATDOG_OFFLINE and HF_HUB_OFFLINE forbid a download; CATDOG_MIRROR and, for the
Hugging Face hub, HF_ENDPOINT name another server.
"""

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catdog.errors import WeightsError
from catdog.weights.integrity import require_digest

if TYPE_CHECKING:
    from catdog.weights.transfer import Report

_HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Download:
    """A published file."""

    name: str  # what the user calls it
    url: str
    file_name: str  # in the cache and on a mirror
    digest: str  # `sha256:` or `md5:`, then hex
    size: int | None  # bytes, where it is known


DOWNLOADS: dict[str, Download] = {
    download.name: download
    for download in (
        Download(
            name="keras",
            url="https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
            "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
            file_name="vgg16_weights_tf_dim_ordering_tf_kernels.h5",
            digest="md5:64373286793e3c8b2b4e3219cbf3544b",
            size=553_467_096,
        ),
        Download(
            name="timm",
            url=f"{_HUB}/timm/vgg16.tv_in1k/resolve/b8d8aa2dd860af9233c8c67385a8097fd6c35d3f/model.safetensors",
            file_name="vgg16.tv_in1k.safetensors",
            digest="sha256:57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8",
            size=None,
        ),
    )
}


def fetch(
    download: Download,
    folder: Path,
    *,
    memo_dir: Path | None,
    report: "Report" = lambda done, total: None,
) -> Path:
    """The path of the file in the folder, complete and with the right digest; downloaded if it is not there.

    A file that somebody put there is as good. While a download is under way, `<file name>.part` holds what
    has come so far; where it fails, the next call goes on from there.

    Args:
        memo_dir: where it is remembered that the file was checked; see `require_digest`.
        report: called with (bytes that are here, bytes of the whole file or None) for each piece that comes.

    Raises:
        WeightsError: the file cannot be had, or the one in the folder is another.
    """
    folder = folder.absolute()
    path = folder / download.file_name
    if not os.path.exists(path):  # unlike Path.exists, never an error
        _obtain(download, path, report)
    try:
        require_digest(path, download.digest, memo_dir=memo_dir)
    except WeightsError as error:
        by_hand = f"delete it to have it downloaded anew, or save {download.url} as {path.name} in the folder"
        raise WeightsError(
            "{reason}; {by_hand} {folder}", reason=error, by_hand=by_hand, folder=folder
        ) from error
    return path


def _obtain(download: Download, path: Path, report: "Report") -> None:
    """Download the file, or wait until another process has."""
    if variable := _offline_variable():
        raise _failure(download, path, f"{variable}={os.environ[variable]} forbids it")
    from filelock import FileLock

    from catdog.weights.transfer import TransferError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f"{path.name}.lock")):
            _retrieve(download, path, report)
    except TransferError as error:
        raise _failure(download, path, str(error)) from error
    except OSError as error:
        reason = f"cannot write to {path.parent} ({error.strerror or error})"
        advice = "make room, or name another place with --cache-dir or CATDOG_CACHE_DIR"
        raise _failure(download, path, f"{reason}; {advice}") from error


def _retrieve(download: Download, path: Path, report: "Report") -> None:
    """Let pooch have the file brought, checked and named, if it still is not there.

    Once more from the start where a part of an earlier download turns out to have been wrong.
    """
    import pooch

    from catdog.weights.transfer import Transfer, TransferError

    pooch.get_logger().setLevel(logging.WARNING)
    for is_last in (False, True):
        transfer = Transfer(path.with_name(f"{path.name}.part"), download.size, report)
        bring: Any = transfer.bring  # pooch's type has other names for the arguments that it passes
        try:
            pooch.retrieve(_address(download), download.digest, path.name, path.parent, downloader=bring)
            return
        except ValueError as error:  # another digest; pooch has deleted the file
            if is_last or not transfer.resumed:
                found = f"found {transfer.held:,} bytes with another digest"
                raise TransferError(f"expected {download.digest}, {found}") from error


def _address(download: Download) -> str:
    """Where the environment wants the file to come from."""
    if mirror := os.environ.get("CATDOG_MIRROR"):
        return f"{mirror.rstrip('/')}/{download.file_name}"
    hub = os.environ.get("HF_ENDPOINT")
    if hub and download.url.startswith(f"{_HUB}/"):
        return hub.rstrip("/") + download.url.removeprefix(_HUB)
    return download.url


def _offline_variable() -> str | None:
    """The variable that forbids a download, if one does."""
    for name in ("CATDOG_OFFLINE", "HF_HUB_OFFLINE"):
        if os.environ.get(name, "").lower() in ("1", "true", "yes", "on"):
            return name
    return None


def _failure(download: Download, path: Path, reason: str) -> WeightsError:
    address = _address(download)
    what = "it" if address == download.url else download.url
    return WeightsError(
        "{without_password} cannot be downloaded: {reason}; you can fetch {what} by other means and "
        "save it as {name} in the folder {parent}",
        without_password=_without_password(address),
        reason=reason,
        what=what,
        name=path.name,
        parent=path.parent,
    )


def _without_password(address: str) -> str:
    return re.sub("//[^/@]*@", "//", address)
