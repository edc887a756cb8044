"""Languages: complete catalogues, templates that can be extracted, and a session without English."""

import ast
import gettext
import io
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from PIL import Image

from catdog.cli import COMMANDS, translate
from catdog.cli.translate import LANGUAGES, language_of, speaking, translated
from catdog.runs import Run
from catdog.text import Message, message, plural
from tests import languages
from tests.cli.conftest import SAMPLE, Cli
from tests.languages import KEYWORDS, PACKAGE
from tests.process import catdog

# What is called with texts that are shown; beside a template, Keras' words and names may be.
_SHOWS = {"translated", "say", "tell", "note", "warn", "table"}
_KERAS = {"loss", "acc", "val_loss", "val_acc"}


@pytest.fixture(params=[language for language in LANGUAGES if language != "en"])
def language(request: pytest.FixtureRequest) -> str:
    return request.param


def _key(id: Any) -> str | tuple[str, ...]:
    """Of a message, or of one with a plural."""
    return id if isinstance(id, str) else tuple(id)


@pytest.fixture(scope="module")
def templates() -> set[str | tuple[str, ...]]:
    return {_key(entry.id) for entry in languages.template() if entry.id}


def test_korean_is_there_and_every_command_offers_each_language(cli: Cli) -> None:
    assert "ko" in LANGUAGES
    for arguments in ([], *([name] for name in COMMANDS)):
        assert f"--lang [{'|'.join(LANGUAGES)}]" in cli(*arguments, "-h").out


def test_every_message_has_a_translation_and_no_other_is_there(
    language: str, templates: set[str | tuple[str, ...]]
) -> None:
    catalog = languages.read(language)
    assert {_key(entry.id) for entry in catalog if entry.id} == templates, "run python -m tests.languages"
    assert languages.missing(catalog) == []


def test_translations_have_the_fields_of_their_templates(language: str) -> None:
    for entry in languages.read(language):
        template = entry.id if isinstance(entry.id, str) else entry.id[1]
        for text in languages.strings(entry):
            assert _fields(text) == _fields(template) or not text, template


def _fields(template: str) -> set[tuple[str, str, str]]:
    """Name, format and conversion of each."""
    parts = string.Formatter().parse(template)
    return {(name, form or "", conversion or "") for _, name, form, conversion in parts if name is not None}


def test_the_compiled_catalogue_is_that_of_the_translators(language: str) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, languages.read(language))
    compiled.seek(0)
    path = languages.po_file(language).with_suffix(".mo")
    with path.open("rb") as file:
        found, expected = (vars(gettext.GNUTranslations(each))["_catalog"] for each in (file, compiled))
    assert found | {"": ""} == expected | {"": ""}, "run python -m tests.languages"


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_templates_can_be_extracted(path: Path, templates: set[str | tuple[str, ...]]) -> None:
    known = {text for entry in templates for text in ((entry,) if isinstance(entry, str) else entry)}
    for name, argument in _texts_of(path):
        where = f"{path}:{argument.lineno}"
        if name in KEYWORDS or name == "Message":
            assert not isinstance(argument, ast.JoinedStr | ast.BinOp), f"{where}: not a literal"
        if isinstance(argument, ast.Constant) and re.search("[a-z]{2}", str(argument.value)):
            assert argument.value in known | _KERAS, f"{where}: {argument.value!r} is not marked"


def _texts_of(path: Path) -> Iterator[tuple[str, ast.expr]]:
    """The texts of each call that makes or shows a message."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "Message" or name in KEYWORDS or name in _SHOWS:
                wanted = slice(None) if name == "table" else slice(2 if KEYWORDS.get(name) else 1)
                yield from ((name, argument) for argument in node.args[wanted])


@pytest.fixture
def pirate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A language that is one file."""
    path = tmp_path / "pirate" / "LC_MESSAGES" / "catdog.mo"
    path.parent.mkdir(parents=True)
    po = b'msgid "{count:,} photo"\nmsgid_plural "{count:,} photos"\nmsgstr[0] "{count:,} arr"\n'
    po += b'msgid "the first {path}: {reason}"\nmsgstr "{reason} @ {path}"\n'
    po += b'msgid "No such file or directory"\nmsgstr "gone"\n'
    with path.open("wb") as file:
        write_mo(file, read_po(io.BytesIO(po), locale="ko"))
    monkeypatch.setattr(translate, "_FOLDER", tmp_path)
    return "pirate"


def test_messages_are_filled_in_after_they_are_translated(pirate: str) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        Path("nowhere").read_bytes()
    first = message("the first {path}: {reason}", path="a/{x}.jpg", reason=missing.value)
    several = plural("{count:,} photo", "{count:,} photos", 2000)
    assert (str(first), str(several)) == ("the first a/{x}.jpg: No such file or directory", "2,000 photos")
    with speaking(pirate):
        assert translated(first) == "gone @ a/{x}.jpg"
        assert translated(message("the first {path}: {reason}", path=several, reason=(several, several))) == (
            "2,000 arr; 2,000 arr @ 2,000 arr"
        )
        assert translated("another sentence") == translated(Message("another sentence")) == "another sentence"
        assert translated("") == ""
    assert translated(first) == str(first)


def _english_in(text: str) -> set[str]:
    """Words of English that are neither names, paths, options nor Keras' words."""
    names = {*_KERAS, "cats", "dogs", "catdog", "DATA", "RUN", "OPTIONS", "PHOTO", "N", "s", "b", "runs"}
    names |= {"JPEG", "PNG", "HEIC", "IDAT", "Pillow", "report", "html", "L", "other"}
    names |= {"train", "predict", "evaluate", "valid", "test"}
    words: set[str] = set()
    for token in re.split(r"[\s,:()\[\]'`]+", text):
        if not re.search(r"^--|[/.]\w|^\de[-+]\d", token):  # options, paths, numbers such as 1e-05
            words |= set(re.findall("[A-Za-z_]+", token))
    return words - names


def _png() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """Photos of which each cannot be read for a reason of its own, and some whose labels are wrong."""
    root = tmp_path / "data"
    for split, count in (("train", 6), ("valid", 4)):
        for label in ("cats", "dogs"):
            (root / split / label).mkdir(parents=True)
            for path in sorted((SAMPLE / split / label).iterdir())[:count]:
                (root / split / label / path.name).write_bytes(path.read_bytes())
    cats = root / "train" / "cats"
    png = _png()
    jpeg = (SAMPLE / "photos" / "Abyssinian_14.jpg").read_bytes()
    (cats / "empty.jpg").write_bytes(b"")
    (cats / "text.jpg").write_text("no photo")
    (cats / "cut.png").write_bytes(png[:-100])
    (cats / "cut.jpg").write_bytes(jpeg[:5000])
    (cats / "start.jpg").write_bytes(jpeg[:20])
    (cats / "start.png").write_bytes(png[:20])
    (cats / "iphone.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    (cats / "gone.jpg").symlink_to("nowhere.jpg")
    (cats / "notes.txt").write_text("text")
    (cats / "notes").write_text("text")
    (root / "other").mkdir()
    (root / "train" / "birds").mkdir()
    (root / "valid" / "dogs" / "copy.jpg").write_bytes(next(cats.glob("Abyssinian*")).read_bytes())
    return root


@pytest.mark.slow
def test_a_session_in_korean_has_no_english(cli: Cli, bad: Path) -> None:
    result = cli("train", bad, "--epochs", 2, "--name", "one", "--lang", "ko", "--valid-fraction", 0.3)
    assert result.status == 0
    lines = result.out.splitlines()
    assert lines[0].startswith("클래스 2개에 속하는 이미지 ")
    assert (lines[2], lines[4]) == ("에포크 1/2", "에포크 2/2")
    assert "경고: 사진 8장을 읽을 수 없어 건너뛰었습니다" in result.err
    assert "데이터 누출" in result.err
    assert _english_in(result.out + result.err) == set()
    answers = cli("predict", bad / "train", "nowhere.jpg", "*.gif", bad / "other", "--lang", "ko")
    assert answers.status == 1
    assert sum(": " in line for line in answers.out.splitlines()) == 11  # unreadable photos
    assert _english_in(answers.out + answers.err) == set()
    unsure = cli("predict", "--random", 99, bad, "--threshold", 1, "--lang", "ko")
    assert "정답: 고양이" in unsure.out
    assert "잘 모르겠음" in unsure.out
    assert _english_in(unsure.out + unsure.err) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "words"), [("evaluate", "음의 로그 가능도"), ("inspect", "완전히 같은 중복 파일")]
)
def test_pages_in_korean(cli: Cli, trained: Run, bad: Path, command: str, words: str) -> None:
    pages = []
    for language in ("en", "ko"):
        file = bad.parent / f"{language}.html"
        target = (trained.folder, bad) if command == "evaluate" else (bad,)
        assert cli(command, *target, "--report", file, "--lang", language).status == 0
        pages.append(file.read_text("utf-8"))
        assert f'<html lang="{language}">' in pages[-1]
    english, korean = (re.findall(r"<td[^>]*>([0-9×.,% ]+)</td>", page) for page in pages)
    assert len(english) > 5
    assert korean == english  # counts, sizes, metrics
    assert (words in pages[0], words in pages[1]) == (False, True)
    text = re.sub(r"(?s)<(style|svg|code|pre)\b.*?</\1>|<[^>]*>", " ", pages[1])
    known = {"VGG", "Simonyan", "and", "Zisserman", "ImageNet", "Grad-CAM", "Grad", "CAM", "ROC", "AUC", "F"}
    known |= {"nat", "block", "_conv", "other", "SHA", "model", "safetensors", "HTML", "UTC", "Abyssinian"}
    known |= {"data"}  # the folder
    assert _english_in(text) - known == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ("trian", "data"),
        ("train",),
        ("train", "nowhere"),
        ("train", "data/other"),
        ("train", "data", "--strict"),
        ("train", "data", "--epochs", "many"),
        ("train", "data", "--epochs", "0"),
        ("train", "data", "--head", "round"),
        ("train", "data", "--epoch", "1"),
        ("train", "data", "--epochs"),
        ("train", "data", "--fc-units", "8"),
        ("train", "data", "--weights", "nowhere.h5"),
        ("train", "--resume", "data"),
        ("predict",),
        ("predict", "a.jpg", "--model", "nowhere"),
        ("predict", "a.jpg", "--threshold", "2"),
        ("evaluate", "nowhere"),
        ("inspect", "nowhere"),
        ("inspect", "--clear"),
        ("export", "nowhere"),
        ("export", "nowhere", "a.gif"),
    ],
)
def test_mistakes_in_korean(cli: Cli, bad: Path, arguments: tuple[str, ...]) -> None:
    result = cli(*arguments, "--lang", "ko")
    assert result.status in (1, 2)
    assert "오류: " in result.err
    known = {
        "text",
        "json",
        "jsonl",
        "csv",
        "gem",
        "concat",
        "linear",
        "fc",
        "imagenet",
        "round",
        "many",
        "x",
    }
    known |= {"builtin", "keras", "timm", "Keras", "PyTorch", "epoch", "epochs", "nowhere", "data", "class"}
    known |= {"inspect", "export", "FILE", "TARGET", "VGG", "gif", "runs", "gem", "other"} | {
        "trian",
        "train",
    }
    assert _english_in(result.err) - known == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_in_korean(cli: Cli, name: str) -> None:
    text = cli(name, "-h", "--lang", "ko").out
    assert text.startswith(f"사용법: catdog {name} ")
    english = {"Show", "Language", "Folder", "Write", "Data:", "Model:", "Output:", "Other:"}
    assert not english & set(text.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [{"LANG": "ko_KR.UTF-8"}, {"LC_ALL": "ko_KR", "LANG": "C"}, {"LANGUAGE": "ko", "LANG": "en_US"}],
    ids=["LANG", "LC_ALL", "LANGUAGE"],
)
def test_the_language_of_the_environment(variables: dict[str, str], tmp_path: Path) -> None:
    unset = dict.fromkeys(("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"), "")
    result = catdog("train", "nowhere", cwd=tmp_path, **(unset | variables))
    assert result.stderr.startswith("catdog: 오류: ")
    english = catdog("train", "nowhere", "--lang", "en", cwd=tmp_path, **(unset | variables))
    assert english.stderr.startswith("catdog: error: ")


@pytest.mark.slow
def test_json_is_the_same_in_every_language(cli: Cli, trained: Run, bad: Path) -> None:
    for arguments in (("predict", bad / "train"), ("inspect", bad, "--quick"), ("inspect", trained.folder)):
        as_json = "--format", "json"
        arguments = (*arguments, *(as_json if arguments[0] == "predict" else ("--json",)))
        assert cli(*arguments, "--lang", "ko").out == cli(*arguments).out


def test_the_language_is_known_before_the_command_line_is_read() -> None:
    assert language_of(["predict", "a.jpg", "--lang", "ko"]) == "ko"
    assert language_of(["--lang", "ko", "predict", "a.jpg"]) == "ko"
    assert language_of(["predict", "--lang=ko", "--nonsense"]) == "ko"
    assert language_of(["predict", "--lang"]) is None
    assert language_of(["predict", "--lang", "klingon"]) is None
    assert language_of(["predict", "--", "--lang", "ko"]) is None


def test_the_language_before_the_command(cli: Cli) -> None:
    assert cli("--lang", "ko", "train", "nowhere").err == cli("train", "nowhere", "--lang", "ko").err


def test_the_next_command_speaks_english_again(cli: Cli) -> None:
    assert "오류" in cli("train", "nowhere", "--lang", "ko").err
    assert cli("train", "nowhere").err.startswith("catdog: error: ")


def test_a_command_line_without_anything_is_answered(cli: Cli) -> None:
    assert language_of([]) is None
    for arguments in ((), ("--",), ("--lang",), ("predict", "--lang")):
        result = cli(*arguments)
        assert result.status in (0, 2)
        assert "Traceback" not in result.err
