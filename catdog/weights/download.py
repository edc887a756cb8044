"""Pretrained weights that are too large for the package: downloaded at their first use.

Here are the addresses, one download for two processes that need a file at once, and an error that says how to
download it by hand. `transfer` gets the bytes over the network.

Environment variables: CATDOG_OFFLINE and HF_HUB_OFFLINE forbid a download; CATDOG_MIRROR and, for the Hugging
Face hub, HF_ENDPOINT name another server.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from catdog.errors import CatdogError, WeightsError
from catdog.progress import OnProgress, unreported
from catdog.weights.integrity import require_digest

_HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Download:
    """A published file."""

    name: str  # as in --weights
    url: str
    file_name: str  # in the cache and on a mirror
    digest: str  # `sha256:` or `md5:`, then hex
    size: int | None  # bytes, if known


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
    download: Download, folder: Path, *, memo_dir: Path | None, report: OnProgress = unreported
) -> Path:
    """The path of the file in the folder, complete and with the right digest; downloaded if it is not there.

    The user may put the file there by hand. `<file name>.part` holds an unfinished download; the next call
    continues it. Checked files are remembered in `memo_dir`, see `require_digest`.

    Raises:
        WeightsError: the file cannot be downloaded, or the file in the folder has another digest.
    """
    folder = folder.absolute()
    path = folder / download.file_name
    by_hand = {"url": download.url, "name": path.name, "folder": folder}
    if not os.path.exists(path):  # unlike Path.exists, never an error
        try:
            _obtain(download, path, report)
        except CatdogError as error:
            raise WeightsError(
                "{address} cannot be downloaded: {reason}; you can download {url} in another way and save it "
                "as {name} in the folder {folder}",
                address=re.sub("//[^/@]*@", "//", _address(download)),  # without a password
                reason=error,
                **by_hand,
            ) from error
    try:
        require_digest(path, download.digest, memo_dir=memo_dir)
    except WeightsError as error:
        raise WeightsError(
            "{reason}; delete it to download it again, or save {url} as {name} in the folder {folder}",
            reason=error,
            **by_hand,
        ) from error
    return path


def _obtain(download: Download, path: Path, report: OnProgress) -> None:
    """Download the file, or wait until another process has. A CatdogError says why it cannot be."""
    for variable in ("CATDOG_OFFLINE", "HF_HUB_OFFLINE"):
        if (value := os.environ.get(variable, "")).lower() in ("1", "true", "yes", "on"):
            raise CatdogError("{variable}={value} forbids it", variable=variable, value=value)
    from filelock import FileLock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f"{path.name}.lock")):
            _retrieve(download, path, report)
    except OSError as error:
        raise CatdogError(
            "{folder} cannot be written ({reason}); free some space, or choose another folder with "
            "--cache-dir or CATDOG_CACHE_DIR",
            folder=path.parent,
            reason=error,
        ) from error


def _retrieve(download: Download, path: Path, report: OnProgress) -> None:
    """Download the file and give it its name if it has the right digest, unless another process has.

    It starts again from the first byte if the part of an earlier download was wrong.
    """
    from catdog.weights.transfer import Transfer

    part = path.with_name(f"{path.name}.part")
    for is_last in (False, True):
        if os.path.exists(path):
            return
        transfer = Transfer(part, download.size, report)
        if transfer.held != download.size:  # a kill may have come before the digest was compared
            transfer.bring(_address(download))
        try:
            require_digest(part, download.digest)
            os.replace(part, path)
        except WeightsError as error:
            part.unlink()
            if is_last or not transfer.resumed:
                raise CatdogError(
                    "expected {digest}, found {received:,} bytes with another digest",
                    digest=download.digest,
                    received=transfer.held,
                ) from error


def _address(download: Download) -> str:
    """Where the file comes from; environment variables may name another server."""
    if mirror := os.environ.get("CATDOG_MIRROR"):
        return f"{mirror.rstrip('/')}/{download.file_name}"
    hub = os.environ.get("HF_ENDPOINT")
    if hub and download.url.startswith(f"{_HUB}/"):
        return hub.rstrip("/") + download.url.removeprefix(_HUB)
    return download.url
