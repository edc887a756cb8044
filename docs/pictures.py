"""Makes the pictures of the README from sample_data with the real commands: `python docs/pictures.py`.

terminal.svg is what the terminal shows; the others, which need Chromium, are parts of the pages that commands
write.
tests/test_pictures.py fails where the text of terminal.svg is no longer what the commands print.
"""

import base64
import io
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
COLUMNS, LINES = 100, 40
COMMANDS = ("catdog train sample_data", "catdog predict sample_data/photos")
PAGES = (
    "catdog evaluate --report report.html",
    "catdog inspect sample_data/photos/pug_139.jpg --report photo.html",
    "catdog inspect sample_data --lessons lessons.html",
)
_WIDTH = 1100  # of the window, pixels


class Part(NamedTuple):
    """What a picture shows of a page."""

    page: str  # the file, and the address of the view
    element: str  # a selector
    height: int = 5000  # pixels of it, at most
    ready: str = "document.body?.dataset.ready"  # an expression that is true when the page is drawn
    colours: int | None = None  # fewer where the file would be large; of the paths few pixels are there


PARTS = {
    "report": Part("report.html", "html", 1250, "document.readyState === 'complete'"),
    "photo-page": Part("photo.html#layer=block4_conv3", "html", 1700, colours=128),
    "unit-images": Part("photo.html#layer=block5_conv3", "#looked-for", colours=256),
    "lessons-page": Part("lessons.html#steps=100", "[data-section=surface]"),
}


def main() -> None:
    """Write all pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sample_data").symlink_to(ROOT / "sample_data")
        shown = [(command, on_a_terminal(command, folder)) for command in COMMANDS]
        (ROOT / "docs" / "terminal.svg").write_text(drawn(shown), "utf-8")
        for command in PAGES:
            on_a_terminal(command, folder)
        for name, part in PARTS.items():
            picture = screenshot(folder, part)
            if part.colours:
                picture = picture.quantize(part.colours)
            picture.save(ROOT / "docs" / f"{name}.png", optimize=True)


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


def screenshot(folder: Path, part: Part) -> Image.Image:
    """A part of a page in that folder, as Chromium draws it."""
    sys.path.insert(0, str(ROOT))
    from tests.browser import browser

    file, _, view = part.page.partition("#")
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile), width=_WIDTH) as opened:
        opened.open(f"{(folder / file).as_uri()}#{view}", ready=part.ready)
        opened.value("scrollTo(0, 0)")
        left, top, width, height = opened.value(
            f"""(() => {{
                const box = document.querySelector({json.dumps(part.element)}).getBoundingClientRect();
                return [box.x + scrollX, box.y + scrollY, box.width, box.height];
            }})()"""
        )
        clip = {"x": left, "y": top, "width": width, "height": min(height, part.height), "scale": 1}
        made = opened.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    return Image.open(io.BytesIO(base64.b64decode(made["data"]))).convert("RGB")


if __name__ == "__main__":
    main()
