"""Makes the pictures of the README from sample_data with the real commands: `python docs/pictures.py`.

terminal.svg is what the terminal shows; report.png, photo-page.png and lessons-page.png, which need Chromium,
are the pages of `evaluate --report`, `inspect PHOTO --report` and `inspect DATA --lessons`.
tests/test_pictures.py fails where the text of terminal.svg is no longer what the commands print.
"""

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
COLUMNS, LINES = 100, 40
COMMANDS = ("catdog train sample_data", "catdog predict sample_data/photos")
_REPORT = "catdog evaluate --report report.html"
_PHOTO = "catdog inspect sample_data/photos/pug_139.jpg --report photo.html"
_PHOTO_VIEW = "#layer=block4_conv3"
_LESSONS = "catdog inspect sample_data --lessons lessons.html"
_LESSONS_VIEW = "#steps=100"
_PHOTO_PICTURE, _LESSONS_PICTURE = (ROOT / "docs" / f"{name}-page.png" for name in ("photo", "lessons"))
_PAGE, _PHOTO_PAGE, _LESSONS_PAGE = (1100, 1250), (1100, 1700), (1100, 4300)  # pixels of the screenshots
_LESSONS_PART = (0, 3360, 1100, 4200)  # left, top, right and bottom of the loss surface


def main() -> None:
    """Write all pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sample_data").symlink_to(ROOT / "sample_data")
        shown = [(command, on_a_terminal(command, folder)) for command in COMMANDS]
        (ROOT / "docs" / "terminal.svg").write_text(drawn(shown), "utf-8")
        on_a_terminal(_REPORT, folder)
        _screenshot((folder / "report.html").as_uri(), _PAGE, ROOT / "docs" / "report.png")
        on_a_terminal(_PHOTO, folder)
        _screenshot((folder / "photo.html").as_uri() + _PHOTO_VIEW, _PHOTO_PAGE, _PHOTO_PICTURE)
        Image.open(_PHOTO_PICTURE).convert("RGB").quantize(128).save(_PHOTO_PICTURE, optimize=True)
        on_a_terminal(_LESSONS, folder)
        _screenshot((folder / "lessons.html").as_uri() + _LESSONS_VIEW, _LESSONS_PAGE, _LESSONS_PICTURE)
        # All colours stay: few pixels have those of the paths.
        part = Image.open(_LESSONS_PICTURE).convert("RGB").crop(_LESSONS_PART)
        part.save(_LESSONS_PICTURE, optimize=True)


def on_a_terminal(command: str, folder: Path) -> str:
    """What a command leaves on a terminal of 100 columns, as text with ANSI colours.

    Raises:
        RuntimeError: its exit status is not 0.
    """
    environment = os.environ | {"COLUMNS": str(COLUMNS), "LINES": str(LINES), "TERM": "xterm-256color"}
    for variable in ("NO_COLOR", "CI", "LANG", "LC_ALL", "LANGUAGE"):
        environment.pop(variable, None)
    ours, theirs = pty.openpty()
    words = command.replace("catdog", f"{sys.executable} -m catdog", 1).split()
    process = subprocess.Popen(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE
    )
    os.close(theirs)
    output = b""
    try:
        while block := os.read(ours, 65536):
            output += block
    except OSError:  # how Linux says that nobody writes any more
        pass
    os.close(ours)
    errors = process.communicate()[1].decode()
    if process.returncode:
        raise RuntimeError(f"{command}: {errors}")
    return output.decode().replace("\r\n", "\n").rstrip()


def drawn(shown: list[tuple[str, str]]) -> str:
    """Commands and their output as one SVG; the same text gives the same bytes."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for command, output in shown:
        console.print(Text.assemble(("$ ", "green"), (command, "bold")))
        console.print(Text.from_ansi(output))
        console.print()
    picture = console.export_svg(title="catdog", unique_id="catdog")
    # rich would fetch a font from the web.
    return re.sub(r"(@font-face {.*?}|<!--.*?-->)\s*", "", picture, flags=re.DOTALL)


def text_of(picture: str) -> list[str]:
    """The lines of text in a picture that `drawn` made, numbers as N: they differ between processors."""
    lines = re.findall(r"<text[^>]*>(.*?)</text>", picture)
    plain = [re.sub(r"&#160;|&amp;|&#x27;", " ", line) for line in lines]
    return [re.sub(r"\d+(\.\d+)?", "N", line).strip() for line in plain if line.strip()]


def _screenshot(address: str, pixels: tuple[int, int], picture: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit(f"{picture.name} is not drawn: Chromium is not installed")
    size = ",".join(map(str, pixels))
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--window-size={size}",
        "--virtual-time-budget=10000",  # the photo's page computes before it draws
    ]
    command = [chromium, *options, f"--screenshot={picture}", address]
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
