"""`--lang`: a table of sentences that stays true to what the code says, and a session without English."""

import ast
import errno
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import click
import PIL
import pytest
from PIL import Image

import catdog as package
from catdog.cli import language
from catdog.cli.language import LANGUAGES, Sentence, asked_for
from catdog.runs import Run
from tests.cli.conftest import SAMPLE, Cli

CATDOG = Path(package.__file__).parent
CLICK = Path(click.__file__).parent
PILLOW = Path(PIL.__file__).parent

# Whose sentences a training or a prediction may say.
SPOKEN = sorted(
    {
        *(CATDOG / "data").glob("*.py"),
        *(CATDOG / "features").glob("*.py"),
        *(CATDOG / "training").glob("*.py"),
        *(CATDOG / "model").rglob("*.py"),
        *(
            CATDOG / "cli" / f"{name}.py"
            for name in (
                "train",
                "predict",
                "inputs",
                "arrivals",
                "answers",
                "sorting",
                "saving",
                "destination",
            )
        ),
        *(CATDOG / "cli" / f"{name}.py" for name in ("draw", "look", "models", "train_options", "options")),
        CATDOG / "analysis" / "classify.py",
        CATDOG / "analysis" / "choose.py",
        CATDOG / "runs.py",
        CATDOG / "config.py",
    }
)
# Strings with spaces that are no sentences of a training or a prediction.
_SILENT = (
    "cannot both be called",
    "needs a key, or",
    "cannot take an input",
    "onnx is not",
    "which writes .h5",
    "torchvision's VGG16 has",
    "count never ends",
    "a tenth of the disk",
    "the cores there",
    "val_loss: \0",
    "a test folder in",
    "on the side",
)
_PLACE = "\0"  # stands for what a sentence has a place for


def _said_in(path: Path) -> Iterator[str]:
    """Every text of a program, its places as `_PLACE`; without docstrings and what --help says."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = list(ast.walk(tree))
    silent: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Expr):
            silent.add(id(node.value))  # a docstring
        elif isinstance(node, ast.JoinedStr):
            silent |= {id(part) for part in node.values}
        elif isinstance(node, ast.keyword) and node.arg in ("help", "short_help"):
            silent |= {id(inner) for inner in ast.walk(node)}
        elif isinstance(node, ast.FunctionDef) and node.name.endswith("_help"):
            silent |= {id(inner) for inner in ast.walk(node)}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Optimizer":
            silent |= {id(inner) for inner in ast.walk(node)}  # inspect shows these sentences
    for node in nodes:
        if id(node) in silent:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else _PLACE for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"\{[^}]*\}", _PLACE, node.value)


def _letters(text: str) -> int:
    return sum(character.isalpha() for character in text)


def _occurs(said: str, english: str) -> bool:
    """Whether the text `said` may be the English of a table, or a part of it."""
    parts = [re.escape(part) for part in said.split(_PLACE)]
    return re.search(".*".join(parts), english, re.DOTALL) is not None


@pytest.fixture(params=LANGUAGES)
def sentences(request: pytest.FixtureRequest) -> tuple[Sentence, ...]:
    return tuple(language.language(request.param).sentences)


def test_the_languages_are_the_files_in_the_folder(cli: Cli) -> None:
    files = {path.stem for path in (CATDOG / "cli" / "languages").iterdir()}
    assert set(LANGUAGES) == files >= {"ko"}
    for command in ("train", "predict"):
        assert f"[{'|'.join(LANGUAGES)}]" in cli(command, "--help").out


def test_a_new_language_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "xx.toml").write_text(
        '[answer]\nclass = "<{label}>"\ntruth = "!{label}"\nerror = "?{reason}"\n[classes]\ncats = "meow"\n'
        '[log]\n"Epoch {n}/{n_2}" = "{n_2}: {n}"\n"the first {path}: {reason}" = "{reason} @ {path}"\n'
        '"the file does not exist" = "gone"\n"{n} photo{s}" = "{n} x"\n',
        "utf-8",
    )
    monkeypatch.setattr(language, "_FOLDER", tmp_path)
    words = language.language("xx")
    assert words.name("Cats") == "meow"
    assert words.say("Epoch 1/20") == "20: 1"
    assert words.say("the first a/{x}.jpg: the file does not exist") == "gone @ a/{x}.jpg"
    assert (words.say("1 photo"), words.say("2,000 photos")) == ("1 x", "2,000 x")
    assert words.say("another sentence") == "another sentence"


def test_both_sides_have_the_same_places(sentences: tuple[Sentence, ...]) -> None:
    for one in sentences:
        there = re.findall(r"\{(\w+)\}", one.other)
        assert sorted(there) == sorted(place for place in one.places if place != "s"), one.english
        assert len(set(there)) == len(there), one.english
        # Nothing but the places has braces, so that nothing else is taken for one.
        assert re.sub(r"\{\w+\}", "", one.english + one.other).count("{") == 0


def test_the_code_can_say_every_sentence(sentences: tuple[Sentence, ...]) -> None:
    sources = [*CATDOG.rglob("*.py"), *CLICK.glob("*.py"), *PILLOW.glob("*.py")]
    said = {text for path in sources for text in _said_in(path)}
    said |= {os.strerror(number) for number in errno.errorcode}
    said |= {"broken data stream when reading image file", "embedded null byte"}  # C says these
    said |= {"unrecognized data stream contents when reading image file"}
    for one in sentences:
        enough = 0.35 * _letters(re.sub(r"\{\w+\}", "", one.english))
        assert any(_letters(text) >= enough and _occurs(text, one.english) for text in said), one.english


@pytest.mark.parametrize("path", SPOKEN, ids=lambda path: str(path.relative_to(CATDOG)))
def test_every_sentence_of_the_code_is_in_the_table(path: Path, sentences: tuple[Sentence, ...]) -> None:
    for said in _said_in(path):
        if len(re.findall(r"(?:^|\s)[(']?[a-z]{2,}", said)) < 3 or any(part in said for part in _SILENT):
            continue
        text = said.strip(f" {_PLACE}")
        assert any(_occurs(text, one.english) for one in sentences), said


def _english_in(text: str) -> set[str]:
    """Words of English that are neither names, paths, options nor Keras' words."""
    names = {
        "loss",
        "acc",
        "val_loss",
        "val_acc",
        "cats",
        "dogs",
        "catdog",
        "DATA",
        "RUN",
        "OPTIONS",
        "PHOTO",
    }
    names |= {
        "JPEG",
        "PNG",
        "HEIC",
        "Pillow",
        "train",
        "predict",
        "valid",
        "test",
        "s",
        "IDAT",
        "b",
        "N",
        "runs",
    }
    words: set[str] = set()
    for token in re.split(r"[\s,:()\[\]'`]+", text):
        if not re.search(r"^--|[/.]\w", token):
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
    assert answers.out.count("읽을 수 없습니다: ") == 11
    assert _english_in(answers.out + answers.err) == set()
    unsure = cli("predict", "--random", 99, bad, "--threshold", 1, "--lang", "ko")
    assert "정답: 고양이" in unsure.out
    assert "잘 모르겠음" in unsure.out
    assert _english_in(unsure.out + unsure.err) == set()


@pytest.mark.parametrize(
    "arguments",
    [
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
        ("predict", "a.jpg", "--format", "json"),
    ],
)
def test_mistakes_in_korean(cli: Cli, bad: Path, arguments: tuple[str, ...]) -> None:
    result = cli(*arguments, "--lang", "ko")
    assert result.status in (1, 2)
    assert "오류: " in result.err
    known = {"text", "json", "jsonl", "csv", "concat", "linear", "fc", "imagenet", "round", "many", "x"}
    known |= {"builtin", "keras", "timm", "Keras", "PyTorch", "epoch", "epochs", "nowhere", "data", "class"}
    assert _english_in(result.err) - known == set()


def test_json_is_for_programs(cli: Cli, trained: Run, bad: Path) -> None:
    assert cli("predict", bad, "--format", "json", "--lang", "ko").status == 2


def test_the_language_is_known_before_the_command_line_is_read() -> None:
    assert asked_for(["predict", "a.jpg", "--lang", "ko"]) == "ko"
    assert asked_for(["predict", "--lang=ko", "--nonsense"]) == "ko"
    assert asked_for(["predict", "--lang"]) is None
    assert asked_for(["predict", "--lang", "klingon"]) is None
    assert asked_for(["predict", "--", "--lang", "ko"]) is None


def test_the_next_command_speaks_english_again(cli: Cli) -> None:
    assert "오류" in cli("train", "nowhere", "--lang", "ko").err
    assert "catdog: error: expected a folder" in cli("train", "nowhere").err


def test_a_command_line_without_anything_is_answered(cli: Cli) -> None:
    assert asked_for([]) is None
    for arguments in ((), ("--",), ("--lang",), ("predict", "--lang")):
        result = cli(*arguments)
        assert result.status in (0, 2)
        assert "Traceback" not in result.err
