"""Is a file still the one that was published? Its digest is checked once and then remembered.

The memory is one small JSON file, which only saves time: if it is lost, damaged or cannot be written, the
file is hashed again. This protects against damaged disks and downloads, not against somebody who can write to
the user's folders.
"""

import hashlib
import json
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from catdog import durable
from catdog.errors import WeightsError

MEMO_NAME = "verified_weights.json"  # absolute path → size, mtime_ns, digest
_NAMES = {"md5": "MD5", "sha256": "SHA-256"}


def require_digest(path: Path, expected: str, *, memo_dir: Path | None = None) -> None:
    """Return if the file has that digest, or had it at the last check and has not changed since.

    Args:
        expected: `sha256:` or `md5:`, then the digest in lower-case hex.
        memo_dir: the folder where results are remembered, made at the first; None remembers nothing.

    Raises:
        WeightsError: the file has another digest, or cannot be read.
    """
    path = path.absolute()
    algorithm, _, expected_hex = expected.partition(":")
    new_hash = partial(hashlib.new, algorithm, usedforsecurity=False)  # or FIPS mode has no MD5
    try:
        stat = path.stat()
        record = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "digest": expected}
        memo = _read_memo(memo_dir)
        if memo.get(str(path)) == record:
            return
        with path.open("rb") as file:
            found_hex = hashlib.file_digest(file, new_hash).hexdigest()
    except OSError as error:
        raise WeightsError("{path} cannot be read: {reason}", path=path, reason=error) from error
    if found_hex != expected_hex:
        raise WeightsError(
            "{path} is damaged: expected the {algorithm} {expected}, found {found}; install or download it "
            "again",
            path=path,
            algorithm=_NAMES[algorithm],
            expected=expected_hex,
            found=found_hex,
        )
    if memo_dir is not None:
        with suppress(OSError):
            memo_dir.mkdir(parents=True, exist_ok=True)
            there = {name: seen for name, seen in memo.items() if Path(name).exists()}  # others are forgotten
            durable.write_json(memo_dir / MEMO_NAME, there | {str(path): record}, mode=0o600)


def _read_memo(memo_dir: Path | None) -> dict[str, Any]:
    with suppress(OSError, ValueError):  # ValueError: not JSON, or not UTF-8
        memo = json.loads((memo_dir / MEMO_NAME).read_bytes()) if memo_dir else {}
        if isinstance(memo, dict):
            return memo
    return {}
