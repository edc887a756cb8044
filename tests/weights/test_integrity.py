"""The digest of a file is computed once, and again whenever there is a doubt."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from catdog.errors import WeightsError
from catdog.weights.integrity import MEMO_NAME, require_digest

CONTENT = b"thirteen convolutions"
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def memo_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "catdog"  # neither exists yet


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were hashed so far."""
    names = []
    hash_file = hashlib.file_digest

    def spy(file, new_hash):
        names.append(Path(file.name).name)
        return hash_file(file, new_hash)

    monkeypatch.setattr(hashlib, "file_digest", spy)
    return names


def test_a_file_is_hashed_once(file: Path, memo_dir: Path, hashed: list[str]) -> None:
    require_digest(file, SHA256, memo_dir=memo_dir)
    require_digest(file, SHA256, memo_dir=memo_dir)
    assert hashed == [file.name]
    assert [path.name for path in memo_dir.iterdir()] == [MEMO_NAME]  # no temporary file is left


def test_without_a_memo_it_is_hashed_each_time(file: Path, hashed: list[str]) -> None:
    require_digest(file, SHA256)
    require_digest(file, SHA256)
    assert hashed == [file.name] * 2


def test_another_content_is_refused_and_not_remembered(file: Path, memo_dir: Path, hashed: list[str]) -> None:
    file.write_bytes(b"!" + CONTENT)
    for _ in range(2):
        with pytest.raises(WeightsError, match=f"is damaged: expected the SHA-256 {SHA256[7:]}, found"):
            require_digest(file, SHA256, memo_dir=memo_dir)
    assert hashed == [file.name] * 2
    assert not memo_dir.exists()


def test_a_changed_file_is_hashed_again(file: Path, memo_dir: Path, hashed: list[str]) -> None:
    require_digest(file, SHA256, memo_dir=memo_dir)
    mtime_ns = file.stat().st_mtime_ns
    file.write_bytes(CONTENT[:-1] + b"z")  # of the same size
    os.utime(file, ns=(mtime_ns, mtime_ns + 1))
    with pytest.raises(WeightsError, match="is damaged"):
        require_digest(file, SHA256, memo_dir=memo_dir)


def test_another_expectation_is_checked_anew(file: Path, memo_dir: Path, hashed: list[str]) -> None:
    require_digest(file, SHA256, memo_dir=memo_dir)
    with pytest.raises(WeightsError, match="is damaged"):
        require_digest(file, f"sha256:{'0' * 64}", memo_dir=memo_dir)
    require_digest(file, MD5, memo_dir=memo_dir)
    assert hashed == [file.name] * 3


def test_an_md5(file: Path, hashed: list[str]) -> None:
    require_digest(file, MD5)
    file.write_bytes(CONTENT[1:])
    with pytest.raises(WeightsError, match=f"is damaged: expected the MD5 {MD5[4:]}, found [0-9a-f]{{32}}; "):
        require_digest(file, MD5)


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe\x00", b"[1]", b"null", b'{"%s": 3}'], ids=repr)
def test_a_damaged_memo_is_replaced(damage: bytes, file: Path, memo_dir: Path, hashed: list[str]) -> None:
    memo_dir.mkdir(parents=True)
    memo = memo_dir / MEMO_NAME
    memo.write_bytes(damage.replace(b"%s", str(file).encode()))
    require_digest(file, SHA256, memo_dir=memo_dir)
    require_digest(file, SHA256, memo_dir=memo_dir)
    assert hashed == [file.name]
    assert json.loads(memo.read_text())[str(file)]["digest"] == SHA256


def test_a_memo_that_cannot_be_written_only_costs_time(file: Path, hashed: list[str]) -> None:
    """A file in the place of the folder stops everybody, root too."""
    memo_dir = file
    require_digest(file, SHA256, memo_dir=memo_dir)
    require_digest(file, SHA256, memo_dir=memo_dir)
    assert hashed == [file.name] * 2
    assert file.read_bytes() == CONTENT


def test_a_memo_that_cannot_be_replaced_leaves_nothing_behind(
    file: Path, memo_dir: Path, hashed: list[str]
) -> None:
    (memo_dir / MEMO_NAME).mkdir(parents=True)
    require_digest(file, SHA256, memo_dir=memo_dir)
    require_digest(file, SHA256, memo_dir=memo_dir)
    assert hashed == [file.name] * 2
    assert [path.name for path in memo_dir.iterdir()] == [MEMO_NAME]


def test_files_that_are_gone_are_forgotten(file: Path, memo_dir: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.safetensors"
    old.write_bytes(CONTENT)
    require_digest(old, SHA256, memo_dir=memo_dir)
    old.unlink()
    require_digest(file, SHA256, memo_dir=memo_dir)
    assert json.loads((memo_dir / MEMO_NAME).read_text()).keys() == {str(file)}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.safetensors cannot be read: No such file"):
        require_digest(tmp_path / "gone.safetensors", SHA256)
